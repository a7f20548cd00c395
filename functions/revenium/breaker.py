"""Keeps an execution environment from hammering a Revenium that is down, or that refuses the key."""

import threading
import time

REFUSAL = 3  # a refused key weighs as much: repeated 4xx make Revenium limit the account


class Breaker:
    """Opens after `failures` in a row without a success between them, over invocations too.

    While it is open nothing is sent: for `first` seconds, then one record is the probe. Its success closes the
    breaker, its failure opens it again for twice as long, up to `longest`. A single failure says nothing of the
    others: it may be one record that is disliked.
    """

    def __init__(self, failures: int, first: float, longest: float) -> None:
        self.reason = ""
        self._most = failures
        self._first = first
        self._longest = longest
        self._failures = 0
        self._open_for = 0.0
        self._opened = 0.0
        self._lock = threading.Lock()

    def is_open(self) -> bool:
        # Not the monotonic clock, which stands still while the environment is frozen between two invocations.
        return self.reason != "" and 0 <= time.time() - self._opened < self._open_for

    def wants_probe(self) -> bool:
        return self.reason != "" and not self.is_open()

    def succeeded(self) -> None:
        if not self.reason and not self._failures:
            return
        with self._lock:
            self.reason = ""
            self._failures = 0
            self._open_for = 0.0

    def failed(self, reason: str, longest: float | None = None) -> bool:
        """Counts a failure for `reason`; says whether the breaker is open now.

        `longest` bounds the time that this failure may open it for, in place of the breaker's own.
        """
        with self._lock:
            self._failures += REFUSAL if reason == "key_refused" else 1
            if not self.reason and self._failures < self._most:
                return False
            if not self.is_open():
                self._open_for = min(longest or self._longest, 2 * self._open_for or self._first)
                self._opened = time.time()
                self.reason = "key_refused" if reason == "key_refused" else "revenium_down"
            return True
