"""The emulator with its additions and the gateway front, without Terraform: the calls that it would make."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError

from sandbox import Sandbox
from sandbox.emulator import Emulator, EmulatorError
from sandbox.gateway import GatewayError
from sandbox_tests.account import Account

METER = """
import base64, gzip, json, os, sys, urllib.request
import boto3, urllib3

def handler(event, context):
    data = json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))
    for line in data["logEvents"]:
        try:
            import revenium
            raise SystemExit("the repository can be imported")
        except ImportError:
            pass
        payload = {"line": line["message"], "environment": dict(os.environ)}
        body = json.dumps({"transactionId": line["id"], "payload": payload}).encode()
        headers = {"Content-Type": "application/json", "x-api-key": os.environ["KEY"]}
        request = urllib.request.Request(os.environ["URL"], body, headers)
        urllib.request.urlopen(request, timeout=5).read()
"""
AUTHORIZER = """
def handler(event, context):
    client = {k.lower(): v for k, v in event["headers"].items()}["clientid"]
    if client == "broken":
        raise ValueError(client)
    arn = (event.get("methodArn") or event["routeArn"]).split("/")
    statement = {
        "Action": "execute-api:Invoke", "Effect": "Allow" if client == "good" else "Deny",
        "Resource": "/".join(arn[:2]) + "/*",
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    return {"principalId": client, "policyDocument": policy, "context": {"clientId": client, "flag": True}}
"""
BACKEND = """
def handler(event, context):
    return {"statusCode": 201, "body": "hello"}
"""
FORMAT = json.dumps(
    {
        name: f"$context.{variable}"
        for name, variable in {
            "requestId": "requestId",
            "extended": "extendedRequestId",
            "method": "httpMethod",
            "path": "path",
            "resource": "resourcePath",
            "route": "routeKey",
            "status": "status",
            "length": "responseLength",
            "latency": "responseLatency",
            "backend": "integrationLatency",
            "ip": "identity.sourceIp",
            "client": "authorizer.clientId",
            "flag": "authorizer.flag",
            "principal": "authorizer.principalId",
            "error": "error.responseType",
            "stage": "stage",
            "time": "requestTimeEpoch",
        }.items()
    }
)
GROUP = "/aws/vendedlogs/access"


class Deployed(Account):
    """A REST and an HTTP API with the same authorizer and backend, logging to one metered group."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self.rest = sandbox.client("apigateway")
        self.http = sandbox.client("apigatewayv2")
        url = sandbox.revenium.v2_url + "/v2/events"
        self.meter = self.function("meter", METER, URL=url, KEY=sandbox.revenium.api_key, LOG_LEVEL="INFO")
        self.authorizer = self.function("authorizer", AUTHORIZER)
        self.backend = self.function("backend", BACKEND)
        self.group_arn = self.log_group(GROUP)
        self.make_rest()
        self.make_http()

    def make_rest(self) -> None:
        uri = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{}/invocations"
        api = self.rest_id = self.rest.create_rest_api(name="r")["id"]
        root = self.rest.get_resources(restApiId=api)["items"][0]["id"]
        resource = self.rest.create_resource(restApiId=api, parentId=root, pathPart="items")["id"]
        authorizer = self.rest.create_authorizer(
            restApiId=api,
            name="a",
            type="REQUEST",
            authorizerUri=uri.format(self.authorizer),
            identitySource="method.request.header.clientId",
        )["id"]
        place = {"restApiId": api, "resourceId": resource, "httpMethod": "GET"}
        self.rest.put_method(**place, authorizationType="CUSTOM", authorizerId=authorizer)
        self.rest.put_integration(**place, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri.format(self.backend))
        self.rest.create_deployment(restApiId=api, stageName="prod")
        self.log_rest(self.group_arn, FORMAT)
        source = self.execution_arn(api)
        gateway = "apigateway.amazonaws.com"
        self.permit("authorizer", "rest", gateway, f"{source}/authorizers/{authorizer}")
        self.permit("backend", "rest", gateway, f"{source}/*/GET/items")

    def make_http(self) -> None:
        api = self.http_id = self.http.create_api(Name="h", ProtocolType="HTTP")["ApiId"]
        uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{self.authorizer}/invocations"
        authorizer = self.http.create_authorizer(
            ApiId=api,
            Name="a",
            AuthorizerType="REQUEST",
            AuthorizerUri=uri,
            IdentitySource=["$request.header.clientId"],
            AuthorizerPayloadFormatVersion="2.0",
        )["AuthorizerId"]
        integration = self.http.create_integration(
            ApiId=api,
            IntegrationType="AWS_PROXY",
            IntegrationUri=self.backend,
            PayloadFormatVersion="2.0",
        )["IntegrationId"]
        self.http.create_route(
            ApiId=api,
            RouteKey="GET /items",
            Target=f"integrations/{integration}",
            AuthorizationType="CUSTOM",
            AuthorizerId=authorizer,
        )
        settings = {"DestinationArn": self.group_arn, "Format": FORMAT}
        self.http.create_stage(ApiId=api, StageName="$default", AutoDeploy=True, AccessLogSettings=settings)
        source = self.execution_arn(api)
        gateway = "apigateway.amazonaws.com"
        self.permit("authorizer", "http", gateway, f"{source}/authorizers/*")
        self.permit("backend", "http", gateway, f"{source}/*/*/items")

    def log_rest(self, destination: str, template: str) -> None:
        patches = [("destinationArn", destination), ("format", template)]
        self.rest.update_stage(
            restApiId=self.rest_id,
            stageName="prod",
            patchOperations=[
                {"op": "replace", "path": f"/accessLogSettings/{name}", "value": value} for name, value in patches
            ],
        )
        self.sandbox.gateway.forget_stages()

    def call(self, kind: str, path: str = "/items", **headers: str) -> requests.Response:
        api = self.rest_id + ".execute-api.us-east-1.amazonaws.com/prod"
        if kind == "HTTP":
            api = self.http_id + ".execute-api.us-east-1.amazonaws.com"
        address = self.sandbox.gateway.locate(f"https://{api}{path}")
        return requests.get(address.url, headers=address.headers | headers, timeout=20)

    def lines(self) -> list[dict[str, str]]:
        return self.lines_in(GROUP)

    def filter(self) -> None:
        self.logs.put_subscription_filter(
            logGroupName=GROUP, filterName="f", filterPattern="", destinationArn=self.meter
        )


@pytest.fixture(scope="module")
def deployed() -> Iterator[Deployed]:
    with Sandbox() as sandbox:
        yield Deployed(sandbox)


@pytest.fixture
def stage(deployed: Deployed) -> Iterator[Deployed]:
    """The same, with the REST stage's log settings and the gateway's errors put back afterwards."""
    yield deployed
    deployed.log_rest(deployed.group_arn, FORMAT)
    deployed.sandbox.gateway._errors.clear()


def until(condition: Callable[[], bool], what: str, timeout: float = 10) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {timeout} s"
        time.sleep(0.02)


REFUSALS = [
    ("REST", {"clientId": "bad"}, "/items", 403, "ACCESS_DENIED"),
    ("REST", {"clientId": "bad"}, "/items", 403, "ACCESS_DENIED"),
    ("REST", {}, "/items", 401, "UNAUTHORIZED"),
    ("REST", {"clientId": "good"}, "/none", 403, "MISSING_AUTHENTICATION_TOKEN"),
    ("REST", {"clientId": "broken"}, "/items", 500, "AUTHORIZER_FAILURE"),
    ("HTTP", {"clientId": "bad"}, "/items", 403, "ACCESS_DENIED"),
    ("HTTP", {}, "/items", 401, "UNAUTHORIZED"),
    ("HTTP", {"clientId": "good"}, "/none", 404, "-"),
    ("HTTP", {"clientId": "broken"}, "/items", 500, "AUTHORIZER_FAILURE"),
]


@pytest.mark.parametrize(("kind", "headers", "path", "status", "error"), REFUSALS)
def test_refusals_are_logged_with_their_type(
    deployed: Deployed, kind: str, headers: dict[str, str], path: str, status: int, error: str
) -> None:
    before = len(deployed.lines())
    assert deployed.call(kind, path, **headers).status_code == status
    (line,) = deployed.lines()[before:]
    assert (line["status"], line["error"], line["backend"]) == (str(status), error, "-")
    # The second denial comes from the authorizer's cache: the context is there all the same.
    assert line["client"] == ("bad" if error == "ACCESS_DENIED" else "-")


def test_a_rest_call(deployed: Deployed) -> None:
    before = len(deployed.lines())
    headers = {"clientId": "good", "x-amzn-RequestId": "chosen", "X-Forwarded-For": "1.2.3.4"}
    answer = deployed.call("REST", "/items?secret=1", **headers)
    assert (answer.status_code, answer.text) == (201, "hello")
    assert not [name for name in answer.headers if "sandbox" in name]
    (line,) = deployed.lines()[before:]
    expected = {
        "requestId": "chosen",
        "extended": answer.headers["x-amz-apigw-id"],
        "method": "GET",
        "path": "/prod/items",
        "resource": "/items",
        "route": "-",
        "status": "201",
        "length": "5",
        "ip": "127.0.0.1",
        "client": "good",
        "flag": "true",
        "principal": "good",
        "error": "-",
        "stage": "prod",
    }
    assert {name: line[name] for name in expected} == expected
    assert 0 <= int(line["backend"]) <= int(line["latency"])
    assert abs(int(line["time"]) / 1000 - time.time()) < 60
    assert line["extended"] != "chosen"


def test_an_http_call(deployed: Deployed) -> None:
    before = len(deployed.lines())
    answer = deployed.call("HTTP", **{"clientId": "good", "x-amzn-RequestId": "chosen"})
    assert (answer.status_code, answer.text) == (201, "hello")
    (line,) = deployed.lines()[before:]
    assert line["requestId"] == line["extended"] == answer.headers["apigw-requestid"]
    assert (line["resource"], line["route"], line["path"]) == ("-", "GET /items", "/items")
    assert (line["client"], line["flag"], line["principal"]) == ("good", "true", "-")
    assert line["stage"] == "$default"


def test_several_requests_share_a_batch(deployed: Deployed) -> None:
    deployed.lines()
    before = deployed.sandbox.gateway.lines_written
    for _ in range(5):
        deployed.call("REST", "/none")
    deployed.sandbox.gateway.flush()
    assert deployed.sandbox.gateway.lines_written == before + 5


@pytest.mark.parametrize(
    ("destination", "template", "problem"),
    [
        ("{arn}:*", FORMAT, "not a log group's ARN"),
        ("nonsense", FORMAT, "not a log group's ARN"),
        ("{arn}-other", FORMAT, "log group /aws/vendedlogs/access-other"),
        ("arn:aws:logs:eu-west-1:123456789012:log-group:x", FORMAT, "another region"),
        ("{arn}", '{"s":"$context.status"}', "neither"),
        ("{arn}", "$context.requestId" + "x" * 3072, "more than 3072"),
    ],
)
def test_wrong_settings_are_an_error(stage: Deployed, destination: str, template: str, problem: str) -> None:
    before = len(stage.lines())
    stage.log_rest(destination.format(arn=stage.group_arn), template)
    stage.call("REST", "/none")
    assert len(stage.lines()) == before
    with pytest.raises(GatewayError, match=problem):
        stage.sandbox.gateway.check()
    with pytest.raises(AssertionError, match=problem):
        stage.sandbox.check()


def test_the_deployed_format_counts(stage: Deployed) -> None:
    stage.log_rest(stage.group_arn, '{"other":"$context.requestId"}')
    stage.call("REST", "/none", **{"x-amzn-RequestId": "mine"})
    assert stage.lines()[-1] == {"other": "mine"}


def test_a_filter_delivers_with_permission_only(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = deployed.sandbox
    with pytest.raises(ClientError, match="Could not execute the lambda function"):
        deployed.filter()
    account = sandbox.emulator.account
    deployed.permit("meter", "wrong", "logs.amazonaws.com", deployed.group_arn + "-other:*", SourceAccount=account)
    with pytest.raises(ClientError, match="Could not execute the lambda function"):
        deployed.filter()
    deployed.permit("meter", "right", "logs.amazonaws.com", deployed.group_arn + ":*", SourceAccount=account)
    deployed.filter()
    for _ in range(3):
        deployed.call("REST", clientId="good")
    sandbox.gateway.flush()
    sandbox.revenium.wait_for(lambda revenium: len(revenium.events()) == 3, 20, "three lines")
    ids = {event["transactionId"] for event in sandbox.revenium.events()}
    assert len(ids) == 3
    environment = sandbox.revenium.events()[0]["payload"]["environment"]
    assert environment["LOG_LEVEL"] == "INFO" and environment["KEY"] == sandbox.revenium.api_key
    leaked = [name for name in environment if name.startswith(("REVENIUM_", "PYTHON", "LAMBDA_ASYNC", "PYTEST"))]
    assert leaked == []

    # A delivery that fails is tried twice more, with the same event ids.
    fault = sandbox.revenium.fail(500, times=2)
    deployed.call("REST", clientId="good")
    sandbox.revenium.wait_for(lambda revenium: len(revenium.events()) == 4, 20, "the retried line")
    assert fault.hits == 2

    deployed.lambdas.remove_permission(FunctionName="meter", StatementId="right")
    refused = sandbox.emulator.count("refused", "filter")
    deployed.call("REST", clientId="good")
    sandbox.gateway.flush()
    until(lambda: sandbox.emulator.count("refused", "filter") == refused + 1, "a refused delivery")
    assert len(sandbox.revenium.events()) == 4
    deployed.logs.delete_subscription_filter(logGroupName=GROUP, filterName="f")
    sandbox.check()


@pytest.mark.parametrize(
    ("kind", "error"), [("REST", "AUTHORIZER_CONFIGURATION_ERROR"), ("HTTP", "AUTHORIZER_FAILURE")]
)
def test_an_authorizer_needs_permission(deployed: Deployed, kind: str, error: str) -> None:
    statements = json.loads(deployed.lambdas.get_policy(FunctionName="authorizer")["Policy"])["Statement"]
    (source,) = [s["Condition"]["ArnLike"]["AWS:SourceArn"] for s in statements if s["Sid"] == kind.lower()]
    deployed.lambdas.remove_permission(FunctionName="authorizer", StatementId=kind.lower())
    try:
        assert deployed.call(kind, clientId=f"new-{kind}").status_code == 500
        assert deployed.lines()[-1]["error"] == error
    finally:
        deployed.permit("authorizer", kind.lower(), "apigateway.amazonaws.com", source)
    assert deployed.call(kind, clientId=f"new-{kind}").status_code == 403


@pytest.mark.parametrize("kind", ["REST", "HTTP"])
def test_an_integration_needs_permission(deployed: Deployed, kind: str) -> None:
    api = deployed.execution_arn(deployed.rest_id if kind == "REST" else deployed.http_id)
    deployed.lambdas.remove_permission(FunctionName="backend", StatementId=kind.lower())
    try:
        deployed.permit("backend", f"{kind}-other", "apigateway.amazonaws.com", f"{api}/*/POST/items")
        assert deployed.call(kind, clientId="good").status_code == 500
    finally:
        deployed.permit("backend", kind.lower(), "apigateway.amazonaws.com", f"{api}/*/*/items")
    assert deployed.call(kind, clientId="good").status_code == 201


def test_no_such_api(deployed: Deployed) -> None:
    address = deployed.sandbox.gateway.locate("https://00000000.execute-api.us-east-1.amazonaws.com/prod/x")
    assert requests.get(address.url, headers=address.headers, timeout=10).status_code == 404
    assert requests.get(deployed.sandbox.gateway.origin, timeout=10).status_code == 403
    for wrong in ("ftp://abc.execute-api.us-east-1.amazonaws.com/prod", "https://example.org/", "wss://example.org/"):
        with pytest.raises(ValueError, match="not an invoke URL"):
            deployed.sandbox.gateway.locate(wrong)
    deployed.sandbox.gateway.flush()


def test_iam_is_enforced(deployed: Deployed) -> None:
    iam = deployed.sandbox.client("iam")
    iam.create_user(UserName="u")
    key = iam.create_access_key(UserName="u")["AccessKey"]

    def queues(secret: str) -> None:
        identity = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": secret}
        deployed.sandbox.client("sqs", **identity).list_queues()

    with pytest.raises(ClientError, match="signature"):
        queues("wrong")
    with pytest.raises(ClientError, match="not authorized to perform: sqs:ListQueues"):
        queues(key["SecretAccessKey"])


def test_nothing_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "does-not-exist")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), Sandbox() as sandbox:
            group, folder = sandbox.emulator.pid, sandbox.folder
            ports = [sandbox.emulator.port, sandbox.revenium.port]
            assert sandbox.client("sts").get_caller_identity()["Account"] == sandbox.emulator.account
            raise ZeroDivisionError
        assert not folder.exists()
        assert group is not None
        with pytest.raises(ProcessLookupError):
            os.killpg(group, 0)
        for port in ports:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), timeout=1)


