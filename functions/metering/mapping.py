"""From an access-log record to the calls that bill it, as Revenium's published OpenAPI files define them."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from metering.access_log import AccessLogRecord, MalformedLine
from metering.rules import Rules, filled

# https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
_TURNED_AWAY = {
    "ACCESS_DENIED",
    "AUTHORIZER_CONFIGURATION_ERROR",
    "AUTHORIZER_FAILURE",
    "EXPIRED_TOKEN",
    "INVALID_API_KEY",
    "INVALID_SIGNATURE",
    "MISSING_AUTHENTICATION_TOKEN",
    "QUOTA_EXCEEDED",
    "RESOURCE_NOT_FOUND",
    "THROTTLED",
    "UNAUTHORIZED",
    "WAF_FILTERED",
}
_V2_METHODS = {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"}
# An Idempotency-Key is 1 to 255 printable ASCII characters without spaces, ":response" included.
_TRANSACTION_ID = re.compile(r"[!-~]{1,240}")
_QUANTITY = re.compile(r"(0|[1-9][0-9]{0,14})(\.[0-9]{1,9})?")
_ALL = Rules()
_ENCODER = json.JSONEncoder(separators=(",", ":"))
_PLAIN = (int, float)
_text = json.encoder.encode_basestring_ascii


@dataclass(slots=True)
class Call:
    """One POST, kept as it goes out: a retry must send the same bytes under the same idempotency key."""

    path: str
    idempotency_key: str
    body: str


@dataclass(slots=True)
class Usage:
    """One API call to bill: what is still to be sent for it, and when it was made (ms since the epoch)."""

    api: str
    transaction_id: str
    calls: tuple[Call, ...]
    time: float | None


def skip_reason(record: AccessLogRecord, rules: Rules = _ALL) -> str | None:
    """Why a record is not metered, in one word, or None."""
    if _turned_away(record) and not rules.include_gateway_rejections:
        return "gateway_rejection"
    if record.event_type and record.event_type not in rules.websocket_events:
        return "websocket_event"
    if not rules.takes_status(_status(record)):
        return "status"
    if not rules.takes_route(_method(record), _route(record)):
        return "route"
    return None


def to_usage(record: AccessLogRecord, event_id: str, api: str, rules: Rules = _ALL) -> Usage:
    """The calls for a record, in the order in which they must go out.

    The transaction id is the gateway's extended request id, else the CloudWatch log event's id: unique, stable
    when CloudWatch delivers an event twice, and out of the caller's reach. Raises MalformedLine for a record that
    lacks what the API requires.
    """
    candidate = record.extended_request_id or ""
    transaction_id = candidate if _TRANSACTION_ID.fullmatch(candidate) else event_id
    calls = (_v2 if api == "v2" else _v1)(record, transaction_id, rules)
    return Usage(api=api, transaction_id=transaction_id, calls=calls, time=record.time)


def _v2(record: AccessLogRecord, transaction_id: str, rules: Rules) -> tuple[Call, ...]:
    source = rules.source(record.api_id, _route(record))
    request = {
        "transactionId": transaction_id,
        "credential": record.client_id or record.principal_id,
        "sourceId": source,
        "resource": _resource(record),
        "sourceType": "AWS",
        "method": record.method if record.method in _V2_METHODS else None,
        "remoteHost": record.source_ip,
        "userAgent": record.user_agent,
    }
    response = {
        "transactionId": transaction_id,
        "responseCode": _status(record),
        "totalDuration": None if record.response_latency is None else round(record.response_latency),
        "backendLatency": record.integration_latency,
        "gatewayLatency": _gateway_latency(record),
        "responseMessageSize": record.response_length,
    }
    calls = (
        Call("/v2/apis/requests", f"{transaction_id}:request", _encode(request)),
        Call("/v2/apis/responses", f"{transaction_id}:response", _encode(response)),
    )
    elements = rules.elements_of(record.fields)
    if not elements:
        return calls
    event = {
        "transactionId": transaction_id,
        "payload": {name: _quantity(value) for name, value in elements.items()},
        "sourceId": source,
        "sourceType": "AWS",
        "subscriberCredential": record.client_id or record.principal_id,
    }
    return (*calls, Call("/v2/events", f"{transaction_id}:event", _encode(event)))


def _v1(record: AccessLogRecord, transaction_id: str, rules: Rules) -> tuple[Call, ...]:
    if _method(record) is None:
        raise MalformedLine(
            "no_method", "The line has neither `httpMethod` nor `eventType`, one of which the v1 API requires: use v2."
        )
    meter = {
        "method": _method(record),
        "responseCode": _status(record),
        "requestHeaders": [],
        "responseHeaders": [],
        "elements": [{"name": name, "value": value} for name, value in rules.elements_of(record.fields).items()],
        "application": record.client_id or record.principal_id,
        "productKey": filled(rules.subscription, record.fields),
        "api": rules.source(record.api_id, _route(record)),
        "url": _resource(record),
        "metadata": filled(rules.metadata, record.fields),
        "correlationId": transaction_id,
        "source": "AWS",
        "backendLatency": record.integration_latency,
        "gatewayLatency": _gateway_latency(record),
        "responseMessageSize": record.response_length,
        "userAgent": record.user_agent,
        "remoteHost": record.source_ip,
        "httpProtocol": record.protocol,
    }
    return (Call("/meter", "", _encode(meter)),)


def _turned_away(record: AccessLogRecord) -> bool:
    """API Gateway answered by itself.

    Without a route a call of an HTTP API is answered with 404, a WebSocket's message with 403 or 404: AWS documents
    neither. A preflight request is answered without one where the API has a CORS configuration:
    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
    """
    if record.unrouted:
        without_route = (403, 404) if record.event_type else (404,)
        return record.error_type in _TURNED_AWAY or record.status in without_route or record.method == "OPTIONS"
    return record.error_type in _TURNED_AWAY


def _method(record: AccessLogRecord) -> str | None:
    """CONNECT, MESSAGE or DISCONNECT for a WebSocket, which has no HTTP methods."""
    return record.method or record.event_type


def _status(record: AccessLogRecord) -> int:
    """A WebSocket that connects or disconnects without a status had no failure."""
    return record.status or 200


def _route(record: AccessLogRecord) -> str | None:
    """What settings name: the route as the gateway has it. Revenium's template knows none but the path."""
    return record.route_key or (None if record.extended_request_id else record.path)


def _resource(record: AccessLogRecord) -> str | None:
    """Revenium makes a source of each: what the gateway turned away has none, or a scanner would make thousands."""
    return record.route or (None if _turned_away(record) else record.path)


def _gateway_latency(record: AccessLogRecord) -> float | None:
    if record.response_latency is None or record.integration_latency is None:
        return None
    return max(0.0, record.response_latency - record.integration_latency)


def _quantity(text: str) -> str | int | float:
    """A number, so that it can be added up, unless writing it would change the text: `007` is a name."""
    if not _QUANTITY.fullmatch(text):
        return text
    return float(text) if "." in text else int(text)


def _encode(body: Mapping[str, Any]) -> str:
    """Nearly all of it are short texts and numbers: setting up the encoder for them takes longer than writing them."""
    return "{" + ",".join([
        f'"{key}":{_text(value) if type(value) is str else value if type(value) in _PLAIN else _ENCODER.encode(value)}'
        for key, value in body.items() if value is not None
    ]) + "}"  # fmt: skip
