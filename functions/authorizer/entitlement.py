"""Asks Revenium whether a client is entitled. The check answers 200 for yes and 404 for no."""

import time
from enum import Enum
from urllib.parse import quote

from authorizer.bounded import within
from authorizer.settings import Settings
from revenium.api_key import ApiKey
from revenium.breaker import Breaker
from revenium.log import log
from revenium.secret import SecretUnavailable
from revenium.transport import NotSent, Transport, Unanswered

_SHORTEST_CALL = 0.1
# Callers wait for it, and those without a decision are turned away while it is open.
_FAILURES = 3
_OPEN_FIRST, _OPEN_LONGEST = 1.0, 10.0


class Entitlement(Enum):
    """NO_DECISION: Revenium could not be asked, or answered neither yes nor no. NO_KEY: it could not, for there is no
    API key, or Revenium refuses it."""

    ENTITLED = "entitled"
    NOT_ENTITLED = "not_entitled"
    NO_DECISION = "no_decision"
    NO_KEY = "no_key"


DECISIONS = (Entitlement.ENTITLED, Entitlement.NOT_ENTITLED)


class EntitlementClient:
    """Checks clients with one API key over kept-alive connections."""

    def __init__(self, settings: Settings, transport: Transport, api_key: ApiKey) -> None:
        self._settings = settings
        self._transport = transport
        self._api_key = api_key
        self._breaker = Breaker(_FAILURES, _OPEN_FIRST, _OPEN_LONGEST)

    def is_silent(self) -> bool:
        """Whether Revenium failed of late and is left alone for the moment."""
        return self._breaker.is_open()

    def unasked(self) -> Entitlement:
        """What it counts as not to ask, while Revenium is left alone."""
        return Entitlement.NO_KEY if self._breaker.reason == "key_refused" else Entitlement.NO_DECISION

    def check(self, client_id: str, deadline: float) -> Entitlement:
        """Until `deadline` (time.monotonic). Never raises for what Revenium or the network does."""
        if deadline - time.monotonic() <= _SHORTEST_CALL:
            # Not Revenium's fault: it may still be asked for others.
            log("ERROR", "No entitlement decision: the hook left no time for it")
            return Entitlement.NO_DECISION
        try:
            found, reason = within(deadline - time.monotonic(), lambda: self._ask(client_id, deadline))
        except TimeoutError:
            log("ERROR", "No entitlement decision: the time for it is over")
            found, reason = Entitlement.NO_DECISION, "unanswered"
        if found in DECISIONS:
            self._breaker.succeeded()
        elif reason:
            self._breaker.failed(reason)
        return found

    def _ask(self, client_id: str, deadline: float) -> tuple[Entitlement, str]:
        """The answer, and what of it says that Revenium is in trouble, else "".

        A refused key is read again once. A connection that broke is tried again once: after a pause between
        invocations a kept-alive one is often dead.
        """
        url = f"{self._settings.url}?{self._settings.parameter}={quote(client_id, safe='')}"
        broken = refused = False
        while (remaining := deadline - time.monotonic()) > _SHORTEST_CALL:
            try:
                key = self._api_key.value(remaining)
                remaining = max(_SHORTEST_CALL, deadline - time.monotonic())
                answer = self._transport.send("GET", url, {"x-api-key": key}, None, remaining)
            except SecretUnavailable as error:
                log("ERROR", "No entitlement decision: there is no API key", error=error)
                return Entitlement.NO_KEY, "key_unavailable"
            except (NotSent, Unanswered) as error:
                if broken:
                    log("ERROR", "No entitlement decision: Revenium did not answer", error=error)
                    return Entitlement.NO_DECISION, "unanswered"
                broken = True
                continue
            if answer.status == 200:
                return Entitlement.ENTITLED, ""
            if answer.status == 404:
                return Entitlement.NOT_ENTITLED, ""
            key_refused = answer.status in (401, 403)
            if key_refused and not refused and self._api_key.refused(key):
                refused = True
                continue
            log("ERROR", "No entitlement decision: Revenium answered neither 200 nor 404", status=answer.status)
            # Other statuses may come from an id that Revenium dislikes, which must not shut out everybody else.
            trouble = "answered" if answer.status in (408, 429) or answer.status >= 500 else ""
            # A 403 may come from a firewall that an id displeases: it counts, but not as a refused key.
            trouble = {401: "key_refused", 403: "answered"}.get(answer.status, trouble)
            return Entitlement.NO_KEY if trouble == "key_refused" else Entitlement.NO_DECISION, trouble
        raise TimeoutError
