"""HTTP over kept-alive connections, with a bound on everything, no redirects and no hidden retries.

Written on sockets: importing urllib3 takes a cold start three times as long, and a caller waits for the authorizer's.
"""

import socket
import ssl
import threading
import time
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from revenium import http11
from revenium.http11 import Answer

CONNECT_TIMEOUT = 3.0
# A function that sleeps between invocations finds its connections dead without having seen them close.
IDLE_LIMIT = 30.0
_READ = 16 * 1024
_PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """A server: `scheme` is http or https, `name` what the Host header calls it."""

    scheme: str
    host: str
    port: int
    name: str


class NotSent(Exception):
    """The request did not reach the server (no connection): sending it again cannot count twice."""


class Unanswered(Exception):
    """The request went out and no status came back: whether the server has it is unknown."""


class Transport:
    """Connections that threads share; `connections` of them to one server are kept while nobody uses them.

    `ca_file` names a PEM file with certificates of authorities to trust beside the system's.
    """

    def __init__(self, connections: int, ca_file: str = "") -> None:
        self._keep = connections
        self._ca_file = ca_file
        self._idle: dict[Origin, list[tuple[float, socket.socket]]] = {}
        self._lock = threading.Lock()
        self._tls: ssl.SSLContext | None = None

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, timeout: float) -> Answer:
        """One exchange. `timeout` in seconds bounds connecting, sending and the answer together.

        Raises NotSent or Unanswered. A status that arrived counts, even if the body behind it broke off. What takes
        no timeout is the look-up of a host's name.
        """
        deadline = time.monotonic() + timeout
        try:
            origin, target = split(url)
            request = http11.request(method, target, origin.name, headers, body)
            connection = self._take(origin) or self._connect(origin, min(CONNECT_TIMEOUT, timeout))
        except (OSError, ValueError) as error:
            raise NotSent(describe(error)) from error
        answer = Answer()
        try:
            _exchange(connection, request, answer, deadline)
        except (OSError, ValueError) as error:
            answer.broke_off()
            if not answer.status:
                connection.close()
                raise Unanswered(describe(error)) from error
        if answer.reusable:
            self._give_back(origin, connection)
        else:
            connection.close()
        return answer

    def tls(self) -> ssl.SSLContext:
        """What checks a server's certificate and name; made once, since reading the authorities takes its time."""
        with self._lock:
            self._tls = self._tls or self.trusting()
            return self._tls

    def trusting(self) -> ssl.SSLContext:
        """What each connection over TLS checks the server with."""
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2  # Python's default, unless its build says otherwise
        if self._ca_file:
            context.load_verify_locations(self._ca_file)
        return context

    def _take(self, origin: Origin) -> socket.socket | None:
        with self._lock:
            idle = self._idle.get(origin) or []
            while idle:
                used, connection = idle.pop()
                if 0 <= time.time() - used <= IDLE_LIMIT:
                    return connection
                connection.close()
        return None

    def _give_back(self, origin: Origin, connection: socket.socket) -> None:
        with self._lock:
            idle = self._idle.setdefault(origin, [])
            if len(idle) < self._keep:
                idle.append((time.time(), connection))
                return
        connection.close()

    def _connect(self, origin: Origin, timeout: float) -> socket.socket:
        deadline = time.monotonic() + timeout
        connection = socket.create_connection((origin.host, origin.port), timeout)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if origin.scheme == "https":
                _bound(connection, deadline)
                connection = self.tls().wrap_socket(connection, server_hostname=origin.host)
        except BaseException:
            connection.close()
            raise
        return connection


def split(url: str) -> tuple[Origin, str]:
    """The server and what it is asked for. Raises ValueError for what is no http or https URL."""
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("no http or https URL")
    host, port = parts.hostname, parts.port or _PORTS[parts.scheme]
    name = f"[{host}]" if ":" in host else host
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Origin(parts.scheme, host, port, name if port == _PORTS[parts.scheme] else f"{name}:{port}"), target


def describe(error: Exception) -> str:
    """The error's kind: never its text, which may hold the URL and with it a caller's id, or a header."""
    return type(error).__name__


def _exchange(connection: socket.socket, request: bytes, answer: Answer, deadline: float) -> None:
    """A timeout of the socket alone would start anew with every byte that drips in or out."""
    left = memoryview(request)
    while left:
        _bound(connection, deadline)
        left = left[connection.send(left) :]
    whole = False
    while not whole:
        _bound(connection, deadline)
        whole = answer.feed(connection.recv(_READ))


def _bound(connection: socket.socket, deadline: float) -> None:
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise TimeoutError
    connection.settimeout(remaining)
