"""Many exchanges with one server side by side, in one thread and over kept-alive connections.

A thread for each connection is simpler and was measured: handing over between a hundred of them took as much of the
CPU as everything else together, and Lambda gives a function of 256 MB a seventh of one.
"""

import contextlib
import errno
import math
import selectors
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any

from revenium import http11, transport
from revenium.http11 import Answer
from revenium.transport import NotSent, Transport, Unanswered, describe

Ended = tuple[Any, Answer | NotSent | Unanswered]

_READ = 16 * 1024
_ADDRESSES_FOR = 10.0  # seconds that a looked-up name holds: one look-up for all connections of a batch
_ON_THE_WAY = (0, errno.EINPROGRESS, errno.EWOULDBLOCK)


class _Connection:
    """A connection and the exchange on it, if any; `go_on` is what is to be done as soon as the socket is ready.

    `sent` once a byte of the request may have reached the server. Until then the exchange ends at `connect_deadline`.
    """

    __slots__ = (
        *("addresses", "answer", "began", "connect_deadline", "deadline", "go_on", "interest", "request", "sent"),
        *("socket", "token", "used"),
    )

    def __init__(self, addresses: list[Any]) -> None:
        self.addresses = addresses
        self.socket: socket.socket | None = None
        self.interest = 0
        self.go_on: Callable[[_Connection], None]
        self.used = 0.0
        self.answer: Answer | None = None  # None: nobody waits for one

    def take(self, token: Any, request: bytes, now: float, timeout: float) -> None:
        self.token = token
        self.request = request
        self.answer = Answer()
        self.began = now
        self.deadline = now + timeout
        self.connect_deadline = now + min(timeout, transport.CONNECT_TIMEOUT)
        self.sent = False


