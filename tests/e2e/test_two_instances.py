"""What the examples leave out: two instances in one configuration, fail-open, v1, an existing log group, destroy."""

import base64
import hashlib
import json
import os
import time
from typing import Any

import pytest

import access_logs
from e2e.deployed import TwoInstances, real_differences, redrive, variables
from polling import until
from sandbox import Sandbox
from traffic import Answered, call, call_all

# All that the modules set: the secret's ARN is among it, a key is not.
ENVIRONMENT = {
    "DEAD_LETTER_QUEUE_URL",
    "LOG_LEVEL",
    "RETRY_CONCURRENCY",
    "RETRY_QUEUE_URL",
    "REVENIUM_ALLOW_CACHE_SECONDS",
    "REVENIUM_API_KEY_SECRET_ARN",
    "REVENIUM_CLIENT_ID_SOURCE",
    "REVENIUM_DENY_CACHE_SECONDS",
    "REVENIUM_ENTITLEMENT_PARAMETER",
    "REVENIUM_ENTITLEMENT_TIMEOUT_SECONDS",
    "REVENIUM_ENTITLEMENT_URL",
    "REVENIUM_MAPPING",
    "REVENIUM_METERING_API",
    "REVENIUM_METERING_URL",
    "REVENIUM_MODE",
    "REVENIUM_ON_ERROR",
    "REVENIUM_REQUESTS_PER_SECOND",
    "REVENIUM_RETRY_FOR_SECONDS",
    "REVENIUM_STALE_SECONDS",
    "REVENIUM_TIMEOUT_SECONDS",
    "REVENIUM_V1_UNANSWERED",
}


def test_a_plan_saved_in_one_checkout_applies_in_another_and_nothing_collides(
    sandbox: Sandbox, two_instances: TwoInstances
) -> None:
    instances = two_instances.outputs["instances"]
    assert instances["v1"]["authorizer_function_arn"] is None
    assert instances["v1"]["rest_authorizer_ids"] == {}
    zips = {path.name: path for path in two_instances.applied_in.root.glob("modules/*/.build/*.zip")}
    assert len(zips) == 3
    for name, path in zips.items():
        function = name.removesuffix(".zip").partition("us-east-1-")[2]
        deployed = sandbox.client("lambda").get_function_configuration(FunctionName=function)
        assert deployed["CodeSha256"] == base64.b64encode(hashlib.sha256(path.read_bytes()).digest()).decode()
        assert set(deployed["Environment"]["Variables"]) <= ENVIRONMENT


