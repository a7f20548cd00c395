"""From an access-log record to the calls that bill it, as Revenium's published OpenAPI files define them."""

import json
import re
from dataclasses import dataclass
from typing import Any

from metering.access_log import WITHOUT_USAGE, AccessLogRecord, MalformedLine

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


@dataclass(frozen=True)
class Call:
    """One POST, kept as it goes out: a retry must send the same bytes under the same idempotency key."""

    path: str
    idempotency_key: str
    body: str


@dataclass(frozen=True)
class Usage:
    """One API call to bill: what is still to be sent for it, and when it was made (ms since the epoch)."""

    api: str
    transaction_id: str
    calls: tuple[Call, ...]
    time: float | None


def skip_reason(record: AccessLogRecord) -> str | None:
    """Why a record is not usage, or None: the gateway turned the call away, or it carried no message."""
    if record.error_type in _TURNED_AWAY or (record.unrouted and record.status == 404):
        return "gateway_rejection"
    if record.event_type in WITHOUT_USAGE:
        return "websocket_connection"
    return None


def to_usage(record: AccessLogRecord, event_id: str, api: str) -> Usage:
    """The calls for a record, in the order in which they must go out.

    The transaction id is the gateway's extended request id, else the CloudWatch log event's id: unique, stable
    when CloudWatch delivers an event twice, and out of the caller's reach. Raises MalformedLine for a record that
    lacks what the API requires.
    """
    candidate = record.extended_request_id or ""
    transaction_id = candidate if _TRANSACTION_ID.fullmatch(candidate) else event_id
    calls = _v2(record, transaction_id) if api == "v2" else _v1(record, transaction_id)
    return Usage(api=api, transaction_id=transaction_id, calls=calls, time=record.time)


def _v2(record: AccessLogRecord, transaction_id: str) -> tuple[Call, ...]:
    request = {
        "transactionId": transaction_id,
        "credential": record.client_id or record.principal_id,
        "resource": record.route or record.path,
        "sourceType": "AWS",
        "method": record.method if record.method in _V2_METHODS else None,
        "remoteHost": record.source_ip,
        "userAgent": record.user_agent,
    }
    response = {
        "transactionId": transaction_id,
        "responseCode": record.status,
        "totalDuration": None if record.response_latency is None else round(record.response_latency),
        "backendLatency": record.integration_latency,
        "gatewayLatency": _gateway_latency(record),
        "responseMessageSize": record.response_length,
    }
    return (
        Call("/v2/apis/requests", f"{transaction_id}:request", _encode(request)),
        Call("/v2/apis/responses", f"{transaction_id}:response", _encode(response)),
    )


def _v1(record: AccessLogRecord, transaction_id: str) -> tuple[Call, ...]:
    if record.method is None:
        raise MalformedLine("no_method", "The line has no `httpMethod`, which Revenium's v1 API requires: use v2.")
    meter = {
        "method": record.method,
        "responseCode": record.status,
        "requestHeaders": [],
        "responseHeaders": [],
        "elements": [],
        "application": record.client_id or record.principal_id,
        "url": record.route or record.path,
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


def _gateway_latency(record: AccessLogRecord) -> float | None:
    if record.response_latency is None or record.integration_latency is None:
        return None
    return max(0.0, record.response_latency - record.integration_latency)


def _encode(body: dict[str, Any]) -> str:
    return json.dumps({key: value for key, value in body.items() if value is not None}, separators=(",", ":"))
