"""What Revenium answered, and how fast: noted for each request, read once for each invocation."""

import time
from collections import Counter, deque
from collections.abc import Mapping

from revenium.transport import Answer, Transport

# The metrics' names. `Revenium4xx` is every other answer below 500, a redirect too.
_CLASSES = ("Revenium2xx", "Revenium429", "Revenium4xx", "Revenium5xx", "ReveniumUnanswered")


class Exchanges:
    """Threads note, the handler takes: without a lock, as an invocation may make 1,000 requests a second."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, float]] = deque()

    def note(self, status: int, seconds: float) -> None:
        """`status` 0 is none: no connection, or no answer."""
        self._seen.append((status, seconds))

    def take(self) -> tuple[dict[str, int], list[float]]:
        """How many answers of each class since the last time, also where it is none, and their latencies in ms."""
        statuses: Counter[int] = Counter()
        milliseconds = []
        while self._seen:
            status, seconds = self._seen.popleft()
            statuses[status] += 1
            milliseconds.append(seconds * 1000)
        counts = dict.fromkeys(_CLASSES, 0)
        for status, number in statuses.items():
            counts[_class_of(status)] += number
        return counts, milliseconds


class ObservedTransport(Transport):
    """A transport that notes each exchange."""

    def __init__(self, connections: int, ca_file: str, exchanges: Exchanges) -> None:
        super().__init__(connections, ca_file)
        self._exchanges = exchanges

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, timeout: float) -> Answer:
        """As Transport.send."""
        started = time.monotonic()
        status = 0
        try:
            answer = super().send(method, url, headers, body, timeout)
            status = answer.status
        finally:
            self._exchanges.note(status, time.monotonic() - started)
        return answer


def _class_of(status: int) -> str:
    if status == 0:
        return "ReveniumUnanswered"
    if 200 <= status <= 299:
        return "Revenium2xx"
    if status == 429:
        return "Revenium429"
    return "Revenium5xx" if status >= 500 else "Revenium4xx"
