"""docs/migrating-from-cloudformation.md, followed under traffic: each call is billed once, by the one or the other."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import access_logs
import bench.references.template
from e2e.deployed import API_KEY, Applied, variables
from e2e.outside import make_function, make_http_api, make_rest_api
from polling import until
from sandbox import Sandbox, Workspace
from traffic import Answered, call

EXAMPLE = "examples/migrate-from-cloudformation"
GROUP, FILTER, FUNCTION = "APIGatewayAccessLogs", "revenium", "revenium-metering-template"
PATTERN = "%httpMethod%"
METERING = "module.revenium.module.metering[0]"
FILTERS, PERMISSIONS = (
    f"{METERING}.{each}.existing" for each in ("aws_cloudwatch_log_subscription_filter", "aws_lambda_permission")
)
# The keys that the template's function reads. The id is the tests' own, to tell the lines apart.
FORMAT = (
    '{"httpMethod":"$context.httpMethod","path":"$context.path","principalId":"$context.authorizer.principalId",'
    '"status":"$context.status","sourceIp":"$context.identity.sourceIp","integrationLatency":"$context.%s",'
    '"responseLength":"$context.responseLength","testId":"$context.extendedRequestId"}'
)


@dataclass
class World:
    """Two stages, metered by the template's function, and those who call them."""

    sandbox: Sandbox
    workspace: Workspace
    rest: str
    http: str
    answers: list[Answered] = field(default_factory=list)
    applied: Applied | None = None

    @property
    def urls(self) -> list[str]:
        host = "execute-api.us-east-1.amazonaws.com"
        return [f"https://{self.rest}.{host}/live", f"https://{self.http}.{host}"]

    def call(self) -> None:
        self.answers += [call(self.sandbox, url, "/ping", None) for url in self.urls]

    @contextmanager
    def traffic(self) -> Iterator[None]:
        """Calls go on inside and for some calls after."""
        stop = threading.Event()

        def work() -> None:
            while not stop.wait(0.1):
                self.call()

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
            reached = len(self.answers) + 20
            until(lambda: len(self.answers) > reached, "calls go on")
        finally:
            stop.set()
            thread.join()

    def given(self, stages: dict[str, dict[str, str]], *groups: str) -> dict[str, Any]:
        """Input variables with entries of these names for the log group."""
        group = f"arn:aws:logs:us-east-1:{self.sandbox.emulator.account}:log-group:{GROUP}"
        entries = {name: {"arn": group, "filter_name": FILTER} for name in groups}
        return {**variables(self.sandbox), "log_groups": entries, "stages": stages}

    def apply(self, stages: dict[str, dict[str, str]], *groups: str) -> None:
        given = self.given(stages, *groups)
        self.workspace.apply(EXAMPLE, variables=given)
        self.applied = Applied(EXAMPLE, self.workspace, self.workspace.output(EXAMPLE), given)

    def subscription(self) -> tuple[str, str, str]:
        """Name, pattern and destination of the one filter, as the page has them looked up."""
        found = self.sandbox.client("logs").describe_subscription_filters(logGroupName=GROUP)["subscriptionFilters"]
        [each] = found
        return each["filterName"], each.get("filterPattern", ""), each["destinationArn"]

    def billed_by_the_template(self) -> int:
        return sum(each.version == "v1" for each in self.sandbox.revenium.billed())

    def everything_is_billed_once(self) -> None:
        self.sandbox.gateway.flush()
        assert not self.sandbox.emulator.count("refused"), "no line is handed over without a permission"
        self.sandbox.revenium.wait_for(lambda revenium: revenium.count() >= len(self.answers), 90, "all is billed")
        assert self.sandbox.revenium.count() == len(self.answers)
        assert not self.sandbox.revenium.duplicates()


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Sandbox() as own:
        own.revenium.set_api_keys(API_KEY)
        workspace = own.workspace()
        workspace.init(EXAMPLE)
        made = World(own, workspace, make_rest_api(own, "live"), make_http_api(own, "$default"))
        install_the_template(made)
        yield made
        own.gateway.flush()
        own.check()


