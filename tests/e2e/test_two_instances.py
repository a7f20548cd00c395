"""What the examples leave out: two instances in one configuration, fail-open, v1, an existing log group, destroy."""

import json
from typing import Any

import pytest

import access_logs
from e2e.deployed import TwoInstances, real_differences, variables
from polling import until
from sandbox import Sandbox
from traffic import call


def test_a_plan_saved_in_one_checkout_applies_in_another_and_nothing_collides(two_instances: TwoInstances) -> None:
    instances = two_instances.outputs["instances"]
    for output in ("metering_function_arn", "retry_queue_url", "dead_letter_queue_url", "log_group_arn"):
        assert instances["open"][output] != instances["v1"][output]
    assert instances["v1"]["authorizer_function_arn"] is None
    assert instances["v1"]["rest_authorizer_ids"] == {}


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
    # Without a cache API Gateway asks the function about a call without the header too.
    assert call(sandbox, url, "/ping", "acme").status == 403, "the header is X-Consumer here"


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
    group = two_instances.outputs["instances"]["v1"]["log_group_name"]
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


def test_a_second_plan_shows_no_change(sandbox: Sandbox, two_instances: TwoInstances) -> None:
    workspace, directory = two_instances.applied_in, two_instances.directory
    workspace.plan(directory, out="second.tfplan", variables=variables(sandbox))
    assert real_differences(workspace.show_json(directory, "second.tfplan")["resource_changes"]) == []


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
