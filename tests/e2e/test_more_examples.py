"""The examples that the demo does not show: applied as they are, called, and billed as their pages say."""

import pytest

from e2e.deployed import TOKEN, Applied
from sandbox import Sandbox, Transaction
from traffic import Answered, HandshakeRefused, call, connect


def billed(sandbox: Sandbox, *answers: Answered) -> list[Transaction]:
    """What Revenium billed for the calls, in their order, once it is there."""
    sandbox.gateway.flush()
    wanted = [answer.request_id for answer in answers]
    sandbox.revenium.wait_for(
        lambda revenium: set(wanted) <= {each.transaction_id for each in revenium.billed()}, 90, "all calls are billed"
    )
    found = {each.transaction_id: each for each in sandbox.revenium.billed()}
    return [found[request_id] for request_id in wanted]


@pytest.mark.parametrize("example", ["metering_only", "multiple_apis", "websocket"])
def test_a_second_plan_shows_no_change(example: str, request: pytest.FixtureRequest) -> None:
    applied: Applied = request.getfixturevalue(example)
    assert applied.differences() == []


@pytest.mark.parametrize("example", ["metering_only", "multiple_apis", "websocket"])
def test_its_page_shows_what_terraform_prints(example: str, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(example).is_shown_by_its_page()


def test_the_apis_own_authorizer_decides_and_names_who_is_billed(sandbox: Sandbox, metering_only: Applied) -> None:
    url = metering_only.outputs["invoke_url"]
    answers = [
        call(sandbox, url, "/products", None, headers)
        for headers in ({"Authorization": TOKEN}, {"Authorization": "another"}, {})
    ]
    assert [answer.status for answer in answers] == [200, 403, 401]
    [transaction] = billed(sandbox, answers[0])
    assert (transaction.credential, transaction.resource, transaction.method) == ("acme", "/products", "GET")


def test_each_api_is_metered_under_its_source(sandbox: Sandbox, multiple_apis: Applied) -> None:
    urls = multiple_apis.outputs["invoke_urls"]
    assert sorted(urls) == ["catalog", "invoices", "orders"]
    answers = {name: call(sandbox, url, "/status", "acme") for name, url in urls.items()}
    assert {answer.status for answer in answers.values()} == {200}
    strangers = {name: call(sandbox, url, "/status", "nobody-knows-me").status for name, url in urls.items()}
    assert strangers == dict.fromkeys(urls, 403)
    transactions = dict(zip(answers, billed(sandbox, *answers.values()), strict=True))
    assert {name: each.source_id for name, each in transactions.items()} == {
        "catalog": "source-of-catalog",
        "invoices": None,
        "orders": "source-of-orders",
    }
    assert {(each.credential, each.resource) for each in transactions.values()} == {("acme", "/{proxy+}")}


def test_a_websockets_messages_are_billed_to_who_connected(sandbox: Sandbox, websocket: Applied) -> None:
    url = websocket.outputs["invoke_url"]
    sandbox.revenium.entitle("talker")
    with connect(sandbox, url, "talker") as caller:
        assert caller.ask('{"action": "say", "text": "hello"}') == '{"you said": "hello"}'
    with pytest.raises(HandshakeRefused) as refused:
        connect(sandbox, url, "nobody-knows-me")
    assert refused.value.status == 403
    sandbox.gateway.flush()
    sandbox.revenium.wait_for(
        lambda revenium: "talker" in {each.credential for each in revenium.billed()}, 90, "the message is billed"
    )
    [transaction] = [each for each in sandbox.revenium.billed() if each.credential == "talker"]
    assert (transaction.resource, transaction.response_code) == ("say", 200)
