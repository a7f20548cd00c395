"""Spreads requests over time, so that all instances together keep to the account's rate limit."""

import math
import time

_SLOWEST = 0.05  # of the full rate
_RECOVERY = 0.005  # of the full rate, for each request that is taken


class Pace:
    """At most `per_second` requests a second, evenly spaced; slower for a while after the server pushed back."""

    def __init__(self, per_second: float) -> None:
        self._full = self._rate = per_second
        self._next = 0.0

    def turn(self, within: float = math.inf) -> float | None:
        """Takes the next place in the line; the seconds to wait for it, or None where it comes after `within`.

        Then no place is taken: the many that have no time left must not make the next invocation wait for them.
        """
        now = time.monotonic()
        at = max(now, self._next)
        if at - now > within:
            return None
        self._next = at + 1 / self._rate
        return at - now

    def pushed_back(self, retry_after: float) -> None:
        """The server answered 429: half the rate, and no turn before `retry_after` seconds are over."""
        self._rate = max(self._full * _SLOWEST, self._rate / 2)
        self._next = max(self._next, time.monotonic() + retry_after)

    def taken(self) -> None:
        """The server took a request."""
        if self._rate < self._full:
            self._rate = min(self._full, self._rate + self._full * _RECOVERY)