def install_the_template(world: World) -> None:
    """As the guide says: a log group, access logs of the stages, a function, and a trigger."""
    sandbox = world.sandbox
    logs, account = sandbox.client("logs"), sandbox.emulator.account
    logs.create_log_group(logGroupName=GROUP)
    group = f"arn:aws:logs:us-east-1:{account}:log-group:{GROUP}"
    settings = {"destinationArn": group, "format": FORMAT % "integration.latency"}
    sandbox.client("apigateway").update_stage(
        restApiId=world.rest,
        stageName="live",
        patchOperations=[
            {"op": "replace", "path": f"/accessLogSettings/{name}", "value": value} for name, value in settings.items()
        ],
    )
    sandbox.client("apigatewayv2").update_stage(
        ApiId=world.http,
        StageName="$default",
        AccessLogSettings={"DestinationArn": group, "Format": FORMAT % "integrationLatency"},
    )
    source = Path(bench.references.template.__file__).read_text()
    environment = {
        "REVENIUM_PLATFORM_API": f"{sandbox.revenium.v1_url}/meter",
        "REVENIUM_PLATFORM_API_KEY": API_KEY,
    }
    function = make_function(sandbox, FUNCTION, source, environment)
    sandbox.client("lambda").add_permission(
        FunctionName=FUNCTION,
        StatementId="logs",
        Action="lambda:InvokeFunction",
        Principal="logs.amazonaws.com",
        SourceArn=f"{group}:*",
    )
    logs.put_subscription_filter(logGroupName=GROUP, filterName=FILTER, filterPattern=PATTERN, destinationArn=function)


def test_the_template_meters(world: World) -> None:
    for _ in range(5):
        world.call()
    world.everything_is_billed_once()
    assert world.billed_by_the_template() == len(world.answers)


def test_step_1_takes_the_subscription_over_without_a_gap_and_without_billing_twice(world: World) -> None:
    before = world.billed_by_the_template()
    with world.traffic():
        world.apply({}, "shop")
    world.everything_is_billed_once()
    by_the_template = world.billed_by_the_template()
    assert before < by_the_template < len(world.answers), "calls went on under both"
    name, pattern, destination = world.subscription()
    assert (name, pattern, destination.rpartition(":")[2]) == (FILTER, "", "revenium-metering")
    world.call()
    world.everything_is_billed_once()
    assert world.billed_by_the_template() == by_the_template


def test_there_is_a_way_back_from_step_1_and_another_forth(world: World) -> None:
    """A later apply without the entry leaves the template's filter alone."""
    taken_over = world.subscription()
    before = world.billed_by_the_template()
    function = world.sandbox.client("lambda").get_function_configuration(FunctionName=FUNCTION)["FunctionArn"]
    with world.traffic():
        world.sandbox.client("logs").put_subscription_filter(
            logGroupName=GROUP, filterName=FILTER, filterPattern=PATTERN, destinationArn=function
        )
        world.workspace.state(EXAMPLE, "rm", f'{FILTERS}["shop"]')
        world.apply({})
        assert world.subscription() == (FILTER, PATTERN, function)
    world.everything_is_billed_once()
    assert world.billed_by_the_template() > before
    with world.traffic():
        world.apply({}, "shop")
        assert world.subscription() == taken_over
    world.everything_is_billed_once()


def test_an_entry_that_is_renamed_in_the_state_keeps_its_filter_and_its_permission(world: World) -> None:
    """CloudWatch repeats no delivery that is denied: a permission that is made anew, however soon, loses lines."""
    with world.traffic():
        for each in (FILTERS, PERMISSIONS):
            world.workspace.state(EXAMPLE, "mv", f'{each}["shop"]', f'{each}["store"]')
        world.workspace.plan(EXAMPLE, out="renamed.tfplan", variables=world.given({}, "store"))
        shown = world.workspace.show_json(EXAMPLE, "renamed.tfplan")
        world.apply({}, "store")
    world.everything_is_billed_once()
    moved = {each["address"]: each["change"]["actions"] for each in shown["resource_changes"]}
    assert [moved[f'{each}["store"]'] for each in (FILTERS, PERMISSIONS)] == [["no-op"], ["no-op"]]


def test_the_examples_page_shows_what_terraform_prints(world: World) -> None:
    assert world.applied is not None
    world.applied.is_shown_by_its_page()


def test_step_2_the_templates_function_can_go(world: World) -> None:
    world.sandbox.client("lambda").delete_function(FunctionName=FUNCTION)
    world.call()
    world.everything_is_billed_once()


def test_step_3_stages_move_to_the_modules_own_log_under_traffic(world: World) -> None:
    stages = {
        "shop": {"kind": "REST", "api_id": world.rest, "stage": "live"},
        "news": {"kind": "HTTP", "api_id": world.http, "stage": "$default"},
    }
    with world.traffic():
        world.apply(stages, "store")
        world.sandbox.gateway.forget_stages()
    world.everything_is_billed_once()
    lines = len(access_logs.lines(world.sandbox))
    assert 0 < lines < len(world.answers)
    world.call()
    world.everything_is_billed_once()
    assert len(access_logs.lines(world.sandbox)) == lines + 2
