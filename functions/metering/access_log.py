"""Reads one API Gateway access-log line: ours, or that of Revenium's own CloudFormation template.

API Gateway does not document that it escapes what it puts into a line, and a caller chooses the user agent, the
path and, on REST APIs, the request id. Three rules keep a caller from writing into fields that are not his: our
formats put those last; behind the first of them no other key counts; and of a key that stands twice the first does.
Revenium's template has the path in second place: of its keys the last counts behind the path, as the gateway writes
behind what a caller added there.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_PAIR = re.compile(r'"(\w+)"\s*:\s*(?:"([^"\\]*)"|(-?\d+(?:\.\d+)?))\s*,\s*')
_NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,15})?", re.ASCII)
_NO_VALUE = ("", "-")
_TEXT_LIMIT = 2048  # in the widest script, escaped twice, a record still fits into a queue message
_FIRST_OF_OURS = "extendedRequestId"
_WRITTEN_BY_CALLERS = {"requestId", "path", "userAgent"}
_TEMPLATE = {"httpMethod", "path", "principalId", "status", "sourceIp", "integrationLatency", "responseLength"}
_WRITTEN_BY_THE_GATEWAY = _TEMPLATE - {"path"} | {
    *("extendedRequestId", "apiId", "stage", "resourcePath", "routeKey", "eventType", "errorType", "requestTimeEpoch"),
    *("responseLatency", "protocol", "domainName", "clientId"),
}
_WITHOUT_STATUS = ("CONNECT", "DISCONNECT")


class MalformedLine(Exception):
    """The line holds no access-log record; `reason` is one word for metrics, the message says what was expected."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class AccessLogRecord:
    """One call. `None` where the gateway had no value; latencies in milliseconds, lengths in bytes.

    `time` is when the gateway took the request, in milliseconds since the epoch. `status` is 0 where a WebSocket
    connects or disconnects without one. `route_key` is the route as the gateway names it, `$default` included; `route`
    is what to bill under it. `fields` holds every field of the line that can be relied on, by its key.
    """

    status: int
    extended_request_id: str | None = None
    client_id: str | None = None
    principal_id: str | None = None
    method: str | None = None
    path: str | None = None
    route: str | None = None
    route_key: str | None = None
    api_id: str | None = None
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
    fields: Mapping[str, str] = field(default_factory=dict)


def parse(line: str) -> AccessLogRecord:
    """Raises MalformedLine for a line that is no JSON object, says no status, or says two things of one call."""
    raw = _fields(line)
    fields = {
        key: str(value)[:_TEXT_LIMIT]
        for key, value in raw.items()
        if isinstance(value, str | int | float) and value not in _NO_VALUE
    }
    text = fields.get

    def number(key: str) -> float | None:
        value = fields.get(key)
        return float(value) if value and _NUMBER.fullmatch(value) else None

    def whole(key: str) -> int | None:
        value = number(key)
        return None if value is None else int(value)

    status = whole("status") or 0
    if not 100 <= status <= 999 and text("eventType") not in _WITHOUT_STATUS:
        raise MalformedLine("no_status", "The line has no HTTP status under `status`; the log format must have one.")
    time = number("requestTimeEpoch")
    route_key = _route_path(text("routeKey"))
    return AccessLogRecord(
        status=status,
        extended_request_id=text("extendedRequestId"),
        client_id=text("clientId"),
        principal_id=text("principalId"),
        method=text("httpMethod"),
        path=text("path"),
        # A WebSocket's `$default` is a route like its others; an HTTP API's is whatever no other route takes.
        route=text("resourcePath") or (route_key if route_key != "$default" or text("eventType") else None),
        route_key=text("resourcePath") or route_key,
        api_id=text("apiId"),
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
        unrouted="routeKey" in raw and "routeKey" not in fields and "resourcePath" not in fields,
        fields=fields,
    )


def _fields(line: str) -> dict[str, object]:
    try:
        found = _DECODER.decode(line)
    except (ValueError, RecursionError):
        found = _readable_part(line)
    if not isinstance(found, _Object):
        raise MalformedLine("not_json", "The line is no JSON object; the stage's log format must be the module's.")
    if found.pairs and found.pairs[0][0] == _FIRST_OF_OURS:
        return _trusted_of_ours(found.pairs)
    return _trusted_of_others(found.pairs)


@dataclass
class _Object:
    """A JSON object as it stands: with the order of its keys, and with keys that stand twice."""

    pairs: list[tuple[str, object]]


_DECODER = json.JSONDecoder(object_pairs_hook=_Object)


def _trusted_of_ours(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """What a caller cannot have written, and what he may write."""
    fields: dict[str, object] = {}
    added = behind = False
    for key, value in pairs:
        behind = behind or key in _WRITTEN_BY_CALLERS
        added = added or key not in _WRITTEN_BY_THE_GATEWAY
        if key in _WRITTEN_BY_CALLERS or not (behind or (added and key in _WRITTEN_BY_THE_GATEWAY)):
            fields.setdefault(key, value)
    return fields


def _trusted_of_others(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """The same of a line in another format, of which only the template's keys count behind a caller's field.

    Of one that stands twice there, the last is the gateway's, unless another field of a caller's stands behind the
    first: then each of the two may be either's.
    """
    callers = [position for position, (key, _) in enumerate(pairs) if key in _WRITTEN_BY_CALLERS]
    start, end = (callers[0], callers[-1]) if callers else (len(pairs), 0)
    fields: dict[str, object] = {}
    for key, value in pairs[:start]:
        fields.setdefault(key, value)
    behind: dict[str, int] = {}
    for position, (key, value) in enumerate(pairs[start:], start):
        if key in _WRITTEN_BY_CALLERS:
            fields.setdefault(key, value)
        elif key in _TEMPLATE and (key in behind or key not in fields):
            if key in behind and end > behind[key]:
                raise MalformedLine(
                    "ambiguous",
                    f"The line has `{key}` twice, and a field that callers write behind the first: who wrote which "
                    "cannot be told. Set the stage to a format of the module, which has those fields last.",
                )
            behind.setdefault(key, position)
            fields[key] = value
    return fields


def _readable_part(line: str) -> _Object | None:
    """The pairs in front of the place where the JSON breaks.

    A quote in a user agent must not take a call off the bill: our formats have all that billing needs in front
    of the fields that a caller can write.
    """
    position = line.find("{") + 1
    pairs: list[tuple[str, object]] = []
    while position and (pair := _PAIR.match(line, position)):
        pairs.append((pair[1], pair[3] if pair[2] is None else pair[2]))
        position = pair.end()
    return _Object(pairs) if {_FIRST_OF_OURS, "status"} <= {key for key, _ in pairs} else None


def _route_path(route_key: str | None) -> str | None:
    """`GET /items/{id}` is the route `/items/{id}`; `$default` and a WebSocket's routes are their own names."""
    return route_key and (route_key.partition(" ")[2] or route_key)