class Lines:
    """Connections to the server of `url`. `begin` starts an exchange, `poll` gives those that have ended.

    `note` is told each exchange's status, 0 for none, and how many seconds it took. What the transport promises holds
    here too: every exchange ends within its time, by an Answer, by NotSent or by Unanswered; no redirect is followed,
    nothing is sent twice. The look-up of the server's name takes no timeout, and the other exchanges wait for it.
    """

    def __init__(self, url: str, shared: Transport, note: Callable[[int, float], None] = lambda *_: None) -> None:
        self._origin, path = transport.split(url)
        self._path = path.rstrip("/")
        self._transport = shared
        self._note = note
        self._selector = selectors.DefaultSelector()
        self._idle: list[_Connection] = []
        self._busy: set[_Connection] = set()
        self._ended: list[Ended] = []
        self._soonest = math.inf  # no exchange has to end before
        self._addresses: list[Any] = []
        self._looked_up = -math.inf

    @property
    def under_way(self) -> int:
        """How many exchanges have not ended."""
        return len(self._busy) + len(self._ended)

    def begin(self, token: Any, path: str, headers: Mapping[str, str], body: bytes, timeout: float) -> None:
        """POSTs to `path` below the server's URL; `poll` gives `token` back. `timeout` in seconds is for everything."""
        now = time.monotonic()
        try:
            request = http11.request("POST", self._path + path, self._origin.name, headers, body)
        except ValueError as error:
            self._finish(token, now, NotSent(describe(error)))
            return
        connection = self._take_idle()
        if connection:
            connection.take(token, request, now, timeout)
            self._soonest = min(self._soonest, connection.deadline)
            go_on = self._write
        else:
            try:
                connection = _Connection(list(self._look_up()))
            except (OSError, ValueError) as error:  # ValueError: a name that IDNA does not know
                self._finish(token, now, NotSent(describe(error)))
                return
            connection.take(token, request, now, timeout)
            self._soonest = min(self._soonest, connection.connect_deadline)
            go_on = self._connect
        self._busy.add(connection)
        self._guarded(connection, go_on)

    def poll(self, wait: float) -> list[Ended]:
        """Works on all exchanges for up to `wait` seconds, and gives those that ended, as soon as one has."""
        if self._ended:
            wait = 0.0
        wait = min(wait, self._soonest - time.monotonic())
        for key, _ in self._selector.select(max(0.0, wait)):
            connection: _Connection = key.data
            self._guarded(connection, connection.go_on)
        if time.monotonic() >= self._soonest:
            self._expire()
        ended, self._ended = self._ended, []
        return ended

    # ---- one connection ----

    def _guarded(self, connection: _Connection, go_on: "Callable[[_Connection], None]") -> None:
        try:
            go_on(connection)
        except ssl.SSLWantReadError:
            self._await(connection, selectors.EVENT_READ, go_on)
        except ssl.SSLWantWriteError:
            self._await(connection, selectors.EVENT_WRITE, go_on)
        except BlockingIOError:
            reads = go_on in (self._read, self._overhear)
            self._await(connection, selectors.EVENT_READ if reads else selectors.EVENT_WRITE, go_on)
        except (OSError, ValueError) as error:
            self._fail(connection, error)

    def _connect(self, connection: _Connection) -> None:
        """Tries one address after the other; the rest of them stays for when this one turns out not to answer."""
        error: OSError = ConnectionError()
        while connection.addresses:
            family, kind, protocol, _, address = connection.addresses.pop(0)
            try:
                connection.socket = socket.socket(family, kind, protocol)
                connection.socket.setblocking(False)
                connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                code = connection.socket.connect_ex(address)
                if code in _ON_THE_WAY:
                    self._await(connection, selectors.EVENT_WRITE, self._connected)
                    return
                error = OSError(code, "")
            except OSError as raised:
                error = raised
            self._close(connection)
        raise error

    def _connected(self, connection: _Connection) -> None:
        assert connection.socket is not None
        if code := connection.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._close(connection)
            if not connection.addresses:
                raise OSError(code, "")
            self._connect(connection)
        elif self._origin.scheme == "https":
            self._forget(connection)  # the TLS socket is another object for the same descriptor
            connection.socket = self._transport.tls().wrap_socket(
                connection.socket, server_hostname=self._origin.host, do_handshake_on_connect=False
            )
            self._guarded(connection, self._shake_hands)
        else:
            self._guarded(connection, self._write)

    def _shake_hands(self, connection: _Connection) -> None:
        assert isinstance(connection.socket, ssl.SSLSocket)
        connection.socket.do_handshake()
        self._guarded(connection, self._write)

    def _write(self, connection: _Connection) -> None:
        assert connection.socket is not None
        while connection.request:
            connection.sent = True
            connection.request = connection.request[connection.socket.send(connection.request) :]
        self._await(connection, selectors.EVENT_READ, self._read)

    def _read(self, connection: _Connection) -> None:
        answer = connection.answer
        assert connection.socket is not None and answer is not None
        while not answer.feed(connection.socket.recv(_READ)):
            pass
        self._end(connection, answer)

    def _overhear(self, connection: _Connection) -> None:
        """An idle connection has something to say: that it ends, or what nobody asked. TLS's own words raise."""
        assert connection.socket is not None
        connection.socket.recv(_READ)
        raise ConnectionError

    # ---- ends ----

    def _end(self, connection: _Connection, answer: Answer) -> None:
        """The exchange has a status."""
        self._busy.discard(connection)
        connection.answer = None
        self._finish(connection.token, connection.began, answer)
        if answer.reusable:
            connection.used = time.time()
            connection.go_on = self._overhear
            self._idle.append(connection)
        else:
            self._close(connection)

    def _fail(self, connection: _Connection, error: Exception) -> None:
        answer = connection.answer
        if answer is None:
            self._close(connection)
            with contextlib.suppress(ValueError):
                self._idle.remove(connection)
            return
        answer.broke_off()
        if answer.status:
            self._end(connection, answer)
            return
        self._close(connection)
        self._busy.discard(connection)
        kind = Unanswered if connection.sent else NotSent
        self._finish(connection.token, connection.began, kind(describe(error)))

    def _finish(self, token: Any, began: float, result: Answer | NotSent | Unanswered) -> None:
        self._note(result.status if isinstance(result, Answer) else 0, time.monotonic() - began)
        self._ended.append((token, result))

    def _expire(self) -> None:
        now, soonest = time.monotonic(), math.inf
        for connection in list(self._busy):
            due = connection.deadline if connection.sent else connection.connect_deadline
            if due <= now:
                self._fail(connection, TimeoutError())
            else:
                soonest = min(soonest, due)
        self._soonest = soonest

    # ---- sockets ----

    def _await(self, connection: _Connection, interest: int, go_on: "Callable[[_Connection], None]") -> None:
        connection.go_on = go_on
        if connection.interest == interest:
            return
        assert connection.socket is not None
        if connection.interest:
            self._selector.modify(connection.socket, interest, connection)
        else:
            self._selector.register(connection.socket, interest, connection)
        connection.interest = interest

    def _forget(self, connection: _Connection) -> None:
        if connection.interest and connection.socket is not None:
            self._selector.unregister(connection.socket)
            connection.interest = 0

    def _close(self, connection: _Connection) -> None:
        self._forget(connection)
        if connection.socket is not None:
            connection.socket.close()
            connection.socket = None

    def _take_idle(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if 0 <= time.time() - connection.used <= transport.IDLE_LIMIT:
                return connection
            self._close(connection)
        return None

    def _look_up(self) -> list[Any]:
        if not 0 <= time.time() - self._looked_up <= _ADDRESSES_FOR:
            self._addresses = socket.getaddrinfo(self._origin.host, self._origin.port, type=socket.SOCK_STREAM)
            self._looked_up = time.time()
        return self._addresses
