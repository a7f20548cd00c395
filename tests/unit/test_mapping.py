import json
from dataclasses import replace
from typing import Any

import pytest

from metering.access_log import AccessLogRecord, MalformedLine
from metering.mapping import skip_reason, to_usage

RECORD = AccessLogRecord(
    status=200,
    extended_request_id="JKJaXmPLvHcESHA=",
    client_id="acme",
    principal_id="other",
    method="GET",
    path="/prod/products/7",
    route="/products/{id}",
    source_ip="203.0.113.9",
    user_agent="curl/8",
    protocol="HTTP/1.1",
    response_length=42,
    response_latency=15,
    integration_latency=12,
)


def changed(**changes: Any) -> AccessLogRecord:
    return replace(RECORD, **changes)


def bodies(record: AccessLogRecord, api: str = "v2") -> list[dict[str, Any]]:
    return [json.loads(call.body) for call in to_usage(record, "event-1", api).calls]


def test_v2_is_a_request_and_a_response_joined_by_the_transaction_id() -> None:
    usage = to_usage(RECORD, "event-1", "v2")
    assert [(call.path, call.idempotency_key) for call in usage.calls] == [
        ("/v2/apis/requests", "JKJaXmPLvHcESHA=:request"),
        ("/v2/apis/responses", "JKJaXmPLvHcESHA=:response"),
    ]
    assert bodies(RECORD) == [
        {
            "transactionId": "JKJaXmPLvHcESHA=",
            "credential": "acme",
            "resource": "/products/{id}",
            "sourceType": "AWS",
            "method": "GET",
            "remoteHost": "203.0.113.9",
            "userAgent": "curl/8",
        },
        {
            "transactionId": "JKJaXmPLvHcESHA=",
            "responseCode": 200,
            "totalDuration": 15,
            "backendLatency": 12,
            "gatewayLatency": 3,
            "responseMessageSize": 42,
        },
    ]


def test_v1_is_one_post_with_the_required_lists() -> None:
    usage = to_usage(RECORD, "event-1", "v1")
    assert [(call.path, call.idempotency_key) for call in usage.calls] == [("/meter", "")]
    assert bodies(RECORD, "v1") == [
        {
            "method": "GET",
            "responseCode": 200,
            "requestHeaders": [],
            "responseHeaders": [],
            "elements": [],
            "application": "acme",
            "url": "/products/{id}",
            "correlationId": "JKJaXmPLvHcESHA=",
            "source": "AWS",
            "backendLatency": 12,
            "gatewayLatency": 3,
            "responseMessageSize": 42,
            "userAgent": "curl/8",
            "remoteHost": "203.0.113.9",
            "httpProtocol": "HTTP/1.1",
        }
    ]


def test_v1_cannot_bill_a_call_without_a_method() -> None:
    with pytest.raises(MalformedLine) as error:
        to_usage(changed(method=None), "event-1", "v1")
    assert error.value.reason == "no_method"


@pytest.mark.parametrize("extended", [None, "", "a b", "x" * 241, "ä"])
def test_without_a_usable_extended_request_id_the_event_id_is_the_transaction(extended: str | None) -> None:
    usage = to_usage(changed(extended_request_id=extended), "event-1", "v2")
    assert usage.transaction_id == "event-1"


def test_the_principal_is_billed_where_there_is_no_client_id_and_nobody_where_there_is_neither() -> None:
    assert bodies(changed(client_id=None))[0]["credential"] == "other"
    assert "credential" not in bodies(changed(client_id=None, principal_id=None))[0]


def test_a_method_outside_the_enumeration_is_left_out() -> None:
    assert "method" not in bodies(changed(method="PROPFIND"))[0]


def test_the_path_stands_in_for_a_missing_route() -> None:
    assert bodies(changed(route=None))[0]["resource"] == "/prod/products/7"


def test_the_gateway_latency_is_never_negative_and_absent_where_it_is_unknown() -> None:
    assert bodies(changed(integration_latency=20))[1]["gatewayLatency"] == 0
    assert "gatewayLatency" not in bodies(changed(integration_latency=None))[1]


@pytest.mark.parametrize(
    "error_type",
    [
        "ACCESS_DENIED",
        "UNAUTHORIZED",
        "AUTHORIZER_FAILURE",
        "THROTTLED",
        "WAF_FILTERED",
        "MISSING_AUTHENTICATION_TOKEN",
    ],
)
def test_what_the_gateway_turned_away_is_no_usage(error_type: str) -> None:
    assert skip_reason(changed(status=403, error_type=error_type)) == "gateway_rejection"


@pytest.mark.parametrize("error_type", [None, "INTEGRATION_FAILURE", "INTEGRATION_TIMEOUT", "BAD_REQUEST_BODY"])
def test_what_reached_the_api_is_usage_whatever_its_status(error_type: str | None) -> None:
    assert skip_reason(changed(status=504, error_type=error_type)) is None
    assert skip_reason(changed(status=404, error_type=error_type)) is None


@pytest.mark.parametrize(
    ("changes", "usage"),
    [
        ({"status": 404}, False),
        ({"status": 403}, True),
        ({"status": 204}, True),
        ({"status": 204, "method": "OPTIONS"}, False),
        ({"status": 200, "method": None, "event_type": "MESSAGE"}, True),
        ({"status": 403, "method": None, "event_type": "MESSAGE"}, False),
        ({"status": 404, "method": None, "event_type": "MESSAGE"}, False),
    ],
)
def test_a_call_that_api_gateway_answered_for_want_of_a_route_is_no_usage(changes: dict[str, Any], usage: bool) -> None:
    assert skip_reason(changed(unrouted=True, **changes)) == (None if usage else "gateway_rejection")
    assert skip_reason(changed(**changes)) is None, "with a route it is the backend's answer"


@pytest.mark.parametrize(
    ("event_type", "reason"),
    [("CONNECT", "websocket_event"), ("DISCONNECT", "websocket_event"), ("MESSAGE", None)],
)
def test_of_a_websocket_the_messages_are_usage(event_type: str, reason: str | None) -> None:
    assert skip_reason(changed(event_type=event_type)) == reason
