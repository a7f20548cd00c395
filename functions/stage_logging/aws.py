"""Calls of AWS: bounded in time, patient with what passes, and with one kind of error."""

import time
from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError

ATTEMPTS = 4
CONNECT_SECONDS, READ_SECONDS = 2, 6
# Between two attempts, standard mode waits 1, 2, 4, ... s at most.
# https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
CALL_SECONDS = ATTEMPTS * (CONNECT_SECONDS + READ_SECONDS) + 2 ** (ATTEMPTS - 1) - 1
PATIENCE = 30.0
_PAUSE = 2.0

DENIED = ("AccessDenied", "AccessDeniedException")
THROTTLED = ("TooManyRequestsException", "ThrottlingException", "Throttling")
NO_LOG_DELIVERY = "Insufficient permissions to enable logging"


class Refusal(Exception):
    """AWS did not do it: its error code and message; `NoAnswer` in time; or `NotAsked`, for the call was not made."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


def client(service: str) -> Any:
    """A client of an AWS service, none of whose calls takes longer than CALL_SECONDS."""
    retries = {"mode": "standard", "total_max_attempts": ATTEMPTS}
    config = Config(retries=retries, connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS)
    return boto3.client(service, config=config)


class Caller:
    """Makes calls until `deadline`, a time of `clock` in seconds.

    Waits out what passes by itself: permissions that Terraform has just given need some seconds to hold everywhere,
    and API Gateway takes few changes a second and one at a time.
    """

    def __init__(
        self,
        deadline: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._deadline = deadline
        self._clock = clock
        self._sleep = sleep

    def call(self, operation: Callable[..., Any], **arguments: Any) -> dict[str, Any]:
        """The answer of a client's operation. Raises Refusal."""
        patient_until = self._clock() + PATIENCE
        while True:
            if self._clock() + CALL_SECONDS > self._deadline:
                raise Refusal("NoAnswer", "AWS took too long with the calls before this one")
            try:
                answer: dict[str, Any] = operation(**arguments)
                return answer
            except ClientError as error:
                found = error.response.get("Error", {})
                refusal = Refusal(str(found.get("Code", "")), str(found.get("Message", "")))
                if not _passes(refusal) or self._clock() + _PAUSE > patient_until:
                    raise refusal from error
            except (ConnectionError, HTTPClientError) as error:
                raise Refusal("NoAnswer", str(error)) from error
            except BotoCoreError as error:
                raise Refusal("NotAsked", str(error)) from error
            self._sleep(_PAUSE)


def _passes(refusal: Refusal) -> bool:
    passing = refusal.code in (*DENIED, *THROTTLED, "ConflictException")
    return passing or NO_LOG_DELIVERY in refusal.message
