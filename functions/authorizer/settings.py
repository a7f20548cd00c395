"""The authorizer's settings. Every variable is documented in functions/README.md."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from revenium import settings
from revenium.log import LEVELS
from revenium.settings import SettingsError

DEFAULT_URL = "https://api.revenium.io/meter/v1/api/meter/product-key"
_NAMED, _NAMELESS = ("header", "query", "jwt_claim"), ("api_key", "certificate")


class Source(NamedTuple):
    """Where a value of the caller's stands: `kind` is header, query, jwt_claim, api_key or certificate.

    `name` is the header's in lower case, the query parameter's or the claim's, and empty for the other two.
    """

    kind: str
    name: str


class Settings(NamedTuple):
    """Who is calling, how to ask Revenium, and what to answer when it cannot be asked. Times in seconds."""

    url: str
    parameter: str
    timeout: int
    on_error: str
    mode: str
    client_id_source: Source
    extra_sources: tuple[Source, ...]
    allow_cache: int
    deny_cache: int
    stale: int
    authenticate: bool
    authenticate_secret_arn: str
    ca_file: str

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Settings":
        """Raises SettingsError naming the variable at fault."""
        settings.choice(environ, "LOG_LEVEL", "INFO", LEVELS)
        extra = settings.text(environ, "REVENIUM_EXTRA_IDENTITY_SOURCES", "")
        return cls(
            url=settings.url(environ, "REVENIUM_ENTITLEMENT_URL", DEFAULT_URL),
            parameter=settings.choice(
                environ, "REVENIUM_ENTITLEMENT_PARAMETER", "application", ("application", "productKey")
            ),
            timeout=settings.integer(environ, "REVENIUM_ENTITLEMENT_TIMEOUT_SECONDS", 3, 1, 8),
            on_error=settings.choice(environ, "REVENIUM_ON_ERROR", "deny", ("allow", "deny")),
            mode=settings.choice(environ, "REVENIUM_MODE", "enforce", ("enforce", "observe", "identify")),
            client_id_source=_source(
                "REVENIUM_CLIENT_ID_SOURCE",
                settings.text(environ, "REVENIUM_CLIENT_ID_SOURCE", "header:clientId"),
                _NAMED,
                _NAMELESS,
            ),
            extra_sources=tuple(
                _source("REVENIUM_EXTRA_IDENTITY_SOURCES", each, ("header", "query"), ())
                for each in extra.split(",")
                if extra
            ),
            allow_cache=settings.integer(environ, "REVENIUM_ALLOW_CACHE_SECONDS", 30, 0, 3600),
            deny_cache=settings.integer(environ, "REVENIUM_DENY_CACHE_SECONDS", 10, 0, 3600),
            stale=settings.integer(environ, "REVENIUM_STALE_SECONDS", 300, 0, 86400),
            authenticate=settings.choice(environ, "REVENIUM_AUTHENTICATE", "false", ("true", "false")) == "true",
            authenticate_secret_arn=settings.text(environ, "REVENIUM_AUTHENTICATE_SECRET_ARN", ""),
            ca_file=settings.ca_file(environ, "REVENIUM_CA_FILE"),
        )


def _source(variable: str, text: str, named: tuple[str, ...], nameless: tuple[str, ...]) -> Source:
    kind, colon, name = text.partition(":")
    if kind in nameless and not colon:
        return Source(kind, "")
    if kind not in named or not re.fullmatch(r"[!-+\--~]{1,128}", name):
        expected = [f"{each}:<name>" for each in named] + list(nameless)
        raise SettingsError(f"{variable} must be made of: {', '.join(expected)}.")
    return Source(kind, name.lower() if kind == "header" else name)
