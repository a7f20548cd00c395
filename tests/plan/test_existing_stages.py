"""Plans with `existing_stages`: what is created, and exactly what the function's role may do."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from plan.test_plans import ACCOUNT, GROUP, Plan, planned
from sandbox import Sandbox, Workspace
from sandbox.terraform import TerraformError

HERE = Path(__file__).parent
METERING = "module.revenium.module.metering[0]"
FUNCTION = f"{METERING}.module.stage_logging[0]"
APIS = "arn:aws:apigateway:us-east-1::"
PARAMETER = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/revenium"


DIRECTORY = "tests/plan/terraform/existing_stages"


@pytest.fixture(scope="module")
def workspace(sandbox: Sandbox) -> Workspace:
    made = sandbox.workspace()
    shutil.copytree(HERE / "terraform", made.root / "tests" / "plan" / "terraform")
    return made


@pytest.fixture(scope="module")
def plan(workspace: Workspace) -> Plan:
    return planned(workspace, DIRECTORY)


@pytest.mark.usefixtures("plan")
def test_more_stages_than_a_role_has_room_for_are_refused(workspace: Workspace) -> None:
    with pytest.raises(TerraformError, match="must name no more stages"):
        workspace.plan(DIRECTORY, variables={"further_stages": "60"})


def created(plan: Plan, module: str) -> dict[str, int]:
    addresses = [address.removeprefix(module) for address in plan.resources if address.startswith(module)]
    types = [address.split(".")[-2] for address in addresses]
    return {each: types.count(each) for each in types}


def test_it_creates_this_and_nothing_else(plan: Plan) -> None:
    assert created(plan, f"{FUNCTION}.") == {
        "aws_cloudwatch_log_group": 1,
        "aws_iam_role": 1,
        "aws_iam_role_policy": 2,
        "aws_lambda_function": 1,
        "terraform_data": 1,
    }
    assert created(plan, f"{METERING}.")["aws_lambda_invocation"] == 6
    assert [address for address in plan.resources if ".aws_ssm_parameter" in address] == []
    assert created(plan, "module.account_logging.") == {
        "aws_api_gateway_account": 1,
        "aws_iam_role": 1,
        "aws_iam_role_policy_attachment": 1,
    }


def test_the_function_is_configured_so(plan: Plan) -> None:
    plan.check(
        {
            f"{FUNCTION}.aws_lambda_function.this": {
                "function_name": "revenium-stage-logging",
                "handler": "stage_logging.handler.handler",
                "runtime": "python3.12",
                "timeout": 180,
                "environment": [],
                "layers": None,
            },
            f"{FUNCTION}.aws_cloudwatch_log_group.this": {
                "name": "/aws/lambda/revenium-stage-logging",
                "retention_in_days": 30,
            },
            f"{FUNCTION}.aws_iam_role.this[0]": {"name": "revenium-stages-us-east-1"},
        }
    )
    policy = json.loads(plan.resources[f"{FUNCTION}.aws_iam_role.this[0]"]["assume_role_policy"])
    [statement] = policy["Statement"]
    assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}


def allowed(plan: Plan, module: str) -> set[tuple[str, str]]:
    """Every action with every resource that the function's role has it for."""
    granted: set[tuple[str, str]] = set()
    for address in plan.resources:
        if address.startswith(module) and ".aws_iam_role_policy." in address and "stage_logging" in address:
            for statement in plan.statements(address):
                assert set(statement) == {"Sid", "Effect", "Action", "Resource"} and statement["Effect"] == "Allow"
                granted |= {
                    (action, arn) for action in listed(statement["Action"]) for arn in listed(statement["Resource"])
                }
    return granted


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def own_log_group(name: str) -> set[tuple[str, str]]:
    """The `*` stands for the group's streams, whose names Lambda makes up."""
    arn = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/lambda/{name}-stage-logging:*"
    return {("logs:CreateLogStream", arn), ("logs:PutLogEvents", arn)}


# What AWS demands of whoever switches on the logs of an HTTP API, on every resource:
# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging.html
LOG_DELIVERY = {
    (f"logs:{action}", "*")
    for action in (
        "CreateLogDelivery", "CreateLogGroup", "DeleteLogDelivery", "DescribeLogGroups", "DescribeResourcePolicies",
        "GetLogDelivery", "ListLogDeliveries", "PutResourcePolicy", "UpdateLogDelivery",
    )
}  # fmt: skip


