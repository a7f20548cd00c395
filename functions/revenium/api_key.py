"""Revenium's API key: from Secrets Manager, kept for a bounded time, read again when it is refused."""

import json
import os
import threading
import time
from collections.abc import Mapping

from revenium.log import log
from revenium.settings import SettingsError
from revenium.transport import NotSent, Transport, Unanswered

MAX_AGE = 300.0
_MIN_AGE = 1.0  # threads that are refused together share one look
_RETRY_AFTER = 30.0  # while the secret cannot be read, nobody waits for it more often
_READ_TIMEOUT = 2.0
_DNS_SUFFIXES = {"aws-cn": "amazonaws.com.cn", "aws-eusc": "amazonaws.eu"}


class KeyUnavailable(Exception):
    """There is no key to use; the message says why and what to do, and holds no secret."""


class ApiKey:
    """The key that `REVENIUM_API_KEY` holds, or that lies in the secret `REVENIUM_API_KEY_SECRET_ARN` names.

    The secret's value is the bare key, or JSON with the key under `api_key`.
    """

    def __init__(self, environ: Mapping[str, str], transport: Transport) -> None:
        self._fixed = environ.get("REVENIUM_API_KEY", "").strip()
        if self._fixed and not _is_key(self._fixed):
            raise SettingsError("REVENIUM_API_KEY must be printable ASCII characters without spaces: the bare key.")
        self._arn = environ.get("REVENIUM_API_KEY_SECRET_ARN", "").strip()
        if not self._fixed and not self._arn:
            raise SettingsError(
                "REVENIUM_API_KEY_SECRET_ARN is not set. Set it to the ARN of the secret that holds the key "
                "(or, for a local run, REVENIUM_API_KEY to the key)."
            )
        if not self._fixed and len(self._arn.split(":")) < 7:
            raise SettingsError("REVENIUM_API_KEY_SECRET_ARN must be the full ARN of a Secrets Manager secret.")
        self._transport = transport
        self._lock = threading.Lock()
        self._value = self._fixed
        self._read_at = 0.0

    def value(self, timeout: float = _READ_TIMEOUT) -> str:
        """The key, at most MAX_AGE seconds old while the secret can be read. Reading it takes `timeout` s at most.

        Raises KeyUnavailable where there never was one.
        """
        with self._lock:
            if not self._fixed and time.time() - self._read_at > MAX_AGE:
                self._read(min(timeout, _READ_TIMEOUT))
            return self._value

    def refused(self, value: str) -> bool:
        """Revenium refused `value`: read the secret again; says whether another key is there now."""
        with self._lock:
            if self._fixed:
                return False
            if self._value == value and time.time() - self._read_at > _MIN_AGE:
                self._read(_READ_TIMEOUT)
            return self._value != value

    def _read(self, timeout: float) -> None:
        try:
            self._value = _parse(_get_secret_value(self._arn, self._transport, timeout))
            self._read_at = time.time()
        except KeyUnavailable as error:
            if not self._value:
                raise
            # The key in hand may well be good still: using it beats refusing to work.
            self._read_at = time.time() - MAX_AGE + _RETRY_AFTER
            log("WARNING", "The API key's secret could not be read again; the last key stays in use", error=error)


def _get_secret_value(arn: str, transport: Transport, timeout: float) -> str:
    """Secrets Manager's GetSecretValue, signed by botocore but without a boto3 client.

    Building a client costs a cold start hundreds of milliseconds, and in the authorizer a caller waits for it.
    """
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    partition, region = arn.split(":")[1], arn.split(":")[3]
    suffix = _DNS_SUFFIXES.get(partition, "amazonaws.com")
    endpoint = (
        os.environ.get("AWS_ENDPOINT_URL_SECRETS_MANAGER")
        or os.environ.get("AWS_ENDPOINT_URL")
        or f"https://secretsmanager.{region}.{suffix}"
    )
    request = AWSRequest(
        method="POST",
        url=endpoint.rstrip("/") + "/",
        data=json.dumps({"SecretId": arn}).encode(),
        headers={
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": "secretsmanager.GetSecretValue",
        },
    )
    credentials = Credentials(
        os.environ.get("AWS_ACCESS_KEY_ID", ""),
        os.environ.get("AWS_SECRET_ACCESS_KEY", ""),
        os.environ.get("AWS_SESSION_TOKEN") or None,
    )
    SigV4Auth(credentials, "secretsmanager", region).add_auth(request)
    prepared = request.prepare()
    try:
        answer = transport.send("POST", prepared.url, dict(prepared.headers), prepared.body, timeout)
    except (NotSent, Unanswered) as error:
        raise KeyUnavailable(f"Secrets Manager did not answer for {arn}: {error}.") from error
    try:
        document = json.loads(answer.body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        document = {}
    if answer.status != 200:
        kind = str(document.get("__type", "")).rpartition("#")[2] or "no error type"
        raise KeyUnavailable(
            f"Secrets Manager answered {answer.status} ({kind}) for {arn}. Check that the secret exists and "
            "that the function's role may read it."
        )
    return str(document.get("SecretString") or "")


def _parse(secret: str) -> str:
    value: object = secret.strip()
    if secret.lstrip().startswith("{"):
        try:
            value = json.loads(secret).get("api_key")
        except ValueError:
            value = None
    if not isinstance(value, str) or not _is_key(value):
        raise KeyUnavailable("The secret holds no API key. Store the bare key, or JSON with the key under `api_key`.")
    return value


def _is_key(value: str) -> bool:
    """What can go into a header as it is."""
    return value.isascii() and value.isprintable() and value != "" and " " not in value
