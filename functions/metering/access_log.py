"""Reads one API Gateway access-log line: ours, or that of Revenium's own CloudFormation template.

API Gateway does not document that it escapes what it puts into a line, and a caller chooses the user agent, the
path and, on REST APIs, the request id. Two rules keep a caller from writing into fields that are not his: our
formats put those last, and of a key that stands twice the first one counts.
"""

import json
import re
from dataclasses import dataclass

_PAIR = re.compile(r'"(\w+)"\s*:\s*(?:"([^"\\]*)"|(-?\d+(?:\.\d+)?))\s*,\s*')
_NO_VALUE = ("", "-")
_TEXT_LIMIT = 4096  # API Gateway's own bounds are lower; this one keeps a record within a queue message


class MalformedLine(Exception):
    """The line holds no access-log record; `reason` is one word for metrics, the message says what was expected."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class AccessLogRecord:
    """One call. `None` where the gateway had no value; latencies in milliseconds, lengths in bytes.

    `time` is when the gateway took the request, in milliseconds since the epoch.
    """

    status: int
    request_id: str | None = None
    extended_request_id: str | None = None
    client_id: str | None = None
    principal_id: str | None = None
    method: str | None = None
    path: str | None = None
    route: str | None = None
    error_type: str | None = None
    event_type: str | None = None
    source_ip: str | None = None
    user_agent: str | None = None
    protocol: str | None = None
    response_length: int | None = None
    response_latency: float | None = None
    integration_latency: float | None = None
    time: float | None = None
    unrouted: bool = False


def parse(line: str) -> AccessLogRecord:
    """Raises MalformedLine for a line that is no JSON object or says no status."""
    fields = _fields(line)

    def text(key: str) -> str | None:
        value = fields.get(key)
        if value in _NO_VALUE or not isinstance(value, str | int | float):
            return None
        return str(value)[:_TEXT_LIMIT]

    def number(key: str) -> float | None:
        try:
            value = float(str(fields.get(key)))
        except ValueError:
            return None
        return value if 0 <= value < 1e15 else None

    def whole(key: str) -> int | None:
        value = number(key)
        return None if value is None else int(value)

    status = whole("status")
    if status is None or not 100 <= status <= 999:
        raise MalformedLine("no_status", "The line has no HTTP status under `status`; the log format must have one.")
    time = number("requestTimeEpoch")
    return AccessLogRecord(
        status=status,
        request_id=text("requestId"),
        extended_request_id=text("extendedRequestId"),
        client_id=text("clientId"),
        principal_id=text("principalId"),
        method=text("httpMethod"),
        path=text("path"),
        route=text("resourcePath") or _route_path(text("routeKey")),
        error_type=text("errorType"),
        event_type=text("eventType"),
        source_ip=text("sourceIp"),
        user_agent=text("userAgent"),
        protocol=text("protocol"),
        response_length=whole("responseLength"),
        response_latency=number("responseLatency"),
        integration_latency=number("integrationLatency"),
        # Seconds on HTTP APIs by some accounts, milliseconds by others: ten digits are seconds.
        time=time * 1000 if time is not None and time < 1e11 else time,
        unrouted="routeKey" in fields and text("routeKey") is None,
    )


def _fields(line: str) -> dict[str, object]:
    try:
        found = json.loads(line, object_pairs_hook=_first_wins)
    except (ValueError, RecursionError):
        found = _readable_part(line)
    if not isinstance(found, dict):
        raise MalformedLine("not_json", "The line is no JSON object; the stage's log format must be the module's.")
    return found


def _first_wins(pairs: list[tuple[str, object]]) -> dict[str, object]:
    return dict(reversed(pairs))


def _readable_part(line: str) -> dict[str, object] | None:
    """The pairs in front of the place where the JSON breaks.

    A quote in a user agent must not take a call off the bill: our formats have all that billing needs in front
    of the fields that a caller can write.
    """
    position = line.find("{") + 1
    fields: dict[str, object] = {}
    while position and (pair := _PAIR.match(line, position)):
        fields.setdefault(pair[1], pair[3] if pair[2] is None else pair[2])
        position = pair.end()
    return fields if "extendedRequestId" in fields and "status" in fields else None


def _route_path(route_key: str | None) -> str | None:
    """`GET /items/{id}` is the route `/items/{id}`; `$default` is no route; a WebSocket route is its own name."""
    if route_key is None or route_key == "$default":
        return None
    return route_key.partition(" ")[2] or route_key
