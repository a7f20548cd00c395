"""The hook: `authenticate(request)` in a file of the user's."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from revenium.transport import Answer
from unit.authorizing import SECRET_ARN, Revenium, event, stage
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
