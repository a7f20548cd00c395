"""The hook: `authenticate(request)` in a file of the user's."""

from collections.abc import Callable

import pytest

from revenium.transport import Answer
from unit.authorizing import SECRET_ARN, Revenium, event

Pack = Callable[[str], None]
ON = {"REVENIUM_AUTHENTICATE": "true"}
WITH_SECRET = ON | {"REVENIUM_AUTHENTICATE_SECRET_ARN": SECRET_ARN}


def returning(expression: str) -> str:
    return f"def authenticate(request):\n    return {expression}\n"


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