def test_the_role_may_do_exactly_this(plan: Plan) -> None:
    stages = [f"{APIS}/restapis/shop567890/stages/live"]
    stages += [f"{APIS}/apis/{stage}" for stage in ("chat567890/stages/live", "news567890/stages/$default")]
    assert allowed(plan, METERING) == (
        {(f"apigateway:{action}", stage) for action in ("GET", "PATCH") for stage in stages}
        | {("apigateway:DELETE", f"{stage}/accesslogsettings") for stage in stages[1:]}
        | {
            ("apigateway:GET", f"{APIS}/{family}/{api}567890")
            for family in ("apis", "restapis")
            for api in ("chat", "news", "shop")
        }
        | {
            (f"ssm:{action}Parameter", f"{PARAMETER}/revenium/stage-logging/{key}")
            for action in ("Get", "Put", "Delete")
            for key in ("chat", "news", "shop")
        }
        | own_log_group("revenium")
        | LOG_DELIVERY
    )


def test_without_an_http_api_there_is_no_wildcard_but_the_log_groups_streams(plan: Plan) -> None:
    granted = allowed(plan, "module.rest_alone")
    assert {(action, arn) for action, arn in granted if "*" in arn} == own_log_group("rest-alone")
    assert {action for action, _ in granted if action.startswith("apigateway:")} == {
        "apigateway:GET",
        "apigateway:PATCH",
    }


def test_each_stage_is_switched_on_with_the_format_of_its_kind(plan: Plan) -> None:
    inputs: dict[str, dict[str, Any]] = {
        address.removeprefix(f"{METERING}.aws_lambda_invocation."): json.loads(values["input"])
        for address, values in plan.resources.items()
        if address.startswith(f"{METERING}.aws_lambda_invocation.")
    }
    shop = {
        "kind": "REST",
        "api_id": "shop567890",
        "stage": "live",
        "parameter": "/revenium/revenium/stage-logging/shop",
    }
    assert inputs['give_back["shop"]'] == {"task": "give_back", **shop}
    log_format = inputs['switch_on["shop"]'].pop("format")
    assert inputs['switch_on["shop"]'] == {
        "task": "switch_on", "destination_arn": GROUP, "replace_existing": True, **shop
    }  # fmt: skip
    assert "resourcePath" in log_format
    assert (
        "routeKey" in inputs['switch_on["news"]']["format"] and "eventType" not in inputs['switch_on["news"]']["format"]
    )
    assert "eventType" in inputs['switch_on["chat"]']["format"]
    assert inputs['switch_on["news"]']["replace_existing"] is False


def test_only_destroying_gives_back_by_a_call_and_only_creating_switches_on(plan: Plan) -> None:
    """A failed update is lost on the provider: nothing that changes a stage may be one."""
    scopes = {
        address.rpartition(".")[2]: (values["lifecycle_scope"], values["triggers"])
        for address, values in plan.resources.items()
        if address.startswith(f"{METERING}.aws_lambda_invocation.")
    }
    assert scopes['switch_on["shop"]'] == ("CREATE_ONLY", None)
    assert scopes['give_back["shop"]'] == ("CRUD", {"kind": "REST", "api_id": "shop567890", "stage": "live"})


def test_api_gateway_alone_may_assume_the_accounts_logging_role(plan: Plan) -> None:
    policy = json.loads(plan.resources["module.account_logging.aws_iam_role.this"]["assume_role_policy"])
    [statement] = policy["Statement"]
    assert (statement["Action"], statement["Principal"]) == ("sts:AssumeRole", {"Service": "apigateway.amazonaws.com"})
    attached = plan.resources["module.account_logging.aws_iam_role_policy_attachment.this"]["policy_arn"]
    assert attached == "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"


def test_the_example_plans_with_stages_of_each_kind(sandbox: Sandbox) -> None:
    workspace, directory = sandbox.workspace(), "examples/existing-stages"
    given = (HERE.parents[1] / directory / "README.md").read_text()
    [stages] = re.findall(r"```hcl\n(.*?)```", given, re.DOTALL)
    (workspace.root / directory / "terraform.tfvars").write_text(stages)
    workspace.init(directory)
    workspace.plan(directory, out="saved.tfplan", variables={"revenium_api_key": "hak_example"})
    plan = Plan(workspace.show_json(directory, "saved.tfplan"))
    assert plan.types["aws_lambda_invocation"] == 6
    assert f"Resources: {sum(plan.types.values())} added" in given
