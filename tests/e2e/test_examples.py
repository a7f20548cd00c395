"""The examples, applied as they are by Terraform and called as their callers would."""

import base64
import json
import os
import subprocess
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_terraform import terraform

import access_logs
from e2e.deployed import API_KEY, ROOT_MODULES, TwoInstances, real_differences, redrive
from polling import until
from sandbox import Sandbox, Transaction
from traffic import Answered, call

# Teardown is off: the sandbox takes everything with it. What `destroy` leaves is looked at in test_two_instances.
terraform("rest_api", scope="session", teardown=terraform.TEARDOWN_OFF)
terraform("http_api", scope="session", teardown=terraform.TEARDOWN_OFF)


class Api:
    """An applied example: calls to it, and what was billed for them."""

    def __init__(self, sandbox: Sandbox, applied: Any) -> None:
        self.sandbox = sandbox
        self.applied = applied
        self.outputs: dict[str, str] = applied.outputs["example"]["value"]
        self.stage = "/live" if self.outputs["invoke_url"].endswith("/live") else ""

    def call(self, path: str, client_id: str | None, **headers: str) -> Answered:
        return call(self.sandbox, self.outputs["invoke_url"].rstrip("/"), path, client_id, headers)

    def billed(self, *answers: Answered) -> list[Transaction]:
        """What Revenium billed for the calls, once it is there."""
        wanted = {answer.request_id for answer in answers}
        self.sandbox.gateway.flush()
        self.sandbox.revenium.wait_for(
            lambda revenium: wanted <= {each.transaction_id for each in revenium.billed()}, 90, "all calls are billed"
        )
        return [each for each in self.sandbox.revenium.billed() if each.transaction_id in wanted]

    def counted(self, metric: str) -> int:
        """A metering metric's sum since the beginning."""
        self.sandbox.gateway.flush()
        return access_logs.metering_totals(self.sandbox, [self.outputs["metering_function_name"]])[metric]

    def all_lines_counted(self) -> None:
        """Waits until the metering function has seen every access-log line."""
        group = self.outputs["log_group_name"]
        self.sandbox.gateway.flush()
        until(
            lambda: self.counted("Received") >= len(list(access_logs.messages(self.sandbox, group))),
            "every access-log line was received",
        )


@pytest.fixture(scope="session", params=["rest_api", "http_api"])
def api(request: pytest.FixtureRequest, sandbox: Sandbox) -> Api:
    return Api(sandbox, request.getfixturevalue(request.param))


@pytest.fixture
def client(sandbox: Sandbox, request: pytest.FixtureRequest) -> Iterator[str]:
    """An entitled client that no other test uses: nothing is cached for it."""
    client_id = f"client-{abs(hash(request.node.nodeid))}"
    sandbox.revenium.entitle(client_id)
    yield client_id
    sandbox.revenium.revoke(client_id)


def test_an_entitled_call_is_answered_and_billed_exactly_once_with_all_that_is_known(api: Api, client: str) -> None:
    before = time.time()
    answer = api.call("/products/1", client, **{"User-Agent": "acme-app/2.1"})
    assert (answer.status, json.loads(answer.body)["name"]) == (200, "Espresso machine")
    [transaction] = api.billed(answer)
    assert (transaction.credential, transaction.resource, transaction.method) == (client, "/products/{id}", "GET")
    assert (transaction.response_code, transaction.source_type) == (200, "AWS")
    assert (transaction.remote_host, transaction.user_agent) == ("127.0.0.1", "acme-app/2.1")
    assert transaction.response_message_size == len(answer.body)
    assert transaction.total_duration is not None
    assert transaction.backend_latency is not None and transaction.gateway_latency is not None
    assert 0 < transaction.backend_latency <= transaction.total_duration <= (time.time() - before) * 1000
    assert transaction.gateway_latency == pytest.approx(transaction.total_duration - transaction.backend_latency, abs=1)
    assert (transaction.request_count, transaction.response_count) == (1, 1)


def test_a_failed_call_that_reached_the_backend_is_reported_with_its_status(api: Api, client: str) -> None:
    answer = api.call("/products/9", client)
    [transaction] = api.billed(answer)
    assert (answer.status, transaction.response_code, transaction.resource) == (404, 404, "/products/{id}")


