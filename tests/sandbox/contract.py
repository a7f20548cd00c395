"""Revenium's metering API as data: the fields of each body, and a strict check against them.

Sources: Revenium's published OpenAPI files for v2 (`/v2/apis/requests`, `/v2/apis/responses`, `/v2/events`)
and v1 (`/meter`, `/event`), and the value ranges that a usage record can have.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

METHODS = frozenset(("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"))
IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,255}")

Check = Callable[[Any], str | None]


class ContractViolation(ValueError):
    """A body that the API would refuse; the message names the field and the rule, not the value."""


@dataclass(frozen=True)
class Field:
    """One field of a body."""

    check: Check
    required: bool = False


def _string(value: Any) -> str | None:
    return None if isinstance(value, str) else "must be a string"


def _filled(value: Any) -> str | None:
    return None if isinstance(value, str) and value else "must be a string that is not empty"


def _boolean(value: Any) -> str | None:
    return None if isinstance(value, bool) else "must be true or false"


def _integer(low: int, high: int | None = None) -> Check:
    def check(value: Any) -> str | None:
        if not isinstance(value, int) or isinstance(value, bool):
            return "must be an integer"
        if value < low or (high is not None and value > high):
            return f"must be from {low}" + (f" to {high}" if high is not None else "")
        return None

    return check


def _number(value: Any) -> str | None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        return "must be a number"
    return None if value >= 0 else "must not be negative"


def _one_of(*allowed: str) -> Check:
    def check(value: Any) -> str | None:
        return None if value in allowed else "must be one of " + ", ".join(sorted(allowed))

    return check


def _strings(value: Any) -> str | None:
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return None
    return "must be a list of strings"


def _elements(value: Any) -> str | None:
    rule = "must be a list of {name, value}, both strings"
    if not isinstance(value, list):
        return rule
    for element in value:
        if not isinstance(element, dict) or set(element) != {"name", "value"}:
            return rule
        if not all(isinstance(part, str) for part in element.values()):
            return rule
    return None


def _object(value: Any) -> str | None:
    return None if isinstance(value, dict) else "must be an object"


_BYTES = _integer(0)

V2_REQUEST: Mapping[str, Field] = {
    "transactionId": Field(_filled, required=True),
    "credential": Field(_filled),
    "sourceId": Field(_filled),
    "sourceType": Field(_one_of("AWS")),
    "method": Field(_one_of(*METHODS)),
    "resource": Field(_filled),
    "contentType": Field(_string),
    "userAgent": Field(_string),
    "remoteHost": Field(_string),
    "requestMessageSize": Field(_BYTES),
}
V2_RESPONSE: Mapping[str, Field] = {
    "transactionId": Field(_filled, required=True),
    "responseCode": Field(_integer(100, 599), required=True),
    "totalDuration": Field(_integer(0)),
    "backendLatency": Field(_number),
    "gatewayLatency": Field(_number),
    "responseMessageSize": Field(_BYTES),
    "contentType": Field(_string),
}
V2_EVENT: Mapping[str, Field] = {
    "transactionId": Field(_filled, required=True),
    "payload": Field(_object, required=True),
    "sourceType": Field(_one_of("AWS")),
    "sourceId": Field(_filled),
    "subscriberCredential": Field(_filled),
}
V1_METER: Mapping[str, Field] = {
    "method": Field(_filled, required=True),
    "responseCode": Field(_integer(100, 599), required=True),
    "requestHeaders": Field(_strings, required=True),
    "responseHeaders": Field(_strings, required=True),
    "elements": Field(_elements, required=True),
    "application": Field(_filled),
    "productKey": Field(_filled),
    "api": Field(_filled),
    "url": Field(_filled),
    "metadata": Field(_string),
    "backendLatency": Field(_number),
    "gatewayLatency": Field(_number),
    "timedOut": Field(_boolean),
    "requestMessageSize": Field(_BYTES),
    "responseMessageSize": Field(_BYTES),
    "userAgent": Field(_string),
    "remoteUser": Field(_string),
    "remoteHost": Field(_string),
    "httpProtocol": Field(_string),
    "contentType": Field(_string),
    "correlationId": Field(_string),
    "source": Field(_one_of("AWS")),
    "monetized": Field(_boolean),
    "callCount": Field(_integer(1)),
}
# The schema of the event's other fields is not published: only what joins and dates it is checked.
V1_EVENT: Mapping[str, Field] = {
    "requestId": Field(_filled, required=True),
    "currentMillis": Field(_integer(0), required=True),
}


def parse(content: bytes, fields: Mapping[str, Field], *, unknown: bool = False) -> dict[str, Any]:
    """The body as an object that keeps the contract.

    :param fields: the allowed fields
    :param unknown: accept fields that are not listed
    :raises ContractViolation: the first rule that is broken
    """
    try:
        body = json.loads(content, parse_constant=_no_constant, object_pairs_hook=_no_duplicates)
    except ContractViolation:
        raise
    except ValueError as error:
        raise ContractViolation(f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise ContractViolation("the body is not an object")
    for name, rule in fields.items():
        if name not in body:
            if rule.required:
                raise ContractViolation(f"{name} is missing")
        elif problem := rule.check(body[name]):
            raise ContractViolation(f"{name} {problem}")
    if not unknown and (extra := sorted(set(body) - set(fields))):
        raise ContractViolation("unknown: " + ", ".join(extra))
    return body


def _no_constant(name: str) -> Any:
    raise ContractViolation(f"{name} is not JSON")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    body = dict(pairs)
    if len(body) != len(pairs):
        raise ContractViolation("a field is given twice")
    return body
