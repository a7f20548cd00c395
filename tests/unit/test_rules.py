"""What the user sets of the mapping, each setting on its own, and what no combination of them may break."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metering.access_log import AccessLogRecord, MalformedLine, parse
from metering.mapping import skip_reason, to_usage
from metering.rules import WEBSOCKET_EVENTS, Rules
from sandbox import contract

LINE = {
    "extendedRequestId": "JKJaXmPLvHcESHA=",
    "apiId": "abcdef1234",
    "httpMethod": "GET",
    "resourcePath": "/products/{id}",
    "status": "200",
    "responseLength": "42",
    "clientId": "acme",
    "bytesIn": "7.5",
    "tenant": "007",
    "empty": "-",
}
RECORD = parse(json.dumps(LINE))
MESSAGE = parse(
    json.dumps({"extendedRequestId": "x1", "routeKey": "sendMessage", "eventType": "MESSAGE", "status": "200"})
)
FIELDS = {
    "/v2/apis/requests": contract.V2_REQUEST,
    "/v2/apis/responses": contract.V2_RESPONSE,
    "/v2/events": contract.V2_EVENT,
    "/meter": contract.V1_METER,
}


def bodies(record: AccessLogRecord, api: str, rules: Rules) -> list[dict[str, Any]]:
    """The bodies, each as the contract has it."""
    calls = to_usage(record, "e1", api, rules).calls
    return [contract.parse(call.body.encode(), FIELDS[call.path]) for call in calls]


SOURCES = Rules(sources={"": "default", "abcdef1234": "shop", "abcdef1234 /products/{id}": "products"})


@pytest.mark.parametrize(
    ("api_id", "route", "source"),
    [
        ("abcdef1234", "/products/{id}", "products"),
        ("abcdef1234", "/orders", "shop"),
        ("abcdef1234", None, "shop"),
        ("other", "/products/{id}", "default"),
        (None, None, "default"),
    ],
)
def test_the_most_specific_source_wins(api_id: str | None, route: str | None, source: str) -> None:
    record = replace(RECORD, api_id=api_id, route=route, route_key=route)
    request, _ = bodies(record, "v2", SOURCES)
    assert request["sourceId"] == source
    assert bodies(record, "v1", SOURCES)[0]["api"] == source


def test_without_a_source_for_it_revenium_finds_one_by_the_resource() -> None:
    assert "sourceId" not in bodies(RECORD, "v2", Rules(sources={"other": "s"}))[0]
    assert "api" not in bodies(RECORD, "v1", Rules())[0]


ELEMENTS = Rules(
    elements={"bytes-out": "responseLength", "bytes-in": "bytesIn", "tenant": "tenant", "absent": "empty"},
    sources={"": "s1"},
)


def test_v2_sends_elements_as_an_event_of_the_same_transaction_with_a_key_of_its_own() -> None:
    usage = to_usage(RECORD, "e1", "v2", ELEMENTS)
    assert [(call.path, call.idempotency_key) for call in usage.calls[2:]] == [("/v2/events", "JKJaXmPLvHcESHA=:event")]
    assert bodies(RECORD, "v2", ELEMENTS)[2] == {
        "transactionId": "JKJaXmPLvHcESHA=",
        "payload": {"bytes-out": 42, "bytes-in": 7.5, "tenant": "007"},
        "sourceId": "s1",
        "sourceType": "AWS",
        "subscriberCredential": "acme",
    }


def test_a_call_that_has_none_of_the_elements_is_no_event() -> None:
    assert len(to_usage(replace(RECORD, fields={}), "e1", "v2", ELEMENTS).calls) == 2


def test_v1_has_the_elements_in_the_call_itself_as_texts() -> None:
    assert bodies(RECORD, "v1", ELEMENTS)[0]["elements"] == [
        {"name": "bytes-out", "value": "42"},
        {"name": "bytes-in", "value": "7.5"},
        {"name": "tenant", "value": "007"},
    ]


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("sub-1", "sub-1"),
        ("{tenant}", "007"),
        ("stage=live,tenant={tenant}", "stage=live,tenant=007"),
        ("stage=live,tenant={unknown},plan={empty}", "stage=live"),
        ("{unknown}", None),
        ("", None),
    ],
)
def test_subscription_and_metadata_are_fixed_or_from_fields_or_both(template: str, filled: str | None) -> None:
    [body] = bodies(RECORD, "v1", Rules(subscription=template, metadata=template))
    assert (body.get("productKey"), body.get("metadata")) == (filled, filled)


def test_a_value_cannot_add_a_pair_to_the_metadata() -> None:
    record = replace(RECORD, fields={"tenant": "x,plan=gold,{tenant}"})
    assert bodies(record, "v1", Rules(metadata="tenant={tenant}"))[0]["metadata"] == "tenant=x plan=gold {tenant}"


@pytest.mark.parametrize(
    ("statuses", "status", "reason"),
    [
        (("2xx",), 204, None),
        (("2xx",), 404, "status"),
        (("2xx", "404"), 404, None),
        (("404",), 403, "status"),
        ((), 500, None),
    ],
)
def test_the_status_filter_takes_codes_and_classes(statuses: tuple[str, ...], status: int, reason: str | None) -> None:
    assert skip_reason(replace(RECORD, status=status), Rules(statuses=statuses)) == reason


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("/products/{id}", True),
        ("/products/*", True),
        ("*{id}", True),
        ("*", True),
        ("GET /products/*", True),
        ("GET *", True),
        ("POST /products/*", False),
        ("/products", False),
        ("/PRODUCTS/*", False),
        ("/product.*", False),
        ("", False),
    ],
)
def test_a_route_pattern_is_the_route_with_or_without_its_method(pattern: str, matches: bool) -> None:
    assert (skip_reason(RECORD, Rules(routes=(pattern, "/other"))) is None) == matches
    assert (skip_reason(RECORD, Rules(excluded_routes=(pattern, "/other"))) == "route") == matches


def test_what_is_excluded_is_out_though_it_is_among_the_routes() -> None:
    assert skip_reason(RECORD, Rules(routes=("/products/*",), excluded_routes=("*/{id}",))) == "route"


def test_a_caller_cannot_get_out_of_the_bill_by_his_path() -> None:
    record = parse(
        '{"extendedRequestId":"x1","httpMethod":"GET","routeKey":"$default","status":"200","path":"/health"}'
    )
    assert record.path == "/health"
    assert skip_reason(record, Rules(excluded_routes=("/health",))) is None
    assert skip_reason(record, Rules(excluded_routes=("$default",))) == "route"
    unrouted = replace(record, route_key=None)
    assert skip_reason(unrouted, Rules(excluded_routes=("/health",))) is None


def test_a_line_of_reveniums_template_has_no_route_but_its_path() -> None:
    record = parse('{"httpMethod":"GET","path":"/live/health","principalId":"p","status":"200"}')
    assert skip_reason(record, Rules(excluded_routes=("/live/health",))) == "route"
    assert skip_reason(record, Rules(routes=("/live/*",))) is None


REJECTED = replace(RECORD, status=403, error_type="ACCESS_DENIED")


def test_gateway_rejections_are_metered_if_asked_for() -> None:
    assert skip_reason(REJECTED) == "gateway_rejection"
    rules = Rules(include_gateway_rejections=True)
    assert skip_reason(REJECTED, rules) is None
    request, response = bodies(REJECTED, "v2", rules)
    assert (request["credential"], response["responseCode"]) == ("acme", 403)


def test_a_rejection_is_nobodys_without_an_authorizer_and_has_no_resource_without_a_route() -> None:
    """Revenium makes a source of each resource: a scanner's paths must not become thousands."""
    record = parse(json.dumps(LINE | {"clientId": "-", "resourcePath": "-", "path": "/.env", "status": "403"}))
    record = replace(record, error_type="MISSING_AUTHENTICATION_TOKEN")
    request, _ = bodies(record, "v2", Rules(include_gateway_rejections=True))
    assert not {"credential", "resource"} & set(request)
    assert "url" not in bodies(record, "v1", Rules(include_gateway_rejections=True))[0]