def test_what_a_security_department_asks_for_is_there(sandbox: Sandbox, two_instances: TwoInstances) -> None:
    """The other tests here use it: the rights suffice for the key of one's own, and the role of one's own."""
    functions = {
        name: sandbox.client("lambda").get_function_configuration(FunctionName=name)
        for name in ("open-metering", "open-authorizer", "v1-metering")
    }
    key = functions["open-metering"]["KMSKeyArn"]
    for name in ("open-metering", "open-authorizer"):
        assert functions[name]["KMSKeyArn"] == key and ":key/" in key
        assert functions[name]["TracingConfig"] == {"Mode": "Active"}
        assert functions[name]["Role"].endswith(f":role/platform/{name}-us-east-1")
        assert functions[name]["Environment"]["Variables"]["LOG_LEVEL"] == "DEBUG"
    groups = {each["logGroupName"]: each for each in sandbox.client("logs").describe_log_groups()["logGroups"]}
    for group in ("/aws/vendedlogs/apigateway/open", "/aws/lambda/open-metering", "/aws/lambda/open-authorizer"):
        assert groups[group]["kmsKeyId"] == key
    sqs = sandbox.client("sqs")
    for queue in ("retry", "dead-letter"):
        url = sqs.get_queue_url(QueueName=f"open-metering-{queue}")["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        assert attributes["KmsMasterKeyId"] == key
    assert functions["v1-metering"]["Role"].endswith(":role/two-instances-own")
    [written] = sandbox.client("iam").list_role_policies(RoleName="two-instances-own")["PolicyNames"]
    policy = sandbox.client("iam").get_role_policy(RoleName="two-instances-own", PolicyName=written)["PolicyDocument"]
    told = json.loads(two_instances.outputs["instances"]["v1"]["role_policies"]["metering"])
    assert rights(policy) == rights(told)


def rights(policy: dict[str, Any]) -> set[tuple[str, str]]:
    def listed(value: str | list[str]) -> list[str]:
        return [value] if isinstance(value, str) else value

    return {
        (action, resource)
        for statement in policy["Statement"]
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    }


def test_fail_open_lets_callers_in_while_revenium_is_down_and_bills_them_once_it_is_back(
    sandbox: Sandbox, two_instances: TwoInstances
) -> None:
    url = two_instances.outputs["invoke_urls"]["open"]
    sandbox.revenium.down()
    try:
        answer = call(sandbox, url, "/ping", None, {"X-Consumer": "acme"})
        assert answer.status == 200
    finally:
        sandbox.revenium.up()
    sandbox.gateway.flush()
    sandbox.revenium.wait_for(
        lambda revenium: answer.request_id in {each.transaction_id for each in revenium.billed()}, 90, "billed"
    )
    [billed] = [each for each in sandbox.revenium.billed() if each.transaction_id == answer.request_id]
    assert (billed.credential, billed.resource) == ("acme", "/ping")


def test_fail_open_still_turns_away_whom_revenium_refuses(sandbox: Sandbox, two_instances: TwoInstances) -> None:
    url = two_instances.outputs["invoke_urls"]["open"]
    assert call(sandbox, url, "/ping", None, {"X-Consumer": "stranger"}).status == 403
    # Without a cache the emulator asks the function (403); AWS's pages disagree on whether it does too, or answers 401.
    assert call(sandbox, url, "/ping", "acme").status in (401, 403), "the header is X-Consumer here"


def test_without_a_cache_a_revoked_client_is_out_at_once(sandbox: Sandbox, two_instances: TwoInstances) -> None:
    url = two_instances.outputs["invoke_urls"]["open"]
    sandbox.revenium.entitle("leaving")
    assert call(sandbox, url, "/ping", None, {"X-Consumer": "leaving"}).status == 200
    sandbox.revenium.revoke("leaving")
    assert call(sandbox, url, "/ping", None, {"X-Consumer": "leaving"}).status == 403


def test_v1_bills_through_an_existing_log_group_with_a_key_from_an_existing_secret(
    sandbox: Sandbox, two_instances: TwoInstances
) -> None:
    answer = call(sandbox, two_instances.outputs["invoke_urls"]["v1"], "/ping", None)
    assert answer.status == 200
    sandbox.gateway.flush()
    sandbox.revenium.wait_for(
        lambda revenium: answer.request_id in {each.transaction_id for each in revenium.billed()}, 90, "billed"
    )
    [billed] = [each for each in sandbox.revenium.billed() if each.transaction_id == answer.request_id]
    assert (billed.version, billed.method, billed.resource, billed.response_code) == ("v1", "GET", "/ping", 200)
    assert billed.credential is None


def test_what_cannot_be_parsed_is_parked_and_never_fatal(sandbox: Sandbox, two_instances: TwoInstances) -> None:
    """A foreign line in an existing group, beside a line of Revenium's own template."""
    group = "two-instances"
    function = two_instances.outputs["instances"]["v1"]["metering_function_name"]
    before = access_logs.metering_totals(sandbox, [function])
    known = len(sandbox.revenium.billed())
    logs = sandbox.client("logs")
    logs.create_log_stream(logGroupName=group, logStreamName="foreign")
    template_line = {
        "httpMethod": "POST",
        "path": "/live/ping",
        "principalId": "p1",
        "status": "200",
        "sourceIp": "203.0.113.9",
        "integrationLatency": "7",
        "responseLength": "-",
    }
    now = int(sandbox.revenium.requests[-1].time * 1000)
    logs.put_log_events(
        logGroupName=group,
        logStreamName="foreign",
        logEvents=[
            {"timestamp": now, "message": "this is no access log"},
            {"timestamp": now, "message": json.dumps(template_line)},
        ],
    )
    sandbox.revenium.wait_for(lambda revenium: len(revenium.billed()) == known + 1, 90, "the template's line is billed")
    assert (sandbox.revenium.billed()[-1].credential, sandbox.revenium.billed()[-1].resource) == ("p1", "/live/ping")
    until(
        lambda: access_logs.metering_totals(sandbox, [function])["DeadLettered"] == before["DeadLettered"] + 1,
        "the foreign line is parked",
    )


def test_an_event_that_the_function_fails_on_is_kept_and_billed_when_it_is_redriven(
    sandbox: Sandbox, two_instances: TwoInstances
) -> None:
    """A setting that somebody broke: Lambda retries, then its failure destination has the event."""
    instance = two_instances.outputs["instances"]["open"]
    functions, sqs = sandbox.client("lambda"), sandbox.client("sqs")
    name = instance["metering_function_name"]
    variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    broken = {"Variables": {**variables, "REVENIUM_METERING_API": "v3"}}
    functions.update_function_configuration(FunctionName=name, Environment=broken)
    answer = call(sandbox, two_instances.outputs["invoke_urls"]["open"], "/ping", None, {"X-Consumer": "acme"})
    assert answer.status == 200
    sandbox.gateway.flush()
    dead, number = instance["dead_letter_queue_url"], "ApproximateNumberOfMessages"

    def arrived() -> bool:
        return int(sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=[number])["Attributes"][number]) > 0

    until(arrived, "the event is in the dead-letter queue")
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
    redrive(sandbox, dead, instance["retry_queue_url"])
    sandbox.revenium.wait_for(
        lambda revenium: answer.request_id in {each.transaction_id for each in revenium.billed()}, 90, "billed"
    )
    assert not sandbox.revenium.duplicates()


