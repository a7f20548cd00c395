"""Revenium's API key: from Secrets Manager, or from the environment."""

import json
from collections.abc import Mapping

from revenium.secret import READ_TIMEOUT, Secret, SecretUnavailable
from revenium.settings import SettingsError
from revenium.transport import Transport


class ApiKey:
    """The key that `REVENIUM_API_KEY` holds, or that lies in the secret `REVENIUM_API_KEY_SECRET_ARN` names.

    The secret's value is the bare key, or JSON with the key under `api_key`. Raises SettingsError.
    """

    def __init__(self, environ: Mapping[str, str], transport: Transport) -> None:
        self._fixed = environ.get("REVENIUM_API_KEY", "").strip()
        if self._fixed:
            if not _is_key(self._fixed):
                raise SettingsError("REVENIUM_API_KEY must be printable ASCII characters without spaces: the bare key.")
            return
        arn = environ.get("REVENIUM_API_KEY_SECRET_ARN", "").strip()
        if not arn:
            raise SettingsError(
                "REVENIUM_API_KEY_SECRET_ARN is not set. Set it to the ARN of the secret that holds the key "
                "(or, for a local run, REVENIUM_API_KEY to the key)."
            )
        # Revenium refuses a key that was revoked. One that only the secret lost bills and authorizes as before.
        self._secret = Secret(arn, "REVENIUM_API_KEY_SECRET_ARN", transport, _parse, outlived=True)

    def value(self, timeout: float = READ_TIMEOUT) -> str:
        """As Secret.value."""
        return self._fixed or self._secret.value(timeout)

    def refused(self, value: str) -> bool:
        """Revenium refused `value`: reads the secret again; says whether another key is there now."""
        return not self._fixed and self._secret.refused(value)


def _parse(secret: str) -> str:
    value: object = secret.strip()
    if secret.lstrip().startswith("{"):
        try:
            value = json.loads(secret).get("api_key")
        except ValueError:
            value = None
    if not isinstance(value, str) or not _is_key(value):
        raise SecretUnavailable(
            "The secret holds no API key. Store the bare key, or JSON with the key under `api_key`."
        )
    return value


def _is_key(value: str) -> bool:
    """What can go into a header as it is."""
    return value.isascii() and value.isprintable() and value != "" and " " not in value