@pytest.mark.parametrize("event", WEBSOCKET_EVENTS)
def test_which_events_of_a_websocket_are_metered_is_a_setting(event: str) -> None:
    record = replace(MESSAGE, event_type=event)
    assert skip_reason(record, Rules(websocket_events=(event,))) is None
    assert skip_reason(record, Rules(websocket_events=())) == "websocket_event"
    [body] = bodies(record, "v1", Rules())
    assert (body["method"], body["url"]) == (event, "sendMessage")
    request, _ = bodies(record, "v2", Rules())
    assert ("method" in request, request["resource"]) == (False, "sendMessage")


def test_a_connection_that_says_no_status_is_billed_as_one_that_did_not_fail() -> None:
    record = parse(json.dumps({"eventType": "DISCONNECT", "routeKey": "$disconnect", "status": "-"}))
    assert bodies(record, "v1", Rules())[0]["responseCode"] == 200
    assert skip_reason(record, Rules(websocket_events=("DISCONNECT",), statuses=("2xx",))) is None


def test_a_websocket_event_is_a_method_in_a_route_pattern() -> None:
    assert skip_reason(MESSAGE, Rules(excluded_routes=("MESSAGE send*",))) == "route"


KEYS = st.sampled_from([*LINE, "eventType", "routeKey", "path", "unknown"])
TEXTS = st.text(max_size=20) | st.sampled_from(["-", "200", "404", "GET", "a,b", "{status}", "$default", "1e5", "0.50"])
PATTERNS = st.lists(st.text(min_size=1, max_size=8) | st.sampled_from(["*", "GET *", "/products/*"]), max_size=3)
RULES = st.builds(
    Rules,
    sources=st.dictionaries(st.sampled_from(["", "abcdef1234"]), st.just("s")),
    elements=st.dictionaries(st.text(min_size=1, max_size=5), KEYS, max_size=4),
    subscription=st.text(max_size=10) | st.just("{tenant}"),
    metadata=st.text(max_size=10) | st.just("a={tenant},{path}"),
    statuses=st.lists(st.sampled_from(["2xx", "404"])).map(tuple),
    routes=PATTERNS.map(tuple),
    excluded_routes=PATTERNS.map(tuple),
    include_gateway_rejections=st.booleans(),
    websocket_events=st.lists(st.sampled_from(WEBSOCKET_EVENTS)).map(tuple),
)


@given(line=st.dictionaries(KEYS, TEXTS), rules=RULES, api=st.sampled_from(["v1", "v2"]))
def test_whatever_the_line_and_the_settings_every_body_keeps_the_contract(
    line: dict[str, str], rules: Rules, api: str
) -> None:
    try:
        record = parse(json.dumps({"status": "200"} | line))
        skip_reason(record, rules)
        bodies(record, api, rules)
        keys = {call.idempotency_key for call in to_usage(record, "e1", api, rules).calls}
    except MalformedLine:
        return
    assert len(keys) == len(to_usage(record, "e1", api, rules).calls)
    assert all(contract.IDEMPOTENCY_KEY.fullmatch(key) for key in keys if api == "v2")
