"""Revenium's entitlement check and Secrets Manager in one, over TLS and in a process of its own.

It answers what it had ready, so that little of the time between question and answer is its own.
"""

import json
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.certificates import HOST

KEY = "rev_mk_bench"
_TESTS = Path(__file__).parent.parent


@contextmanager
def running(certificate: Path) -> Iterator[str]:
    """Serves with this certificate and its key; gives the origin, `https://127.0.0.1:<port>`."""
    command = [sys.executable, "-m", "bench.server", str(certificate)]
    with subprocess.Popen(command, cwd=_TESTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            yield f"https://{HOST}:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()


def _answer(status: str, body: object) -> bytes:
    text = json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
    return head.encode() + text


_ENTITLED = _answer("200 OK", {"status": "ACTIVE"})
_SECRET = _answer("200 OK", {"Name": "revenium", "SecretString": json.dumps({"api_key": KEY})})
_REFUSED = _answer("401 Unauthorized", {"code": "unauthorized"})
_NOT_FOUND = _answer("404 Not Found", {"code": "not_found"})


def _talk(context: ssl.SSLContext, plain: socket.socket) -> None:
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        with context.wrap_socket(plain, server_side=True) as connection:
            file = connection.makefile("rb")
            while request := file.readline():
                headers = dict[bytes, bytes]()
                while (line := file.readline()) not in (b"\r\n", b""):
                    name, _, value = line.partition(b":")
                    headers[name.lower()] = value.strip()
                file.read(int(headers.get(b"content-length", 0)))
                connection.sendall(_reply(request, headers))
    except OSError:  # the caller hung up
        return


def _reply(request: bytes, headers: dict[bytes, bytes]) -> bytes:
    if headers.get(b"x-amz-target") == b"secretsmanager.GetSecretValue":
        return _SECRET
    if not request.startswith(b"GET /entitlement?application="):
        return _NOT_FOUND
    return _ENTITLED if headers.get(b"x-api-key") == KEY.encode() else _REFUSED


def _accept(context: ssl.SSLContext, listener: socket.socket) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_talk, args=(context, connection), daemon=True).start()


def main() -> None:
    """Prints the port, and serves until stdin is closed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1])
    listener = socket.create_server((HOST, 0), backlog=128)
    threading.Thread(target=_accept, args=(context, listener), daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
