import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from authorizer.gateway import UnknownEvent
from revenium.secret import SecretUnavailable
from revenium.transport import Answer, NotSent, Unanswered
from unit.authorizing import EVENTS, Revenium, event, stage
from unit.fakes import OK, FakeKey
from unit.iam import allows


def test_there_is_a_file_for_every_shape() -> None:
    assert set(EVENTS) == {"rest_request", "rest_token", "http_1_0", "http_2_0", "websocket_connect"}


@pytest.mark.parametrize("name", EVENTS)
def test_an_entitled_client_may_use_the_whole_stage_and_nothing_beside_it(name: str, revenium: Revenium) -> None:
    answer = revenium.answer(event(name))
    assert answer["principalId"] == "acme"
    assert answer["context"] == {"clientId": "acme", "decision": "allow", "reason": "entitled"}
    policy, own = answer["policyDocument"], stage(name)
    for route in ("GET/products/7", "POST/orders", "DELETE/a/b/c_d", "GET/", "$connect"):
        assert allows(policy, f"{own}/{route}")
    api = own.rpartition("/")[0]
    for elsewhere in (f"{own}2/GET/products", f"{api}/other/GET/products", f"{api}9/prod/GET/x"):
        assert not allows(policy, elsewhere)
    assert not allows(policy, own.replace("123456789012", "999999999999") + "/GET/x")


@pytest.mark.parametrize("name", EVENTS)
def test_another_client_is_denied_everywhere_and_still_named(name: str, revenium: Revenium) -> None:
    answer = revenium.answer(event(name, "mallory"))
    assert answer["context"] == {"clientId": "mallory", "decision": "deny", "reason": "not_entitled"}
    assert [statement["Effect"] for statement in answer["policyDocument"]["Statement"]] == ["Deny"]
    assert not allows(answer["policyDocument"], f"{stage(name)}/GET/products")


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
@pytest.mark.parametrize("path", ["{proxy+}", "a_b/c-d", "", "a:b/c", "*", "%2F/ä"])
def test_the_policy_fits_any_partition_and_path(partition: str, path: str, revenium: Revenium) -> None:
    request = event("rest_request")
    request["methodArn"] = f"arn:{partition}:execute-api:us-east-1:123456789012:abcdef1234/prod/GET/{path}"
    policy = revenium.answer(request)["policyDocument"]
    assert policy["Statement"][0]["Resource"] == (
        f"arn:{partition}:execute-api:us-east-1:123456789012:abcdef1234/prod/*"
    )
    assert allows(policy, request["methodArn"])


@pytest.mark.parametrize("headers", [{}, None, {"clientId": ""}, {"other": "acme"}, {"clientId": None}])
def test_without_a_client_id_the_answer_is_no_and_revenium_is_not_asked(headers: Any, revenium: Revenium) -> None:
    answer = revenium.answer(event("http_2_0") | {"headers": headers})
    assert answer["context"] == {"clientId": "", "decision": "deny", "reason": "no_client_id"}
    assert not allows(answer["policyDocument"], f"{stage('http_2_0')}/GET/products")
    assert not revenium.transport.sent


HOSTILE_IDS = [
    'acme","status":"500',
    "acme\\",
    "acme\n",
    "acme\r\nx: y",
    "äcme",
    "x" * 257,
    " acme",
    "-",
    "\x00",
]


@pytest.mark.parametrize("client_id", HOSTILE_IDS)
def test_an_id_that_could_forge_a_log_line_is_no_id(client_id: str, revenium: Revenium) -> None:
    answer = revenium.answer(event("http_2_0") | {"headers": {"clientid": client_id}}, REVENIUM_ON_ERROR="allow")
    assert answer["context"] == {"clientId": "", "decision": "deny", "reason": "invalid_client_id"}
    assert not revenium.transport.sent


@pytest.mark.parametrize("client_id", ["*", "?", "a/b", "a&application=acme", "acme#", "a%26b", "acme?x", "a+b", "a b"])
def test_an_id_can_neither_widen_the_policy_nor_reach_another_parameter(client_id: str, revenium: Revenium) -> None:
    answer = revenium.answer(event("http_2_0") | {"headers": {"clientid": client_id}})
    assert answer["context"]["decision"] == "deny"
    [(url, _, _)] = revenium.transport.sent
    assert parse_qs(urlsplit(url).query) == {"application": [client_id]}
    assert answer["policyDocument"]["Statement"][0]["Resource"] == f"{stage('http_2_0')}/*"


def test_two_ids_are_no_id(revenium: Revenium) -> None:
    request = event("rest_request")
    request["multiValueHeaders"]["ClientID"] = ["victim", "acme"]
    assert revenium.answer(request)["context"]["reason"] == "invalid_client_id"


def test_the_header_and_the_parameter_are_settings(revenium: Revenium) -> None:
    request = event("http_2_0") | {"headers": {"x-consumer": "sub-1"}}
    revenium.answer(request, REVENIUM_CLIENT_ID_SOURCE="header:X-Consumer", REVENIUM_ENTITLEMENT_PARAMETER="productKey")
    [(url, headers, _)] = revenium.transport.sent
    assert url == "https://api.revenium.io/meter/v1/api/meter/product-key?productKey=sub-1"
    assert headers["x-api-key"] == "hak_test"


