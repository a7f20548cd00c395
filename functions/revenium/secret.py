"""A secret in Secrets Manager: read without boto3, kept for a bounded time."""

import hashlib
import hmac
import json
import os
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from revenium.log import log
from revenium.settings import SettingsError
from revenium.transport import NotSent, Transport, Unanswered

MAX_AGE = 300.0
_MIN_AGE = 1.0  # threads that find the secret wrong together share one look
_RETRY_AFTER = 30.0  # while the secret cannot be read, nobody waits for it more often
READ_TIMEOUT = 2.0
_THROTTLED = ("Throttl", "TooManyRequests", "LimitExceeded")  # what the error types have in them
_DNS_SUFFIXES = {"aws-cn": "amazonaws.com.cn", "aws-eusc": "amazonaws.eu"}


class SecretUnavailable(Exception):
    """There is no secret to use; the message says why and what to do, and nothing of what it holds."""


class SecretGone(SecretUnavailable):
    """Secrets Manager says itself that there is none: it does not exist, may not be read, or holds no text."""


class Secret:
    """The value of the secret `arn`, which `variable` named, as `parse` makes it of the stored text.

    `parse` raises SecretUnavailable for a text that is none: by default for one without a visible character, which
    must not become a key that everybody knows. `outlived` says that the last value stays in use when the secret is
    gone, which is right only where somebody else refuses a value that is no longer good. Raises SettingsError for what
    is no ARN.
    """

    def __init__(
        self,
        arn: str,
        variable: str,
        transport: Transport,
        parse: Callable[[str], str] | None = None,
        outlived: bool = False,
    ) -> None:
        if len(arn.split(":")) < 7:
            raise SettingsError(f"{variable} must be the full ARN of a Secrets Manager secret.")
        self._arn = arn
        self._transport = transport
        self._parse = parse or _text
        self._outlived = outlived
        self._lock = threading.Lock()
        self._value = ""
        self._read_at = 0.0

    def value(self, timeout: float = READ_TIMEOUT) -> str:
        """At most MAX_AGE seconds old while Secrets Manager answers, else the last one. Reading it takes `timeout` s at
        most, and half of it where there is a value in hand, which then has the other half to be used.

        Raises SecretUnavailable where there never was one, and where it is gone and not outlived.
        """
        with self._lock:
            if not 0 <= time.time() - self._read_at <= MAX_AGE:
                self._read(min(timeout / 2 if self._value else timeout, READ_TIMEOUT))
            return self._value

    def refused(self, value: str) -> bool:
        """Somebody found `value` wrong: reads the secret again; says whether another value is there now."""
        with self._lock:
            if self._value == value and not 0 <= time.time() - self._read_at <= _MIN_AGE:
                self._read(READ_TIMEOUT)
            return self._value != value

    def _read(self, timeout: float) -> None:
        try:
            self._value = self._parse(_get_secret_value(self._arn, self._transport, timeout))
            self._read_at = time.time()
        except SecretUnavailable as error:
            if isinstance(error, SecretGone) and not self._outlived:
                self._value, self._read_at = "", 0.0
            if not self._value:
                raise
            # The value in hand may well be good still: using it beats refusing to work.
            self._read_at = time.time() - MAX_AGE + _RETRY_AFTER
            log("WARNING", "The secret could not be read again; its last value stays in use", error=error)


def _text(secret: str) -> str:
    if not secret.strip():
        raise SecretGone("The secret holds no text. Binary secrets are not read.")
    return secret


def _get_secret_value(arn: str, transport: Transport, timeout: float) -> str:
    """Secrets Manager's GetSecretValue.

    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
    """
    partition, region = arn.split(":")[1], arn.split(":")[3]
    suffix = _DNS_SUFFIXES.get(partition, "amazonaws.com")
    endpoint = (
        os.environ.get("AWS_ENDPOINT_URL_SECRETS_MANAGER")
        or os.environ.get("AWS_ENDPOINT_URL")
        or f"https://secretsmanager.{region}.{suffix}"
    )
    url, body = endpoint.rstrip("/") + "/", json.dumps({"SecretId": arn}).encode()
    headers = {
        "Host": urlsplit(url).netloc,
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "secretsmanager.GetSecretValue",
        "X-Amz-Date": time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time())),
    }
    if token := os.environ.get("AWS_SESSION_TOKEN"):
        headers["X-Amz-Security-Token"] = token
    try:
        answer = transport.send("POST", url, headers | _authorization(headers, body, region), body, timeout)
    except (NotSent, Unanswered) as error:
        raise SecretUnavailable(f"Secrets Manager did not answer for {arn}: {error}.") from error
    try:
        document = json.loads(answer.body)
    except ValueError:
        document = None
    if answer.status != 200:
        kind = str(document.get("__type", "")).rpartition("#")[2] if isinstance(document, dict) else ""
        gone = 400 <= answer.status < 500 and kind and not any(each in kind for each in _THROTTLED)
        raise (SecretGone if gone else SecretUnavailable)(
            f"Secrets Manager answered {answer.status} ({kind or 'no error type'}) for {arn}. Check that the secret "
            "exists and that the function's role may read it."
        )
    if not isinstance(document, dict):
        raise SecretUnavailable(f"Secrets Manager's answer for {arn} did not arrive whole.")
    return str(document.get("SecretString") or "")


def _authorization(headers: dict[str, str], body: bytes, region: str) -> dict[str, str]:
    """Signature version 4 of a POST to the root path, with the keys that Lambda puts into the environment.

    botocore signs alike, and importing it takes longer than the rest of a cold start together.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """
    signed = {name.lower(): value.strip() for name, value in headers.items()}
    names = ";".join(sorted(signed))
    lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
    request = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    date = headers["X-Amz-Date"]
    scope = f"{date[:8]}/{region}/secretsmanager/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = ("AWS4" + os.environ.get("AWS_SECRET_ACCESS_KEY", "")).encode()
    for part in (*scope.split("/"), text):
        key = hmac.digest(key, part.encode(), "sha256")
    credential = f"{os.environ.get('AWS_ACCESS_KEY_ID', '')}/{scope}"
    return {
        "Authorization": f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={key.hex()}",
    }
