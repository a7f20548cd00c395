"""Keeps an execution environment from hammering a Revenium that is down, or that refuses the key."""

import threading
import time

FAILURES = 9  # in a row, of records or of batches
REFUSAL = 3  # a refused key weighs as much: repeated 4xx make Revenium limit the account
FIRST, LONGEST = 5.0, 60.0  # seconds


class Breaker:
    """Opens after a run of failures without a success between them, over invocations too.

    While it is open nothing is sent. Then one record is the probe: its success closes the breaker, its failure opens
    it again for twice as long. A single failure says nothing of the others: it may be one record that is disliked.
    """

    def __init__(self) -> None:
        self.reason = ""
        self._failures = 0
        self._open_for = 0.0
        self._until = 0.0
        self._lock = threading.Lock()

    def is_open(self) -> bool:
        return self.reason != "" and time.monotonic() < self._until

    def wants_probe(self) -> bool:
        return self.reason != "" and not self.is_open()

    def succeeded(self) -> None:
        with self._lock:
            self.reason = ""
            self._failures = 0
            self._open_for = 0.0

    def failed(self, reason: str) -> bool:
        """Counts a failure for `reason`; says whether the breaker is open now."""
        with self._lock:
            self._failures += REFUSAL if reason == "key_refused" else 1
            if not self.reason and self._failures < FAILURES:
                return False
            if not self.is_open():
                self._open_for = min(LONGEST, 2 * self._open_for or FIRST)
                self._until = time.monotonic() + self._open_for
                self.reason = "key_refused" if reason == "key_refused" else "revenium_down"
            return True
