"""The metering function's settings. Every variable is documented in functions/README.md."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from metering.rules import Rules
from revenium import settings
from revenium.log import LEVELS

# An hour less than Revenium keeps idempotency keys: within it, sending again never counts twice.
DEFAULT_RETRY_FOR = 23 * 3600
DEFAULT_URLS = {"v2": "https://api.revenium.ai/meter", "v1": "https://api.revenium.io/meter/v1/api"}


@dataclass(frozen=True)
class Settings:
    """How to reach Revenium and the queues. Times in seconds; `v1_unanswered` is `park` or `resend`."""

    api: str
    url: str
    retry_queue_url: str
    dead_letter_queue_url: str
    connections: int
    request_timeout: int
    requests_per_second: int
    retry_concurrency: int
    retry_for: int
    v1_unanswered: str
    rules: Rules = field(default_factory=Rules)
    ca_file: str = ""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Settings":
        """Raises SettingsError naming the variable at fault."""
        settings.choice(environ, "LOG_LEVEL", "INFO", LEVELS)
        api = settings.choice(environ, "REVENIUM_METERING_API", "v2", ("v1", "v2"))
        rules = Rules.from_json("REVENIUM_MAPPING", settings.text(environ, "REVENIUM_MAPPING", ""))
        if api == "v2" and (rules.subscription or rules.metadata):
            raise settings.SettingsError("REVENIUM_MAPPING: subscription and metadata must be left out with v2.")
        return cls(
            api=api,
            url=settings.url(environ, "REVENIUM_METERING_URL", DEFAULT_URLS[api]),
            retry_queue_url=settings.url(environ, "RETRY_QUEUE_URL", ""),
            dead_letter_queue_url=settings.url(environ, "DEAD_LETTER_QUEUE_URL", ""),
            connections=settings.integer(environ, "REVENIUM_CONNECTIONS", 128, 1, 128),
            request_timeout=settings.integer(environ, "REVENIUM_TIMEOUT_SECONDS", 10, 1, 60),
            requests_per_second=settings.integer(environ, "REVENIUM_REQUESTS_PER_SECOND", 1000, 1, 1_000_000),
            retry_concurrency=settings.integer(environ, "RETRY_CONCURRENCY", 2, 1, 1000),
            v1_unanswered=settings.choice(environ, "REVENIUM_V1_UNANSWERED", "park", ("park", "resend")),
            retry_for=settings.integer(environ, "REVENIUM_RETRY_FOR_SECONDS", DEFAULT_RETRY_FOR, 0, 604800),
            rules=rules,
            ca_file=settings.ca_file(environ, "REVENIUM_CA_FILE"),
        )
