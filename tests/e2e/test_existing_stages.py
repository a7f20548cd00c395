"""Stages that are made outside of Terraform: metered, and given back as they were found.

In a sandbox of its own, whose account begins without the role that REST and WebSocket stages need.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

import access_logs
from e2e.deployed import API_KEY, Applied, real_differences
from e2e.outside import make_http_api, make_rest_api, make_websocket_api
from sandbox import Sandbox, Workspace
from sandbox.access_log import format_problem
from sandbox.terraform import TerraformError
from traffic import call, connect

DIRECTORY = "examples/existing-stages"
ACCOUNT_LOGGING = "modules/account_logging"
GROUP = "/aws/vendedlogs/apigateway/revenium-stages"
TELLING = {"REST": "resourcePath", "HTTP": "routeKey", "WEBSOCKET": "eventType"}
EARLIER_FORMAT = '{ "id": "$context.requestId", "nested": {{"quote\\"": "$context.status"}}, "ü": "- $context.stage" }'


@dataclass
class World:
    """The account, the APIs in it that nobody here owns, and the configuration that meters them."""

    sandbox: Sandbox
    workspace: Workspace
    apis: dict[str, str]
    found: dict[str, Any] = field(default_factory=dict)

    def entry(self, kind: str, stage: str, **more: bool) -> dict[str, object]:
        return {"kind": kind, "api_id": self.apis[kind], "stage": stage, **more}

    def entries(self) -> dict[str, dict[str, object]]:
        """Of each kind a stage without earlier logs, and one that logs elsewhere."""
        return {
            f"{kind}-{stage}".lower().replace("$", ""): self.entry(kind, stage, replace_existing=stage == "old")
            for kind, stages in (
                ("REST", ("live", "old")),
                ("HTTP", ("$default", "old")),
                ("WEBSOCKET", ("live", "old")),
            )
            for stage in stages
        }

    def variables(self, stages: dict[str, dict[str, object]]) -> dict[str, Any]:
        return {"revenium_api_key": API_KEY, "metering_url": self.sandbox.revenium.v2_url, "stages": stages}

    def apply(self, stages: dict[str, dict[str, object]]) -> None:
        self.workspace.apply(DIRECTORY, variables=self.variables(stages))

    def refused(self, stages: dict[str, dict[str, object]]) -> str:
        """What Terraform writes to its reader, without the frame that it draws."""
        with pytest.raises(TerraformError) as error:
            self.apply(stages)
        return re.sub(r"[\s│╷╵]+", " ", str(error.value))

    def stage(self, kind: str, name: str) -> dict[str, Any]:
        """All that the management API says of a stage, but when it was changed."""
        if kind == "REST":
            found = self.sandbox.client("apigateway").get_stage(restApiId=self.apis[kind], stageName=name)
        else:
            found = self.sandbox.client("apigatewayv2").get_stage(ApiId=self.apis[kind], StageName=name)
        changing = {"lastUpdatedDate", "LastUpdatedDate", "ResponseMetadata"}
        return {key: value for key, value in found.items() if key not in changing and value not in ({}, None)}

    def logs(self, kind: str, name: str) -> tuple[str, str] | None:
        """Destination and format of a stage's access logs."""
        stage = self.stage(kind, name)
        settings = {
            k.lower(): v for k, v in (stage.get("accessLogSettings") or stage.get("AccessLogSettings") or {}).items()
        }
        return (settings["destinationarn"], settings["format"]) if settings else None

    def logs_of_others(self) -> tuple[str, str]:
        """What the stages logged that somebody had switched on before."""
        return f"arn:aws:logs:us-east-1:{self.sandbox.emulator.account}:log-group:/theirs", EARLIER_FORMAT

    def parameters(self) -> dict[str, str]:
        pages = self.sandbox.client("ssm").get_paginator("get_parameters_by_path").paginate(Path="/", Recursive=True)
        return {each["Name"]: each["Value"] for page in pages for each in page["Parameters"]}

    def is_billed(self, kind: str, stage: str) -> bool:
        url = f"https://{self.apis[kind]}.execute-api.us-east-1.amazonaws.com{stage}"
        answer = call(self.sandbox, url, "/ping", None)
        self.sandbox.gateway.flush()
        self.sandbox.revenium.wait_for(
            lambda revenium: answer.request_id in {each.transaction_id for each in revenium.billed()}, 60, "billed"
        )
        [billed] = [each for each in self.sandbox.revenium.billed() if each.transaction_id == answer.request_id]
        return (billed.resource, billed.response_code) == ("/ping", answer.status)

    def is_billed_for_a_message(self, stage: str) -> bool:
        """Whether one more message of a WebSocket stage is billed."""

        def messages() -> int:
            return sum(each.resource == "ping" for each in self.sandbox.revenium.billed())

        before = messages()
        url = f"wss://{self.apis['WEBSOCKET']}.execute-api.us-east-1.amazonaws.com/{stage}"
        with connect(self.sandbox, url, None) as caller:
            assert caller.ask('{"action": "ping"}') == "pong"
        self.sandbox.gateway.flush()
        self.sandbox.revenium.wait_for(lambda _: messages() > before, 60, "the message is billed")
        return messages() == before + 1


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Sandbox(logging_role=False) as own:
        own.revenium.set_api_keys(API_KEY)
        workspace = own.workspace()
        workspace.init(DIRECTORY)
        workspace.init(ACCOUNT_LOGGING)
        apis = {
            "REST": make_rest_api(own, "live", "old", "foreign"),
            "HTTP": make_http_api(own, "$default", "old", "third"),
            "WEBSOCKET": make_websocket_api(own, "live", "old", "third"),
        }
        yield World(own, workspace, apis)
        own.gateway.flush()
        own.check()


