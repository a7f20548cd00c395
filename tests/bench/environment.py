"""One execution environment of an authorizer, in a fresh interpreter: its cold start first, then calls as told.

`python -P -B environment.py <module> <event.json> <key>`. The first line out is `[initialized, first answer]`. Each
line in, `hit <count>` or `miss <count>`, is answered by one list: of the handler's times, or of pairs of the handler's
time and that of the bare exchange before it. All times in seconds. What the handler itself prints goes to /dev/null.
"""

from __future__ import annotations

import os
import sys
from time import perf_counter, perf_counter_ns

# Whatever is imported here, the handler need not import on the clock: typing, json and the like come after it.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Handler = Callable[[Any, Any], dict[str, Any]]
    Event = dict[str, Any]


class Bare:
    """The entitlement check and nothing else: bytes to a kept-alive connection, bytes back."""

    def __init__(self, url: str, key: str) -> None:
        import socket
        import ssl
        from urllib.parse import urlsplit

        parts = urlsplit(url)
        plain = socket.create_connection((str(parts.hostname), int(parts.port or 443)))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = ssl.create_default_context().wrap_socket(plain, server_hostname=parts.hostname)
        self._target = parts.path
        self._headers = f"Host: {parts.netloc}\r\nAccept-Encoding: identity\r\nx-api-key: {key}\r\n\r\n"

    def timed(self, client_id: str) -> float:
        """How long the exchange takes; raises where it does not bring the whole answer."""
        request = f"GET {self._target}?application={client_id} HTTP/1.1\r\n{self._headers}".encode()
        began = perf_counter()
        self._socket.sendall(request)
        answer = self._socket.recv(65536)
        took = perf_counter() - began
        if not answer.startswith(b"HTTP/1.1 200 ") or not answer.endswith(b"}"):
            raise SystemExit("The bare exchange did not bring the whole answer: nothing was measured")
        return took


def event_of(template: str, client_id: str) -> Event:
    """The event in which this client calls."""
    import json

    event: Event = json.loads(template)
    event["headers"]["clientId"] = client_id
    event["multiValueHeaders"]["clientId"] = [client_id]
    return event


def timed(handler: Handler, event: Event) -> float:
    """How long the handler takes to let this client in; raises where it does not."""
    began = perf_counter()
    answer = handler(event, None)
    took = perf_counter() - began
    effect = answer["policyDocument"]["Statement"][0]["Effect"]
    if (effect, answer["principalId"]) != ("Allow", event["headers"]["clientId"]):
        raise SystemExit(f"{handler.__module__} answered {effect} for {answer['principalId']}: nothing was measured")
    return took


def hits(handler: Handler, template: str, count: int) -> list[float]:
    """Calls of the client that came first."""
    event = event_of(template, "acme")
    return [timed(handler, event) for _ in range(count)]


def misses(handler: Handler, template: str, count: int, bare: Bare) -> list[tuple[float, float]]:
    """Calls of clients that never came before, each after a bare exchange of the same request."""
    pairs = []
    for _ in range(count):
        client_id = f"client-{perf_counter_ns()}"
        event = event_of(template, client_id)
        exchange = bare.timed(client_id)
        pairs.append((timed(handler, event), exchange))
    return pairs


def main(module_name: str, event_path: str, key: str) -> None:
    """The cold start, then commands until stdin is closed."""
    results = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

    started = perf_counter()
    module: Any = __import__(module_name, fromlist=["handler"])
    if hasattr(module, "_build"):  # ours makes at the first event what the others make at import
        module._authorizer = module._build()
    initialized = perf_counter() - started

    import json

    with open(event_path, encoding="utf-8") as file:
        template = file.read()
    first = initialized + timed(module.handler, event_of(template, "acme"))
    print(json.dumps([initialized, first]), file=results, flush=True)
    bare = None
    for line in sys.stdin:
        kind, _, count = line.partition(" ")
        if kind == "miss":
            bare = bare or Bare(os.environ["REVENIUM_ENTITLEMENT_URL"], key)
            times: list[Any] = misses(module.handler, template, int(count), bare)
        else:
            times = hits(module.handler, template, int(count))
        print(json.dumps(times), file=results, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
