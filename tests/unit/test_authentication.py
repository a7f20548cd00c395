"""The hook: `authenticate(request)` in a file of the user's."""

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from revenium.http11 import Answer
from revenium.transport import NotSent, Unanswered
from unit.authorizing import EVENTS, SECRET_ARN, Revenium, event, stage
from unit.fakes import FakeKey
from unit.iam import allows

Pack = Callable[[str], None]
ON = {"REVENIUM_AUTHENTICATE": "true"}
WITH_SECRET = ON | {"REVENIUM_AUTHENTICATE_SECRET_ARN": SECRET_ARN}


def returning(expression: str) -> str:
    return f"def authenticate(request):\n    return {expression}\n"


def printed(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("secret", [Answer(200, {}, ""), Answer(200, {}, '{"SecretBinary": "AA=="}'), "", " \n"])
def test_an_empty_secret_is_no_secret(secret: str | Answer, hook: Pack, revenium: Revenium) -> None:
    hook("import hmac\n" + returning("request.client_id if hmac.new(request.secret.encode(), b'', 'md5') else None"))
    revenium.secret = secret
    assert revenium.answer(event("http_2_0"), **WITH_SECRET)["context"] == {
        "clientId": "",
        "decision": "deny",
        "reason": "authentication_failed",
    }
    revenium.secret = "hook-secret"
    assert revenium.reason("acme") == "entitled", "an answer that broke off is not kept"


RAISING = [
    "raise ValueError('hook-secret acme')",
    "raise SystemExit(0)",
    "exit()",
    "raise KeyboardInterrupt",
    "raise GeneratorExit",
    "import asyncio; raise asyncio.CancelledError('hook-secret acme')",
    "raise type('Own', (BaseException,), {})('hook-secret acme')",
    "return authenticate(request)",
]


@pytest.mark.parametrize("on_error", ["deny", "allow"])
@pytest.mark.parametrize("statement", RAISING)
def test_a_hook_that_raises_turns_the_caller_away_and_its_line_is_logged_without_its_words(
    statement: str, on_error: str, hook: Pack, revenium: Revenium, capsys: pytest.CaptureFixture[str]
) -> None:
    hook(f"import sys\ndef authenticate(request):\n    {statement}\n")
    answer = revenium.answer(event("http_2_0"), REVENIUM_ON_ERROR=on_error, **ON)
    assert answer["context"] == {"clientId": "", "decision": "deny", "reason": "authentication_failed"}
    assert not allows(answer["policyDocument"], f"{stage('http_2_0')}/GET/products")
    assert not revenium.transport.sent
    failure, metrics = printed(capsys)
    assert (failure["level"], failure["line"]) == ("ERROR", 3)
    assert (metrics["Errors"], metrics["Denied"], metrics["reason"]) == (1, 1, "authentication_failed")
    assert "hook-secret" not in str(failure) and "acme" not in str(failure)


class Unequal:
    def __eq__(self, other: object) -> bool:
        raise ValueError("no truth in it")

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("text", "error", "line"),
    [
        ("import json\nimport nothing_of_the_kind\n" + returning("'acme'"), "ModuleNotFoundError", 2),
        ("\n\nraise ValueError('hook-secret')\n" + returning("'acme'"), "ValueError", 3),
        ("def authenticate(request):\n    return (\n", "SyntaxError", 2),
        ("  indented = 1\n", "IndentationError", 1),
        ("def authenticated(request):\n    return 'acme'\n", "AttributeError", None),
        ("authenticate = 'acme'\n", "TypeError", None),
        ("def authenticate():\n    return 'acme'\n", "TypeError", None),
        (None, "ModuleNotFoundError", None),
    ],
)
def test_a_file_that_cannot_be_used_turns_everybody_away(
    text: str | None, error: str, line: int | None, hook: Pack, revenium: Revenium, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        hook(text)
    revenium.start(REVENIUM_ON_ERROR="allow", **ON)
    for _ in range(2):
        assert revenium.ask(event("rest_request"))["context"] == {
            "clientId": "",
            "decision": "deny",
            "reason": "authentication_failed",
        }
    assert not revenium.transport.sent
    lines = printed(capsys)
    assert [(each["error"], each["line"]) for each in lines if "error" in each] == [(error, line)] * 2
    assert "hook-secret" not in str(lines)


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("None", "not_authenticated"),
        ("''", "no_client_id"),
        ("7", "invalid_client_id"),
        ("True", "invalid_client_id"),
        ("False", "invalid_client_id"),
        ("0", "invalid_client_id"),
        ("b'acme'", "invalid_client_id"),
        ("['acme']", "invalid_client_id"),
        ("{}", "invalid_client_id"),
        ("'-'", "invalid_client_id"),
        ("'ac\"me'", "invalid_client_id"),
        ("'acme\\n'", "invalid_client_id"),
        ("'x' * 257", "invalid_client_id"),
        ("__import__('unit.test_authentication', fromlist=['x']).Unequal()", "invalid_client_id"),
    ],
)
def test_what_the_hook_returns_must_be_an_id(
    expression: str, reason: str, hook: Pack, revenium: Revenium, capsys: pytest.CaptureFixture[str]
) -> None:
    hook(returning(expression))
    answer = revenium.answer(event("http_2_0"), REVENIUM_ON_ERROR="allow", **ON)
    assert answer["context"] == {"clientId": "", "decision": "deny", "reason": reason}
    assert not revenium.transport.sent
    [metrics] = printed(capsys)
    assert (metrics["Denied"], metrics["Errors"]) == (1, 0)


