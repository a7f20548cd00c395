"""What somebody made without Terraform: APIs of each kind, and functions."""

import io
import json
import zipfile
from typing import Any

from polling import until
from sandbox import Sandbox

ECHO = """
def handler(event, context):
    return {"statusCode": 200, "body": "pong"}
"""


def make_function(sandbox: Sandbox, name: str, source: str, environment: dict[str, str] | None = None) -> str:
    """Deploys a source text with a `handler`; gives the function's ARN."""
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
        ],
    }
    role = sandbox.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as file:
        file.writestr("index.py", source)
    functions = sandbox.client("lambda")
    functions.create_function(
        FunctionName=name,
        Role=role,
        Runtime="python3.12",
        Handler="index.handler",
        Code={"ZipFile": package.getvalue()},
        Environment={"Variables": environment or {}},
        Timeout=30,
    )
    until(lambda: functions.get_function_configuration(FunctionName=name)["State"] == "Active", f"{name} can be called")
    return str(functions.get_function_configuration(FunctionName=name)["FunctionArn"])


def make_rest_api(sandbox: Sandbox, *stages: str, paths: tuple[str, ...] = ("ping",)) -> str:
    """With `GET` on each path, which answers 200, but `failing`, which answers 404; gives its id."""
    rest = sandbox.client("apigateway")
    api = rest.create_rest_api(name="somebody-elses")["id"]
    [root] = rest.get_resources(restApiId=api)["items"]
    for path in paths:
        resource = rest.create_resource(restApiId=api, parentId=root["id"], pathPart=path)["id"]
        method = {"restApiId": api, "resourceId": resource, "httpMethod": "GET"}
        rest.put_method(**method, authorizationType="NONE")
        rest.put_integration(
            **method,
            type="HTTP_PROXY",
            integrationHttpMethod="GET",
            uri=f"{sandbox.emulator.endpoint}/_ministack/{'nothing' if path == 'failing' else 'health'}",
        )
    deployment = rest.create_deployment(restApiId=api)["id"]
    for stage in stages:
        rest.create_stage(
            restApiId=api, deploymentId=deployment, stageName=stage, description="theirs", variables={"a": "b"}
        )
    return str(api)


def make_http_api(sandbox: Sandbox, *stages: str) -> str:
    """With `GET /ping`; gives its id."""
    v2 = sandbox.client("apigatewayv2")
    api = v2.create_api(Name="somebody-elses", ProtocolType="HTTP")["ApiId"]
    backend = v2.create_integration(
        ApiId=api, IntegrationType="HTTP_PROXY", IntegrationMethod="GET", PayloadFormatVersion="1.0",
        IntegrationUri=f"{sandbox.emulator.endpoint}/_ministack/health",
    )["IntegrationId"]  # fmt: skip
    v2.create_route(ApiId=api, RouteKey="GET /ping", Target=f"integrations/{backend}")
    _make_v2_stages(v2, api, stages)
    return str(api)


def make_websocket_api(sandbox: Sandbox, *stages: str) -> str:
    """Answers each message whose action is `ping` with `pong`; gives its id."""
    v2 = sandbox.client("apigatewayv2")
    api = v2.create_api(
        Name="somebody-elses", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
    )["ApiId"]
    function = make_function(sandbox, "somebody-elses-backend", ECHO)
    sandbox.client("lambda").add_permission(
        FunctionName=function,
        StatementId="api",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:us-east-1:{sandbox.emulator.account}:{api}/*",
    )
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations"
    backend = v2.create_integration(ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=uri)["IntegrationId"]
    route = v2.create_route(
        ApiId=api, RouteKey="ping", Target=f"integrations/{backend}", RouteResponseSelectionExpression="$default"
    )["RouteId"]
    v2.create_route_response(ApiId=api, RouteId=route, RouteResponseKey="$default")
    _make_v2_stages(v2, api, stages)
    return str(api)


def _make_v2_stages(v2: Any, api: str, stages: tuple[str, ...]) -> None:
    for stage in stages:
        v2.create_stage(ApiId=api, StageName=stage, AutoDeploy=True, StageVariables={"a": "b"}, Tags={"owner": "them"})
