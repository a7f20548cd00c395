"""An execution environment of the authorizer, in front of a Revenium that knows the client `acme`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import authorizer.handler
from authorizer.authentication import Hook
from authorizer.entitlement import EntitlementClient
from authorizer.handler import Authorizer, handler
from authorizer.settings import Settings
from revenium.http11 import Answer
from unit.fakes import OK, FakeKey, FakeTransport

EVENTS = {path.stem: path for path in (Path(__file__).parent / "events" / "authorizer").glob("*.json")}
SECRET_ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:hook-AbCdEf"
KNOWN, UNKNOWN = OK, Answer(404, {}, "")


def event(name: str, client_id: str = "acme") -> dict[str, Any]:
    """The event of a file, with the client id where `acme` stands."""
    loaded = json.loads(EVENTS[name].read_text().replace('"acme"', json.dumps(client_id)))
    assert isinstance(loaded, dict)
    return loaded


def stage(name: str) -> str:
    arn = event(name).get("routeArn") or event(name)["methodArn"]
    return "/".join(arn.split("/")[:2])


class Revenium:
    """The entitlement check: knows `acme`, or answers as told. Secrets Manager beside it holds `secret`."""

    def __init__(self) -> None:
        self.trouble: Answer | Exception | None = None
        self.secret: str | Answer | Exception = "hook-secret"
        self.transport = FakeTransport(self._respond)
        self.key = FakeKey()
        self.client: EntitlementClient

    def _respond(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if "secretsmanager" in url:
            return _told(self.secret) or Answer(200, {}, json.dumps({"SecretString": self.secret}))
        application = parse_qs(urlsplit(url).query).get("application")
        return _told(self.trouble) or (KNOWN if application == ["acme"] else UNKNOWN)

    @property
    def asked(self) -> list[str]:
        """The clients that Revenium was asked for."""
        queries = [urlsplit(url).query for url, _, _ in self.transport.sent if "secretsmanager" not in url]
        return [value for query in queries for values in parse_qs(query).values() for value in values]

    def start(self, **environ: str) -> Authorizer:
        """A new execution environment."""
        settings = Settings.from_environ(environ)
        self.client = EntitlementClient(settings, self.transport, self.key)  # type: ignore[arg-type]
        hook = Hook(settings, self.transport) if settings.authenticate else None  # type: ignore[arg-type]
        started = authorizer.handler._authorizer = Authorizer(settings, self.client, hook)
        return started

    def ask(self, event: Any) -> dict[str, Any]:
        """The answer of the execution environment that was started last."""
        return handler(event, None)

    def reason(self, client_id: str) -> str:
        """Why the client is let in or turned away now."""
        reason = self.ask(event("http_2_0", client_id))["context"]["reason"]
        assert isinstance(reason, str)
        return reason

    def answer(self, event: Any, **environ: str) -> dict[str, Any]:
        """The answer of a new execution environment."""
        self.start(**environ)
        return self.ask(event)


def _told(what: str | Answer | Exception | None) -> Answer | None:
    if isinstance(what, Exception):
        raise what
    return what if isinstance(what, Answer) else None