def test_the_emulator_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time, pathlib; from sandbox.emulator import Emulator; "
        "e = Emulator(pathlib.Path(sys.argv[1])); e.start(); print(e.pid, flush=True); time.sleep(60)"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        group = int(parent.stdout.readline())
        os.killpg(group, 0)
        parent.kill()

    def gone() -> bool:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        return False

    until(gone, "the emulator's end")


def test_an_emulator_that_does_not_start_shows_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.emulator.free_port", lambda: 70000)
    emulator = Emulator(tmp_path)
    with pytest.raises(EmulatorError, match=r"ended with code 1 while starting\n--- last lines of emulator.log"):
        emulator.start()
    assert emulator.pid is None


def test_a_queue_that_demands_tls_takes_what_comes_over_loopback(deployed: Deployed) -> None:
    sqs = deployed.sandbox.client("sqs")
    url = sqs.create_queue(QueueName="tls-alone")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def demand(**condition: str) -> None:
        statement = {"Effect": "Deny", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
        policy = {"Version": "2012-10-17", "Statement": [{**statement, "Condition": {"Bool": condition}}]}
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})

    demand(**{"aws:SecureTransport": "false"})
    sqs.send_message(QueueUrl=url, MessageBody="{}")
    demand(**{"aws:SecureTransport": "true"})
    with pytest.raises(ClientError, match="AccessDenied"):
        sqs.send_message(QueueUrl=url, MessageBody="{}")


def test_what_an_sdk_repeats_is_not_done_again(deployed: Deployed) -> None:
    """Its first answer got lost: AWS would find that the thing is there already, and so would Terraform."""
    iam = deployed.sandbox.client("iam")

    def make(path: str, invocation: str, attempt: int) -> str:
        def overwrite(request: Any, **_: Any) -> None:
            request.headers["amz-sdk-invocation-id"] = invocation
            request.headers["amz-sdk-request"] = f"attempt={attempt}; max=3"

        iam.meta.events.register_last("before-send.iam.CreateGroup", overwrite, "overwrite")
        try:
            return str(iam.create_group(GroupName="once", Path=path)["Group"]["Path"])
        finally:
            iam.meta.events.unregister("before-send.iam.CreateGroup", overwrite, "overwrite")

    assert make("/first/", "a", 1) == "/first/"
    assert make("/second/", "a", 2) == "/first/"
    for invocation, attempt in (("a", 1), ("b", 2)):
        with pytest.raises(ClientError, match="EntityAlreadyExists"):
            make("/third/", invocation, attempt)
