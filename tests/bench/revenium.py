"""Revenium's metering API as the benchmark needs it: over TLS, in a process of its own, cheap, late and strict.

Late: every answer is held back for the latency that is asked for. Connecting is not, unless that is asked for too: then
a new connection's TLS handshake begins two latencies late, the round trips that TCP and TLS 1.3 take on a real network.
Strict: with a limit, a bucket of one second's requests is filled at that rate, and who finds it empty is answered 429.
"""

import contextlib
import json
import os
import re
import selectors
import socket
import ssl
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.certificates import HOST

KEY = "rev_mk_bench"
_TESTS = Path(__file__).parent.parent
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_KEY = re.compile(rb"\r\nx-api-key: *" + KEY.encode() + rb"\r\n", re.IGNORECASE)
_END = b"\r\n\r\n"
_READ = 65536


class Server:
    """A server that is running: `set` says how it answers, `counted` what it has answered since."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        assert process.stdout is not None
        self.origin = f"https://{HOST}:{int(process.stdout.readline())}"

    def set(self, latency: float, limit: float | None = None, connecting: bool = False) -> None:
        """Seconds before each answer; requests per second that are taken, None for all; whether connecting is late."""
        self._ask({"latency": latency, "limit": limit, "connecting": 2 * latency if connecting else 0.0})

    def counted(self) -> dict[str, Any]:
        """Since the last `set`: `statuses` by code, `posts` by path, `connections`, and `cpu` in seconds."""
        return self._ask({})

    def _ask(self, command: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        print(json.dumps(command), file=self._process.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


@contextmanager
def running(certificate: Path) -> Iterator[Server]:
    """Serves with this certificate and its key."""
    command = [sys.executable, "-m", "bench.revenium", str(certificate)]
    with subprocess.Popen(command, cwd=_TESTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        try:
            yield Server(process)
        finally:
            process.stdin.close()


def _answer(status: str, body: object, *headers: str) -> bytes:
    text = json.dumps(body).encode()
    lines = ["Date: Tue, 24 Nov 2026 10:00:00 GMT", "Content-Type: application/json", f"Content-Length: {len(text)}"]
    lines += ["Connection: keep-alive", "X-RateLimit-Limit: 1000", "X-RateLimit-Remaining: 500", "X-RateLimit-Reset: 1"]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, *headers, "", ""]).encode() + text


_CREATED = {
    "id": "0f8a6c1b2d3e",
    "label": "usage",
    "resourceType": "apis",
    "signature": "5d41402abc4b2a76b9719d911017c592",
}
_ANSWERS = {
    201: _answer("201 Created", _CREATED),
    401: _answer("401 Unauthorized", {"code": "unauthorized"}),
    429: _answer(
        "429 Too Many Requests", {"code": "rate_limited"}, "Retry-After: 1", "X-RateLimit-Limited-Reason: bucket-rate"
    ),
}


@dataclass
class _Caller:
    """A connection; `ready` after its handshake."""

    socket: ssl.SSLSocket
    ready: bool = False
    received: bytes = b""


@dataclass
class _State:
    latency: float = 0.0
    connecting: float = 0.0
    limit: float | None = None
    tokens: float = 0.0
    filled: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    posts: Counter[str] = field(default_factory=Counter)
    connections: int = 0
    cpu: float = field(default_factory=time.process_time)

    def take(self, head: bytes) -> int:
        """The status for a request."""
        self.posts[head[: head.find(b" HTTP/")].decode()] += 1
        if not _KEY.search(head):
            return 401
        if self.limit is None:
            return 201
        now = time.monotonic()
        self.tokens = min(self.limit, self.tokens + (now - self.filled) * self.limit)
        self.filled = now
        if self.tokens < 1:
            return 429
        self.tokens -= 1
        return 201


class _Loop:
    """One thread and an epoll: what the server takes of the machine is not to slow down what is measured."""

    def __init__(self, certificate: str) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self._listener = socket.create_server((HOST, 0), backlog=1024)
        self._listener.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        self._late: deque[tuple[float, _Caller, bytes]] = deque()
        self._coming: deque[tuple[float, _Caller]] = deque()
        self._state = _State()
        self._commands = b""

    def run(self) -> None:
        """Prints the port, and serves until stdin is closed."""
        print(self._listener.getsockname()[1], flush=True)
        while True:
            due = [waiting[0][0] for waiting in (self._late, self._coming) if waiting]
            wait = max(0.0, min(due) - time.monotonic()) if due else None
            for key, _ in self._selector.select(wait):
                if key.data is not None:
                    self._read(key.data)
                elif key.fileobj is self._listener:
                    self._accept()
                elif not self._command():
                    return
            now = time.monotonic()
            while self._coming and self._coming[0][0] <= now:
                _, caller = self._coming.popleft()
                self._selector.register(caller.socket, selectors.EVENT_READ, caller)
            while self._late and self._late[0][0] <= now:
                _, caller, answer = self._late.popleft()
                with contextlib.suppress(OSError):  # the caller hung up
                    caller.socket.send(answer)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            plain, _ = self._listener.accept()
            plain.setblocking(False)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wrapped = self._context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
            self._state.connections += 1
            self._coming.append((time.monotonic() + self._state.connecting, _Caller(wrapped)))

    def _read(self, caller: _Caller) -> None:
        try:
            if not caller.ready:
                caller.socket.do_handshake()
                caller.ready = True
            while part := caller.socket.recv(_READ):
                caller.received += part
                self._take(caller)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError:
            part = b""
        self._selector.unregister(caller.socket)
        caller.socket.close()

    def _take(self, caller: _Caller) -> None:
        while (end := caller.received.find(_END)) >= 0:
            head = caller.received[: end + len(_END)]
            length = _LENGTH.search(head)
            whole = len(head) + int(length[1] if length else 0)
            if len(caller.received) < whole:
                return
            caller.received = caller.received[whole:]
            status = self._state.take(head)
            self._state.statuses[status] += 1
            self._late.append((time.monotonic() + self._state.latency, caller, _ANSWERS[status]))

    def _command(self) -> bool:
        given = os.read(sys.stdin.fileno(), _READ)
        self._commands += given
        while b"\n" in self._commands:
            line, _, self._commands = self._commands.partition(b"\n")
            command, state = json.loads(line), self._state
            if command:
                limit = command["limit"]
                self._state = _State(command["latency"], command["connecting"], limit, limit or 0.0, time.monotonic())
            answer = {
                "statuses": state.statuses,
                "posts": state.posts,
                "connections": state.connections,
                "cpu": time.process_time() - state.cpu,
            }
            print(json.dumps(answer), flush=True)
        return bool(given)


if __name__ == "__main__":
    _Loop(sys.argv[1]).run()
