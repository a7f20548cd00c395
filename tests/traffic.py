"""Sends calls to APIs on the sandbox as their callers would, and remembers what came back."""

import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import local
from types import TracebackType
from urllib.parse import urlencode, urlsplit, urlunsplit

import requests
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as open_websocket

from sandbox import Sandbox

TIMEOUT = 30.0


@dataclass(frozen=True)
class Answered:
    """One call: its status, when it was sent (s since the epoch), and the extended request id it was answered with."""

    client_id: str | None
    path: str
    status: int
    sent_at: float
    request_id: str
    body: str


def call(
    sandbox: Sandbox,
    invoke_url: str,
    path: str,
    client_id: str | None,
    headers: Mapping[str, str] | None = None,
    session: requests.Session | None = None,
) -> Answered:
    """One GET of `invoke_url` + `path`; `client_id` goes into the header `clientId`, None sends none."""
    address = sandbox.gateway.locate(invoke_url + path)
    sent = {**address.headers, **({} if client_id is None else {"clientId": client_id}), **(headers or {})}
    sent_at = time.time()
    answer = (session or requests).get(address.url, headers=sent, timeout=TIMEOUT)
    request_id = answer.headers.get("x-amz-apigw-id") or answer.headers["apigw-requestid"]
    return Answered(client_id, path, answer.status_code, sent_at, request_id, answer.text)


def call_all(
    sandbox: Sandbox,
    calls: Iterable[tuple[str, str, str | None]],
    concurrency: int = 8,
    headers: Mapping[str, str] | None = None,
) -> Iterator[Answered]:
    """Calls (invoke URL, path, client id), several at a time; gives each as it is answered, in their order."""
    kept = local()

    def one(planned: tuple[str, str, str | None]) -> Answered:
        if not hasattr(kept, "session"):
            kept.session = requests.Session()
        return call(sandbox, *planned, headers, kept.session)

    with ThreadPoolExecutor(concurrency) as executor:
        yield from executor.map(one, calls)


class HandshakeRefused(Exception):
    """A WebSocket API did not let the caller in: the HTTP `status` and `body` of its answer."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body


class WebSocketCaller:
    """An open connection to a WebSocket API; leaving a `with` block closes it."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    def send(self, message: str | bytes) -> None:
        """Send one message as a text frame, bytes as a binary frame (which API Gateway refuses)."""
        self._connection.send(message)

    def receive(self) -> str:
        """The next message, whether it answers one or was pushed.

        :raises TimeoutError: none came in time
        :raises websockets.exceptions.ConnectionClosed: the API closed the connection
        """
        return str(self._connection.recv(TIMEOUT, decode=True))

    def ask(self, message: str) -> str:
        """Send one message and wait for its answer."""
        self.send(message)
        return self.receive()

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye and wait until the API has answered it; nothing happens if the connection is closed."""
        self._connection.close(code, reason)

    def closed(self) -> int | None:
        """Wait until the API closes the connection; gives the code of its close frame, None if it sent none."""
        try:
            while True:
                self._connection.recv(TIMEOUT)
        except ConnectionClosed as end:
            return end.rcvd.code if end.rcvd else None

    def __enter__(self) -> "WebSocketCaller":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def connect(
    sandbox: Sandbox,
    invoke_url: str,
    client_id: str | None,
    *,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
) -> WebSocketCaller:
    """Open a connection to a WebSocket API; `client_id` goes into the header `clientId`, None sends none.

    :param invoke_url: the stage's `wss://` URL
    :param query: for a client id or key that travels in the URL, as browsers must
    :raises HandshakeRefused: the API answered with another status than 101
    """
    address = sandbox.gateway.locate(invoke_url + (f"?{urlencode(query)}" if query else ""))
    front = urlsplit(address.url)
    # The library adds headers to its own Host and replaces none: the URL names the API, `address` leads to the front.
    url = urlunsplit(front._replace(netloc=address.headers["Host"]))
    sent = {**({} if client_id is None else {"clientId": client_id}), **(headers or {})}
    try:
        opened = open_websocket(
            url,
            address=(front.hostname, front.port),
            additional_headers=sent,
            proxy=None,
            open_timeout=TIMEOUT,
            close_timeout=TIMEOUT,
            legacy=True,
        )
    except InvalidStatus as refused:
        response = refused.response
        raise HandshakeRefused(response.status_code, response.body.decode(errors="replace")) from None
    return WebSocketCaller(opened)
