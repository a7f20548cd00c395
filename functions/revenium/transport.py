"""HTTP over kept-alive connections, with a timeout on everything, no redirects and no hidden retries."""

import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    ProxyError,
    SSLError,
)

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
        except (NewConnectionError, ConnectTimeoutError, SSLError, ProxyError) as error:
            raise NotSent(_describe(error)) from error
        except (HTTPError, OSError) as error:
            raise Unanswered(_describe(error)) from error
        return Answer(
            status=response.status,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=_read(response),
        )


def _read(response: "urllib3.BaseHTTPResponse") -> str:
    try:
        body = response.read(_BODY_LIMIT + 1)
    except (HTTPError, OSError):
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
