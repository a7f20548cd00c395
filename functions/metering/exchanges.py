"""What Revenium answered, and how fast: noted for each request, read once for each invocation."""

from collections import Counter

# The metrics' names. `Revenium4xx` is every other answer below 500, a redirect too.
_CLASSES = ("Revenium2xx", "Revenium429", "Revenium4xx", "Revenium5xx", "ReveniumUnanswered")


class Exchanges:
    """The lines note, the handler takes."""

    def __init__(self) -> None:
        self._seen: list[tuple[int, float]] = []

    def note(self, status: int, seconds: float) -> None:
        """`status` 0 is none: no connection, or no answer."""
        self._seen.append((status, seconds))

    def take(self) -> tuple[dict[str, int], list[float]]:
        """How many answers of each class since the last time, also where it is none, and their latencies in ms."""
        seen, self._seen = self._seen, []
        counts = dict.fromkeys(_CLASSES, 0)
        for status, number in Counter([status for status, _ in seen]).items():
            counts[_class_of(status)] += number
        return counts, [seconds * 1000 for _, seconds in seen]


def _class_of(status: int) -> str:
    if status == 0:
        return "ReveniumUnanswered"
    if 200 <= status <= 299:
        return "Revenium2xx"
    if status == 429:
        return "Revenium429"
    return "Revenium5xx" if status >= 500 else "Revenium4xx"