def give_earlier_logs(world: World) -> None:
    """To another log group, in a format that has about everything that can go wrong on its way through JSON and SSM."""
    logs, rest, v2 = (world.sandbox.client(each) for each in ("logs", "apigateway", "apigatewayv2"))
    logs.create_log_group(logGroupName="/theirs")
    destination, earlier_format = world.logs_of_others()
    for stage in ("old", "foreign"):
        patches = {"destinationArn": destination, "format": earlier_format}
        rest.update_stage(
            restApiId=world.apis["REST"],
            stageName=stage,
            patchOperations=[
                {"op": "replace", "path": f"/accessLogSettings/{name}", "value": value}
                for name, value in patches.items()
            ],
        )
    for kind in ("HTTP", "WEBSOCKET"):
        settings = {"DestinationArn": destination, "Format": earlier_format}
        v2.update_stage(ApiId=world.apis[kind], StageName="old", AccessLogSettings=settings)


def test_without_the_accounts_role_terraform_says_what_is_missing_and_what_to_do(world: World) -> None:
    message = world.refused({"shop": world.entry("REST", "live")})
    assert f"stage live of REST API {world.apis['REST']}" in message
    assert "CloudWatch Logs role ARN must be set in account settings" in message
    assert "modules/account_logging" in message
    assert world.logs("REST", "live") is None


def test_the_examples_page_shows_what_terraform_prints(world: World) -> None:
    """With the stages that it names, which are given back when the entries go."""
    world.workspace.apply(ACCOUNT_LOGGING, variables={"name": "account"})
    give_earlier_logs(world)
    names = [(each["kind"], each["stage"]) for each in world.entries().values()] + [("HTTP", "third")]
    world.found = {f"{kind} {stage}": world.stage(str(kind), str(stage)) for kind, stage in names}
    stages = {
        "chat": world.entry("WEBSOCKET", "live"),
        "news": world.entry("HTTP", "$default"),
        "shop": world.entry("REST", "old", replace_existing=True),
    }
    world.apply(stages)
    applied = Applied(DIRECTORY, world.workspace, world.workspace.output(DIRECTORY), world.variables(stages))
    applied.is_shown_by_its_page()
    earlier = applied.outputs["earlier_destinations"]
    assert earlier == {"chat": None, "news": None, "shop": world.logs_of_others()[0]}
    page = (world.workspace.root / DIRECTORY / "README.md").read_text()
    for key, value in earlier.items():
        assert f'  "{key}" = {"tostring(null)" if value is None else chr(34) + "arn:aws:logs:"}' in page
    world.apply({})
    assert world.parameters() == {}
    for kind, stage in names:
        assert world.stage(str(kind), str(stage)) == world.found[f"{kind} {stage}"]


def test_one_apply_meters_stages_of_all_kinds_and_refuses_the_one_that_logs_elsewhere(world: World) -> None:
    message = world.refused(world.entries() | {"foreign": world.entry("REST", "foreign")})
    assert f"stage foreign of REST API {world.apis['REST']} logs to arn:aws:logs:" in message
    assert "log-group:/theirs already" in message and "`replace_existing = true`" in message
    assert world.logs("REST", "foreign") == world.logs_of_others()
    for entry in world.entries().values():
        logs = world.logs(str(entry["kind"]), str(entry["stage"]))
        assert logs is not None and logs[0].endswith(GROUP) and TELLING[str(entry["kind"])] in logs[1]
    assert {name.rpartition("/")[2] for name in world.parameters()} == set(world.entries())


