"""What the module may do: these rights and no others, none of them wider than what it is for, and no policy of a
resource or a role without its condition."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from plan.test_existing_stages import listed
from plan.test_plans import ACCOUNT, Plan, planned
from sandbox import Sandbox, Workspace

TERRAFORM = Path(__file__).parent / "terraform"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/0a1b"

# Every right on a resource that is not named in full, and why it has to be so.
ALLOWED_WILDCARDS = {
    "logs:CreateLogStream": "the streams of a function's own log group, whose names Lambda makes up",
    "logs:PutLogEvents": "the streams of a function's own log group, whose names Lambda makes up",
    "xray:PutTelemetryRecords": "X-Ray knows no resource for it",
    "xray:PutTraceSegments": "X-Ray knows no resource for it",
    "ec2:AssignPrivateIpAddresses": "Lambda demands it so for a VPC; denied to the function's own code",
    "ec2:CreateNetworkInterface": "Lambda demands it so for a VPC; denied to the function's own code",
    "ec2:DeleteNetworkInterface": "Lambda demands it so for a VPC; denied to the function's own code",
    "ec2:DescribeNetworkInterfaces": "Lambda demands it so for a VPC; denied to the function's own code",
    "ec2:DescribeSubnets": "Lambda demands it so for a VPC; denied to the function's own code",
    "ec2:UnassignPrivateIpAddresses": "Lambda demands it so for a VPC; denied to the function's own code",
    "logs:CreateLogDelivery": "AWS demands it so of who switches on the logs of an HTTP API",
    "logs:CreateLogGroup": "AWS demands it so of who switches on the logs of an HTTP API",
    "logs:DeleteLogDelivery": "AWS demands it so of who switches on the logs of an HTTP API",
    "logs:DescribeLogGroups": "AWS demands it so of who switches on the logs of an HTTP API",
    "logs:DescribeResourcePolicies": "AWS demands it so of who switches on the logs of an HTTP API",
    "logs:GetLogDelivery": "AWS demands it so of who switches on the logs of an HTTP API",
    "logs:ListLogDeliveries": "AWS demands it so of who switches on the logs of an HTTP API",
    "logs:PutResourcePolicy": "AWS demands it so of who switches on the logs of an HTTP API",
    "logs:UpdateLogDelivery": "AWS demands it so of who switches on the logs of an HTTP API",
}
PLANS = ("given_secret", "authorizer_alone", "authorizer_variants", "existing_stages", "mapping", "locked_down")


@pytest.fixture(scope="module")
def workspace(sandbox: Sandbox) -> Workspace:
    made = sandbox.workspace()
    shutil.copytree(TERRAFORM, made.root / "tests" / "plan" / "terraform")
    return made


@pytest.fixture(scope="module")
def plans(workspace: Workspace) -> dict[str, Plan]:
    return {name: planned(workspace, f"tests/plan/terraform/{name}") for name in (*PLANS, "partitions")}


def role_statements(plan: Plan) -> list[tuple[str, dict[str, Any]]]:
    """Each statement of a role's policy that is known at plan, with the policy's address."""
    return [
        (address, statement)
        for address, values in plan.resources.items()
        if ".aws_iam_role_policy." in address and "policy" in values
        for statement in plan.statements(address)
    ]


@pytest.mark.parametrize("name", PLANS)
def test_no_right_is_wider_than_what_it_is_for(name: str, plans: dict[str, Plan]) -> None:
    found = role_statements(plans[name])
    assert found
    for address, statement in found:
        assert re.fullmatch(r"[A-Z][A-Za-z]+", statement["Sid"]), f"{address}: the sid reads as a sentence"
        assert not {"NotAction", "NotResource", "NotPrincipal"} & set(statement), address
        for action in listed(statement["Action"]):
            assert "*" not in action, f"{address} allows {action}"
            wide = [arn for arn in listed(statement["Resource"]) if "*" in arn]
            assert not wide or action in ALLOWED_WILDCARDS, f"{address}: {action} on {wide}"


def test_every_exception_is_needed(plans: dict[str, Plan]) -> None:
    used = {
        action
        for plan in plans.values()
        for _, statement in role_statements(plan)
        for action in listed(statement["Action"])
        if any("*" in arn for arn in listed(statement["Resource"]))
    }
    assert used == set(ALLOWED_WILDCARDS)


LOGS = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/lambda/locked-down"
QUEUES = f"arn:aws:sqs:us-east-1:{ACCOUNT}:locked-down-metering"
API_KEY = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:revenium-AbCdEf"
APIS = "arn:aws:apigateway:us-east-1::"
MEMORY = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/revenium/locked-down/stage-logging/shop"
VPC = {
    (action, "*")
    for action in (
        "ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses",
    )
}  # fmt: skip
TRACES = {("xray:PutTelemetryRecords", "*"), ("xray:PutTraceSegments", "*")}


def own(function: str) -> set[tuple[str, str]]:
    """What each function may do that is traced, and joins a VPC."""
    group = f"{LOGS}-{function}:*"
    return {("logs:CreateLogStream", group), ("logs:PutLogEvents", group)} | TRACES | VPC


ALL_RIGHTS = {
    "authorizer": own("authorizer") | {("secretsmanager:GetSecretValue", API_KEY)},
    "metering": own("metering")
    | {("secretsmanager:GetSecretValue", API_KEY), ("kms:Decrypt", KEY), ("kms:GenerateDataKey", KEY)}
    | {("sqs:SendMessage", f"{QUEUES}-{queue}") for queue in ("retry", "dead-letter")}
    | {(f"sqs:{action}", f"{QUEUES}-retry") for action in ("DeleteMessage", "GetQueueAttributes", "ReceiveMessage")},
    "stage_logging": own("stage-logging")
    | {(f"apigateway:{action}", f"{APIS}/restapis/f6g7h8i9j0/stages/live") for action in ("GET", "PATCH")}
    | {("apigateway:GET", f"{APIS}/{family}/f6g7h8i9j0") for family in ("apis", "restapis")}
    | {(f"ssm:{action}Parameter", MEMORY) for action in ("Delete", "Get", "Put")},
}


@pytest.mark.parametrize("function", ALL_RIGHTS)
def test_a_function_may_do_this_and_nothing_else(function: str, plans: dict[str, Plan]) -> None:
    """With everything switched on that gives it a right."""
    granted = {
        (action, arn)
        for address, statement in role_statements(plans["locked_down"])
        if address.startswith("module.locked_down.") and OWNER[function] in address and statement["Effect"] == "Allow"
        for action in listed(statement["Action"])
        for arn in listed(statement["Resource"])
    }
    assert granted == ALL_RIGHTS[function]


@pytest.mark.parametrize("name", [*PLANS, "partitions"])
def test_a_role_trusts_lambda_in_its_account_alone(name: str, plans: dict[str, Plan]) -> None:
    """But for that of `account_logging`: API Gateway sends no account along when it takes the role."""
    roles = {
        address: json.loads(values["assume_role_policy"])["Statement"]
        for address, values in plans[name].resources.items()
        if ".aws_iam_role." in address and "aws_iam_role.own" not in address
    }
    assert roles
    for address, [statement] in roles.items():
        if "account_logging" in address:
            assert statement["Principal"] == {"Service": "apigateway.amazonaws.com"}
            continue
        assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}, address
        assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}, address


def test_what_lambda_may_do_in_the_vpc_the_functions_code_may_not(plans: dict[str, Plan]) -> None:
    roles = {
        address for address, statement in role_statements(plans["locked_down"]) if statement["Sid"] == "JoinTheVpc"
    }
    assert len(roles) == 3
    for role in roles:
        statements = {each["Sid"]: each for each in plans["locked_down"].statements(role)}
        allowed, denied = statements["JoinTheVpc"], statements["KeepTheCodeFromTheVpc"]
        assert (denied["Effect"], denied["Resource"]) == ("Deny", "*")
        assert set(denied["Action"]) == set(allowed["Action"])
        function = plans["locked_down"].resources[
            role.partition(".aws_iam_role_policy")[0] + ".aws_lambda_function.this"
        ]
        assert denied["Condition"] == {
            "ArnEquals": {
                "lambda:SourceFunctionArn": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{function['function_name']}"
            }
        }


@pytest.mark.parametrize("name", [*PLANS, "partitions"])
def test_whoever_invokes_a_function_is_named_with_what_it_does_so_for(name: str, plans: dict[str, Plan]) -> None:
    """Without a source, another account's log group or API could invoke it (the confused deputy)."""
    permissions = [
        values for values in plans[name].shown["resource_changes"] if values["type"] == "aws_lambda_permission"
    ]
    assert permissions or name == "existing_stages"
    for each in permissions:
        values = each["change"]["after"]
        assert values["principal"] in ("logs.amazonaws.com", "apigateway.amazonaws.com"), each["address"]
        known = "source_arn" in values
        assert known or each["change"]["after_unknown"]["source_arn"], each["address"]
        assert values["principal"] != "logs.amazonaws.com" or values["source_account"] == ACCOUNT


