"""The least that sending takes: bytes that are ready, kept-alive TLS connections, of an answer its status and its end.

One thread and an epoll, as many requests under way as there are connections; no pace, no time limits, no retries, and
whoever answers anything but 201 with a length ends the measurement.
"""

import re
import selectors
import socket
import ssl
from collections.abc import Sequence
from urllib.parse import urlsplit

_READ = 16 * 1024
_LENGTH = re.compile(rb"\r\nContent-Length: (\d+)")


class Floor:
    """Connections to the server at `origin`, open from the start."""

    def __init__(self, origin: str, connections: int, warm_up: bytes) -> None:
        parts = urlsplit(origin)
        context = ssl.create_default_context()
        self._selector = selectors.DefaultSelector()
        self._sockets = []
        for _ in range(connections):
            plain = socket.create_connection((str(parts.hostname), int(parts.port or 443)))
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            secured = context.wrap_socket(plain, server_hostname=parts.hostname)
            secured.sendall(warm_up)
            secured.recv(_READ)
            secured.setblocking(False)
            self._selector.register(secured, selectors.EVENT_READ)
            self._sockets.append(secured)

    def send(self, posts: Sequence[bytes]) -> int:
        """Sends them all; gives how many were answered 201."""
        waiting = iter(posts)
        left = len(posts)
        received: dict[ssl.SSLSocket, bytes] = {}
        for each, post in zip(self._sockets, waiting, strict=False):
            each.send(post)
        while left:
            for key, _ in self._selector.select():
                ready: ssl.SSLSocket = key.fileobj  # type: ignore[assignment]
                try:
                    part = ready.recv(_READ)
                except ssl.SSLWantReadError:
                    continue
                answer = received.pop(ready, b"") + part
                if not _whole(answer):
                    received[ready] = answer
                    continue
                left -= 1
                post = next(waiting, b"")
                if post:
                    ready.send(post)
        return len(posts)


def _whole(answer: bytes) -> bool:
    if not answer.startswith(b"HTTP/1.1 201 "):
        raise SystemExit("The floor was not answered 201: nothing was measured")
    head, end, body = answer.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    return bool(end) and length is not None and len(body) >= int(length[1])
