"""API Gateway's side of a Lambda authorizer: what it asks, and the answer it takes.

Input: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-input.html
Output: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html
HTTP APIs: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

NO_VALUE = "-"  # the access log's mark for "nothing": the meter bills it to nobody

_Values = Mapping[str, list[str]]


class UnknownEvent(Exception):
    """The event is not one of an authorizer; the message says what was expected."""


class Event(NamedTuple):
    """Who calls which stage (`arn:<partition>:execute-api:<region>:<account>:<api>/<stage>`), and with what.

    Every value of each header (names in lower case) and query parameter; `token` is that of a TOKEN event, else None.
    `api_key_id` and `certificate_subject` are what the gateway found out about the caller, else empty.
    """

    stage_arn: str
    headers: _Values
    query: _Values
    token: str | None
    api_key_id: str
    certificate_subject: str


def parse(event: Any) -> Event:
    """Takes REST `REQUEST` and `TOKEN` events, HTTP API payloads 1.0 and 2.0 and WebSocket `$connect`."""
    if not isinstance(event, dict):
        raise UnknownEvent("The event is no JSON object; attach this function to an API as its authorizer.")
    context = _object(event, "requestContext")
    identity = _object(context, "identity")
    # Payload 2.0 has the certificate here: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
    certificate = _object(identity, "clientCert") or _object(_object(context, "authentication"), "clientCert")
    token = event.get("authorizationToken") if event.get("type") == "TOKEN" else None
    return Event(
        stage_arn=_stage_arn(event.get("routeArn") or event.get("methodArn")),
        headers=_values(event, "headers", "multiValueHeaders", lower=True),
        query=_values(event, "queryStringParameters", "multiValueQueryStringParameters", lower=False),
        token=token if isinstance(token, str) else None,
        # In the event, though AWS's page on it leaves it out: the id of the key that `x-api-key` holds.
        api_key_id=str(identity.get("apiKeyId") or ""),
        certificate_subject=str(certificate.get("subjectDN") or ""),
    )


def answer(stage_arn: str, client_id: str | None, allow: bool, reason: str) -> dict[str, Any]:
    """An IAM policy for the whole stage, since API Gateway caches it for every route, and a flat context.

    The context's `clientId` is the only way in which a caller's id reaches the access log, and so the bill.
    """
    return {
        "principalId": client_id or NO_VALUE,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Action": "execute-api:Invoke",
                    "Effect": "Allow" if allow else "Deny",
                    "Resource": f"{stage_arn}/*",
                }
            ],
        },
        "context": {
            "clientId": client_id or "",
            "decision": "allow" if allow else "deny",
            "reason": reason,
        },
    }


def _stage_arn(arn: Any) -> str:
    parts = arn.split(":", 5) if isinstance(arn, str) else []
    resource = parts[5].split("/") if len(parts) == 6 and parts[2] == "execute-api" else []
    own = "".join([*parts[:5], *resource[:2]])
    if len(resource) < 2 or not resource[0] or not resource[1] or "*" in own or "?" in own:
        raise UnknownEvent(
            "The event has no `methodArn` or `routeArn` of the form "
            "arn:<partition>:execute-api:<region>:<account>:<api>/<stage>/...: it is not one of an authorizer."
        )
    return f"{':'.join(parts[:5])}:{resource[0]}/{resource[1]}"


def _object(holder: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = holder.get(name)
    return found if isinstance(found, dict) else {}


def _values(event: Mapping[str, Any], single: str, multiple: str, lower: bool) -> _Values:
    """API Gateway hands headers on in the caller's spelling, so one header can stand under several names."""
    found: dict[str, list[str]] = {}
    for name, value in _object(event, single).items():
        if isinstance(value, str):
            found.setdefault(name.lower() if lower else name, []).append(value)
    for name, values in _object(event, multiple).items():
        if isinstance(values, list):
            found.setdefault(name.lower() if lower else name, []).extend(v for v in values if isinstance(v, str))
    return found
