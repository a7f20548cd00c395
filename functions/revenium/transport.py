"""HTTP over kept-alive connections, with a bound on everything, no redirects and no hidden retries.

Written on the standard library's http.client: importing urllib3 takes a cold start three times as long, and a caller
waits for the authorizer's.
"""

import ssl
import threading
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection, InvalidURL
from io import BufferedReader, RawIOBase
from socket import socket
from typing import Any, NamedTuple
from urllib.parse import urlsplit

CONNECT_TIMEOUT = 3.0
_BODY_LIMIT = 64 * 1024
# A function that sleeps between invocations finds its connections dead without having seen them close.
_IDLE_LIMIT = 30.0
_PORTS = {"http": 80, "https": 443}

_Origin = tuple[str, str, int]


class NotSent(Exception):
    """The request did not reach the server (no connection): sending it again cannot count twice."""


class Unanswered(Exception):
    """The request went out and no status came back: whether the server has it is unknown."""


class Answer(NamedTuple):
    """What the server said: its status, its headers with lower-case names, its body (bounded, maybe cut)."""

    status: int
    headers: Mapping[str, str]
    body: str


class Transport:
    """Connections that threads share; `connections` of them to one server are kept while nobody uses them.

    `ca_file` names a PEM file with certificates of authorities to trust beside the system's.
    """

    def __init__(self, connections: int, ca_file: str = "") -> None:
        self._keep = connections
        self._ca_file = ca_file
        self._idle: dict[_Origin, list[tuple[float, _Connection]]] = {}
        self._lock = threading.Lock()
        self._tls: ssl.SSLContext | None = None

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, timeout: float) -> Answer:
        """One exchange. `timeout` in seconds bounds connecting, and then sending and the answer together.

        Raises NotSent or Unanswered. A status that arrived counts, even if the body behind it broke off. What takes
        no timeout is the look-up of a host's name.
        """
        deadline = time.monotonic() + timeout
        try:
            origin, target = _split(url)
            connection = self._take(origin) or self._connect(origin, min(CONNECT_TIMEOUT, timeout))
        except (OSError, HTTPException, ValueError) as error:
            raise NotSent(_describe(error)) from error
        try:
            connection.ask(method, target, headers, body, deadline)
            response = connection.getresponse()
        except (OSError, HTTPException, ValueError, NotSent) as error:
            connection.close()
            if isinstance(error, NotSent):
                raise
            raise Unanswered(_describe(error)) from error
        read = _read(response)
        if response.will_close or not response.isclosed() or response.length:
            connection.close()
        else:
            self._give_back(origin, connection)
        return Answer(response.status, {name.lower(): value for name, value in response.headers.items()}, read)

    def _take(self, origin: _Origin) -> "_Connection | None":
        with self._lock:
            idle = self._idle.get(origin) or []
            while idle:
                used, connection = idle.pop()
                if 0 <= time.time() - used <= _IDLE_LIMIT:
                    return connection
                connection.close()
        return None

    def _give_back(self, origin: _Origin, connection: "_Connection") -> None:
        with self._lock:
            idle = self._idle.setdefault(origin, [])
            if len(idle) < self._keep:
                idle.append((time.time(), connection))
                return
        connection.close()

    def _connect(self, origin: _Origin, timeout: float) -> "_Connection":
        scheme, host, port = origin
        connection: _Connection
        if scheme == "https":
            with self._lock:
                self._tls = self._tls or self.trusting()
            connection = _Https(host, port, timeout=timeout, context=self._tls)
        else:
            connection = _Http(host, port, timeout=timeout)
        connection.connect()
        return connection

    def trusting(self) -> ssl.SSLContext:
        """What each connection over TLS checks the server with."""
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2  # Python's default, unless its build says otherwise
        if self._ca_file:
            context.load_verify_locations(self._ca_file)
        return context


class _Http(HTTPConnection):
    """A connection whose answers have a deadline: a timeout alone starts anew with every byte that drips in."""

    def ask(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None, deadline: float) -> None:
        self.sock.settimeout(max(0.001, deadline - time.monotonic()))

        def bounded(sock: socket, *args: Any, **options: Any) -> HTTPResponse:
            response = HTTPResponse(sock, *args, **options)
            response.fp = BufferedReader(_Bounded(response.fp.detach(), sock, deadline))
            return response

        self.response_class = bounded  # type: ignore[assignment]
        try:
            self.request(method, target, body, dict(headers))
        except (ValueError, InvalidURL) as error:  # an impossible URL or header, found before the first byte goes out
            raise NotSent(_describe(error)) from error


class _Https(HTTPSConnection, _Http):
    """The same over TLS, with the certificate and the host's name checked."""


_Connection = _Http


class _Bounded(RawIOBase):
    """Reads a socket until a deadline."""

    def __init__(self, raw: Any, sock: socket, deadline: float) -> None:
        self._raw = raw
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        self._sock.settimeout(remaining)
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


def _split(url: str) -> tuple[_Origin, str]:
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("no http or https URL")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return (parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme]), target


def _read(response: HTTPResponse) -> str:
    try:
        body = response.read(_BODY_LIMIT + 1)
    except (OSError, HTTPException, ValueError):
        response.length = 1  # something is left on the connection: it is not to be used again
        return ""
    return body[:_BODY_LIMIT].decode("utf-8", errors="replace")


def _describe(error: Exception) -> str:
    """The error's kind: never its text, which may hold the URL and with it a caller's id, or a header."""
    return type(error).__name__