@pytest.mark.parametrize("name", [*PLANS, "partitions"])
def test_a_queue_takes_nothing_that_is_not_encrypted_on_its_way(name: str, plans: dict[str, Plan]) -> None:
    documents = [
        each["change"]["after"]["policy"]
        for each in plans[name].shown["resource_changes"]
        if each["type"] == "aws_sqs_queue_policy"
    ]
    queues = plans[name].types["aws_sqs_queue"]
    assert len(documents) == queues
    for document in documents:
        [statement] = json.loads(document)["Statement"]
        assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "sqs:*")
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def of_instance(plan: Plan, instance: str) -> dict[str, dict[str, Any]]:
    return {address: values for address, values in plan.resources.items() if address.startswith(f"module.{instance}.")}


def test_what_can_be_encrypted_with_the_key_is(plans: dict[str, Plan]) -> None:
    encrypted = {
        "aws_cloudwatch_log_group": "kms_key_id",
        "aws_lambda_function": "kms_key_arn",
        "aws_sqs_queue": "kms_master_key_id",
    }
    found = [
        (address, values.get(encrypted[kind]))
        for address, values in of_instance(plans["locked_down"], "locked_down").items()
        for kind in encrypted
        if f".{kind}." in address
    ]
    assert len(found) == 4 + 3 + 2
    assert {value for _, value in found} == {KEY}
    [use] = [
        statement
        for _, statement in role_statements(plans["locked_down"])
        if statement["Sid"] == "UseTheKeyOfTheQueues" and statement["Resource"] == KEY
    ]
    assert set(use["Action"]) == {"kms:Decrypt", "kms:GenerateDataKey"}
    assert use["Condition"] == {"StringEquals": {"kms:ViaService": "sqs.us-east-1.amazonaws.com"}}


