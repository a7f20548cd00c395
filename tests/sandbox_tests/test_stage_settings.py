"""What the sandbox adds to the emulator's stages: the account's logging role, and DeleteAccessLogSettings."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox import Sandbox

GROUP = "arn:aws:logs:us-east-1:123456789012:log-group:access"
PATCHES = [
    {"op": "replace", "path": "/accessLogSettings/destinationArn", "value": GROUP},
    {"op": "replace", "path": "/accessLogSettings/format", "value": "$context.requestId"},
]
SETTINGS = {"DestinationArn": GROUP, "Format": "$context.requestId"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(logging_role=False) as running:
        yield running


def v2_api(sandbox: Sandbox, kind: str) -> tuple[Any, str]:
    client = sandbox.client("apigatewayv2")
    selection = {"RouteSelectionExpression": "$request.body.action"} if kind == "WEBSOCKET" else {}
    return client, client.create_api(Name="api", ProtocolType=kind, **selection)["ApiId"]


def test_rest_and_websocket_stages_take_no_access_logs_without_the_accounts_role(sandbox: Sandbox) -> None:
    rest = sandbox.client("apigateway")
    api = rest.create_rest_api(name="api")["id"]
    deployment = rest.create_deployment(restApiId=api)["id"]
    rest.create_stage(restApiId=api, stageName="live", deploymentId=deployment)
    websocket, chat = v2_api(sandbox, "WEBSOCKET")
    websocket.create_stage(ApiId=chat, StageName="live")

    def attempts() -> Iterator[Any]:
        yield lambda: rest.update_stage(restApiId=api, stageName="live", patchOperations=PATCHES)
        yield lambda: websocket.update_stage(ApiId=chat, StageName="live", AccessLogSettings=SETTINGS)
        yield lambda: websocket.create_stage(ApiId=chat, StageName="beta", AccessLogSettings=SETTINGS)

    for attempt in attempts():
        with pytest.raises(ClientError, match="CloudWatch Logs role ARN must be set in account settings") as error:
            attempt()
        assert error.value.response["Error"]["Code"] == "BadRequestException"
    removal = [{"op": "remove", "path": "/accessLogSettings"}]
    rest.update_stage(restApiId=api, stageName="live", patchOperations=removal)
    role = [{"op": "replace", "path": "/cloudwatchRoleArn", "value": "arn:aws:iam::123456789012:role/logs"}]
    rest.update_account(patchOperations=role)
    for attempt in attempts():
        attempt()
    assert rest.get_stage(restApiId=api, stageName="live")["accessLogSettings"]["destinationArn"] == GROUP


def test_deleting_access_log_settings_leaves_the_stage(sandbox: Sandbox) -> None:
    client, api = v2_api(sandbox, "HTTP")
    client.create_stage(ApiId=api, StageName="$default", AutoDeploy=True, AccessLogSettings=SETTINGS)
    client.delete_access_log_settings(ApiId=api, StageName="$default")
    stage = client.get_stage(ApiId=api, StageName="$default")
    assert stage["AutoDeploy"] is True and "AccessLogSettings" not in stage
    with pytest.raises(client.exceptions.NotFoundException):
        client.delete_access_log_settings(ApiId=api, StageName="none")
