"""Revenium's decisions, remembered in this execution environment for a bounded time."""

import time

from authorizer.settings import Settings

LIMIT = 10_000  # of entitled clients, and as many of others: some 3 MB each at the most


class Decisions:
    """Which clients are entitled and which are not, and since when that is known.

    The two are kept apart, so that whoever sends invented ids cannot push out those who pay.
    """

    def __init__(self, settings: Settings) -> None:
        self._stale = settings.stale
        self._sides = ((True, settings.allow_cache), (False, settings.deny_cache))
        self._known: dict[bool, dict[str, float]] = {True: {}, False: {}}

    def remember(self, client_id: str, entitled: bool) -> None:
        self._known[not entitled].pop(client_id, None)
        known = self._known[entitled]
        known.pop(client_id, None)  # the youngest stands last
        known[client_id] = time.time()
        if len(known) > LIMIT:
            del known[next(iter(known))]

    def fresh(self, client_id: str) -> bool | None:
        """The decision, if Revenium need not be asked again yet."""
        for entitled, seconds in self._sides:
            if self._age(client_id, entitled) < seconds:
                return entitled
        return None

    def stale(self, client_id: str) -> bool | None:
        """The decision, if it is young enough to be repeated while Revenium cannot be asked."""
        for entitled in self._known:
            if self._age(client_id, entitled) <= self._stale and self._stale:
                return entitled
        return None

    def _age(self, client_id: str, entitled: bool) -> float:
        known = self._known[entitled].get(client_id)
        age = float("inf") if known is None else time.time() - known
        return age if age >= 0 else float("inf")  # a clock that was set back says nothing
