"""The authorizer's settings. Every variable is documented in functions/README.md."""

from collections.abc import Mapping
from dataclasses import dataclass

from revenium import settings
from revenium.log import LEVELS

DEFAULT_URL = "https://api.revenium.io/meter/v1/api/meter/product-key"


@dataclass(frozen=True)
class Settings:
    """How to ask Revenium, and what to answer when it cannot be asked. Times in seconds."""

    url: str
    parameter: str
    timeout: int
    on_error: str
    client_id_header: str

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Settings":
        """Raises SettingsError naming the variable at fault."""
        settings.choice(environ, "LOG_LEVEL", "INFO", LEVELS)
        return cls(
            url=settings.url(environ, "REVENIUM_ENTITLEMENT_URL", DEFAULT_URL),
            parameter=settings.choice(
                environ, "REVENIUM_ENTITLEMENT_PARAMETER", "application", ("application", "productKey")
            ),
            timeout=settings.integer(environ, "REVENIUM_ENTITLEMENT_TIMEOUT_SECONDS", 3, 1, 8),
            on_error=settings.choice(environ, "REVENIUM_ON_ERROR", "deny", ("allow", "deny")),
            client_id_header=settings.text(environ, "REVENIUM_CLIENT_ID_HEADER", "clientId"),
        )
