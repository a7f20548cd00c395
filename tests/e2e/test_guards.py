"""The authorizer on REST, HTTP and WebSocket APIs, enforcing and observing, while Revenium is well and while it is not.

API Gateway answers a denial itself: on a REST API with the status that `denial_response` chose, elsewhere with 403.
"""

import itertools
import json
from collections.abc import Iterator

import pytest
import requests

import access_logs
from e2e.deployed import Applied
from polling import until
from sandbox import Sandbox
from traffic import TIMEOUT, Answered, HandshakeRefused, call, connect

DENIED = {"rest": 402, "http": 403}
_numbers = itertools.count()


class Caller:
    """Calls one API of the enforcing instance, each time as the client it is told."""

    def __init__(self, kind: str, sandbox: Sandbox, authorizers: Applied) -> None:
        self.kind = kind
        self.denied = DENIED[kind]
        self.sandbox = sandbox
        self.authorizers = authorizers
        self.function = authorizers.outputs["instances"]["enforcing"]["authorizer_function_name"]

    def call(self, client: str | None, path: str = "/ping") -> Answered:
        url = self.authorizers.outputs["urls"][f"{self.kind}_enforcing"]
        return call(self.sandbox, url, path, None, {} if client is None else {"X-Consumer": client})

    def counted(self, metric: str) -> int:
        return sum(line[metric] for line in access_logs.metric_lines(self.sandbox, self.function))


@pytest.fixture(params=["rest", "http"])
def caller(request: pytest.FixtureRequest, sandbox: Sandbox, authorizers: Applied) -> Iterator[Caller]:
    found = Caller(request.param, sandbox, authorizers)
    yield found
    # The function leaves a Revenium that was down alone for a moment; the next test begins with one that is asked.
    sandbox.revenium.up()
    sandbox.revenium.clear_faults()
    until(lambda: found.call(entitled(sandbox)).status == 200, "the authorizer asks Revenium again")


def entitled(sandbox: Sandbox) -> str:
    """A client that nobody has heard of, but Revenium."""
    client = f"client-{next(_numbers)}"
    sandbox.revenium.entitle(client)
    return client


def test_a_cached_answer_opens_every_route_of_the_stage(caller: Caller) -> None:
    client = entitled(caller.sandbox)
    assert [caller.call(client, path).status for path in ("/ping", "/other", "/ping", "/other")] == [200] * 4
    assert caller.sandbox.revenium.checks(client) == 1


def test_a_stranger_is_denied_on_every_route(caller: Caller) -> None:
    client = f"stranger-{next(_numbers)}"
    assert [caller.call(client, path).status for path in ("/ping", "/other")] == [caller.denied] * 2


def test_without_an_id_the_caller_is_turned_away_and_the_function_is_not_asked(caller: Caller) -> None:
    before = len(access_logs.metric_lines(caller.sandbox, caller.function))
    assert caller.call(None).status == 401
    assert len(access_logs.metric_lines(caller.sandbox, caller.function)) == before


def test_who_loses_the_entitlement_gets_in_while_the_answer_is_cached_and_no_longer(caller: Caller) -> None:
    client = entitled(caller.sandbox)
    assert caller.call(client).status == 200
    caller.sandbox.revenium.revoke(client)
    assert caller.call(client).status == 200, "API Gateway repeats the answer"
    until(lambda: caller.call(client).status == caller.denied, "the answer is no longer repeated")


def test_who_gains_the_entitlement_gets_in_once_the_answer_is_no_longer_cached(caller: Caller) -> None:
    client = f"client-{next(_numbers)}"
    assert caller.call(client).status == caller.denied
    caller.sandbox.revenium.entitle(client)
    assert caller.call(client).status == caller.denied, "API Gateway repeats the answer"
    until(lambda: caller.call(client).status == 200, "the answer is no longer repeated")


@pytest.mark.parametrize("trouble", ["down", "503", "401"])
def test_while_revenium_is_down_a_client_it_knows_gets_in_and_another_does_not(caller: Caller, trouble: str) -> None:
    known, unknown = entitled(caller.sandbox), entitled(caller.sandbox)
    assert caller.call(known).status == 200
    if trouble == "down":
        caller.sandbox.revenium.down()
    else:
        caller.sandbox.revenium.fail(int(trouble), "product-key")
    stale = caller.counted("Stale")
    until(
        lambda: caller.call(known).status == 200 and caller.counted("Stale") > stale,
        "API Gateway no longer repeats the answer; the function does",
    )
    assert caller.call(unknown).status == caller.denied