def told(hook: Pack, revenium: Revenium, asked: Any, **environ: str) -> dict[str, Any]:
    """What the hook sees of an event."""
    hook(
        "import json\nseen = None\ndef authenticate(request):\n    global seen\n"
        "    seen = [request.client_id, request.headers, request.query]\n    return 'acme'\n"
    )
    assert revenium.answer(asked, **ON, **environ)["context"]["reason"] == "entitled"
    import authenticate  # type: ignore[import-not-found]

    client_id, headers, query = authenticate.seen
    return {"client_id": client_id, "headers": headers, "query": query}


@pytest.mark.parametrize("name", EVENTS)
def test_the_hook_sees_the_identity_sources_and_nothing_else(name: str, hook: Pack, revenium: Revenium) -> None:
    asked = event(name, "sub-1")
    if name != "rest_token":
        asked["headers"] |= {"X-Signature": "s", "Cookie": "c", "Authorization": "a"}
        asked["queryStringParameters"] = {"key": "k", "Key": "K", "page": "2"}
    sources = "header:X-Signature,query:key,header:x-none"
    # Where the function enforces, a call without one of them never comes to the hook.
    seen = told(hook, revenium, asked, REVENIUM_EXTRA_IDENTITY_SOURCES=sources, REVENIUM_MODE="observe")
    if name == "rest_token":
        # A TOKEN authorizer has one identity source, and the gateway does not say which header it is.
        one = {"clientid": "sub-1", "x-signature": "sub-1", "x-none": "sub-1"}
        assert seen == {"client_id": "sub-1", "headers": one, "query": {}}
    else:
        headers = {"clientid": "sub-1", "x-signature": "s"}
        assert seen == {"client_id": "sub-1", "headers": headers, "query": {"key": "k"}}


@pytest.mark.parametrize(
    ("source", "client_id", "headers", "query"),
    [
        ("query:key", "k", {}, {"key": "k"}),
        ("query:none", None, {}, {}),
        ("header:none", None, {}, {}),
        ("api_key", "k1d2e3y4", {}, {}),
        ("certificate", "CN=acme,O=Acme Inc.,C=US", {}, {}),
        ("jwt_claim:sub", "sub-1", {"authorization": "Bearer e30.eyJzdWIiOiJzdWItMSJ9.c2ln"}, {}),
        ("jwt_claim:none", None, {"authorization": "Bearer e30.eyJzdWIiOiJzdWItMSJ9.c2ln"}, {}),
    ],
)
def test_the_hook_sees_the_id_where_the_setting_finds_it(
    source: str,
    client_id: str | None,
    headers: dict[str, str],
    query: dict[str, str],
    hook: Pack,
    revenium: Revenium,
) -> None:
    asked = event("rest_request") | {"queryStringParameters": {"key": "k"}}
    asked["headers"]["Authorization"] = "Bearer e30.eyJzdWIiOiJzdWItMSJ9.c2ln"
    seen = told(hook, revenium, asked, REVENIUM_CLIENT_ID_SOURCE=source)
    assert seen == {"client_id": client_id, "headers": headers, "query": query}


@pytest.mark.parametrize("header", ["clientid", "x-signature"])
def test_a_source_that_says_two_things_never_reaches_the_hook(header: str, hook: Pack, revenium: Revenium) -> None:
    hook(returning("'acme'"))
    asked = event("rest_request")
    asked["multiValueHeaders"] |= {"x-signature": ["one"], header: ["one", "two"]}
    answer = revenium.answer(asked, REVENIUM_EXTRA_IDENTITY_SOURCES="header:x-signature", **ON)
    assert answer["context"] == {"clientId": "", "decision": "deny", "reason": "invalid_client_id"}


