"""Asks Revenium whether a client is entitled. The check answers 200 for yes and 404 for no."""

import time
from enum import Enum
from urllib.parse import quote

from authorizer.bounded import within
from authorizer.settings import Settings
from revenium.api_key import ApiKey
from revenium.breaker import Breaker
from revenium.http11 import Answer
from revenium.log import log
from revenium.secret import SecretUnavailable
from revenium.transport import NotSent, Transport, Unanswered

_SHORTEST_CALL = 0.1
# Callers wait for it, and those without a decision are turned away while it is open.
_FAILURES = 3
_OPEN_FIRST, _OPEN_LONGEST = 1.0, 10.0
_AT_ONCE = 1.0
_KEY_GOOD_FOR = 300.0
# An id that no client has. Revenium's answer to it tells a refused key from a disliked id.
_NOBODY = "revenium-authorizer-key-check"


class Entitlement(Enum):
    """NO_DECISION: Revenium could not be asked, or is in trouble. NO_KEY: it could not, for there is no API key, or
    Revenium refuses it. CHECK_REFUSED: it would not say of this client."""

    ENTITLED = "entitled"
    NOT_ENTITLED = "not_entitled"
    NO_DECISION = "no_decision"
    NO_KEY = "no_key"
    CHECK_REFUSED = "check_refused"


DECISIONS = (Entitlement.ENTITLED, Entitlement.NOT_ENTITLED)


class EntitlementClient:
    """Checks clients with one API key over kept-alive connections."""

    def __init__(self, settings: Settings, transport: Transport, api_key: ApiKey) -> None:
        self._settings = settings
        self._transport = transport
        self._api_key = api_key
        self._breaker = Breaker(_FAILURES, _OPEN_FIRST, _OPEN_LONGEST)
        self._good_key = ("", 0.0)

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
        started = time.monotonic()
        try:
            found, reason = within(deadline - time.monotonic(), lambda: self._ask(client_id, deadline))
        except TimeoutError:
            log("ERROR", "No entitlement decision: the time for it is over")
            found, reason = Entitlement.NO_DECISION, "unanswered"
        if found in DECISIONS:
            self._breaker.succeeded()
        elif reason:
            # A status that came at once cost nobody any time, and may be an id's doing: the pause stays short.
            brief = reason == "answered" and time.monotonic() - started < _AT_ONCE
            self._breaker.failed(reason, _OPEN_FIRST if brief else _OPEN_LONGEST)
        return found

    def _ask(self, client_id: str, deadline: float) -> tuple[Entitlement, str]:
        """The answer, and what of it says that Revenium is in trouble, else "".

        A refused key is read again once. A connection that broke is tried again once: after a pause between
        invocations a kept-alive one is often dead.
        """
        broken = refused = False
        while (remaining := deadline - time.monotonic()) > _SHORTEST_CALL:
            try:
                key = self._api_key.value(remaining)
                remaining = max(_SHORTEST_CALL, deadline - time.monotonic())
                answer = self._send(client_id, key, remaining)
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
            trouble = self._trouble(answer.status, key, deadline)
            if not trouble:
                return Entitlement.CHECK_REFUSED, ""
            return Entitlement.NO_KEY if trouble == "key_refused" else Entitlement.NO_DECISION, trouble
        raise TimeoutError

    def _send(self, client_id: str, key: str, timeout: float) -> Answer:
        url = f"{self._settings.url}?{self._settings.parameter}={quote(client_id, safe='')}"
        answer = self._transport.send("GET", url, {"x-api-key": key}, None, timeout)
        if answer.status in (200, 404):
            self._good_key = (key, time.time())
        return answer

    def _trouble(self, status: int, key: str, deadline: float) -> str:
        """What a status that is no decision says of Revenium; "" where the id may be what it dislikes, which must
        neither shut out everybody else nor let its sender in.

        A 403 may come from a firewall that an id displeases: it never weighs as much as a refused key, and nothing
        with a key that is good.
        """
        if status == 401:
            return "key_refused"
        if status == 403 and self._is_good(key, deadline):
            return ""
        return "answered" if status in (403, 408, 429) or status >= 500 else ""

    def _is_good(self, key: str, deadline: float) -> bool:
        """Whether Revenium answered yes or no to the key lately, to whatever id."""
        good, since = self._good_key
        if key == good and 0 <= time.time() - since <= _KEY_GOOD_FOR:
            return True
        if (remaining := deadline - time.monotonic()) <= _SHORTEST_CALL:
            return False
        try:
            return self._send(_NOBODY, key, remaining).status in (200, 404)
        except (NotSent, Unanswered):
            return False
