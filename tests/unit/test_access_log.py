import contextlib
import json
from dataclasses import asdict

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from metering.access_log import MalformedLine, parse

REST = {
    "extendedRequestId": "JKJaXmPLvHcESHA=",
    "status": "200",
    "httpMethod": "GET",
    "resourcePath": "/products/{id}",
    "clientId": "acme",
    "integrationLatency": "12",
    "responseLatency": "15",
    "responseLength": "42",
    "requestTimeEpoch": "1700000000000",
    "path": "/prod/products/7",
    "userAgent": "curl/8",
}


def test_a_rest_line() -> None:
    record = parse(json.dumps(REST))
    assert (record.status, record.route, record.client_id, record.path) == (
        200,
        "/products/{id}",
        "acme",
        "/prod/products/7",
    )
    assert (record.integration_latency, record.response_latency, record.response_length) == (12, 15, 42)
    assert record.time == 1_700_000_000_000


@pytest.mark.parametrize(
    ("route_key", "route"),
    [
        ("GET /items/{id}", "/items/{id}"),
        ("ANY /{proxy+}", "/{proxy+}"),
        ("$default", None),
        ("sendMessage", "sendMessage"),
        ("$connect", "$connect"),
    ],
)
def test_the_route_of_an_http_or_websocket_line_is_its_route_key_without_the_method(
    route_key: str, route: str | None
) -> None:
    assert parse(json.dumps({"status": "200", "routeKey": route_key})).route == route


def test_a_line_of_reveniums_own_template() -> None:
    line = (
        '{"httpMethod":"POST","path":"/prod/a","principalId":"p1","status":201,"sourceIp":"1.2.3.4",'
        '"integrationLatency":7,"responseLength":3}'
    )
    record = parse(line)
    assert (record.method, record.principal_id, record.status, record.integration_latency) == ("POST", "p1", 201, 7)
    assert record.extended_request_id is None and record.response_latency is None


@pytest.mark.parametrize("empty", ["-", ""])
def test_a_hyphen_and_an_empty_text_are_no_value(empty: str) -> None:
    record = parse(json.dumps(REST | {"clientId": empty, "integrationLatency": empty, "resourcePath": empty}))
    assert record.client_id is None and record.integration_latency is None and record.route is None


def test_a_time_in_seconds_counts_as_milliseconds() -> None:
    assert parse(json.dumps(REST | {"requestTimeEpoch": "1700000000"})).time == 1_700_000_000_000


@pytest.mark.parametrize(
    "line",
    [
        *("", "hello", "[]", "3", "null", '{"status":', '"' + "x" * 100_000, "[" * 100_000),
        *(
            '{"status":"200"}x',
            '{"status":"200";"a":"b"}',
            '{"status":"200","a":""b"c"d""}',
            '"status":"200"',
            '["status":"200"]',
        ),
    ],
)
def test_what_is_no_json_object_is_refused(line: str) -> None:
    with pytest.raises(MalformedLine) as error:
        parse(line)
    assert error.value.reason == "not_json"


@pytest.mark.parametrize(
    "status",
    ["-", "abc", None, "42", "1e99", [200], "nan", "2_0_0", "\uff12\uff10\uff10", True, "\uff12\uff10\uff10.\uff15"],
)
def test_a_line_without_a_status_is_refused(status: object) -> None:
    with pytest.raises(MalformedLine) as error:
        parse(json.dumps(REST | {"status": status}))
    assert error.value.reason == "no_status"


HOSTILE_AGENTS = [
    'x","clientId":"victim","status":"500',
    'x","clientId":"victim',
    'say "hi"',
    'x"}',
    "x\\",
    'x","clientId":"victim","a":{"b":"',
    "x\n",
]


@pytest.mark.parametrize("agent", HOSTILE_AGENTS)
@pytest.mark.parametrize("field", ["userAgent", "path"])
def test_a_caller_can_neither_forge_a_field_nor_take_his_call_off_the_bill(agent: str, field: str) -> None:
    values = REST | {field: agent}
    line = "{" + ",".join(f'"{key}":"{value}"' for key, value in values.items()) + "}"
    record = parse(line)
    assert (record.client_id, record.status, record.extended_request_id) == ("acme", 200, "JKJaXmPLvHcESHA=")


def filled(*pairs: tuple[str, str]) -> str:
    """A line as API Gateway writes it: nothing is escaped."""
    return "{" + ",".join(f'"{key}":"{value}"' for key, value in pairs) + "}"


def outcome(line: str) -> dict[str, object] | str:
    try:
        return asdict(parse(line))
    except MalformedLine as error:
        return error.reason


PIECES = st.lists(
    st.sampled_from(['"', "\\", ":", ",", "{", "}", "[", "-", "1", "a", "\u00e9", "\ud800", '":"', '","'])
).map("".join)


