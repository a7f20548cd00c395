"""A WebSocket API on the sandbox: who is let in, where messages go, and one access-log line for each event."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from websockets.exceptions import ConnectionClosed

from polling import until
from sandbox import Sandbox
from sandbox.gateway import GatewayError
from sandbox_tests.account import Account
from traffic import HandshakeRefused, WebSocketCaller, connect

AUTHORIZER = """
def handler(event, context):
    client = {k.lower(): v for k, v in event["headers"].items()}["clientid"]
    if client == "broken":
        raise ValueError(client)
    statement = {
        "Action": "execute-api:Invoke", "Effect": "Deny" if client == "bad" else "Allow",
        "Resource": event["methodArn"],
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    return {"principalId": client, "policyDocument": policy, "context": {"clientId": client, "flag": True}}
"""
BACKEND = """
import json, os, urllib.request

def handler(event, context):
    context = event["requestContext"]
    asked = json.loads(event.get("body") or "{}")
    if asked.get("fail"):
        raise ValueError("secret")
    if context["eventType"] == "CONNECT" and "refuse" in (event["queryStringParameters"] or {}):
        return {"statusCode": 418}
    if context["eventType"] == "DISCONNECT":
        body = json.dumps({"transactionId": context["requestId"], "payload": context}).encode()
        headers = {"Content-Type": "application/json", "x-api-key": os.environ["KEY"]}
        urllib.request.urlopen(urllib.request.Request(os.environ["URL"], body, headers), timeout=5).read()
    return {"statusCode": asked.get("status", 200), "body": json.dumps(context)}
"""
VARIABLES = {
    "requestId": "requestId",
    "extended": "extendedRequestId",
    "event": "eventType",
    "route": "routeKey",
    "connection": "connectionId",
    "message": "messageId",
    "status": "status",
    "error": "error.responseType",
    "backend": "integrationLatency",
    "client": "authorizer.clientId",
    "flag": "authorizer.flag",
    "principal": "authorizer.principalId",
    "api": "apiId",
    "stage": "stage",
    "domain": "domainName",
    "ip": "identity.sourceIp",
    "agent": "identity.userAgent",
    "time": "requestTimeEpoch",
    "connected": "connectedAt",
    "method": "httpMethod",
    "path": "path",
    "protocol": "protocol",
    "length": "responseLength",
    "latency": "responseLatency",
}
FORMAT = json.dumps({name: f"$context.{variable}" for name, variable in VARIABLES.items()})
GROUP = "/aws/apigateway/websocket"
GATEWAY = "apigateway.amazonaws.com"


class Deployed(Account):
    """A WebSocket API with an authorizer and routes that answer, that do not, and that have no function."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self.client = sandbox.client("apigatewayv2")
        self.group_arn = self.log_group(GROUP)
        self.uri = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{}/invocations"
        self.authorizer_arn = self.function("authorizer", AUTHORIZER)
        self.api = self.make_api()
        self.permit("authorizer", "api", GATEWAY, f"{self.execution_arn(self.api)}/authorizers/*")
        told = {"URL": sandbox.revenium.v2_url + "/v2/events", "KEY": sandbox.revenium.api_key}
        backend = self.integration(self.uri.format(self.function("backend", BACKEND, **told)))
        self.permit("backend", "api", GATEWAY, f"{self.execution_arn(self.api)}/prod/*")
        authorizer = self.authorizer(self.api, ["route.request.header.clientId"])
        self.connect_route = self.route("$connect", backend, AuthorizationType="CUSTOM", AuthorizerId=authorizer)
        self.route("$disconnect", backend)
        self.route("$default", backend, answers=True)
        self.route("quiet", backend)
        self.route("mock", self.mock('{"mocked":true}'), answers=True)
        self.stage(self.api, "prod", AccessLogSettings={"DestinationArn": self.group_arn, "Format": FORMAT})
        self.stage(self.api, "unlogged")
        self.permit("backend", "unlogged", GATEWAY, f"{self.execution_arn(self.api)}/unlogged/*")

    def make_api(self) -> str:
        made = self.client.create_api(
            Name="w", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
        )
        return str(made["ApiId"])

    def authorizer(self, api: str, sources: list[str]) -> str:
        made = self.client.create_authorizer(
            ApiId=api,
            Name="a",
            AuthorizerType="REQUEST",
            AuthorizerUri=self.uri.format(self.authorizer_arn),
            IdentitySource=sources,
        )
        return str(made["AuthorizerId"])

    def integration(self, uri: str) -> str:
        made = self.client.create_integration(ApiId=self.api, IntegrationType="AWS_PROXY", IntegrationUri=uri)
        return str(made["IntegrationId"])

    def mock(self, answer: str) -> str:
        made = self.client.create_integration(
            ApiId=self.api, IntegrationType="MOCK", RequestTemplates={"200": '{"statusCode":200}'}
        )["IntegrationId"]
        self.client.create_integration_response(
            ApiId=self.api,
            IntegrationId=made,
            IntegrationResponseKey="$default",
            ResponseTemplates={"$default": answer},
        )
        return str(made)

    def route(self, key: str, integration: str, *, answers: bool = False, **more: str) -> str:
        target = f"integrations/{integration}"
        made = self.client.create_route(ApiId=self.api, RouteKey=key, Target=target, **more)["RouteId"]
        if answers:
            self.client.create_route_response(ApiId=self.api, RouteId=made, RouteResponseKey="$default")
        return str(made)

    def stage(self, api: str, name: str, **more: dict[str, str]) -> None:
        self.client.create_stage(ApiId=api, StageName=name, AutoDeploy=True, **more)

    def url(self, stage: str = "prod", api: str = "") -> str:
        return f"wss://{api or self.api}.execute-api.us-east-1.amazonaws.com/{stage}"

    def connect(self, client: str | None, stage: str = "prod", **query: str) -> WebSocketCaller:
        return connect(self.sandbox, self.url(stage), client, query=query)

    def refused(self, client: str | None, **query: str) -> HandshakeRefused:
        with pytest.raises(HandshakeRefused) as refusal:
            self.connect(client, **query)
        return refusal.value

    def lines(self) -> list[dict[str, str]]:
        return self.lines_in(GROUP)


@pytest.fixture(scope="module")
def deployed() -> Iterator[Deployed]:
    with Sandbox() as sandbox:
        yield Deployed(sandbox)


@pytest.fixture
def before(deployed: Deployed) -> int:
    """How many lines there are before the test."""
    return len(deployed.lines())


def test_each_event_of_a_connection_is_a_line(deployed: Deployed, before: int) -> None:
    with deployed.connect("good") as caller:
        context = json.loads(caller.ask('{"action":"unknown"}'))
        assert caller.ask('{"action":"mock"}') == '{"mocked":true}'
        assert [line["route"] for line in deployed.lines()[before:]] == ["$connect", "$default", "mock"]
    lines = deployed.lines()[before:]
    connected, default, mocked, disconnected = lines
    assert [line["event"] for line in lines] == ["CONNECT", "MESSAGE", "MESSAGE", "DISCONNECT"]
    assert [line["route"] for line in lines] == ["$connect", "$default", "mock", "$disconnect"]
    same = {
        "client": "good",
        "flag": "true",
        "principal": "good",
        "connection": connected["connection"],
        "api": deployed.api,
        "stage": "prod",
        "domain": f"{deployed.api}.execute-api.us-east-1.amazonaws.com",
        "ip": "127.0.0.1",
        "error": "-",
        "status": "200",
        "connected": connected["connected"],
        # These do not exist for WebSocket APIs.
        **dict.fromkeys(("method", "path", "protocol", "length", "latency"), "-"),
    }
    for line in lines:
        assert {name: line[name] for name in same} == same
        assert line["extended"] == line["requestId"] != "-"
        assert line["agent"].startswith("Python/")
        assert abs(int(line["time"]) / 1000 - time.time()) < 60
    assert len({line["requestId"] for line in lines}) == 4
    assert connected["connection"] != "-"
    assert [line["message"] == "-" for line in lines] == [True, False, False, True]
    assert len({default["message"], mocked["message"], default["requestId"]}) == 3
    assert [line["backend"] == "-" for line in lines] == [False, False, True, False]
    known = {name: str(context[name]) for name in ("requestId", "messageId", "connectionId", "connectedAt")}
    assert known == {
        "requestId": default["requestId"],
        "messageId": default["message"],
        "connectionId": default["connection"],
        "connectedAt": default["connected"],
    }
    assert context["authorizer"] == {"clientId": "good", "flag": "true", "principalId": "good"}
    assert int(disconnected["time"]) >= int(mocked["time"]) >= int(connected["time"])
    deployed.sandbox.check()


@pytest.mark.parametrize(
    ("client", "status", "error"),
    [("bad", 403, "ACCESS_DENIED"), (None, 401, "UNAUTHORIZED"), ("broken", 500, "AUTHORIZER_FAILURE")],
)
def test_refused_connects_are_logged_with_their_type(
    deployed: Deployed, before: int, client: str | None, status: int, error: str
) -> None:
    refusal = deployed.refused(client)
    (line,) = deployed.lines()[before:]
    assert refusal.status == status
    assert (line["status"], line["error"], line["event"], line["route"]) == (str(status), error, "CONNECT", "$connect")
    assert line["client"] == ("bad" if client == "bad" else "-")
    answered = json.loads(refusal.body)
    assert (line["requestId"], line["connection"]) == (answered["requestId"], answered["connectionId"])
    assert line["backend"] == line["message"] == "-"


def test_an_authorizer_needs_permission(deployed: Deployed, before: int) -> None:
    source = f"{deployed.execution_arn(deployed.api)}/authorizers/"
    deployed.lambdas.remove_permission(FunctionName="authorizer", StatementId="api")
    try:
        deployed.permit("authorizer", "other", GATEWAY, f"{source}other")
        assert deployed.refused("good").status == 500
    finally:
        deployed.permit("authorizer", "api", GATEWAY, f"{source}*")
    (line,) = deployed.lines()[before:]
    assert (line["status"], line["error"], line["client"]) == ("500", "AUTHORIZER_CONFIGURATION_ERROR", "-")
    deployed.connect("good").close()


def test_an_integration_needs_permission(deployed: Deployed, before: int) -> None:
    source = f"{deployed.execution_arn(deployed.api)}/prod/"
    with deployed.connect("good") as caller:
        deployed.lambdas.remove_permission(FunctionName="backend", StatementId="api")
        try:
            deployed.permit("backend", "default", GATEWAY, f"{source}$default")
            assert "routeKey" in json.loads(caller.ask("{}"))
            assert json.loads(caller.ask('{"action":"quiet"}'))["message"] == "Internal server error"
            assert deployed.refused("good").status == 502
        finally:
            deployed.permit("backend", "api", GATEWAY, f"{source}*")
    lines = deployed.lines()[before:]
    assert [(line["event"], line["route"], line["status"], line["error"]) for line in lines] == [
        ("CONNECT", "$connect", "200", "-"),
        ("MESSAGE", "$default", "200", "-"),
        ("MESSAGE", "quiet", "500", "API_CONFIGURATION_ERROR"),
        ("CONNECT", "$connect", "502", "API_CONFIGURATION_ERROR"),
        ("DISCONNECT", "$disconnect", "200", "-"),
    ]
    assert [line["backend"] == "-" for line in lines] == [False, False, True, True, False]


def test_failures_of_the_backend(deployed: Deployed, before: int) -> None:
    with deployed.connect("good") as caller:
        answered = json.loads(caller.ask('{"fail":true}'))
        assert json.loads(caller.ask('{"status":503}'))["eventType"] == "MESSAGE"
    assert deployed.refused("good", refuse="1").status == 418
    lines = deployed.lines()[before:]
    assert [(line["event"], line["status"], line["error"]) for line in lines] == [
        ("CONNECT", "200", "-"),
        ("MESSAGE", "500", "INTEGRATION_FAILURE"),
        ("MESSAGE", "503", "-"),
        ("DISCONNECT", "200", "-"),
        ("CONNECT", "418", "-"),
    ]
    failed = lines[1]
    ids = {"connectionId": failed["connection"], "requestId": failed["requestId"]}
    assert answered == {"message": "Internal server error", **ids}


def test_a_route_without_response_is_one_way(deployed: Deployed, before: int) -> None:
    with deployed.connect("good") as caller:
        caller.send('{"action":"quiet"}')
        assert caller.ask('{"action":"mock"}') == '{"mocked":true}'
    assert [line["route"] for line in deployed.lines()[before:]] == ["$connect", "quiet", "mock", "$disconnect"]


def test_messages_sent_just_before_the_close_are_logged(deployed: Deployed, before: int) -> None:
    with deployed.connect("good") as caller:
        for _ in range(5):
            caller.send('{"action":"quiet"}')
    events = [line["event"] for line in deployed.lines()[before:]]
    assert events == ["CONNECT", *["MESSAGE"] * 5, "DISCONNECT"]


def test_many_connections_at_once(deployed: Deployed, before: int) -> None:
    def converse(number: int) -> str:
        with deployed.connect(f"client-{number}") as caller:
            answers = [json.loads(caller.ask("{}")) for _ in range(2)]
        (connection,) = {answer["connectionId"] for answer in answers}
        return str(connection)

    with ThreadPoolExecutor(8) as executor:
        connections = list(executor.map(converse, range(8)))
    lines = deployed.lines()[before:]
    assert len(lines) == 8 * 4
    for number, connection in enumerate(connections):
        of_one = [line for line in lines if line["connection"] == connection]
        assert [line["event"] for line in of_one] == ["CONNECT", "MESSAGE", "MESSAGE", "DISCONNECT"]
        assert {line["client"] for line in of_one} == {f"client-{number}"}


def test_how_the_caller_left_reaches_the_backend(deployed: Deployed, before: int) -> None:
    deployed.connect("good").close(4001, "tired")
    connected, disconnected = deployed.lines()[before:]
    assert (connected["event"], disconnected["event"]) == ("CONNECT", "DISCONNECT")
    event = deployed.sandbox.revenium.events()[-1]
    context = event["payload"]
    assert (event["transactionId"], context["connectionId"]) == (disconnected["requestId"], connected["connection"])
    assert (context["disconnectStatusCode"], context["disconnectReason"]) == (4001, "tired")
    assert context["authorizer"]["clientId"] == "good"


def test_a_caller_that_hangs_up_is_a_disconnect(deployed: Deployed, before: int) -> None:
    caller = deployed.connect("good")
    caller._connection.socket.close()
    until(lambda: len(deployed.lines()) == before + 2, "the line of the disconnect", 10)
    assert deployed.lines()[-1]["event"] == "DISCONNECT"


def test_binary_frames_are_refused(deployed: Deployed, before: int) -> None:
    caller = deployed.connect("good")
    caller.send(b"{}")
    assert caller.closed() == 1003
    assert [line["event"] for line in deployed.lines()[before:]] == ["CONNECT", "DISCONNECT"]


def test_the_backend_can_push_and_end_a_connection(deployed: Deployed, before: int) -> None:
    caller = deployed.connect("good")
    connection = deployed.lines()[before]["connection"]
    endpoint = f"{deployed.sandbox.emulator.endpoint}/_aws/execute-api/{deployed.api}/prod"
    backend = deployed.sandbox.client("apigatewaymanagementapi", endpoint_url=endpoint)
    backend.post_to_connection(ConnectionId=connection, Data=b"pushed")
    assert caller.receive() == "pushed"
    backend.delete_connection(ConnectionId=connection)
    assert caller.closed() == 1000
    with pytest.raises(ConnectionClosed):
        caller.send("{}")
    assert [line["event"] for line in deployed.lines()[before:]] == ["CONNECT", "DISCONNECT"]
    deployed.sandbox.check()


def test_an_emulator_that_ends_is_an_error() -> None:
    with Sandbox() as sandbox:
        deployed = Deployed(sandbox)
        caller = deployed.connect("good")
        deployed.lines()
        assert sandbox.emulator.pid is not None
        os.killpg(sandbox.emulator.pid, signal.SIGKILL)
        assert caller.closed() is None
        until(lambda: bool(sandbox.gateway.errors), "the lost disconnect", 10)
        with pytest.raises(GatewayError, match="1 events of a connection were not reported"):
            sandbox.gateway.check()


def test_the_query_string_can_identify(deployed: Deployed, before: int) -> None:
    both = ["route.request.header.clientId", "route.request.querystring.key"]
    authorizer = deployed.authorizer(deployed.api, both)
    place = {"ApiId": deployed.api, "RouteId": deployed.connect_route}
    old = deployed.client.get_route(**place)["AuthorizerId"]
    deployed.client.update_route(**place, AuthorizerId=authorizer)
    try:
        assert deployed.refused("good").status == 401
        deployed.connect("good", key="1").close()
    finally:
        deployed.client.update_route(**place, AuthorizerId=old)
    assert [line["status"] for line in deployed.lines()[before:]] == ["401", "200", "200"]


def test_an_api_of_nothing_but_a_stage(deployed: Deployed, before: int) -> None:
    api = deployed.make_api()
    deployed.stage(api, "bare", AccessLogSettings={"DestinationArn": deployed.group_arn, "Format": FORMAT})
    with connect(deployed.sandbox, deployed.url("bare", api), None) as caller:
        assert json.loads(caller.ask("{}"))["message"] == "Forbidden"
    lines = deployed.lines()[before:]
    assert [(line["event"], line["route"], line["status"], line["client"]) for line in lines] == [
        ("CONNECT", "$connect", "200", "-"),
        ("MESSAGE", "-", "403", "-"),
        ("DISCONNECT", "$disconnect", "200", "-"),
    ]


def test_the_default_route_is_for_messages_only(deployed: Deployed, before: int) -> None:
    api = deployed.make_api()
    backend = deployed.client.create_integration(
        ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=deployed.uri.format("arn:aws:lambda:::function:none")
    )["IntegrationId"]
    deployed.client.create_route(ApiId=api, RouteKey="$default", Target=f"integrations/{backend}")
    deployed.stage(api, "bare", AccessLogSettings={"DestinationArn": deployed.group_arn, "Format": FORMAT})
    with connect(deployed.sandbox, deployed.url("bare", api), None) as caller:
        assert json.loads(caller.ask("{}"))["message"] == "Internal server error"
    assert [line["status"] for line in deployed.lines()[before:]] == ["200", "500", "200"]


def test_a_stage_without_logging_writes_nothing(deployed: Deployed, before: int) -> None:
    with deployed.connect("good", "unlogged") as caller:
        assert json.loads(caller.ask("{}"))["stage"] == "unlogged"
    assert len(deployed.lines()) == before
    deployed.sandbox.gateway.check()


def test_what_is_no_stage_is_refused(deployed: Deployed, before: int) -> None:
    for url in (deployed.url("none"), deployed.url("prod", "00000000")):
        with pytest.raises(HandshakeRefused) as refusal:
            connect(deployed.sandbox, url, "good")
        assert refusal.value.status == 403
    address = deployed.sandbox.gateway.locate(deployed.url().replace("wss", "https"))
    assert requests.get(address.url, headers=address.headers, timeout=10).status_code == 403
    assert len(deployed.lines()) == before


def test_resources_are_as_terraform_gave_them(deployed: Deployed) -> None:
    endpoint = deployed.client.get_api(ApiId=deployed.api)["ApiEndpoint"]
    with connect(deployed.sandbox, f"{endpoint}/unlogged", "good") as caller:
        assert caller.ask('{"action":"mock"}') == '{"mocked":true}'
    made = deployed.client.create_integration(
        ApiId=deployed.api, IntegrationType="MOCK", TemplateSelectionExpression="200"
    )["IntegrationId"]
    integration = deployed.client.get_integration(ApiId=deployed.api, IntegrationId=made)
    assert integration["TemplateSelectionExpression"] == "200" and "IntegrationMethod" not in integration
    (authorizer, *_) = deployed.client.get_authorizers(ApiId=deployed.api)["Items"]
    assert not {"AuthorizerPayloadFormatVersion", "JwtConfiguration"} & set(authorizer)


def test_a_wrong_destination_is_an_error(deployed: Deployed, before: int) -> None:
    deployed.stage(
        deployed.api, "wrong", AccessLogSettings={"DestinationArn": f"{deployed.group_arn}-other", "Format": FORMAT}
    )
    deployed.permit("backend", "wrong", GATEWAY, f"{deployed.execution_arn(deployed.api)}/wrong/*")
    deployed.connect("good", "wrong").close()
    assert len(deployed.lines()) == before
    with pytest.raises(GatewayError, match="log group /aws/apigateway/websocket-other: 2 lines were lost"):
        deployed.sandbox.gateway.check()
