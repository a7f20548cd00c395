"""HTTP over kept-alive connections, with a timeout on everything, no redirects and no hidden retries."""

import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

CONNECT_TIMEOUT = 3.0
_BODY_LIMIT = 64 * 1024
# A function that sleeps between invocations finds its connections dead without having seen them close.
_IDLE_LIMIT = 30.0


class NotSent(Exception):
    """The request did not reach the server (no connection): sending it again cannot count twice."""


class Unanswered(Exception):
    """The request went out and no status came back: whether the server has it is unknown."""


@dataclass(frozen=True)
class Answer:
    """What the server said: its status, its headers with lower-case names, its body (bounded, maybe cut)."""

    status: int
    headers: Mapping[str, str]
    body: str


_exchange = threading.local()


class _Http(HTTPConnection):
    """Notes when it is still connecting: urllib3's exceptions do not tell a broken handshake from a lost answer."""

    def connect(self) -> None:
        _exchange.connecting = True
        super().connect()
        _exchange.connecting = False


class _Https(HTTPSConnection):
    """The same over TLS, whose handshake belongs to connecting."""

    def connect(self) -> None:
        _exchange.connecting = True
        super().connect()
        _exchange.connecting = False


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


class Transport:
    """A pool of connections that threads share."""

    def __init__(self, connections: int) -> None:
        self._pool = urllib3.PoolManager(
            num_pools=4,
            maxsize=connections,
            block=False,
            retries=False,
            ssl_context=ssl.create_default_context(),
        )
        self._pool.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
        self._lock = threading.Lock()
        self._used = time.time()

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, timeout: float) -> Answer:
        """One exchange. `timeout` in seconds bounds connecting, sending and each wait for the answer.

        Raises NotSent or Unanswered. A status that arrived counts, even if the body behind it broke off.
        """
        with self._lock:
            now = time.time()
            if now - self._used > _IDLE_LIMIT:
                self._pool.clear()
            self._used = now
        _exchange.connecting = False
        try:
            response = self._pool.request(
                method,
                url,
                headers=dict(headers),
                body=body,
                timeout=urllib3.Timeout(connect=min(CONNECT_TIMEOUT, timeout), read=timeout, total=timeout),
                redirect=False,
                retries=False,
                preload_content=False,
            )
        except (HTTPError, OSError, ValueError) as error:
            unsent = _exchange.connecting or isinstance(error, ValueError)  # ValueError: an impossible URL or header
            raise (NotSent if unsent else Unanswered)(_describe(error)) from error
        return Answer(
            status=response.status,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=_read(response),
        )


def _read(response: "urllib3.BaseHTTPResponse") -> str:
    try:
        body = response.read(_BODY_LIMIT + 1)
    except (HTTPError, OSError, ValueError):
        response.close()
        return ""
    if len(body) > _BODY_LIMIT:
        response.close()
    else:
        response.release_conn()
    return body[:_BODY_LIMIT].decode("utf-8", errors="replace")


def _describe(error: Exception) -> str:
    """The error's kind and its cause's: never the URL, whose query may carry a caller's id."""
    cause = error.__cause__ or error.__context__
    return type(error).__name__ + (f" ({type(cause).__name__})" if cause else "")
