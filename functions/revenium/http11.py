"""HTTP/1.1 as far as the functions speak it: a request's bytes, and the answer in the bytes that come back.

It touches no socket. The standard library's http.client reads an answer's headers with the e-mail parser, which took
half of the metering function's time, and importing that took a sixth of the authorizer's cold start.
"""

import re
from collections.abc import Mapping

BODY_LIMIT = 64 * 1024
_HEAD_LIMIT = 64 * 1024
_TARGET = re.compile(r"[!-~]+")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NO_VALUE = re.compile(r"[\r\n\0]")
_STATUS = re.compile(r"HTTP/1\.([01]) ([1-9]\d\d)(?: .*)?", re.ASCII)
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;.*)?")
_CHUNK_LINE_LIMIT = 4096
_END = b"\r\n\r\n"


def request(method: str, target: str, host: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
    """The whole request; `host` goes into it where `headers` name none.

    Raises ValueError for what cannot be sent as it is, such as a line break in a header.
    """
    if not _TARGET.fullmatch(target):
        raise ValueError("a target that is no printable ASCII")
    lines = [f"{method} {target} HTTP/1.1"]
    if "host" not in map(str.lower, headers):
        lines.append(f"Host: {host}")
    lines.append("Accept-Encoding: identity")
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    for name, value in headers.items():
        if not _NAME.fullmatch(name) or _NO_VALUE.search(value):
            raise ValueError("a header that would be another's")
        lines.append(f"{name}: {value}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


class Answer:
    """The answer to one request, out of the bytes as they come in.

    `status` is 0 until there is one; from then on it counts, whatever becomes of the rest. `headers` have lower-case
    names. `body` is cut at BODY_LIMIT, and empty where it broke off. `reusable` says whether the connection can take
    another request, once the answer is whole.
    """

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.reusable = False
        self._received = b""
        self._body = bytearray()
        self._left: int | None = None  # bytes of the body, or of the chunk; None: until the connection ends
        self._chunked = False
        self._trailing = False
        self._broken = False

    @property
    def body(self) -> str:
        return "" if self._broken else self._body[:BODY_LIMIT].decode("utf-8", errors="replace")

    def feed(self, data: bytes) -> bool:
        """Takes what came, b"" for the connection's end; says whether the answer is whole.

        Raises ValueError where no answer will come of it.
        """
        if not data:
            return self._ended()
        self._received = self._received + data if self._received else data
        while not self.status:
            end = self._received.find(_END)
            if end < 0:
                if len(self._received) > _HEAD_LIMIT:
                    raise ValueError("headers without an end")
                return False
            head, self._received = self._received[:end], self._received[end + len(_END) :]
            self._read_head(head.decode("latin-1"))
        whole = self._take_chunks() if self._chunked else self._take()
        if len(self._body) > BODY_LIMIT or (whole and self._received):
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

    def _read_head(self, head: str) -> None:
        first, *lines = head.split("\r\n")
        found = _STATUS.fullmatch(first)
        if not found:
            raise ValueError("no HTTP/1 status")
        if found[2][0] == "1":
            return  # an interim answer: the one that counts is still to come
        pairs = [line.partition(":") for line in lines]
        headers = {name.lower(): value.strip(" \t") for name, _, value in pairs}
        if len(headers) != len(pairs):
            headers = {}
            for name, _, value in pairs:
                name, value = name.lower(), value.strip(" \t")
                headers[name] = f"{headers[name]}, {value}" if name in headers else value
        self.status, self.headers = int(found[2]), headers
        self.reusable = found[1] == "1" and "close" not in headers.get("connection", "").lower()
        self._left = self._frame(headers)

    def _frame(self, headers: Mapping[str, str]) -> int | None:
        """How many bytes the body has; None where that is not said beforehand."""
        if self.status in (204, 304):
            return 0
        if "transfer-encoding" in headers:
            self._chunked = headers["transfer-encoding"].lower() == "chunked"
            return None
        length = headers.get("content-length", "")
        return int(length) if length.isdecimal() and len(length) < 16 else None

    def _take(self) -> bool:
        if self._left is None:
            self._body += self._received
            self._received = b""
            return False
        part, self._received = self._received[: self._left], self._received[self._left :]
        self._body += part
        self._left -= len(part)
        return self._left == 0

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
