"""The authorizer function: who calls, whether Revenium entitles them, and the policy that says so."""

import os
import time
from typing import Any

from authorizer import gateway
from authorizer.entitlement import Entitlement, EntitlementClient
from authorizer.settings import Settings
from revenium import metrics
from revenium.api_key import ApiKey
from revenium.transport import Transport


class Authorizer:
    """Everything one execution environment keeps between invocations."""

    def __init__(self, settings: Settings, client: EntitlementClient) -> None:
        self._settings = settings
        self._client = client

    def authorize(self, event: Any) -> dict[str, Any]:
        """An answer to every authorizer event, a denial unless something allows; raises gateway.UnknownEvent."""
        request = gateway.parse(event, self._settings.client_id_header)
        allow, reason, milliseconds = False, request.problem, []
        if request.client_id is not None:
            started = time.monotonic()
            entitlement = self._client.check(request.client_id)
            milliseconds.append((time.monotonic() - started) * 1000)
            reason = entitlement.value
            allow = entitlement is Entitlement.ENTITLED or (
                entitlement is Entitlement.NO_DECISION and self._settings.on_error == "allow"
            )
        metrics.emit(
            {
                "Allowed": int(allow),
                "Denied": int(not allow),
                "NoDecision": int(reason == Entitlement.NO_DECISION.value),
            },
            {"EntitlementLatency": milliseconds},
            reason=reason,
        )
        return gateway.answer(request, allow, reason)


_authorizer: Authorizer | None = None


def _build() -> Authorizer:
    settings = Settings.from_environ(os.environ)
    transport = Transport(connections=2)
    return Authorizer(settings, EntitlementClient(settings, transport, ApiKey(os.environ, transport)))


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Lambda's entry point: answers an IAM policy with the caller's id. Raises SettingsError and UnknownEvent."""
    global _authorizer
    _authorizer = _authorizer or _build()
    return _authorizer.authorize(event)
