"""The hook of examples/signed-clients, which people copy."""

import hashlib
import hmac
import importlib.util
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from hcl.source import ROOT

SECRET = "a secret"
NOW = 1_700_000_000


@pytest.fixture
def authenticate(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], str | None]:
    found = importlib.util.spec_from_file_location("authenticate", ROOT / "examples/signed-clients/authenticate.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    monkeypatch.setattr(time, "time", lambda: float(NOW))
    function: Callable[[Any], str | None] = module.authenticate
    return function


def signed(
    client_id: str | None = "acme", timestamp: str = str(NOW), secret: str = SECRET, **headers: str
) -> SimpleNamespace:
    """A call as the hook gets it, signed for what it says unless `headers` differ."""
    message = f"{client_id}.{timestamp}".encode()
    signature = hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
    given = {"clientid": str(client_id), "x-signature": signature, "x-timestamp": timestamp}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    return SimpleNamespace(client_id=client_id, headers=given, query={}, secret=SECRET)


@pytest.mark.parametrize("age", [-300, 0, 300])
def test_a_caller_who_signed_within_5_minutes_is_who_it_says(age: int, authenticate: Any) -> None:
    assert authenticate(signed("acme", str(NOW - age))) == "acme"


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(signed(secret="another secret"), id="another secret"),
        pytest.param(signed(x_signature=signed("globex").headers["x-signature"]), id="signed for another"),
        pytest.param(signed(x_timestamp=str(NOW + 1)), id="signed for another time"),
        pytest.param(signed(timestamp=str(NOW - 301)), id="too old"),
        pytest.param(signed(timestamp=str(NOW + 301)), id="too early"),
        pytest.param(signed(timestamp=f"-{NOW}"), id="negative"),
        pytest.param(signed(timestamp=f"{NOW}.0"), id="no whole number"),
        pytest.param(signed(timestamp="9" * 5000), id="more digits than Python takes"),
        pytest.param(signed(timestamp="\u0661\u0667" * 5), id="digits beyond ASCII"),
        pytest.param(signed(timestamp=""), id="no time"),
        pytest.param(signed(x_signature=""), id="no signature"),
        pytest.param(signed(x_signature="\u00e9" * 64), id="signature beyond ASCII"),
        pytest.param(signed(client_id=None), id="no client id"),
        pytest.param(signed(client_id=""), id="empty client id"),
    ],
)
def test_everybody_else_is_turned_away_without_an_error(request_: SimpleNamespace, authenticate: Any) -> None:
    assert authenticate(request_) is None


def test_a_call_without_the_headers_is_turned_away_without_an_error(authenticate: Any) -> None:
    assert authenticate(SimpleNamespace(client_id="acme", headers={}, query={}, secret=SECRET)) is None