@pytest.mark.parametrize("name", EVENTS)
def test_a_call_without_an_extra_identity_source_never_reaches_the_hook(
    name: str, hook: Pack, revenium: Revenium
) -> None:
    hook("raise ValueError\n")
    answer = revenium.answer(event(name), REVENIUM_EXTRA_IDENTITY_SOURCES="query:key", **ON)
    assert answer["context"]["reason"] == "missing_identity_source"


def test_an_id_that_cannot_be_one_never_reaches_the_hook(hook: Pack, revenium: Revenium) -> None:
    hook(returning("'acme'"))
    answer = revenium.answer(event("http_2_0", 'acme"'), **ON)
    assert answer["context"]["reason"] == "invalid_client_id"


@pytest.mark.parametrize("name", EVENTS)
def test_revenium_is_asked_for_the_client_that_the_hook_vouches_for(name: str, hook: Pack, revenium: Revenium) -> None:
    hook(returning("'acme' if request.client_id == 'session-7' else None"))
    answer = revenium.answer(event(name, "session-7"), **ON)
    assert answer["context"] == {"clientId": "acme", "decision": "allow", "reason": "entitled"}
    assert answer["principalId"] == "acme"
    assert revenium.asked == ["acme"]
    assert revenium.answer(event(name, "acme"), **ON)["context"] == {
        "clientId": "",
        "decision": "deny",
        "reason": "not_authenticated",
    }
    assert revenium.asked == ["acme"]


def test_whom_the_hook_vouches_for_revenium_may_still_refuse(hook: Pack, revenium: Revenium) -> None:
    hook(returning("'mallory'"))
    assert revenium.answer(event("http_2_0"), **ON)["context"] == {
        "clientId": "mallory",
        "decision": "deny",
        "reason": "not_entitled",
    }


def test_without_the_setting_the_hook_is_not_asked(hook: Pack, revenium: Revenium) -> None:
    hook("raise ValueError\n")
    assert revenium.answer(event("http_2_0"))["context"]["reason"] == "entitled"
    assert "authenticate" not in sys.modules


def test_the_hook_is_asked_every_time_and_loaded_once(hook: Pack, revenium: Revenium) -> None:
    hook("calls = []\ndef authenticate(request):\n    calls.append(request)\n    return request.client_id\n")
    revenium.start(**ON)
    for _ in range(3):
        revenium.reason("acme")
    import authenticate

    assert len(authenticate.calls) == 3
    assert revenium.asked == ["acme"]


def test_the_hooks_secret_is_read_when_it_is_asked_for_and_kept_for_five_minutes(
    clock: list[float], hook: Pack, revenium: Revenium
) -> None:
    hook(returning("request.client_id and request.secret"))
    revenium.secret = "acme"
    revenium.start(**WITH_SECRET)
    revenium.reason("")
    assert not revenium.transport.sent
    for _ in range(3):
        assert revenium.reason("x") == "entitled"
    [(url, _, body)] = [each for each in revenium.transport.sent if "secretsmanager" in each[0]]
    assert url == "https://secretsmanager.eu-central-1.amazonaws.com/"
    assert json.loads(body) == {"SecretId": SECRET_ARN}
    revenium.secret = "mallory"
    clock[0] += 299
    assert revenium.reason("x") == "entitled"
    clock[0] += 2
    assert revenium.reason("x") == "not_entitled"


@pytest.mark.parametrize("trouble", [Answer(400, {}, '{"__type":"AccessDeniedException"}'), NotSent("x")])
def test_a_secret_that_cannot_be_read_turns_everybody_away(
    trouble: Answer | Exception, hook: Pack, revenium: Revenium, capsys: pytest.CaptureFixture[str]
) -> None:
    hook(returning("request.secret and 'acme'"))
    revenium.secret = trouble
    answer = revenium.answer(event("http_2_0"), REVENIUM_ON_ERROR="allow", **WITH_SECRET)
    assert (answer["context"]["decision"], answer["context"]["reason"]) == ("deny", "authentication_failed")
    [failure, _] = printed(capsys)
    assert failure["error"].startswith("Secrets Manager") and failure["line"] == 2


def refusal(kind: str, status: int = 400) -> Answer:
    return Answer(status, {}, json.dumps({"__type": kind}))