def test_an_authorizer_made_by_hand_on_the_function_answers_alike(sandbox: Sandbox, authorizers: Applied) -> None:
    """A TOKEN authorizer on a REST API, payload 1.0 on an HTTP API."""
    urls = authorizers.outputs["urls"]
    for url, path, header in (
        (urls["rest_enforcing"], "/token", "X-Token"),
        (urls["http_enforcing"], "/payload-1", "X-Consumer"),
    ):
        denied = 402 if header == "X-Token" else 403
        statuses = [
            call(sandbox, url, path, None, headers).status
            for headers in ({header: entitled(sandbox)}, {header: f"stranger-{next(_numbers)}"}, {})
        ]
        assert statuses == [200, denied, 401], path


@pytest.mark.parametrize(
    ("headers", "status", "reason"),
    [({"X-Consumer": "nobody-knows-me"}, 402, "not_entitled"), ({}, 401, "no_client_id")],
)
def test_a_rest_api_says_why_and_a_browser_may_read_it(
    sandbox: Sandbox, authorizers: Applied, headers: dict[str, str], status: int, reason: str
) -> None:
    address = sandbox.gateway.locate(authorizers.outputs["urls"]["rest_enforcing"] + "/ping")
    answer = requests.get(address.url, headers=address.headers | headers, timeout=TIMEOUT)
    assert (answer.status_code, json.loads(answer.content)["reason"]) == (status, reason)
    assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"


@pytest.mark.parametrize("kind", ["rest", "http"])
def test_observing_lets_everybody_in_counts_who_would_not_be_and_bills_whom_it_can(
    kind: str, sandbox: Sandbox, authorizers: Applied
) -> None:
    url = authorizers.outputs["urls"][f"{kind}_observing"]
    function = authorizers.outputs["instances"]["observing"]["authorizer_function_name"]
    client, stranger = entitled(sandbox), f"stranger-{next(_numbers)}"
    before = sum(line["WouldDeny"] for line in access_logs.metric_lines(sandbox, function))
    answers = [
        call(sandbox, url, path, None) for path in (f"/ping?client={client}", f"/ping?client={stranger}", "/ping")
    ]
    assert [answer.status for answer in answers] == [200] * 3
    assert sum(line["WouldDeny"] for line in access_logs.metric_lines(sandbox, function)) == before + 2
    sandbox.gateway.flush()
    wanted = {answer.request_id for answer in answers}
    sandbox.revenium.wait_for(
        lambda revenium: wanted <= {each.transaction_id for each in revenium.billed()}, 90, "all three are billed"
    )
    credentials = {each.transaction_id: each.credential for each in sandbox.revenium.billed()}
    assert [credentials[answer.request_id] for answer in answers] == [client, stranger, None]


def test_observing_lets_everybody_connect_counts_who_would_not_and_bills_whom_it_can(
    sandbox: Sandbox, authorizers: Applied
) -> None:
    url = authorizers.outputs["urls"]["websocket_observing"]
    function = authorizers.outputs["instances"]["observing"]["authorizer_function_name"]
    client, stranger = entitled(sandbox), f"stranger-{next(_numbers)}"
    counted = len(access_logs.metric_lines(sandbox, function))
    for query in ({"client": client}, {"client": stranger}, None):
        with connect(sandbox, url, None, query=query) as caller:
            assert caller.ask('{"action": "ping"}') == "pong"
    lines = access_logs.metric_lines(sandbox, function)[counted:]
    assert [(line["reason"], line["WouldDeny"]) for line in lines] == [
        ("entitled", 0),
        ("not_entitled", 1),
        ("no_client_id", 1),
    ]
    sandbox.gateway.flush()
    sandbox.revenium.wait_for(
        lambda revenium: {client, stranger} <= {each.credential for each in revenium.billed()}, 90, "both are billed"
    )


class Open:
    """Calls one API of the instance that fails open, and connects to the other, each time as the client it is told."""

    def __init__(self, kind: str, sandbox: Sandbox, authorizers: Applied) -> None:
        self.url = authorizers.outputs["urls"][f"{kind}_failing_open"]
        self.kind = kind
        self.sandbox = sandbox
        self.function = authorizers.outputs["instances"]["failing_open"]["authorizer_function_name"]

    def lets_in(self, client: str) -> tuple[bool, str]:
        """Whether the client is let in, and the reason of the function's answer."""
        lines = len(access_logs.metric_lines(self.sandbox, self.function))
        if self.kind == "http":
            status = call(self.sandbox, self.url, "/ping", client).status
        else:
            try:
                connect(self.sandbox, self.url, client).close()
                status = 200
            except HandshakeRefused as refused:
                status = refused.status
        assert status in (200, 403)
        [line] = access_logs.metric_lines(self.sandbox, self.function)[lines:]
        return status == 200, str(line["reason"])


