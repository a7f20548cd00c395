"""A small threaded HTTP/1.1 server on loopback: keep-alive, one write per answer, connections that can be
cut.
"""

from __future__ import annotations

import contextlib
import http.server
import socket
import socketserver
import struct
import threading
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """Serves in one background thread, and each connection in a thread of its own.

    :param port: 0 chooses a free one
    :param context: whatever the handlers need, found there as `self.server.context`
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024

    def __init__(self, port: int, handler: type[Handler], context: Any) -> None:
        self.context = context
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._aborted: set[socket.socket] = set()
        self._thread: threading.Thread | None = None
        super().__init__(("127.0.0.1", port), handler)

    def server_bind(self) -> None:
        """Bind without the look-up of the host's name that the base class makes."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", int(self.server_address[1])

    def start(self) -> None:
        """Begin to accept connections."""
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close the listening socket and every connection."""
        if self._thread is not None:
            self.shutdown()
            self._thread.join()
        self.server_close()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def abort(self, connection: socket.socket) -> None:
        """Have the connection closed with a TCP reset instead of an orderly end."""
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with self._lock:
            self._aborted.add(connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
            aborted = request in self._aborted
            self._aborted.discard(request)
        if aborted:
            request.close()
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hangs up is no error here; anything else is shown."""
        import sys

        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class Handler(http.server.BaseHTTPRequestHandler):
    """Calls `serve` for every method; answers in one write."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def serve(self) -> None:
        """Answer one request; to be written by the subclass."""
        raise NotImplementedError

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self.serve
        raise AttributeError(name)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on standard error: callers keep logs of their own."""

    def read_body(self) -> bytes:
        """The request's body; empty without one. Chunked bodies are put together."""
        if "chunked" in (self.headers.get("Transfer-Encoding") or "").lower():
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline() not in (b"\r\n", b""):
                pass
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer_bytes(self, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> bytes:
        """The bytes of an answer. An answer to HEAD has the length of the body and not the body."""
        try:
            reason = HTTPStatus(status).phrase
        except ValueError:
            reason = ""
        lines = [f"{self.protocol_version} {status} {reason}"]
        lines += [f"{name}: {value}" for name, value in headers]
        if status >= 200 and status not in (204, 304):
            lines.append(f"Content-Length: {len(body)}")
        else:
            body = b""
        if self.close_connection:
            lines.append("Connection: close")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
        return head if self.command == "HEAD" else head + body

    def answer(self, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> None:
        """Send the whole answer."""
        self.wfile.write(self.answer_bytes(status, headers, body))

    def hang_up(self, *, reset: bool) -> None:
        """Close the connection without (more of) an answer."""
        self.close_connection = True
        if reset:
            self.server.abort(self.connection)