@pytest.mark.parametrize(
    ("client_id", "status"), [(None, 401), ("", 401), ("nobody-knows-me", 403), ('x","clientId":"acme', 403)]
)
def test_who_may_not_call_is_turned_away_and_nobody_is_billed(api: Api, client_id: str | None, status: int) -> None:
    skipped = api.counted("Skipped")
    answer = api.call("/products", client_id)
    assert answer.status == status
    until(lambda: api.counted("Skipped") > skipped, "the call is counted as skipped")
    assert answer.request_id not in {each.transaction_id for each in api.sandbox.revenium.billed()}


def test_a_call_to_no_route_is_not_billed(api: Api, client: str) -> None:
    skipped = api.counted("Skipped")
    answer = api.call("/nowhere", client)
    assert answer.status == (403 if api.stage else 404)
    until(lambda: api.counted("Skipped") > skipped, "the call is counted as skipped")
    assert answer.request_id not in {each.transaction_id for each in api.sandbox.revenium.billed()}


def test_ten_calls_within_the_cache_time_make_one_entitlement_check(api: Api, client: str) -> None:
    answers = [api.call(("/products", "/products/1", "/products/2")[n % 3], client) for n in range(10)]
    assert {answer.status for answer in answers} == {200}
    assert api.sandbox.revenium.checks(client) == 1
    assert len(api.billed(*answers)) == 10


def test_a_caller_cannot_choose_the_transaction_nor_forge_a_field(api: Api, client: str) -> None:
    hostile = {
        "x-amzn-RequestId": "the-same-every-time",
        "User-Agent": 'x","clientId":"victim","status":"500","extendedRequestId":"forged',
    }
    answers = [api.call("/products", client, **hostile) for _ in range(3)]
    billed = api.billed(*answers)
    assert {each.transaction_id for each in billed} == {answer.request_id for answer in answers}
    assert {(each.credential, each.response_code) for each in billed} == {(client, 200)}


def test_a_user_agent_that_breaks_the_line_does_not_make_the_call_free(api: Api, client: str) -> None:
    [transaction] = api.billed(api.call("/products/2", client, **{"User-Agent": 'say "hello" \\'}))
    assert (transaction.credential, transaction.resource, transaction.response_code) == (client, "/products/{id}", 200)


def test_while_revenium_is_down_callers_get_what_is_configured_and_all_usage_is_billed_once_it_is_back(
    api: Api, client: str
) -> None:
    known = api.call("/products", client)
    queued = api.counted("Queued")
    api.sandbox.revenium.down()
    try:
        while_down = [api.call("/products", client) for _ in range(5)]
        assert {answer.status for answer in while_down} == {200}, "an answer that is cached lets its caller in"
        assert api.call("/products", "globex").status == 403, "the default without a decision is to deny"
        until(lambda: api.counted("Queued") >= queued + 5, "the usage is queued")
    finally:
        api.sandbox.revenium.up()
    billed = api.billed(known, *while_down)
    assert {(each.request_count, each.response_count) for each in billed} == {(1, 1)}
    assert len(billed) == 6
    assert not api.sandbox.revenium.duplicates()


def test_a_second_plan_shows_no_change(api: Api) -> None:
    runner = api.applied.terraform
    environment = {**os.environ, "TF_DATA_DIR": str(runner.work_dir)}

    def run(*arguments: str) -> bytes:
        return subprocess.run(
            ["terraform", *arguments], cwd=runner.module_dir, env=environment, check=True, stdout=subprocess.PIPE
        ).stdout

    plan = Path(runner.work_dir) / "second.tfplan"
    run("plan", "-input=false", f"-state={runner.state_path}", f"-out={plan}")
    changes = json.loads(run("show", "-json", str(plan)))["resource_changes"]
    assert real_differences(changes) == []


def test_a_rotated_key_loses_nothing(api: Api, client: str) -> None:
    old = api.sandbox.revenium.api_key
    answer = api.call("/products", client)
    api.billed(answer)
    secrets = api.sandbox.client("secretsmanager")
    [arn] = [secret["ARN"] for secret in secrets.list_secrets()["SecretList"] if _prefix(api) in secret["Name"]]
    secrets.put_secret_value(SecretId=arn, SecretString="rev_mk_rotated")
    api.sandbox.revenium.set_api_keys("rev_mk_rotated")
    try:
        answers = [api.call("/products", client) for _ in range(3)]
        assert len(api.billed(*answers)) == 3
    finally:
        secrets.put_secret_value(SecretId=arn, SecretString=old)
        api.sandbox.revenium.set_api_keys(old)


