"""Reads one API Gateway access-log line: ours, or that of Revenium's own CloudFormation template.

API Gateway does not document that it escapes what it puts into a line, and a caller chooses the user agent, the
path and, on REST APIs, the request id. Three rules keep a caller from writing into fields that are not his: our
formats put those last; behind the first of them no other key counts; and of a key that stands twice the first does.
Revenium's template has the path in second place: of its keys the last counts behind the path, as the gateway writes
behind what a caller added there.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

_PAIR = re.compile(r'"(\w+)"\s*:\s*(?:"([^"\\]*)"|(-?\d+(?:\.\d+)?))\s*,\s*')
_DIGITS = 15
_DECIMAL = re.compile(rf"\d{{1,{_DIGITS}}}\.\d{{1,{_DIGITS}}}", re.ASCII)
_NO_VALUE = "-"
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


@dataclass(slots=True)
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
    keys, values = _keys_and_values(line)
    trusted = _trusted(keys)
    fields = {key: value for key, at in trusted.items() if (value := values[at]) and value != _NO_VALUE}
    value_of = fields.get
    event_type = value_of("eventType")
    status = _whole(value_of("status")) or 0
    if not 100 <= status <= 999 and event_type not in _WITHOUT_STATUS:
        raise MalformedLine("no_status", "The line has no HTTP status under `status`; the log format must have one.")
    time = _number(value_of("requestTimeEpoch"))
    resource_path, route_key = value_of("resourcePath"), _route_path(value_of("routeKey"))
    return AccessLogRecord(
        status=status,
        extended_request_id=value_of("extendedRequestId"),
        client_id=value_of("clientId"),
        principal_id=value_of("principalId"),
        method=value_of("httpMethod"),
        path=value_of("path"),
        # A WebSocket's `$default` is a route like its others; an HTTP API's is whatever no other route takes.
        route=resource_path or (route_key if route_key != "$default" or event_type else None),
        route_key=resource_path or route_key,
        api_id=value_of("apiId"),
        error_type=value_of("errorType"),
        event_type=event_type,
        source_ip=value_of("sourceIp"),
        user_agent=value_of("userAgent"),
        protocol=value_of("protocol"),
        response_length=_whole(value_of("responseLength")),
        response_latency=_number(value_of("responseLatency")),
        integration_latency=_number(value_of("integrationLatency")),
        # Seconds on HTTP APIs by some accounts, milliseconds by others: ten digits are seconds.
        time=time * 1000 if time is not None and time < 1e11 else time,
        unrouted="routeKey" in trusted and not route_key and not resource_path,
        fields=fields,
    )


def _number(text: str | None) -> float | None:
    if text is None:
        return None
    if text.isdecimal():
        return float(text) if text.isascii() and len(text) <= _DIGITS else None
    return float(text) if _DECIMAL.fullmatch(text) else None


def _whole(text: str | None) -> int | None:
    value = _number(text)
    return None if value is None else int(value)


def _keys_and_values(line: str) -> tuple[tuple[str, ...], Sequence[str]]:
    """As they stand in the line: in its order, and with keys that stand twice."""
    # Where all is quoted and nothing escaped, as in nearly every line, cutting at the quotes takes half of JSON's time.
    # It also takes control characters, which a caller may write and JSON does not allow.
    if "\\" not in line and len(line) <= _TEXT_LIMIT:
        parts = line.split('"')
        if parts[::2] == _between(len(parts)):
            return tuple(parts[1::4]), parts[3::4]
    try:
        pairs = _DECODER.decode(line)
    except (ValueError, RecursionError):
        pairs = _readable_part(line)
    if not isinstance(pairs, tuple):
        raise MalformedLine("not_json", "The line is no JSON object; the stage's log format must be the module's.")
    return tuple([key for key, _ in pairs]), [_text(value) for _, value in pairs]


@lru_cache(maxsize=64)
def _between(parts: int) -> list[str]:
    """What stands between the quotes of a JSON object of texts that is cut into so many parts at them; [] for none."""
    return ["{", *[":", ","] * (parts // 4 - 1), ":", "}"] if parts % 4 == 1 else []


# An object is a tuple of its pairs.
_DECODER = json.JSONDecoder(object_pairs_hook=tuple)


def _text(value: object) -> str:
    return str(value)[:_TEXT_LIMIT] if isinstance(value, str | int | float) else ""


@lru_cache(maxsize=64)
def _trusted(keys: tuple[str, ...]) -> Mapping[str, int]:
    """The keys that can be relied on, and where their values stand. A stage's lines all have the same keys, but for
    those with which a caller tries something."""
    if keys and keys[0] == _FIRST_OF_OURS:
        return _trusted_of_ours(keys)
    return _trusted_of_others(keys)


def _trusted_of_ours(keys: tuple[str, ...]) -> dict[str, int]:
    """What a caller cannot have written, and what he may write."""
    trusted: dict[str, int] = {}
    added = behind = False
    for position, key in enumerate(keys):
        behind = behind or key in _WRITTEN_BY_CALLERS
        added = added or key not in _WRITTEN_BY_THE_GATEWAY
        if key in _WRITTEN_BY_CALLERS or not (behind or (added and key in _WRITTEN_BY_THE_GATEWAY)):
            trusted.setdefault(key, position)
    return trusted


def _trusted_of_others(keys: tuple[str, ...]) -> dict[str, int]:
    """The same of a line in another format, of which only the template's keys count behind a caller's field.

    Of one that stands twice there, the last is the gateway's, unless another field of a caller's stands behind the
    first: then each of the two may be either's.
    """
    callers = [position for position, key in enumerate(keys) if key in _WRITTEN_BY_CALLERS]
    start, end = (callers[0], callers[-1]) if callers else (len(keys), 0)
    trusted: dict[str, int] = {}
    for position, key in enumerate(keys[:start]):
        trusted.setdefault(key, position)
    behind: dict[str, int] = {}
    for position, key in enumerate(keys[start:], start):
        if key in _WRITTEN_BY_CALLERS:
            trusted.setdefault(key, position)
        elif key in _TEMPLATE and (key in behind or key not in trusted):
            if key in behind and end > behind[key]:
                raise MalformedLine(
                    "ambiguous",
                    f"The line has `{key}` twice, and a field that callers write behind the first: who wrote which "
                    "cannot be told. Set the stage to a format of the module, which has those fields last.",
                )
            behind.setdefault(key, position)
            trusted[key] = position
    return trusted


def _readable_part(line: str) -> tuple[tuple[str, object], ...] | None:
    """The pairs in front of the place where the JSON breaks.

    A quote in a user agent must not take a call off the bill: our formats have all that billing needs in front
    of the fields that a caller can write. Of others nothing is read: who is to pay may stand behind the break.
    """
    position = line.find("{") + 1
    pairs: list[tuple[str, object]] = []
    while position and (pair := _PAIR.match(line, position)):
        pairs.append((pair[1], pair[3] if pair[2] is None else pair[2]))
        position = pair.end()
    keys = [key for key, _ in pairs]
    return tuple(pairs) if keys[:1] == [_FIRST_OF_OURS] and "status" in keys else None


def _route_path(route_key: str | None) -> str | None:
    """`GET /items/{id}` is the route `/items/{id}`; `$default` and a WebSocket's routes are their own names."""
    return route_key and (route_key.partition(" ")[2] or route_key)
