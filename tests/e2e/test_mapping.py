"""Every setting of what is metered, and how, from the input of the module to what Revenium gets."""

import json
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

import access_logs
from e2e.deployed import API_KEY, ROOT_MODULES, variables
from e2e.outside import make_http_api, make_rest_api, make_websocket_api
from polling import until
from sandbox import Sandbox, Transaction
from traffic import Answered, call, connect

DIRECTORY = "tests/e2e/terraform/mapping"
GROUPS = ("theirs-1", "theirs-2")


@dataclass
class World:
    """Stages and log groups of others, metered by an instance for v2 and one for v1."""

    sandbox: Sandbox
    apis: dict[str, str]
    functions: dict[str, str]

    def call(self, api: str, path: str) -> Answered:
        stage = "/live" if api == "rest" else ""
        return call(self.sandbox, f"https://{self.apis[api]}.execute-api.us-east-1.amazonaws.com{stage}", path, None)

    def skipped(self, version: str) -> Counter[str]:
        """How many lines the function left out, by reason."""
        found: Counter[str] = Counter()
        for line in access_logs.metric_lines(self.sandbox, self.functions[version]):
            found.update(line["skipped_by_reason"])
        return found

    def counts(self, version: str) -> Counter[str]:
        return access_logs.metering_totals(self.sandbox, [self.functions[version]])

    def billed(self, *answers: Answered) -> list[Transaction]:
        """What is billed for the calls, in their order, once it is there."""
        self.sandbox.gateway.flush()
        wanted = [answer.request_id for answer in answers]
        self.sandbox.revenium.wait_for(
            lambda revenium: set(wanted) <= {each.transaction_id for each in revenium.billed()}, 90, "the calls"
        )
        found = {each.transaction_id: each for each in self.sandbox.revenium.billed()}
        return [found[request_id] for request_id in wanted]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Sandbox() as own:
        own.revenium.set_api_keys(API_KEY)
        for group in GROUPS:
            own.client("logs").create_log_group(logGroupName=group)
            own.client("logs").create_log_stream(logGroupName=group, logStreamName="stream")
        apis = {
            "rest": make_rest_api(own, "live", paths=("ping", "other", "hidden", "failing", "unlisted")),
            "http": make_http_api(own, "$default"),
            "websocket": make_websocket_api(own, "live"),
        }
        workspace = own.workspace()
        shutil.copytree(ROOT_MODULES / "mapping", workspace.root / DIRECTORY)
        workspace.init(DIRECTORY)
        arn = f"arn:aws:logs:us-east-1:{own.emulator.account}:log-group:"
        given: dict[str, Any] = {"apis": apis, "groups": {group: {"arn": arn + group} for group in GROUPS}}
        workspace.apply(DIRECTORY, variables=variables(own) | given)
        yield World(own, apis, workspace.output(DIRECTORY)["functions"])
        own.gateway.flush()
        own.check()


def test_filters_leave_out_what_they_say_and_sources_and_elements_go_along(world: World) -> None:
    ping, other = world.call("rest", "/ping"), world.call("rest", "/other")
    left_out = [world.call("rest", path) for path in ("/hidden", "/failing", "/unlisted")]
    assert [answer.status for answer in left_out] == [200, 404, 200]
    sources = {each.resource: each.source_id for each in world.billed(ping, other)}
    assert sources == {"/ping": "source-of-ping", "/other": "source-of-the-api"}
    # `/unlisted`, which is none of the routes, and `/hidden`. The subscription filter has kept the status 404 from the
    # function: the line before that of `/unlisted` would be counted by now.
    until(lambda: world.skipped("v2")["route"] == 2, "the lines of the last calls reached the function")
    assert world.skipped("v2") == {"route": 2}
    assert (world.counts("v2")["Received"], world.counts("v2")["Delivered"]) == (4, 2)
    payloads = {each["transactionId"]: each["payload"] for each in world.sandbox.revenium.events()}
    # What is written like a number is sent as one.
    element = {"account": int(world.sandbox.emulator.account), "status": 200}
    assert payloads == {each.request_id: element for each in (ping, other)}


def test_several_log_groups_are_metered_beside_the_modules_own(world: World) -> None:
    for group in GROUPS:
        line = {"httpMethod": "GET", "path": "/ping", "principalId": group, "status": "200"}
        line |= {"sourceIp": "203.0.113.9", "integrationLatency": "7", "responseLength": "2"}
        events = [
            {"timestamp": int(time.time() * 1000), "message": json.dumps(line | {"status": status})}
            for status in ("500", "200")
        ]
        world.sandbox.client("logs").put_log_events(logGroupName=group, logStreamName="stream", logEvents=events)
    world.sandbox.revenium.wait_for(
        lambda revenium: set(GROUPS) <= {each.credential for each in revenium.billed()}, 90, "a line of each group"
    )
    found = [each for each in world.sandbox.revenium.billed() if each.credential in GROUPS]
    assert [(each.version, each.source_id) for each in found] == [("v2", "source-of-all-else")] * 2
    # In these groups CloudWatch passes every line on, and the function filters.
    until(lambda: world.skipped("v2")["status"] == len(GROUPS), "the lines with another status are left out")


def test_v1_has_a_subscription_metadata_and_elements_and_may_have_rejections(world: World) -> None:
    account = world.sandbox.emulator.account
    answers = [world.call("http", path) for path in ("/ping", "/nowhere")]
    # The backend's own 404, as the emulator adds the path to the integration's URL; and API Gateway's: no such route.
    assert [answer.status for answer in answers] == [404, 404]
    met, rejected = world.billed(*answers)
    assert (met.resource, met.response_code, rejected.resource, rejected.response_code) == ("/ping", 404, None, 404)
    for each in (met, rejected):
        assert (each.version, each.source_id, each.product_key) == ("v1", "source-of-http", f"gold-{account}")
        assert each.metadata == f"stage=$default,account={account}"
        assert ("account", account) in each.elements


def test_the_websocket_events_that_are_named_are_metered(world: World) -> None:
    with connect(
        world.sandbox, f"wss://{world.apis['websocket']}.execute-api.us-east-1.amazonaws.com/live", None
    ) as it:
        assert it.ask('{"action": "ping"}') == "pong"

    def resources() -> list[str]:
        return sorted(str(each.resource) for each in world.sandbox.revenium.billed() if each.source_id is None)

    world.sandbox.gateway.flush()
    until(lambda: world.counts("v1")["Skipped"] == 1, "the message was left out")
    until(lambda: resources() == ["$connect", "$disconnect"], "the two others are billed")
