"""Access-log lines as API Gateway writes them: which variables exist for which kind of API, and how they
print.

Source: the table of access-log variables in AWS's developer guide for REST, HTTP and WebSocket APIs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

Kind = Literal["REST", "HTTP", "WEBSOCKET"]

MAX_FORMAT_BYTES = 3072
NO_VALUE = "-"

_ALL = "REST HTTP WEBSOCKET"
_AVAILABILITY = {
    "requestId": _ALL,
    "extendedRequestId": _ALL,
    "accountId": _ALL,
    "apiId": _ALL,
    "stage": _ALL,
    "status": _ALL,
    "domainName": _ALL,
    "domainPrefix": _ALL,
    "requestTime": _ALL,
    "requestTimeEpoch": _ALL,
    "integrationLatency": _ALL,
    "identity.sourceIp": _ALL,
    "identity.userAgent": _ALL,
    "error.responseType": _ALL,
    "error.message": _ALL,
    "error.messageString": _ALL,
    "httpMethod": "REST HTTP",
    "path": "REST HTTP",
    "protocol": "REST HTTP",
    "responseLength": "REST HTTP",
    "responseLatency": "REST HTTP",
    "integrationStatus": "REST HTTP",
    "integration.status": _ALL,
    "integration.latency": _ALL,
    "dataProcessed": "HTTP",
    "routeKey": "HTTP WEBSOCKET",
    "resourcePath": "REST",
    "resourceId": "REST",
    "identity.apiKeyId": "REST WEBSOCKET",
    # Named by older pages for HTTP APIs, missing from the current list: a format must not rely on it.
    "authorizer.principalId": "REST WEBSOCKET",
    "eventType": "WEBSOCKET",
    "connectionId": "WEBSOCKET",
    "connectedAt": "WEBSOCKET",
    "messageId": "WEBSOCKET",
}
VARIABLES: Mapping[str, frozenset[str]] = {name: frozenset(kinds.split()) for name, kinds in _AVAILABILITY.items()}

_VARIABLE = re.compile(r"\$context((?:\.[A-Za-z0-9_-]+)+)")
_FOREIGN = re.compile(r"\$(?!context\.)[A-Za-z]+")


def available(name: str, kind: Kind) -> bool:
    """Whether `$context.<name>` has a meaning for this kind of API. Every key of an authorizer's context
    has.
    """
    kinds = VARIABLES.get(name)
    if kinds is None:
        return name.startswith("authorizer.")
    return kind in kinds


def fill(template: str, kind: Kind, values: Mapping[str, object]) -> str:
    """One line: each variable replaced by its value, `-` where it is unknown, missing or None.

    AWS documents no escaping, so values go in as they are. Booleans print as `true` and `false`.

    :param values: by name without `$context.`
    """

    def value_of(match: re.Match[str]) -> str:
        name = match[1][1:]
        value = values.get(name) if available(name, kind) else None
        if value is None or value == "":
            return NO_VALUE
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(value)

    return _VARIABLE.sub(value_of, template)


def format_problem(template: str) -> str | None:
    """Why API Gateway would refuse this format, or None."""
    if not template:
        return "the format is empty"
    if (size := len(template.encode())) > MAX_FORMAT_BYTES:
        return f"the format has {size} bytes, more than {MAX_FORMAT_BYTES}"
    if "\n" in template or "\r" in template:
        return "the format has more than one line"
    names = {match[1][1:] for match in _VARIABLE.finditer(template)}
    if not names & {"requestId", "extendedRequestId"}:
        return "the format has neither $context.requestId nor $context.extendedRequestId"
    if foreign := _FOREIGN.search(template):
        return f"the format has {foreign[0]}, only $context variables are allowed"
    return None