def test_an_outage_under_traffic_is_made_up_for_without_anyones_help(
    sandbox: Sandbox, two_instances: TwoInstances
) -> None:
    """Fifteen seconds of 503 here; OUTAGE_SECONDS=120 takes longer, to repeat by hand."""
    url, seconds = two_instances.outputs["invoke_urls"]["open"], float(os.environ.get("OUTAGE_SECONDS", "15"))
    answers: list[Answered] = []
    before = sandbox.revenium.count()

    def call_for(duration: float) -> None:
        end = time.monotonic() + duration
        while time.monotonic() < end:
            calls = [(url, "/ping", None)] * 10
            answers.extend(call_all(sandbox, calls, headers={"X-Consumer": "acme"}))

    call_for(2)
    outage = sandbox.revenium.fail(503, "^/meter/v2/")
    call_for(seconds)
    sandbox.revenium.clear_faults()
    call_for(2)
    assert {answer.status for answer in answers} == {200}
    assert outage.hits > 10
    sandbox.gateway.flush()
    wanted = {answer.request_id for answer in answers}
    sandbox.revenium.wait_for(
        lambda revenium: revenium.count() >= before + len(wanted), 240 + 3 * seconds, "as much is billed as was called"
    )
    assert wanted <= {each.transaction_id for each in sandbox.revenium.billed()}
    assert not sandbox.revenium.duplicates()
    print(f"{len(wanted)} calls, {seconds:.0f} s of 503: {len(wanted)} billed once, {outage.hits} requests refused")


def test_a_second_plan_shows_no_change(sandbox: Sandbox, two_instances: TwoInstances) -> None:
    workspace, directory = two_instances.applied_in, two_instances.directory
    workspace.plan(directory, out="second.tfplan", variables=variables(sandbox))
    assert real_differences(workspace.show_json(directory, "second.tfplan")["resource_changes"]) == []


def test_raising_the_version_stores_another_key(sandbox: Sandbox, two_instances: TwoInstances) -> None:
    workspace, directory = two_instances.applied_in, two_instances.directory
    raised = variables(sandbox) | {"revenium_api_key": "rev_mk_the-next-one", "api_key_version": "2"}
    workspace.apply(directory, variables=raised)
    secrets = sandbox.client("secretsmanager")
    stored = secrets.get_secret_value(SecretId="open-metering-api-key")["SecretString"]
    assert stored == "rev_mk_the-next-one"
    workspace.plan(directory, out="raised.tfplan", variables=raised)
    assert real_differences(workspace.show_json(directory, "raised.tfplan")["resource_changes"]) == []
    workspace.apply(directory, variables=variables(sandbox) | {"api_key_version": "3"})


def leftovers(sandbox: Sandbox) -> dict[str, Any]:
    """Everything in the account that the module, or the functions that it deploys, can have made."""
    client = sandbox.client
    return {
        "functions": [each["FunctionName"] for each in client("lambda").list_functions()["Functions"]],
        "mappings": [each["UUID"] for each in client("lambda").list_event_source_mappings()["EventSourceMappings"]],
        "groups": access_logs.groups(sandbox),
        "queues": client("sqs").list_queues().get("QueueUrls", []),
        "secrets": [each["Name"] for each in client("secretsmanager").list_secrets()["SecretList"]],
        "roles": [each["RoleName"] for each in client("iam").list_roles()["Roles"]],
        "apis": [each["name"] for each in client("apigateway").get_rest_apis()["items"]],
        "http apis": [each["Name"] for each in client("apigatewayv2").get_apis()["Items"]],
    }


@pytest.mark.usefixtures("two_instances")
def test_destroy_leaves_nothing_behind(sandbox: Sandbox, two_instances: TwoInstances) -> None:
    """Last in this file: the other tests need what it takes away."""
    own = ("open", "v1", "two-instances")

    def remaining() -> list[str]:
        names = [str(name).rsplit("/", 1)[-1] for found in leftovers(sandbox).values() for name in found]
        return [name for name in names if name.startswith(own)]

    assert len(remaining()) > 15, "the names that are looked for are those that the instances have"
    mappings = len(leftovers(sandbox)["mappings"])
    two_instances.applied_in.destroy(two_instances.directory, variables=variables(sandbox))
    assert remaining() == []
    assert len(leftovers(sandbox)["mappings"]) == mappings - 2
    for group in ("/aws/vendedlogs/apigateway/open", "/aws/lambda/open-metering", "/aws/lambda/v1-metering"):
        assert group not in access_logs.groups(sandbox)