TROUBLE = [
    Answer(500, {}, ""),
    Answer(401, {}, ""),
    Answer(302, {}, ""),
    Answer(204, {}, ""),
    NotSent("x"),
    Unanswered("x"),
]


@pytest.mark.parametrize("trouble", TROUBLE)
@pytest.mark.parametrize("on_error", ["allow", "deny"])
def test_without_a_decision_the_setting_decides(trouble: Any, on_error: str, revenium: Revenium) -> None:
    revenium.trouble = trouble
    answer = revenium.answer(event("rest_request"), REVENIUM_ON_ERROR=on_error)
    assert answer["context"] == {"clientId": "acme", "decision": on_error, "reason": "no_decision"}
    assert allows(answer["policyDocument"], f"{stage('rest_request')}/GET/products") is (on_error == "allow")


def test_failing_open_does_not_let_in_whom_revenium_refuses(revenium: Revenium) -> None:
    revenium.trouble = Answer(404, {}, "")
    assert revenium.answer(event("rest_request"), REVENIUM_ON_ERROR="allow")["context"]["decision"] == "deny"


def test_a_broken_connection_is_tried_once_more(revenium: Revenium) -> None:
    troubles: list[Exception] = [Unanswered("stale")]

    def respond(*_: object) -> Answer:
        if troubles:
            raise troubles.pop()
        return OK

    revenium.transport.respond = respond
    assert revenium.answer(event("rest_request"))["context"]["decision"] == "allow"
    assert len(revenium.transport.sent) == 2


def test_a_rotated_key_is_picked_up(revenium: Revenium) -> None:
    revenium.key = FakeKey("old", "new")
    revenium.transport.respond = lambda _, headers, __: OK if headers["x-api-key"] == "new" else Answer(401, {}, "")
    assert revenium.answer(event("rest_request"))["context"]["decision"] == "allow"


def test_each_trouble_is_tried_once_more_and_no_oftener(revenium: Revenium) -> None:
    revenium.trouble = Unanswered("again and again")
    revenium.answer(event("rest_request"))
    assert len(revenium.transport.sent) == 2
    revenium.trouble, revenium.key = Answer(401, {}, ""), FakeKey("one", "two", "three", "four")
    revenium.answer(event("rest_request"))
    assert len(revenium.transport.sent) == 4


def test_the_time_that_the_key_takes_is_part_of_the_time(revenium: Revenium, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])

    def value(timeout: float) -> str:
        assert timeout == 3
        clock[0] += 2
        return "hak_test"

    monkeypatch.setattr(revenium.key, "value", value)
    revenium.answer(event("rest_request"))
    assert revenium.transport.timeouts == [1]


def test_without_a_key_there_is_no_decision(revenium: Revenium, monkeypatch: pytest.MonkeyPatch) -> None:
    def value(timeout: float) -> str:
        raise SecretUnavailable("no secret")

    monkeypatch.setattr(revenium.key, "value", value)
    assert revenium.answer(event("rest_request"))["context"]["reason"] == "no_decision"


@pytest.mark.parametrize(
    "unknown",
    [
        None,
        [],
        {},
        {"methodArn": "arn:aws:s3:::bucket"},
        {"methodArn": 3},
        {"routeArn": "arn:aws:execute-api:r:a:api"},
        {"methodArn": "arn:aws:execute-api:r:a:*/prod/GET/x"},
        {"methodArn": "arn:aws:execute-api:r:a:api/*/GET/x"},
        {"methodArn": "arn:aws:execute-api:r:a:ap?/prod/GET/x"},
        {"methodArn": "arn:aws:execute-api:r:a:api/pro?/GET/x"},
        {"methodArn": "arn:aws:execute-api:*:a:api/prod/GET/x"},
        {"methodArn": "arn:aws:execute-api:r:*:api/prod/GET/x"},
        {"methodArn": "arn:*:execute-api:r:a:api/prod/GET/x"},
        {"methodArn": "arn:aws:execute-api:r:a:/prod/GET/x"},
        {"methodArn": "arn:aws:execute-api:r:a:api//GET/x"},
    ],
)
def test_an_event_of_no_known_shape_is_refused_with_what_was_expected(unknown: Any, revenium: Revenium) -> None:
    with pytest.raises(UnknownEvent, match="authorizer"):
        revenium.answer(unknown)


def test_the_metric_line_counts_the_answer_and_names_no_client(
    revenium: Revenium, capsys: pytest.CaptureFixture[str]
) -> None:
    revenium.answer(event("rest_request"))
    line = json.loads(capsys.readouterr().out)
    assert (line["Allowed"], line["Denied"], line["Errors"], line["reason"]) == (1, 0, 0, "entitled")
    assert len(line["EntitlementLatency"]) == 1
    assert "acme" not in json.dumps(line)
