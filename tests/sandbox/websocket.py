"""The WebSocket side of the gateway front: the handshake with the emulator, and the connection that follows.

Both ends speak frames of their own: the emulator's observations (see `emulator_main`) travel to the front as binary
frames, ahead of the answer that the caller gets, so that the line of an answered message is never forgotten.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import BytesMessage, CloseConnection, Event, Message, Ping, TextMessage
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from sandbox.emulator_main import OBSERVED_HEADER

HANDSHAKE_SECONDS = 60.0
_CHUNK = 65536


class NotReportedError(RuntimeError):
    """The emulator ended a connection without having reported all its events: their lines are lost."""


class _Readable(Protocol):
    """A buffered stream that gives what is there."""

    def read1(self, size: int = -1, /) -> bytes: ...


@dataclass(frozen=True)
class Upstream:
    """The emulator's end of an accepted connection; `stream` may hold frames that came with the handshake."""

    connection: socket.socket
    stream: _Readable
    response: http.client.HTTPResponse  # kept, since it closes its stream when it goes


@dataclass(frozen=True)
class Handshake:
    """The emulator's answer to a handshake; `upstream` only if it is accepted."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    observed: dict[str, Any]
    upstream: Upstream | None


def handshake(port: int, target: str, headers: list[tuple[str, str]]) -> Handshake:
    """Ask the emulator to open a WebSocket.

    :param headers: the caller's, with the key that the answer's signature is made of
    :raises OSError, http.client.HTTPException: it did not answer
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HANDSHAKE_SECONDS)
    connection.putrequest("GET", target, skip_host=True, skip_accept_encoding=True)
    for name, value in headers:
        # Frames go through unchanged in meaning, not in form: no extension, so nothing is compressed.
        if name.lower() != "sec-websocket-extensions":
            connection.putheader(name, value)
    connection.putheader("Connection", "Upgrade")
    connection.putheader("Upgrade", "websocket")
    connection.endheaders()
    response = connection.getresponse()
    coded = response.getheader(OBSERVED_HEADER)
    observed = json.loads(base64.b64decode(coded)) if coded else {}
    if response.status == 101:
        connection.sock.settimeout(None)
        upstream = Upstream(connection.sock, response.fp, response)
        return Handshake(101, response.getheaders(), b"", observed, upstream)
    body = response.read()
    connection.close()
    return Handshake(response.status, response.getheaders(), body, observed, None)


class Tunnel:
    """One accepted connection, carried by two threads, one in each direction.

    :param caller: the caller's socket
    :param stream: the buffered stream of the same socket
    :param begin: called before an event can have an effect that the caller sees
    :param finish: called with what was seen of a begun event and when it came (ms since the epoch), None if that
        was never reported
    """

    def __init__(
        self,
        caller: socket.socket,
        stream: _Readable,
        upstream: Upstream,
        begin: Callable[[], None],
        finish: Callable[[dict[str, Any] | None, int], None],
    ) -> None:
        self._caller = caller
        self._stream = stream
        self._upstream = upstream
        self._begin = begin
        self._finish = finish
        self._to_caller = Connection(ConnectionType.SERVER)
        self._to_emulator = Connection(ConnectionType.CLIENT)
        self._sending = threading.Lock()
        self._messages: deque[int] = deque()
        self._leaving = threading.Lock()
        self._left_ms: int | None = None
        self._ended = False

    def carry(self) -> None:
        """Carry messages until both ends are closed. One that crosses the backend's close is lost, and no event.

        :raises NotReportedError: the emulator ended without a disconnect
        """
        back = threading.Thread(target=self._carry_back, name="websocket", daemon=True)
        back.start()
        try:
            self._carry_forth()
        finally:
            back.join()
            for time_ms in self._messages:
                self._finish(None, time_ms)
            if not self._ended and self._left_ms is not None:
                self._finish(None, self._left_ms)
        if not self._ended:
            lost = len(self._messages) + 1
            raise NotReportedError(f"{lost} events of a connection were not reported by the emulator")

    # ---- from the caller ----

    def _carry_forth(self) -> None:
        text = ""
        for event in _events(self._to_caller, self._stream):
            if isinstance(event, TextMessage):
                text += event.data
                if event.message_finished:
                    self._forward(text)
                    text = ""
            elif isinstance(event, Message):
                # https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-develop-binary-media-types.html
                refusal = CloseConnection(CloseReason.UNSUPPORTED_DATA, "Binary frames are not supported")
                self._leave(refusal.code, refusal.reason, refusal)
                return
            elif isinstance(event, Ping):
                self._answer(event.response())
            elif isinstance(event, CloseConnection):
                self._leave(event.code, event.reason, event.response())
                return
        self._leave(CloseReason.ABNORMAL_CLOSURE, None, None)

    def _forward(self, text: str) -> None:
        self._begin()
        self._messages.append(_now_ms())
        self._tell(TextMessage(text))

    def _leave(self, code: int, reason: str | None, answer: CloseConnection | None) -> None:
        """The caller's side is closed: say so to the emulator, which executes $disconnect."""
        with self._leaving:
            first = self._left_ms is None
            if first:
                self._begin()
                self._left_ms = _now_ms()
        if answer is not None:
            self._answer(answer)
        if first:
            left = {"code": int(code), "reason": reason or ""}
            self._tell(BytesMessage(json.dumps(left).encode()))

    def _tell(self, event: Event) -> None:
        with contextlib.suppress(OSError, LocalProtocolError):  # the emulator is gone, which is noticed elsewhere
            self._upstream.connection.sendall(self._to_emulator.send(event))

    # ---- from the emulator ----

    def _carry_back(self) -> None:
        try:
            seen = b""
            for event in _events(self._to_emulator, self._upstream.stream):
                if isinstance(event, BytesMessage):
                    seen += event.data
                    if event.message_finished:
                        self._observed(json.loads(seen))
                        seen = b""
                elif isinstance(event, TextMessage):
                    self._answer(TextMessage(event.data, message_finished=event.message_finished))
                elif isinstance(event, CloseConnection):
                    self._answer(CloseConnection(event.code, event.reason))
                    self._tell(event.response())
                    return
        finally:
            with contextlib.suppress(OSError):
                self._upstream.connection.shutdown(socket.SHUT_RDWR)
            self._upstream.response.close()
            self._upstream.connection.close()
            # A caller that does not answer the close would keep the other thread.
            with contextlib.suppress(OSError):
                self._caller.shutdown(socket.SHUT_RD if self._ended else socket.SHUT_RDWR)

    def _observed(self, seen: dict[str, Any]) -> None:
        if seen.get("eventType") == "MESSAGE":
            self._finish(seen, self._messages.popleft())
            return
        with self._leaving:
            if self._left_ms is None:  # the backend ended the connection, not the caller
                self._begin()
                self._left_ms = _now_ms()
        self._ended = True
        self._finish(seen, self._left_ms)

    def _answer(self, event: Event) -> None:
        with self._sending, contextlib.suppress(OSError, LocalProtocolError):  # the caller is gone or closed
            self._caller.sendall(self._to_caller.send(event))


def _events(connection: Connection, stream: _Readable) -> Iterator[Event]:
    """What arrives, until the end of the stream or a frame that breaks the protocol."""
    with contextlib.suppress(OSError, RemoteProtocolError):
        while data := stream.read1(_CHUNK):
            connection.receive_data(data)
            yield from connection.events()


def _now_ms() -> int:
    return int(time.time() * 1000)
