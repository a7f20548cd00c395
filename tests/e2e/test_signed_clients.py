"""The example signed-clients: the hook in the deployed function, with its secret, behind API Gateway's cache."""

import hashlib
import hmac
import time

import pytest

import access_logs
from e2e.deployed import Applied
from sandbox import Sandbox
from traffic import Answered, call


@pytest.fixture
def secret(sandbox: Sandbox, signed_clients: Applied) -> str:
    arn = signed_clients.outputs["signing_secret_arn"]
    return str(sandbox.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])


def signed(secret: str, client: str, at: float) -> dict[str, str]:
    timestamp = str(int(at))
    signature = hmac.new(secret.encode(), f"{client}.{timestamp}".encode(), hashlib.sha256).hexdigest()
    return {"clientId": client, "x-timestamp": timestamp, "x-signature": signature}


def send(sandbox: Sandbox, applied: Applied, headers: dict[str, str]) -> Answered:
    return call(sandbox, applied.outputs["invoke_url"], "/products", None, headers)


def test_who_signs_gets_in_and_is_billed(sandbox: Sandbox, signed_clients: Applied, secret: str) -> None:
    answer = send(sandbox, signed_clients, signed(secret, "acme", time.time()))
    assert answer.status == 200
    sandbox.gateway.flush()
    sandbox.revenium.wait_for(
        lambda revenium: answer.request_id in {each.transaction_id for each in revenium.billed()}, 90, "billed"
    )
    [billed] = [each for each in sandbox.revenium.billed() if each.transaction_id == answer.request_id]
    assert billed.credential == "acme"


@pytest.mark.parametrize(
    ("forged", "status"),
    [
        ({"clientId": "globex"}, 403),
        ({"x-timestamp": str(int(time.time()) + 7)}, 403),
        ({"x-signature": "0" * 64}, 403),
        ({"x-signature": ""}, 401),
        ({"x-timestamp": ""}, 401),
    ],
)
def test_a_signature_is_good_for_its_client_and_its_time_alone_even_beside_a_cached_answer(
    sandbox: Sandbox, signed_clients: Applied, secret: str, forged: dict[str, str], status: int
) -> None:
    sandbox.revenium.entitle("globex")
    good = signed(secret, "acme", time.time())
    assert send(sandbox, signed_clients, good).status == 200
    assert send(sandbox, signed_clients, good | forged).status == status


def test_an_old_signature_and_a_client_without_entitlement_are_turned_away(
    sandbox: Sandbox, signed_clients: Applied, secret: str
) -> None:
    assert send(sandbox, signed_clients, signed(secret, "acme", time.time() - 400)).status == 403
    assert send(sandbox, signed_clients, signed(secret, "nobody-knows-me", time.time())).status == 403


def test_neither_signature_nor_secret_is_in_a_log(sandbox: Sandbox, signed_clients: Applied, secret: str) -> None:
    headers = signed(secret, "acme", time.time())
    send(sandbox, signed_clients, headers | {"x-timestamp": "1"})
    send(sandbox, signed_clients, headers)
    sandbox.gateway.flush()
    function = signed_clients.outputs["authorizer_function_name"]
    lines = [line for group in access_logs.groups(sandbox) for line in access_logs.messages(sandbox, group)]
    assert any("not_authenticated" in line for line in access_logs.messages(sandbox, f"/aws/lambda/{function}"))
    assert not [line for line in lines if secret in line or headers["x-signature"] in line]
