import json
import os
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

import authorizer.handler
from authorizer.entitlement import Entitlement
from authorizer.gateway import UnknownEvent
from metering import access_log
from metering.mapping import to_usage
from revenium.http11 import Answer
from revenium.secret import SecretUnavailable
from revenium.settings import SettingsError
from revenium.transport import NotSent, Unanswered
from sandbox.access_log import Kind, fill
from unit.authorizing import EVENTS, SECRET_ARN, UNKNOWN, Revenium, event, stage
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


def test_the_header_and_the_parameter_are_settings(revenium: Revenium) -> None:
    request = event("http_2_0") | {"headers": {"x-consumer": "sub-1"}}
    revenium.answer(request, REVENIUM_CLIENT_ID_SOURCE="header:X-Consumer", REVENIUM_ENTITLEMENT_PARAMETER="productKey")
    [(url, headers, _)] = revenium.transport.sent
    assert url == "https://api.revenium.io/meter/v1/api/meter/product-key?productKey=sub-1"
    assert headers == {"x-api-key": "hak_test"}
    assert revenium.transport.methods == ["GET"]


TROUBLE = [
    *(Answer(status, {}, "") for status in (401, 403, 408, 429, 500, 502, 503, 504)),
    SecretUnavailable("no secret"),
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


REFUSALS = [204, 302, 400, 402, 405, 409, 414, 422, 499]


@pytest.mark.parametrize("status", REFUSALS)
@pytest.mark.parametrize("on_error", ["allow", "deny"])
@pytest.mark.parametrize("name", EVENTS)
def test_an_id_that_revenium_refuses_to_check_is_no_way_in(
    name: str, on_error: str, status: int, revenium: Revenium
) -> None:
    revenium.trouble = Answer(status, {}, "")
    answer = revenium.answer(event(name, "disliked"), REVENIUM_ON_ERROR=on_error)
    assert answer["context"] == {"clientId": "disliked", "decision": "deny", "reason": "check_refused"}
    assert not allows(answer["policyDocument"], f"{stage(name)}/GET/products")


@pytest.mark.parametrize("known", ["acme", "mallory", None])
def test_a_403_is_no_way_in_where_the_key_is_good_for_others(known: str | None, revenium: Revenium) -> None:
    others = revenium.transport.respond
    revenium.transport.respond = lambda url, headers, body: (
        Answer(403, {}, "") if "=disliked" in url else others(url, headers, body)
    )
    revenium.start(REVENIUM_ON_ERROR="allow")
    if known:
        revenium.reason(known)
    for number in range(5):
        context = revenium.ask(event("rest_request", f"disliked-{number}"))["context"]
        assert (context["decision"], context["reason"]) == ("deny", "check_refused")
    assert revenium.reason("acme") == "entitled"


@pytest.mark.parametrize(("client_id", "known"), [("acme", "entitled"), ("mallory", "not_entitled")])
@pytest.mark.parametrize("status", REFUSALS)
def test_what_is_known_of_a_client_comes_before_a_refusal_to_check_it(
    status: int, client_id: str, known: str, clock: list[float], revenium: Revenium
) -> None:
    revenium.start(REVENIUM_ON_ERROR="allow")
    assert revenium.reason(client_id) == known
    revenium.trouble = Answer(status, {}, "")
    clock[0] += 300
    assert revenium.reason(client_id) == f"stale_{known}"
    clock[0] += 1
    assert revenium.reason(client_id) == "check_refused"


@pytest.mark.parametrize("status", [200, 204, 302, 400, 404, 407, 422, 429, 500, 503])
def test_no_other_status_says_anything_of_the_key(status: int, revenium: Revenium) -> None:
    revenium.key = FakeKey("one", "two")
    revenium.trouble = Answer(status, {}, "")
    revenium.answer(event("rest_request"))
    assert revenium.key.refusals == 0
    assert len(revenium.transport.sent) == 1


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
        {"methodArn": "arn:aws:s3:r:a:bucket/key/GET/x"},
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


ROUTES = (
    "GET/products/7",
    "POST/orders",
    "DELETE/a/b/c_d",
    "GET/",
    "GET/%2e%2e/x",
    "$connect",
    "$default",
    "sendMessage",
)
PARTITIONS = ("aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-eusc")


def in_partition(name: str, partition: str, client_id: str = "acme") -> dict[str, Any]:
    """The event, with its ARN in another partition."""
    moved = json.loads(json.dumps(event(name, client_id)).replace("arn:aws:", f"arn:{partition}:"))
    assert isinstance(moved, dict)
    return moved


def elsewhere(own: str) -> list[str]:
    """The same routes of other stages, APIs, accounts, regions and partitions, with names that are much alike."""
    prefix, _, own_stage = own.rpartition("/")
    arn, api = prefix.rsplit(":", 1)
    _, partition, service, region, account = arn.split(":")
    stages = (f"{own_stage}2", f"{own_stage}-2", own_stage[:-1], f"x{own_stage}", "other", "*", own_stage.upper(), "")
    others = [f"{prefix}/{each}" for each in stages]
    others += [f"{arn}:{each}/{own_stage}" for each in (f"{api}9", api[:-1], f"x{api}", "*", "")]
    for each in (
        (f"{partition}-x", service, region, account),
        (partition, service, "eu-west-1", account),
        (partition, service, region, "999999999999"),
        (partition, service, region, ""),
        (partition, "lambda", region, account),
    ):
        others.append(f"arn:{':'.join(each)}:{api}/{own_stage}")
    return [f"{other}/{route}" for other in others for route in ROUTES] + [own, prefix]


WAYS: dict[str, tuple[dict[str, str], str, bool]] = {
    "entitled": ({}, "entitled", True),
    "cached": ({}, "entitled", True),
    "stale": ({"REVENIUM_ALLOW_CACHE_SECONDS": "0"}, "stale_entitled", True),
    "failing open": ({"REVENIUM_ON_ERROR": "allow"}, "no_decision", True),
    "failing closed": ({}, "no_decision", False),
    "check refused": ({"REVENIUM_ON_ERROR": "allow"}, "check_refused", False),
    "check refused, observed": ({"REVENIUM_MODE": "observe"}, "check_refused", True),
    "observed": ({"REVENIUM_MODE": "observe"}, "not_entitled", True),
    "identified": ({"REVENIUM_MODE": "identify"}, "not_checked", True),
    "refused": ({}, "not_entitled", False),
    "nobody": ({}, "no_client_id", False),
    "nobody, observed": ({"REVENIUM_MODE": "observe"}, "no_client_id", True),
    "forged": ({}, "invalid_client_id", False),
}


@pytest.mark.parametrize("partition", PARTITIONS)
@pytest.mark.parametrize("name", EVENTS)
@pytest.mark.parametrize("way", WAYS)
def test_every_answer_opens_or_shuts_its_stage_and_nothing_else(
    way: str, name: str, partition: str, revenium: Revenium
) -> None:
    environ, reason, opens = WAYS[way]
    clients = {"refused": "mallory", "observed": "mallory", "nobody": "", "nobody, observed": "", "forged": 'acme"'}
    asked = in_partition(name, partition, clients.get(way, "acme"))
    revenium.start(**environ)
    if way in ("cached", "stale"):
        revenium.ask(asked)
    if way in ("stale", "failing open", "failing closed"):
        revenium.trouble = Answer(503, {}, "")
    if way.startswith("check refused"):
        revenium.trouble = Answer(400, {}, "")
    answer = revenium.ask(asked)
    assert answer["context"]["reason"] == reason
    assert answer["context"]["decision"] == ("allow" if opens else "deny")
    policy, own = answer["policyDocument"], stage(name).replace("arn:aws:", f"arn:{partition}:")
    assert policy["Version"] == "2012-10-17"
    for route in ROUTES:
        assert allows(policy, f"{own}/{route}") is opens
    assert not [arn for arn in elsewhere(own) if allows(policy, arn)]


def metric_line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The one metric line of the invocation, without what CloudWatch wants around it."""
    [line] = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    assert isinstance(line, dict)
    named = {each["Name"] for each in line.pop("_aws")["CloudWatchMetrics"][0]["Metrics"]}
    assert line.pop("FunctionName") == "local"
    line["checks"] = len(line.pop("EntitlementLatency", []))
    assert named - {"EntitlementLatency"} == line.keys() - {"reason", "checks"}
    assert ("EntitlementLatency" in named) == (line["checks"] == 1)
    return line


COUNTED = ("Allowed", "Denied", "WouldDeny", "Errors", "KeyRefused", "Stale", "FailOpen", "CacheHits", "checks")
UNCACHED = {"REVENIUM_ALLOW_CACHE_SECONDS": "0", "REVENIUM_DENY_CACHE_SECONDS": "0"}
OPEN, OBSERVE, IDENTIFY = {"REVENIUM_ON_ERROR": "allow"}, {"REVENIUM_MODE": "observe"}, {"REVENIUM_MODE": "identify"}


def counting(once: str, reason: str) -> dict[str, Any]:
    return {name: int(name in once.split()) for name in COUNTED} | {"reason": reason}


@pytest.mark.parametrize(
    ("client_id", "warm", "trouble", "environ", "once", "reason"),
    [
        ("acme", False, False, {}, "Allowed checks", "entitled"),
        ("mallory", False, False, {}, "Denied checks", "not_entitled"),
        ("acme", True, False, {}, "Allowed CacheHits", "entitled"),
        ("mallory", True, False, {}, "Denied CacheHits", "not_entitled"),
        ("acme", True, True, UNCACHED, "Allowed Errors Stale checks", "stale_entitled"),
        ("mallory", True, True, UNCACHED, "Denied Errors Stale checks", "stale_not_entitled"),
        ("acme", False, True, {}, "Denied Errors checks", "no_decision"),
        ("acme", False, True, OPEN, "Allowed Errors FailOpen checks", "no_decision"),
        ("", False, False, {}, "Denied", "no_client_id"),
        ('"', False, False, OPEN, "Denied", "invalid_client_id"),
        ("acme", False, False, OBSERVE, "Allowed checks", "entitled"),
        ("mallory", False, False, OBSERVE, "Allowed WouldDeny checks", "not_entitled"),
        ("acme", False, True, OBSERVE, "Allowed WouldDeny Errors checks", "no_decision"),
        ("", False, False, OBSERVE, "Allowed WouldDeny", "no_client_id"),
        ("mallory", False, True, IDENTIFY, "Allowed", "not_checked"),
        ("", False, False, IDENTIFY, "Allowed WouldDeny", "no_client_id"),
    ],
)
def test_the_metric_line_counts_the_answer_and_names_no_client(
    client_id: str,
    warm: bool,
    trouble: bool,
    environ: dict[str, str],
    once: str,
    reason: str,
    revenium: Revenium,
    capsys: pytest.CaptureFixture[str],
) -> None:
    revenium.start(**environ)
    if warm:
        revenium.reason(client_id)
        capsys.readouterr()
    if trouble:
        revenium.trouble = Answer(503, {}, "")
    revenium.ask(event("rest_request", client_id))
    line = metric_line(capsys)
    assert line == counting(once, reason)
    assert "acme" not in str(line) and "mallory" not in str(line)


@pytest.mark.parametrize(
    ("environ", "once"), [(OPEN, "Denied Errors checks"), (OBSERVE, "Allowed WouldDeny Errors checks")]
)
def test_a_refusal_to_check_counts_as_an_error_and_never_as_failing_open(
    environ: dict[str, str], once: str, revenium: Revenium, capsys: pytest.CaptureFixture[str]
) -> None:
    revenium.trouble = Answer(422, {}, "")
    revenium.answer(event("rest_request"), **environ)
    assert metric_line(capsys) == counting(once, "check_refused")


@pytest.mark.parametrize(
    ("trouble", "counted"),
    [
        (Answer(401, {}, ""), [1, 1]),
        (SecretUnavailable("why"), [1, 1]),
        (Answer(403, {}, ""), [0, 0]),  # it may be a firewall that dislikes an id
        (Answer(503, {}, ""), [0, 0]),
        (NotSent("x"), [0, 0]),
    ],
)
def test_what_is_not_decided_for_want_of_a_key_is_counted(
    trouble: Answer | Exception, counted: list[int], revenium: Revenium, capsys: pytest.CaptureFixture[str]
) -> None:
    revenium.start()
    revenium.trouble = trouble
    found = []
    for client_id in ("acme", "globex"):
        revenium.reason(client_id)
        line = metric_line(capsys)
        assert line["Errors"] == 1
        found.append(line["KeyRefused"])
    assert found == counted


def test_a_refused_key_is_counted_also_while_revenium_is_left_alone(
    revenium: Revenium, capsys: pytest.CaptureFixture[str]
) -> None:
    revenium.start()
    revenium.trouble = Answer(401, {}, "")
    revenium.reason("acme")
    assert revenium.client.is_silent()
    capsys.readouterr()
    revenium.reason("acme")
    line = metric_line(capsys)
    assert (line["KeyRefused"], line["checks"]) == (1, 0)


@pytest.mark.parametrize("trouble", [Answer(503, {}, ""), NotSent("ConnectionRefusedError"), SecretUnavailable("why")])
def test_each_time_without_a_decision_the_log_says_why(
    trouble: Answer | Exception, revenium: Revenium, capsys: pytest.CaptureFixture[str]
) -> None:
    revenium.start()
    revenium.trouble = trouble
    revenium.reason("acme")
    [written] = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" not in line]
    assert written["level"] == "ERROR"
    assert written["message"].startswith("No entitlement decision: ")
    assert "acme" not in str(written)


@pytest.mark.parametrize(("seconds", "why"), [(0.05, "the hook left no time for it"), (0.3, "the time for it is over")])
def test_a_check_without_time_says_so(
    seconds: float, why: str, revenium: Revenium, capsys: pytest.CaptureFixture[str]
) -> None:
    revenium.start()
    answered = threading.Event()
    revenium.transport.respond = lambda *_: OK if answered.wait(20) else UNKNOWN
    try:
        assert revenium.client.check("acme", time.monotonic() + seconds) is Entitlement.NO_DECISION
    finally:
        answered.set()
    assert json.loads(capsys.readouterr().out)["message"] == f"No entitlement decision: {why}"


def test_while_the_breaker_is_open_the_metric_line_counts_errors_without_checks(
    revenium: Revenium, capsys: pytest.CaptureFixture[str]
) -> None:
    revenium.start()
    revenium.trouble = Answer(503, {}, "")
    for number in range(3):
        revenium.reason(f"client-{number}")
    capsys.readouterr()
    revenium.reason("acme")
    assert metric_line(capsys) == counting("Denied Errors", "no_decision")


def test_the_latency_is_the_checks_in_milliseconds(
    revenium: Revenium, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])

    def respond(*_: object) -> Answer:
        now[0] += 0.25
        return OK

    revenium.transport.respond = respond
    revenium.answer(event("rest_request"))
    assert json.loads(capsys.readouterr().out)["EntitlementLatency"] == [250]


@pytest.mark.parametrize("on_error", ["allow", "deny"])
@pytest.mark.parametrize("mode", ["observe", "identify"])
@pytest.mark.parametrize("trouble", [None, Answer(404, {}, ""), Answer(503, {}, ""), NotSent("x")])
def test_a_mode_that_only_looks_lets_everybody_in_and_names_the_client(
    trouble: Any, mode: str, on_error: str, revenium: Revenium
) -> None:
    revenium.trouble = trouble
    context = revenium.answer(event("rest_request"), REVENIUM_MODE=mode, REVENIUM_ON_ERROR=on_error)["context"]
    assert (context["decision"], context["clientId"]) == ("allow", "acme")


def test_identifying_needs_neither_revenium_nor_the_key(revenium: Revenium, monkeypatch: pytest.MonkeyPatch) -> None:
    def value(timeout: float) -> str:
        raise AssertionError("the key was read")

    monkeypatch.setattr(revenium.key, "value", value)
    decisions = revenium.start(REVENIUM_MODE="identify")._decisions
    assert revenium.reason("acme") == "not_checked"
    assert not revenium.transport.sent
    assert not any(decisions._known.values())


@pytest.mark.parametrize("mode", ["observe", "identify"])
@pytest.mark.parametrize("kind", ["REST", "HTTP", "WEBSOCKET"])
def test_a_caller_without_an_id_is_let_in_and_billed_to_nobody(kind: Kind, mode: str, revenium: Revenium) -> None:
    answer = revenium.answer(event("rest_request", ""), REVENIUM_MODE=mode)
    assert answer["principalId"] == "-"
    assert answer["context"] == {"clientId": "", "decision": "allow", "reason": "no_client_id"}
    line = fill(
        '{"extendedRequestId":"x","status":"200","httpMethod":"GET","clientId":"$context.authorizer.clientId",'
        '"principalId":"$context.authorizer.principalId"}',
        kind,
        {
            "status": "200",
            "authorizer.clientId": answer["context"]["clientId"],
            "authorizer.principalId": answer["principalId"],
        },
    )
    for api in ("v1", "v2"):
        call = to_usage(access_log.parse(line), "event-1", api).calls[0]
        assert json.loads(call.body).keys().isdisjoint({"credential", "application"})


@pytest.fixture
def deployed(revenium: Revenium, monkeypatch: pytest.MonkeyPatch) -> Revenium:
    """The function as Lambda starts it, but for the network."""
    for name in list(os.environ):
        if name.startswith("REVENIUM_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr("authorizer.handler._authorizer", None)
    monkeypatch.setattr("authorizer.handler.Transport", lambda connections, ca_file: revenium.transport)
    return revenium


def test_the_function_is_built_on_the_first_call_and_kept(deployed: Revenium, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="REVENIUM_API_KEY_SECRET_ARN"):
        deployed.reason("acme")
    monkeypatch.setenv("REVENIUM_API_KEY", "hak_local")
    assert deployed.reason("acme") == "entitled"
    kept = authorizer.handler._authorizer
    monkeypatch.setenv("REVENIUM_API_KEY", "hak_other")
    assert deployed.reason("mallory") == "not_entitled"
    assert authorizer.handler._authorizer is kept
    assert [headers["x-api-key"] for _, headers, _ in deployed.transport.sent] == ["hak_local"] * 2


def test_the_function_keeps_its_connection_to_revenium(monkeypatch: pytest.MonkeyPatch) -> None:
    accepted = []

    class Check(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            accepted.append(self.client_address)
            super().setup()

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Check) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr("authorizer.handler._authorizer", None)
        monkeypatch.setenv("REVENIUM_API_KEY", "hak_local")
        monkeypatch.setenv("REVENIUM_ENTITLEMENT_URL", f"http://127.0.0.1:{server.server_port}/product-key")
        for client_id in ("acme", "globex"):
            answer = authorizer.handler.handler(event("http_2_0", client_id), None)
            assert answer["context"]["reason"] == "entitled"
        server.shutdown()
    assert len(accepted) == 1


def test_the_function_asks_the_hook_where_the_settings_say_so(
    deployed: Revenium, hook: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    hook("def authenticate(request):\n    return 'acme' if request.secret == 'hook-secret' else None\n")
    monkeypatch.setenv("REVENIUM_API_KEY", "hak_local")
    monkeypatch.setenv("REVENIUM_AUTHENTICATE", "true")
    monkeypatch.setenv("REVENIUM_AUTHENTICATE_SECRET_ARN", SECRET_ARN)
    assert deployed.reason("session-7") == "entitled"
    assert deployed.asked == ["acme"]


def test_a_secret_of_the_hooks_that_is_no_arn_is_named(deployed: Revenium, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVENIUM_API_KEY", "hak_local")
    monkeypatch.setenv("REVENIUM_AUTHENTICATE", "true")
    monkeypatch.setenv("REVENIUM_AUTHENTICATE_SECRET_ARN", "hook-secret-itself")
    with pytest.raises(SettingsError, match="REVENIUM_AUTHENTICATE_SECRET_ARN") as error:
        deployed.reason("acme")
    assert "hook-secret-itself" not in str(error.value)