@pytest.fixture(params=["http", "websocket"])
def open_api(request: pytest.FixtureRequest, sandbox: Sandbox, authorizers: Applied) -> Iterator[Open]:
    found = Open(request.param, sandbox, authorizers)
    yield found
    sandbox.revenium.up()
    sandbox.revenium.clear_faults()
    client = entitled(sandbox)
    until(lambda: found.lets_in(client) == (True, "entitled"), "the authorizer asks Revenium again")


def test_a_decision_that_is_too_old_is_no_longer_repeated_and_then_the_setting_lets_in(open_api: Open) -> None:
    known, refused = entitled(open_api.sandbox), f"stranger-{next(_numbers)}"
    assert open_api.lets_in(known) == (True, "entitled")
    assert open_api.lets_in(refused) == (False, "not_entitled")
    open_api.sandbox.revenium.down()
    assert open_api.lets_in(refused) == (False, "stale_not_entitled")
    assert open_api.lets_in(known) == (True, "stale_entitled")
    assert open_api.lets_in(f"stranger-{next(_numbers)}") == (True, "no_decision")
    until(lambda: open_api.lets_in(refused) == (True, "no_decision"), "the decision is too old")
    assert open_api.lets_in(known) == (True, "no_decision")


@pytest.mark.parametrize("status", [400, 403, 422])
def test_an_id_that_revenium_dislikes_is_no_way_in(open_api: Open, status: int) -> None:
    disliked = f"disliked-{next(_numbers)}"
    open_api.sandbox.revenium.fail(status, disliked)
    for _ in range(4):
        assert open_api.lets_in(disliked) == (False, "check_refused")
    assert open_api.lets_in(entitled(open_api.sandbox)) == (True, "entitled")


def consumer(client: str | None) -> dict[str, str]:
    return {} if client is None else {"X-Consumer": client}


def test_a_websocket_connection_is_for_the_entitled_and_its_messages_are_billed_to_them(
    sandbox: Sandbox, authorizers: Applied
) -> None:
    url, client = authorizers.outputs["urls"]["websocket_enforcing"], entitled(sandbox)
    with connect(sandbox, url, None, headers=consumer(client)) as caller:
        assert caller.ask('{"action": "ping"}') == "pong"
    sandbox.gateway.flush()
    sandbox.revenium.wait_for(
        lambda revenium: client in {each.credential for each in revenium.billed()}, 90, "the message is billed"
    )
    [billed] = [each for each in sandbox.revenium.billed() if each.credential == client]
    assert (billed.resource, billed.method, billed.response_code) == ("ping", None, 200)


@pytest.mark.parametrize(("client", "status"), [("nobody-knows-me", 403), (None, 401)])
def test_a_websocket_connection_is_refused_to_anybody_else(
    sandbox: Sandbox, authorizers: Applied, client: str | None, status: int
) -> None:
    with pytest.raises(HandshakeRefused) as refused:
        connect(sandbox, authorizers.outputs["urls"]["websocket_enforcing"], None, headers=consumer(client))
    assert refused.value.status == status


def test_who_loses_the_entitlement_keeps_the_connection_and_gets_no_other(
    sandbox: Sandbox, authorizers: Applied
) -> None:
    url, client = authorizers.outputs["urls"]["websocket_enforcing"], entitled(sandbox)
    with connect(sandbox, url, None, headers=consumer(client)) as caller:
        sandbox.revenium.revoke(client)
        assert caller.ask('{"action": "ping"}') == "pong"
        with pytest.raises(HandshakeRefused):
            connect(sandbox, url, None, headers=consumer(client))


@pytest.mark.usefixtures("caller")
def test_while_revenium_is_down_only_clients_it_knows_connect(sandbox: Sandbox, authorizers: Applied) -> None:
    url, known, unknown = authorizers.outputs["urls"]["websocket_enforcing"], entitled(sandbox), entitled(sandbox)
    connect(sandbox, url, None, headers=consumer(known)).close()
    sandbox.revenium.down()
    connect(sandbox, url, None, headers=consumer(known)).close()
    with pytest.raises(HandshakeRefused) as refused:
        connect(sandbox, url, None, headers=consumer(unknown))
    assert refused.value.status == 403


def test_a_second_plan_shows_no_change(authorizers: Applied) -> None:
    assert authorizers.differences() == []
