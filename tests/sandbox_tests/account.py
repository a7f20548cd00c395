"""Calls that deploy functions and log groups on the sandbox, as Terraform would make them."""

from __future__ import annotations

import io
import json
import zipfile

from sandbox import Sandbox


class Account:
    """Functions with one role, their permissions, and log groups."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.lambdas = sandbox.client("lambda")
        self.logs = sandbox.client("logs")
        statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam = sandbox.client("iam")
        self.role = iam.create_role(RoleName="f", AssumeRolePolicyDocument=policy)["Role"]["Arn"]

    def function(self, name: str, code: str, **environment: str) -> str:
        """Deploy `handler` of this module; gives the function's ARN."""
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            archive.writestr("index.py", code)
        made = self.lambdas.create_function(
            FunctionName=name,
            Runtime="python3.12",
            Role=self.role,
            Handler="index.handler",
            Code={"ZipFile": content.getvalue()},
            Timeout=10,
            Environment={"Variables": environment},
        )
        return str(made["FunctionArn"])

    def permit(self, function: str, statement: str, principal: str, source: str, **more: str) -> None:
        """Let an AWS service invoke a function on behalf of `source`."""
        self.lambdas.add_permission(
            FunctionName=function,
            StatementId=statement,
            Action="lambda:InvokeFunction",
            Principal=principal,
            SourceArn=source,
            **more,
        )

    def execution_arn(self, api: str) -> str:
        """The ARN that an API's stages, routes and authorizers are below."""
        return f"arn:aws:execute-api:us-east-1:{self.sandbox.emulator.account}:{api}"

    def log_group(self, name: str) -> str:
        """Make a log group; gives its ARN as a stage wants it."""
        self.logs.create_log_group(logGroupName=name)
        groups = self.logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        return str(groups[0]["arn"]).removesuffix(":*")

    def lines_in(self, group: str) -> list[dict[str, str]]:
        """The access-log lines of all events so far, oldest first."""
        self.sandbox.gateway.flush()
        events = self.logs.filter_log_events(logGroupName=group)["events"]
        return [json.loads(event["message"]) for event in events]