def test_a_refused_record_lies_in_the_dead_letter_queue_with_its_reason_and_can_be_redriven(
    api: Api, client: str
) -> None:
    api.sandbox.revenium.fail(422, "/v2/apis/requests", times=1)
    answer = api.call("/products", client)
    sqs = api.sandbox.client("sqs")
    dead, retry = api.outputs["dead_letter_queue_url"], api.outputs["retry_queue_url"]
    api.all_lines_counted()
    [message] = sqs.receive_message(QueueUrl=dead, WaitTimeSeconds=20, VisibilityTimeout=0)["Messages"]
    letter = json.loads(message["Body"])
    assert letter["parked"][0]["reason"] == "http_422"
    assert letter["usages"][0]["transaction_id"] == answer.request_id
    redrive(api.sandbox, dead, retry)
    assert len(api.billed(answer)) == 1


def test_the_counts_of_all_invocations_balance(api: Api) -> None:
    api.all_lines_counted()
    for line in access_logs.metric_lines(api.sandbox, api.outputs["metering_function_name"]):
        assert line["Received"] == line["Delivered"] + line["Skipped"] + line["Queued"] + line["DeadLettered"]


def _prefix(api: Api) -> str:
    return api.outputs["metering_function_name"].removesuffix("-metering")


def contents(path: Path) -> Iterator[bytes]:
    """A file's bytes; for a plan, which is a zip, those of each file in it."""
    yield path.read_bytes()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                yield archive.read(name)


def test_the_api_key_is_in_no_state_plan_configuration_or_log(
    sandbox: Sandbox, rest_api: object, http_api: object, two_instances: TwoInstances
) -> None:
    forms = [API_KEY.encode(), base64.b64encode(API_KEY.encode()).rstrip(b"=")]

    def holds_key(text: bytes) -> bool:
        return any(form in text for form in forms)

    searched: dict[str, int] = {}

    def search(kind: str, *texts: bytes) -> None:
        for text in texts:
            assert not holds_key(text), f"the API key is in a {kind}"
            searched[kind] = searched.get(kind, 0) + 1

    for api in (rest_api, http_api):
        runner = api.terraform  # type: ignore[attr-defined]
        search("state file", Path(runner.state_path).read_bytes())
        search("plan file", *contents(Path(runner.work_dir) / "tfplan"))
    for workspace in (two_instances.planned_in, two_instances.applied_in):
        for path in (workspace.root / two_instances.directory).iterdir():
            if path.is_file():
                search("state file" if ".tfstate" in path.name else "plan file", *contents(path))
    for resources in ROOT_MODULES.glob("*/tf_resources.json"):
        search("state file", resources.read_bytes())
    functions = sandbox.client("lambda")
    for function in functions.list_functions()["Functions"]:
        search("function configuration", json.dumps(function, default=str).encode())
    cloudwatch, sqs, iam = (sandbox.client(service) for service in ("cloudwatch", "sqs", "iam"))
    for alarm in cloudwatch.describe_alarms()["MetricAlarms"]:
        search("alarm", json.dumps(alarm, default=str).encode())
    for dashboard in cloudwatch.list_dashboards()["DashboardEntries"]:
        found = cloudwatch.get_dashboard(DashboardName=dashboard["DashboardName"])["DashboardBody"]
        search("dashboard", found.encode())
    for queue in sqs.list_queues()["QueueUrls"]:
        attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
        waiting = sqs.receive_message(QueueUrl=queue, VisibilityTimeout=0, MaxNumberOfMessages=10).get("Messages", [])
        search("queue", *(json.dumps(each).encode() for each in (attributes, *waiting)))
    for role in iam.list_roles()["Roles"]:
        for policy in iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]:
            document = iam.get_role_policy(RoleName=role["RoleName"], PolicyName=policy)["PolicyDocument"]
            search("role's policy", json.dumps(document).encode())
    for group in access_logs.groups(sandbox):
        search("log line", *(message.encode() for message in access_logs.messages(sandbox, group)))
    assert {kind for kind, count in searched.items() if count > 2} == {
        *(
            "state file",
            "plan file",
            "function configuration",
            "alarm",
            "dashboard",
            "queue",
            "role's policy",
            "log line",
        )
    }
    # The search would find it: the secret, which must hold it, does.
    secrets = sandbox.client("secretsmanager")
    values = [
        secrets.get_secret_value(SecretId=each["ARN"])["SecretString"] for each in secrets.list_secrets()["SecretList"]
    ]
    assert len([value for value in values if holds_key(value.encode())]) >= 4