@given(
    st.lists(st.tuples(st.sampled_from([*REST, "tenant", "a\\u0062"]), st.sampled_from(["1", "200", "x"]) | PIECES)),
    PIECES,
)
@example([("status", "200")], '"')
@example([("status", "200")], "x")
@example([("status", "200"), ("a\\u0062", "x")], "")
@example([("status", "200"), ("tenant", "a\\u0062")], "")
@example([("status", "200"), ("userAgent", "a" * 2049)], "")
def test_a_line_says_the_same_whether_it_can_be_cut_at_its_quotes_or_not(
    pairs: list[tuple[str, str]], end: str
) -> None:
    line = filled(*pairs) + end
    with pytest.MonkeyPatch.context() as uncut:
        uncut.setattr("metering.access_log._between", lambda _: [])
        as_json = outcome(line)
    assert outcome(line) == as_json


def test_a_control_character_takes_nothing_from_a_line() -> None:
    record = parse(filled(*(REST | {"path": "/a\tb", "userAgent": "x\n"}).items()))
    assert (record.path, record.user_agent) == ("/a\tb", "x\n")


HTTP_LINE = (
    ("extendedRequestId", "x1"),
    ("routeKey", "GET /dear"),
    ("status", "200"),
    ("clientId", "-"),
    ("path", "/dear"),
)


@pytest.mark.parametrize(
    "forged", ['eventType":"CONNECT', 'resourcePath":"/cheap', 'principalId":"victim', 'errorType":"THROTTLED']
)
def test_a_caller_cannot_add_a_key_that_the_format_does_not_have(forged: str) -> None:
    record = parse(filled(*HTTP_LINE, ("userAgent", f'x","{forged}')))
    assert (record.route, record.principal_id, record.event_type, record.error_type) == ("/dear", None, None, None)
    broken = parse(filled(*HTTP_LINE, ("userAgent", f'x","{forged}","y":{{')))
    assert (broken.route, broken.principal_id, broken.event_type, broken.error_type) == ("/dear", None, None, None)


def test_in_a_line_of_the_template_the_path_cannot_name_the_client_nor_the_transaction() -> None:
    path = '/p","clientId":"victim","extendedRequestId":"the-same'
    record = parse(filled(("httpMethod", "GET"), ("path", path), ("principalId", "p1"), ("status", "200")))
    assert (record.client_id, record.extended_request_id, record.principal_id) == (None, None, "p1")


TEMPLATE_LINE = {
    "httpMethod": "GET",
    "path": "/p",
    "principalId": "mallory",
    "status": "200",
    "sourceIp": "203.0.113.9",
    "integrationLatency": "7",
    "responseLength": "2",
}


@pytest.mark.parametrize(
    "forged",
    [
        'principalId":"victim',
        'status":"500',
        'status":"-',
        'responseLength":"0","integrationLatency":"0',
        'principalId":"victim","status":"500","sourceIp":"192.0.2.1","integrationLatency":"1","responseLength":"1',
        'principalId":"victim","principalId":"victim',
        'httpMethod":"DELETE',
        'userAgent":"x","principalId":"victim',
        'clientId":"victim","path":"/q","userAgent":"x',
    ],
)
def test_in_a_line_of_the_template_the_path_cannot_change_what_the_gateway_says(forged: str) -> None:
    record = parse(filled(*(TEMPLATE_LINE | {"path": f'/p","{forged}'}).items()))
    assert (record.principal_id, record.client_id, record.status, record.method) == ("mallory", None, 200, "GET")
    assert (record.source_ip, record.integration_latency, record.response_length) == ("203.0.113.9", 7, 2)


def test_where_a_line_does_not_tell_the_gateways_key_from_a_callers_it_is_parked() -> None:
    """The same pairs by the path, and by the user agent behind."""
    for callers in ({"path": '/p","principalId":"victim'}, {"userAgent": 'x","principalId":"victim'}):
        line = filled(*(TEMPLATE_LINE | {"userAgent": "curl"} | callers).items())
        with pytest.raises(MalformedLine) as error:
            parse(line)
        assert (error.value.reason, "`principalId`" in str(error.value)) == ("ambiguous", True)


def test_a_key_in_front_of_all_that_callers_write_is_the_gateways_however_often_it_stands_behind() -> None:
    front = {key: TEMPLATE_LINE[key] for key in ("principalId", "status")}
    line = filled(*front.items(), ("userAgent", 'x","status":"500","path":"/q","status":"501'), ("path", "/p"))
    assert (parse(line).status, parse(line).principal_id) == (200, "mallory")


def test_of_another_format_our_keys_are_read_in_front_of_what_callers_write_and_the_templates_anywhere() -> None:
    """API Gateway's own example of a JSON format, and the same with its request id last."""
    example = {"ip": "203.0.113.9", "httpMethod": "GET", "routeKey": "GET /items/{id}", "apiId": "a1", "status": "200"}
    example |= {"responseLength": "2", "clientId": "acme"}
    first = parse(filled(("requestId", "r1"), *example.items()))
    assert (first.status, first.method, first.response_length) == (200, "GET", 2)
    assert (first.route, first.api_id, first.client_id) == (None, None, None)
    last = parse(filled(*example.items(), ("requestId", "r1")))
    assert (last.route, last.api_id, last.client_id, last.status) == ("/items/{id}", "a1", "acme", 200)


