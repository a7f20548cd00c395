"""The authorizer function: who calls, whether Revenium entitles them, and the policy that says so."""

import os
import time
from typing import Any

from authorizer import gateway, identity
from authorizer.authentication import Hook
from authorizer.decisions import Decisions
from authorizer.entitlement import DECISIONS, Entitlement, EntitlementClient
from authorizer.gateway import Event
from authorizer.identity import Unidentified
from authorizer.settings import Settings
from revenium import metrics
from revenium.api_key import ApiKey
from revenium.transport import Transport


class Tally:
    """What the invocation's metric line says beside its answer."""

    def __init__(self) -> None:
        self.errors = self.key_refused = self.stale = self.fail_open = self.cache_hits = 0
        self.milliseconds: list[float] = []


class Authorizer:
    """Everything one execution environment keeps between invocations."""

    def __init__(self, settings: Settings, client: EntitlementClient, hook: Hook | None) -> None:
        self._settings = settings
        self._client = client
        self._hook = hook
        self._decisions = Decisions(settings)

    def authorize(self, event: Any) -> dict[str, Any]:
        """An answer to every authorizer event, a denial unless something allows; raises gateway.UnknownEvent."""
        deadline = time.monotonic() + self._settings.timeout
        tally = Tally()
        asked = gateway.parse(event)
        client_id, entitled = None, False
        try:
            client_id = self._identify(asked, deadline)
            entitled, reason = self._decide(client_id, deadline, tally)
        except Unidentified as error:
            reason = error.reason
            tally.errors += reason == "authentication_failed"
        allow = entitled or self._settings.mode != "enforce"
        metrics.emit(
            {
                "Allowed": int(allow),
                "Denied": int(not allow),
                "WouldDeny": int(allow and not entitled),
                "Errors": tally.errors,
                "KeyRefused": tally.key_refused,
                "Stale": tally.stale,
                "FailOpen": tally.fail_open,
                "CacheHits": tally.cache_hits,
            },
            {"EntitlementLatency": tally.milliseconds},
            reason=reason,
        )
        return gateway.answer(asked.stage_arn, client_id, allow, reason)

    def _identify(self, event: Event, deadline: float) -> str:
        if self._settings.mode == "enforce":
            identity.require(event, self._settings.extra_sources)
        if self._hook is not None:
            return self._hook.client_id(event, deadline)
        return identity.client_id(event, self._settings.client_id_source)

    def _decide(self, client_id: str, deadline: float, tally: Tally) -> tuple[bool, str]:
        """Whether to let the client in, and why: what Revenium says, else what it said, else what the settings say."""
        if self._settings.mode == "identify":
            return True, "not_checked"
        known = self._decisions.fresh(client_id)
        if known is not None:
            tally.cache_hits += 1
            return known, _reason(known)
        entitlement = self._client.unasked()
        if not self._client.is_silent():
            started = time.monotonic()
            entitlement = self._client.check(client_id, deadline)
            tally.milliseconds.append((time.monotonic() - started) * 1000)
        if entitlement in DECISIONS:
            entitled = entitlement is Entitlement.ENTITLED
            self._decisions.remember(client_id, entitled)
            return entitled, _reason(entitled)
        tally.errors += 1
        tally.key_refused += entitlement is Entitlement.NO_KEY
        known = self._decisions.stale(client_id)
        if known is not None:
            tally.stale += 1
            return known, f"stale_{_reason(known)}"
        if entitlement is Entitlement.CHECK_REFUSED:
            # A caller chooses his id: one that Revenium dislikes must not be a way in.
            return False, "check_refused"
        if self._settings.on_error == "allow":
            tally.fail_open += 1
            return True, "no_decision"
        return False, "no_decision"


def _reason(entitled: bool) -> str:
    return "entitled" if entitled else "not_entitled"


_authorizer: Authorizer | None = None


def _build() -> Authorizer:
    settings = Settings.from_environ(os.environ)
    transport = Transport(connections=2, ca_file=settings.ca_file)
    client = EntitlementClient(settings, transport, ApiKey(os.environ, transport))
    return Authorizer(settings, client, Hook(settings, transport) if settings.authenticate else None)


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Lambda's entry point: answers an IAM policy with the caller's id. Raises SettingsError and UnknownEvent."""
    global _authorizer
    _authorizer = _authorizer or _build()
    return _authorizer.authorize(event)
