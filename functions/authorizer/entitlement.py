"""Asks Revenium whether a client is entitled. The check answers 200 for yes and 404 for no."""

import time
from enum import Enum
from urllib.parse import quote

from authorizer.settings import Settings
from revenium.api_key import ApiKey
from revenium.log import log
from revenium.secret import SecretUnavailable
from revenium.transport import NotSent, Transport, Unanswered

_SHORTEST_CALL = 0.1


class Entitlement(Enum):
    """NO_DECISION: Revenium could not be asked, or answered neither yes nor no."""

    ENTITLED = "entitled"
    NOT_ENTITLED = "not_entitled"
    NO_DECISION = "no_decision"


class EntitlementClient:
    """Checks clients with one API key over kept-alive connections."""

    def __init__(self, settings: Settings, transport: Transport, api_key: ApiKey) -> None:
        self._settings = settings
        self._transport = transport
        self._api_key = api_key

    def check(self, client_id: str) -> Entitlement:
        """Never raises for what Revenium or the network does. Waits `timeout` seconds at most, for a new key included.

        A refused key is read again once. A connection that broke is tried again once: after a pause between
        invocations a kept-alive one is often dead.
        """
        url = f"{self._settings.url}?{self._settings.parameter}={quote(client_id, safe='')}"
        deadline = time.monotonic() + self._settings.timeout
        broken = refused = False
        while (remaining := deadline - time.monotonic()) > _SHORTEST_CALL:
            try:
                key = self._api_key.value(remaining)
                remaining = max(_SHORTEST_CALL, deadline - time.monotonic())
                answer = self._transport.send("GET", url, {"x-api-key": key}, None, remaining)
            except SecretUnavailable as error:
                log("ERROR", "No entitlement decision: there is no API key", error=error)
                return Entitlement.NO_DECISION
            except (NotSent, Unanswered) as error:
                if broken:
                    log("ERROR", "No entitlement decision: Revenium did not answer", error=error)
                    return Entitlement.NO_DECISION
                broken = True
                continue
            if answer.status == 200:
                return Entitlement.ENTITLED
            if answer.status == 404:
                return Entitlement.NOT_ENTITLED
            if answer.status in (401, 403) and not refused and self._api_key.refused(key):
                refused = True
                continue
            log("ERROR", "No entitlement decision: Revenium answered neither 200 nor 404", status=answer.status)
            return Entitlement.NO_DECISION
        log("ERROR", "No entitlement decision: the time for it is over", seconds=self._settings.timeout)
        return Entitlement.NO_DECISION
