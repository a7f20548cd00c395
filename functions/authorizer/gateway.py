"""API Gateway's side of a Lambda authorizer: what it asks, and the answer it takes.

Input: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-input.html
Output: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html
HTTP APIs: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html
"""

import re
from dataclasses import dataclass
from typing import Any

# What a caller sends is written into the access log, which API Gateway does not escape: no quote, no backslash.
_CLIENT_ID = re.compile(r"[!#-\[\]-~](?:[ !#-\[\]-~]{0,254}[!#-\[\]-~])?")
_NO_VALUE = "-"  # the access log's mark for "nothing": as an id it would be billed to nobody


class UnknownEvent(Exception):
    """The event is not one of an authorizer; the message says what was expected."""


@dataclass(frozen=True)
class Request:
    """Who calls which stage (`arn:<partition>:execute-api:<region>:<account>:<api>/<stage>`).

    `client_id` is None where the caller sent none, several, or one that cannot be an id; `problem` says which.
    """

    stage_arn: str
    client_id: str | None
    problem: str = ""


def parse(event: Any, client_id_header: str) -> Request:
    """Takes REST `REQUEST` and `TOKEN` events, HTTP API payloads 1.0 and 2.0 and WebSocket `$connect`."""
    if not isinstance(event, dict):
        raise UnknownEvent("The event is no JSON object; attach this function to an API as its authorizer.")
    stage_arn = _stage_arn(event.get("routeArn") or event.get("methodArn"))
    if event.get("type") == "TOKEN":
        values = [event.get("authorizationToken")]
    else:
        values = _header(event, client_id_header.lower())
    present = {value for value in values if isinstance(value, str) and value}
    if not present:
        return Request(stage_arn, None, "no_client_id")
    client_id = present.pop()
    if present or client_id == _NO_VALUE or not _CLIENT_ID.fullmatch(client_id):
        return Request(stage_arn, None, "invalid_client_id")
    return Request(stage_arn, client_id)


def answer(request: Request, allow: bool, reason: str) -> dict[str, Any]:
    """An IAM policy for the whole stage, since API Gateway caches it for every route, and a flat context.

    The context's `clientId` is the only way in which a caller's id reaches the access log, and so the bill.
    """
    return {
        "principalId": request.client_id or "unknown",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Action": "execute-api:Invoke",
                    "Effect": "Allow" if allow else "Deny",
                    "Resource": f"{request.stage_arn}/*",
                }
            ],
        },
        "context": {
            "clientId": request.client_id or "",
            "decision": "allow" if allow else "deny",
            "reason": reason,
        },
    }


def _stage_arn(arn: Any) -> str:
    parts = arn.split(":", 5) if isinstance(arn, str) else []
    resource = parts[5].split("/") if len(parts) == 6 and parts[2] == "execute-api" else []
    if len(resource) < 2 or not resource[0] or not resource[1] or "*" in resource[0] + resource[1]:
        raise UnknownEvent(
            "The event has no `methodArn` or `routeArn` of the form "
            "arn:<partition>:execute-api:<region>:<account>:<api>/<stage>/...: it is not one of an authorizer."
        )
    return f"{':'.join(parts[:5])}:{resource[0]}/{resource[1]}"


def _header(event: dict[str, Any], name: str) -> list[Any]:
    """Every value of a header, whose name API Gateway hands on in the caller's spelling."""
    values = []
    for key, value in (event.get("headers") or {}).items():
        if key.lower() == name:
            values.append(value)
    for key, several in (event.get("multiValueHeaders") or {}).items():
        if key.lower() == name and isinstance(several, list):
            values.extend(several)
    return values