FORGED = st.lists(
    st.tuples(
        st.sampled_from([*TEMPLATE_LINE, "userAgent", "requestId", "clientId", "extendedRequestId", "other"]),
        st.sampled_from("ab1-"),
    )
).map(lambda pairs: "".join(f'","{key}":"{value}' for key, value in pairs))


@given(
    keys=st.permutations([*TEMPLATE_LINE, "clientId", "userAgent", "requestId"]),
    without=st.sets(st.sampled_from(["userAgent", "requestId", "clientId"])),
    forged=st.dictionaries(st.sampled_from(["path", "userAgent", "requestId"]), FORGED),
    broken=st.sampled_from(["", "", "", '"', "\\", '","x":{"y":"', '"}']),
)
@example(keys=[*TEMPLATE_LINE], without=set(), forged={"path": '","principalId":"victim'}, broken="")
@example(
    keys=[*TEMPLATE_LINE],
    without=set(),
    forged={"path": '","extendedRequestId":"x","status":"200","principalId":"victim'},
    broken='","y":{{',
)
def test_whatever_callers_write_and_in_whatever_order_a_format_of_others_bills_nobody_else(
    keys: list[str], without: set[str], forged: dict[str, str], broken: str
) -> None:
    """Each key that the format has is the gateway's, or the line is parked."""
    values = TEMPLATE_LINE | {"clientId": "acme", "userAgent": "curl", "requestId": "r1"}
    forged = {key: forged[key] + broken for key in forged}
    line = filled(*((key, values[key] + forged.get(key, "")) for key in keys if key not in without))
    with contextlib.suppress(MalformedLine):
        record = parse(line)
        assert (record.principal_id, record.status, record.method) == ("mallory", 200, "GET")
        assert (record.source_ip, record.integration_latency, record.response_length) == ("203.0.113.9", 7, 2)
        assert record.client_id in ("acme", None) or ("clientId" in without and record.client_id is None)


def test_a_websocket_may_connect_and_disconnect_without_a_status() -> None:
    assert parse(json.dumps({"eventType": "DISCONNECT", "status": "-"})).status == 0


def test_what_the_line_says_is_read_whole() -> None:
    line = REST | {"sourceIp": "203.0.113.9", "protocol": "HTTP/1.1", "errorType": "THROTTLED", "eventType": "MESSAGE"}
    record = parse(json.dumps(dict(sorted(line.items(), key=lambda each: each[0] in ("path", "userAgent")))))
    assert (record.source_ip, record.protocol) == ("203.0.113.9", "HTTP/1.1")
    assert (record.error_type, record.event_type, record.unrouted) == ("THROTTLED", "MESSAGE", False)
    assert parse(json.dumps({"status": "404", "routeKey": "-"})).unrouted
    assert not parse(json.dumps({"status": "404", "routeKey": "-", "resourcePath": "/items"})).unrouted


def test_a_websockets_default_route_is_a_route_like_its_others() -> None:
    record = parse(json.dumps({"status": "200", "eventType": "MESSAGE", "routeKey": "$default"}))
    assert (record.route, record.route_key) == ("$default", "$default")
    assert parse(json.dumps({"status": "200", "routeKey": "$default"})).route_key == "$default"


WITH_EXTRAS = (
    ("extendedRequestId", "x1"),
    ("routeKey", "GET /dear"),
    ("status", "200"),
    ("clientId", "-"),
    ("bytesOut", "7"),
    ("tenant", "t1"),
    ("path", "/dear"),
    ("userAgent", "curl"),
)


def test_added_fields_are_read_and_neither_the_path_nor_the_user_agent_can_add_one() -> None:
    assert parse(filled(*WITH_EXTRAS)).fields["bytesOut"] == "7"
    assert parse(filled(*WITH_EXTRAS)).fields["tenant"] == "t1"
    agent = 'x","bytesOut":"0","plan":"free'
    forged = parse(filled(*WITH_EXTRAS[:-1], ("userAgent", agent)))
    assert (forged.fields["bytesOut"], "plan" in forged.fields) == ("7", False)
    without = parse(filled(*HTTP_LINE, ("userAgent", agent)))
    assert "bytesOut" not in without.fields


@pytest.mark.parametrize("broken", ["", '","y":{{'])
@pytest.mark.parametrize(
    "forged",
    [
        'clientId":"victim',
        'principalId":"victim',
        'eventType":"CONNECT',
        'resourcePath":"/cheap',
        'errorType":"THROTTLED',
    ],
)
def test_whoever_writes_an_added_field_cannot_write_what_is_billed(forged: str, broken: str) -> None:
    line = filled(*WITH_EXTRAS[:5], ("tenant", f't1","{forged}{broken}'), *WITH_EXTRAS[6:])
    record = parse(line)
    assert (record.route, record.client_id, record.principal_id) == ("/dear", None, None)
    assert (record.event_type, record.error_type) == (None, None)


def test_the_fields_of_a_line_have_their_values_as_texts_and_no_others() -> None:
    fields = parse(
        json.dumps({"status": 200, "responseLength": 7, "tenant": "-", "nested": {"a": 1}, "flag": True})
    ).fields
    assert fields == {"status": "200", "responseLength": "7", "flag": "True"}