def test_their_traffic_is_billed(world: World) -> None:
    world.sandbox.gateway.forget_stages()
    assert world.is_billed("REST", "/live")
    assert world.is_billed("REST", "/old")
    assert world.is_billed("HTTP", "")
    assert world.is_billed_for_a_message("live")
    assert world.is_billed_for_a_message("old")


def moved(world: World) -> dict[str, dict[str, object]]:
    """One entry less, and one that names another stage."""
    entries = world.entries() | {"http-old": world.entry("HTTP", "third")}
    del entries["rest-old"]
    return entries


def test_one_apply_changes_formats_gives_back_what_goes_and_moves_what_names_another_stage(world: World) -> None:
    """The role has the right to the stages that are still named, and no other: what is given back comes first."""
    remembered = world.parameters()
    source = world.workspace.root / "modules/metering/access_log_format.tf"
    changed, count = re.subn('"status",', '"status", "accountId",', source.read_text())
    assert count == 3, "another version of the module has other formats"
    source.write_text(changed)
    world.workspace.plan(DIRECTORY, out="changed.tfplan", variables=world.variables(moved(world)))
    shown = world.workspace.show_json(DIRECTORY, "changed.tfplan")["resource_changes"]
    actions = {each["address"].rpartition(".")[2]: each["change"]["actions"] for each in shown}
    assert actions['give_back["http-default"]'] == ["no-op"], "a stage that stays is not given back in between"
    world.workspace.apply(DIRECTORY, plan="changed.tfplan", variables={"revenium_api_key": API_KEY})
    for entry in moved(world).values():
        logs = world.logs(str(entry["kind"]), str(entry["stage"]))
        assert logs is not None and logs[0].endswith(GROUP)
        assert format_problem(logs[1]) is None and '"accountId":"$context.accountId"' in logs[1]
        assert TELLING[str(entry["kind"])] in logs[1]
    earlier = world.workspace.output(DIRECTORY)["earlier_destinations"]
    assert {key: value and value.rpartition(":")[2] for key, value in earlier.items()} == {
        key: "/theirs" if key == "websocket-old" else None for key in moved(world)
    }
    for kind in ("REST", "HTTP"):
        assert world.stage(kind, "old") == world.found[f"{kind} old"]
    parameters = {name.rpartition("/")[2]: value for name, value in world.parameters().items()}
    assert set(parameters) == set(moved(world))
    assert {parameters[key] for key in set(parameters) - {"http-old"}} <= set(remembered.values())


def test_a_second_plan_shows_no_change(world: World) -> None:
    world.workspace.plan(DIRECTORY, out="second.tfplan", variables=world.variables(moved(world)))
    assert real_differences(world.workspace.show_json(DIRECTORY, "second.tfplan")["resource_changes"]) == []


def test_destroy_gives_everything_back_and_leaves_no_trace(world: World) -> None:
    """Also with a stage gone under our feet, and one that somebody has changed since."""
    v2 = world.sandbox.client("apigatewayv2")
    v2.delete_stage(ApiId=world.apis["WEBSOCKET"], StageName="old")
    theirs = {"DestinationArn": world.logs_of_others()[0], "Format": "$context.requestId"}
    v2.update_stage(ApiId=world.apis["HTTP"], StageName="$default", AccessLogSettings=theirs)
    world.workspace.destroy(DIRECTORY, variables=world.variables(moved(world)))
    assert world.logs("HTTP", "$default") == tuple(theirs.values())
    for kind, stage in (("REST", "live"), ("REST", "old"), ("HTTP", "old"), ("HTTP", "third"), ("WEBSOCKET", "live")):
        assert world.stage(kind, stage) == world.found[f"{kind} {stage}"], f"{kind} {stage}"
    client = world.sandbox.client
    assert world.parameters() == {}
    theirs_alone = "somebody-elses-backend"
    assert [each["FunctionName"] for each in client("lambda").list_functions()["Functions"]] == [theirs_alone]
    roles = {each["RoleName"] for each in client("iam").list_roles()["Roles"]}
    assert roles == {theirs_alone, "account-api-gateway-logs-us-east-1"}
    assert access_logs.groups(world.sandbox) == ["/theirs"]
    assert json.dumps(client("sqs").list_queues().get("QueueUrls", [])) == "[]"