@pytest.mark.parametrize(
    "gone",
    [
        refusal("ResourceNotFoundException"),
        refusal("com.amazonaws.secretsmanager#AccessDeniedException"),
        refusal("InvalidRequestException"),  # marked for deletion
        refusal("DecryptionFailure"),
        refusal("AccessDeniedException", 403),
        Answer(200, {}, '{"SecretBinary": "AA=="}'),
        " ",
    ],
)
def test_a_secret_that_is_gone_turns_everybody_away_until_there_is_one_again(
    gone: str | Answer, clock: list[float], hook: Pack, revenium: Revenium, capsys: pytest.CaptureFixture[str]
) -> None:
    hook(returning("request.client_id if request.secret == 'hook-secret' else None"))
    revenium.start(**WITH_SECRET)
    assert revenium.reason("acme") == "entitled"
    revenium.secret = gone
    clock[0] += 299
    assert revenium.reason("acme") == "entitled"
    clock[0] += 2
    capsys.readouterr()
    for _ in range(3):
        assert revenium.reason("acme") == "authentication_failed"
    assert "stays in use" not in capsys.readouterr().out
    revenium.secret = "hook-secret"
    assert revenium.reason("acme") == "entitled", "it is looked for on each call"


@pytest.mark.parametrize(
    "silent",
    [
        NotSent("x"),
        Unanswered("x"),
        refusal("InternalServiceError", 500),
        refusal("ThrottlingException"),
        refusal("TooManyRequestsException", 429),
        refusal("RequestLimitExceeded"),
        Answer(503, {}, "Service Unavailable"),
        Answer(400, {}, "<html>"),
        Answer(403, {}, '{"message": "a proxy\'s"}'),
        Answer(200, {}, ""),
        Answer(200, {}, '{"SecretString": "hook-'),
    ],
)
def test_a_secrets_manager_that_does_not_answer_leaves_the_last_secret_in_use(
    silent: Answer | Exception, clock: list[float], hook: Pack, revenium: Revenium
) -> None:
    hook(returning("request.client_id if request.secret == 'hook-secret' else None"))
    revenium.start(**WITH_SECRET)
    assert revenium.reason("acme") == "entitled"
    revenium.secret = silent
    for _ in range(3):
        clock[0] += 301
        assert revenium.reason("acme") == "entitled"


def test_a_hook_that_asks_for_a_secret_that_was_not_named_fails(
    hook: Pack, revenium: Revenium, capsys: pytest.CaptureFixture[str]
) -> None:
    hook(returning("request.secret"))
    answer = revenium.answer(event("http_2_0"), REVENIUM_ON_ERROR="allow", **ON)
    assert (answer["context"]["decision"], answer["context"]["reason"]) == ("deny", "authentication_failed")
    assert "REVENIUM_AUTHENTICATE_SECRET_ARN" in printed(capsys)[0]["error"]


@pytest.mark.parametrize("mode", ["observe", "identify"])
@pytest.mark.parametrize(("expression", "reason"), [("None", "not_authenticated"), ("1 / 0", "authentication_failed")])
def test_where_everybody_is_let_in_the_hook_still_says_who_it_is(
    expression: str, reason: str, mode: str, hook: Pack, revenium: Revenium
) -> None:
    hook(returning(f"'acme' if request.client_id == 'session-7' else {expression}"))
    revenium.start(REVENIUM_MODE=mode, **ON)
    assert revenium.ask(event("http_2_0", "session-7"))["context"]["clientId"] == "acme"
    answer = revenium.ask(event("http_2_0", "victim"))
    assert answer["context"] == {"clientId": "", "decision": "allow", "reason": reason}
    assert answer["principalId"] == "-"


def test_nothing_that_is_printed_tells_a_secret(
    hook: Pack, revenium: Revenium, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG_LEVEL", "DEBUG")
    hook(
        "def authenticate(request):\n    if request.client_id == 'raise':\n"
        "        raise ValueError(request.secret, request.headers)\n    return request.client_id\n"
    )
    revenium.key = FakeKey("hak_visible")
    environ = WITH_SECRET | {
        "REVENIUM_EXTRA_IDENTITY_SOURCES": "header:x-token",
        "REVENIUM_ALLOW_CACHE_SECONDS": "0",
        "REVENIUM_DENY_CACHE_SECONDS": "0",
    }
    revenium.start(**environ)
    troubles = (
        None,
        *(Answer(status, {}, "body-visible") for status in (500, 401, 403, 422)),
        NotSent("x"),
        Unanswered("x"),
    )
    for trouble in troubles:
        revenium.trouble = trouble
        before = len(revenium.asked)
        for client_id in ("acme", "visible-client", "raise", 'visible-client"', ""):
            asked = event("rest_request", client_id)
            asked["headers"]["X-Token"] = "token-visible"
            revenium.client._breaker.succeeded()
            revenium.ask(asked)
        assert {"acme", "visible-client"} <= set(revenium.asked[before:])
    printed = capsys.readouterr()
    for secret in ("hak_visible", "hook-secret", "token-visible", "visible-client", "body-visible", "acme"):
        assert secret not in printed.out + printed.err
    assert len([line for line in printed.out.splitlines() if "_aws" in line]) == 5 * len(troubles)