def test_a_made_key_is_used_where_its_arn_is_not_known_yet(plans: dict[str, Plan]) -> None:
    """Also for the secret that the API key is stored in."""
    unknown = {
        change["address"]: change["change"]["after_unknown"]
        for change in plans["locked_down"].shown["resource_changes"]
        if change["address"].startswith("module.own_key.")
    }
    assert unknown["module.own_key.module.metering[0].aws_secretsmanager_secret.api_key[0]"]["kms_key_id"]
    assert unknown["module.own_key.module.metering[0].aws_sqs_queue.retry"]["kms_master_key_id"]
    key = plans["locked_down"].resources["module.own_key.module.kms_key[0].aws_kms_key.this"]
    assert key["enable_key_rotation"] is True
    root, logs = json.loads(key["policy"])["Statement"]
    assert root["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    assert logs["Principal"] == {"Service": "logs.us-east-1.amazonaws.com"}
    assert set(logs["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]) == {
        f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/lambda/own-key-*",
        f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/vendedlogs/apigateway/own-key",
    }


def test_all_that_takes_tags_has_them(plans: dict[str, Plan]) -> None:
    untagged = [
        address
        for address, values in of_instance(plans["locked_down"], "locked_down").items()
        if "tags" in values and values["tags"] != {"team": "platform"}
    ]
    assert untagged == []


def test_with_roles_of_the_users_none_is_made_and_each_is_told_what_it_has_to_allow(plans: dict[str, Plan]) -> None:
    made = of_instance(plans["locked_down"], "own_roles")
    assert [address for address in made if ".aws_iam_role" in address] == []
    assert len([address for address in made if ".aws_lambda_function.this" in address]) == 3
    policies = plans["locked_down"].shown["planned_values"]["outputs"]["role_policies"]["value"]
    for function, policy in policies["locked_down"].items():
        told = {each["Sid"]: each for each in json.loads(policy)["Statement"]}
        granted = {
            statement["Sid"]: statement
            for address, statement in role_statements(plans["locked_down"])
            if address.startswith("module.locked_down.") and OWNER[function] in address
        }
        assert told == granted, function
    asked = {each["Sid"] for each in json.loads(policies["own_roles"]["metering"])["Statement"]}
    assert asked == {"WriteOwnLogGroup", "ReadReveniumApiKey", "QueueUndeliveredRecords", "ConsumeRetryQueue"}


OWNER = {
    "authorizer": "module.authorizer[0].module.function.",
    "metering": "module.metering[0].module.function.",
    "stage_logging": "module.stage_logging[0].",
}
PARTITIONS = {
    "china": ("aws-cn", "cn-north-1", "amazonaws.com.cn"),
    "commercial": ("aws", "ap-southeast-3", "amazonaws.com"),
    "govcloud": ("aws-us-gov", "us-gov-west-1", "amazonaws.com"),
}


@pytest.mark.parametrize("instance", PARTITIONS)
def test_every_arn_is_of_the_partition_and_region(instance: str, plans: dict[str, Plan]) -> None:
    partition, region, suffix = PARTITIONS[instance]
    written = json.dumps(of_instance(plans["partitions"], instance))
    arns = re.findall(r"arn:[a-z-]+:[a-z0-9-]*:[a-z0-9-]*", written)
    assert len(arns) > 20
    assert {arn.split(":")[1] for arn in arns} == {partition}
    assert {arn.split(":")[3] for arn in arns} <= {region, ""}, "IAM alone has no region"
    services = set(re.findall(r"(?<=kms:ViaService\\\": \\\")[^\\]+|(?<=kms:ViaService\\\":\\\")[^\\]+", written))
    assert services == {f"secretsmanager.{region}.{suffix}"}
    assert f"logs.{region}.{suffix}" in written


def test_the_accounts_logging_role_takes_the_policy_of_its_partition(plans: dict[str, Plan]) -> None:
    attached = plans["partitions"].resources["module.account_logging.aws_iam_role_policy_attachment.this"]
    assert attached["policy_arn"].startswith("arn:aws-us-gov:iam::aws:policy/service-role/")
