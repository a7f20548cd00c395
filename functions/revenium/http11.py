"""HTTP/1.1 as far as the functions speak it: a request's bytes, and the answer in the bytes that come back.

It touches no socket. The standard library's http.client reads an answer's headers with the e-mail parser, which took
half of the metering function's time, and importing that took a sixth of the authorizer's cold start.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

BODY_LIMIT = 64 * 1024
_HEAD_LIMIT = 64 * 1024
_TARGET = re.compile(r"[!-~]+")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-9]\d\d)(?: .*)?")
_FRAMING = re.compile(rb"\r\n(content-length|transfer-encoding|connection):([^\r]*(?:\r(?!\n)[^\r]*)*)", re.IGNORECASE)
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;.*)?")
_CHUNK_LINE_LIMIT = 4096
_END = b"\r\n\r\n"


def request(method: str, target: str, host: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
    """The whole request; `host` goes into it unless `headers` have a `Host`.

    Raises ValueError for what cannot be sent as it is, such as a line break in a header.
    """
    start = _start(method, target, "" if "Host" in headers else host, tuple(headers))
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if lines.count("\r") + lines.count("\n") != 2 * len(headers) or "\0" in lines:
        raise ValueError("a header that would be another's")
    length = "" if body is None else f"Content-Length: {len(body)}\r\n"
    return f"{start}{lines}{length}\r\n".encode("latin-1") + (body or b"")


@lru_cache(maxsize=64)
def _start(method: str, target: str, host: str, names: tuple[str, ...]) -> str:
    """What is the same in many requests, checked once."""
    if not _TARGET.fullmatch(target):
        raise ValueError("a target that is no printable ASCII")
    if not all(map(_NAME.fullmatch, names)):
        raise ValueError("a header that would be another's")
    named = f"Host: {host}\r\n" if host else ""
    return f"{method} {target} HTTP/1.1\r\n{named}Accept-Encoding: identity\r\n"


# A server says much the same each time.
@lru_cache(maxsize=64)
def _read_status(line: bytes) -> tuple[int, bool]:
    """The status, and whether the connection stays open unless a header says otherwise."""
    found = _STATUS.fullmatch(line)
    if not found:
        raise ValueError("no HTTP/1 status")
    return int(found[2]), found[1] == b"1"


@lru_cache(maxsize=64)
def _read_framing(headers: tuple[tuple[bytes, bytes], ...]) -> tuple[int | None, bool, bool]:
    """The body's length, where one is said; whether it comes in chunks; whether the connection may stay open."""
    said: dict[bytes, bytes] = {}
    for name, value in headers:
        name, value = name.lower(), value.strip(b" \t").lower()
        said[name] = said[name] + b", " + value if name in said else value
    length = said.get(b"content-length", b"")
    known = b"transfer-encoding" not in said and length.isdigit() and len(length) < 16
    return (
        int(length) if known else None,
        said.get(b"transfer-encoding") == b"chunked",
        b"close" not in said.get(b"connection", b""),
    )


class Answer:
    """The answer to one request, out of the bytes as they come in.

    `status` is 0 until there is one; from then on it counts, whatever becomes of the rest. `body` is cut at BODY_LIMIT,
    and empty where it broke off. `reusable` says whether the connection can take another request, once the answer is
    whole.
    """

    __slots__ = ("_body", "_broken", "_chunked", "_head", "_left", "_received", "_trailing", "reusable", "status")

    def __init__(self, status: int = 0, headers: Mapping[str, str] | None = None, body: str = "") -> None:
        """Without arguments one that is still to come."""
        self.status = status
        self.reusable = False
        self._head = "".join([f"\r\n{name}: {headers[name]}" for name in headers]).encode("latin-1") if headers else b""
        self._body = body.encode()
        self._received = b""
        self._left: int | None = None  # bytes of the body, or of the chunk; None: until the connection ends
        self._chunked = self._trailing = self._broken = False

    def __repr__(self) -> str:
        return f"Answer({self.status}, {self.headers}, {self.body!r})"

    @property
    def headers(self) -> dict[str, str]:
        """With lower-case names; what stands twice is one value with a comma."""
        headers: dict[str, str] = {}
        for line in self._head.decode("latin-1").split("\r\n")[1:]:
            name, _, value = line.partition(":")
            name, value = name.lower(), value.strip(" \t")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return headers

    @property
    def body(self) -> str:
        return "" if self._broken else self._body[:BODY_LIMIT].decode("utf-8", errors="replace")

    def feed(self, data: bytes) -> bool:
        """Takes what came, b"" for the connection's end; says whether the answer is whole.

        Raises ValueError where no answer will come of it.
        """
        if not data:
            return self._ended()
        if self._received:
            data = self._received + data
        while not self.status:
            head, end, rest = data.partition(_END)
            if not end:
                if len(head) > _HEAD_LIMIT:
                    raise ValueError("headers without an end")
                self._received = data
                return False
            self._read_head(head)
            data = rest
        if self._chunked:
            self._received = data
            whole = self._take_chunks()
            more = whole and bool(self._received)
        else:
            self._received = b""
            whole, more = self._take(data)
        if more or len(self._body) > BODY_LIMIT:
            whole, self.reusable = True, False
        return whole

    def broke_off(self) -> None:
        """No more will come of it."""
        self._broken = True
        self.reusable = False

    def _ended(self) -> bool:
        if not self.status:
            raise ValueError("the connection ended without an answer")
        if self._left is not None or self._chunked:
            self.broke_off()
        self.reusable = False
        return True

    def _read_head(self, head: bytes) -> None:
        """Of the headers, those that say where the answer ends: the others are read when they are asked for."""
        status, keeps_alive = _read_status(head.partition(b"\r\n")[0])
        if status < 200:
            return  # an interim answer: the one that counts is still to come
        self.status, self._head = status, head
        self._left, self._chunked, stays = _read_framing(tuple(_FRAMING.findall(head)))
        self.reusable = keeps_alive and stays
        if status in (204, 304):
            self._left, self._chunked = 0, False

    def _take(self, data: bytes) -> tuple[bool, bool]:
        """Whether the body is whole, and whether there is more behind it."""
        if self._left is None:
            self._body += data
            return False, False
        self._body += data[: self._left]
        self._left -= len(data)
        return self._left <= 0, self._left < 0

    def _take_chunks(self) -> bool:
        while len(self._body) <= BODY_LIMIT:
            if self._left is not None:
                if len(self._received) < self._left + 2:  # its line break included
                    part = min(self._left, len(self._received))
                    self._body += self._received[:part]
                    self._received = self._received[part:]
                    self._left -= part
                    return False
                self._body += self._received[: self._left]
                self._received = self._received[self._left + 2 :]
                self._left = None
            line, found, rest = self._received.partition(b"\r\n")
            if not found:
                if len(line) > _CHUNK_LINE_LIMIT:
                    self.broke_off()
                return self._broken
            self._received = rest
            if self._trailing:
                if not line:
                    return True
                continue
            size = _CHUNK.fullmatch(line)
            if not size:
                self.broke_off()
                return True
            if int(size[1], 16):
                self._left = int(size[1], 16)
            else:
                self._trailing = True
        return True
