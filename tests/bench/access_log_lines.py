"""Access-log lines as the deployed formats make them, and the events that bring them to the metering function."""

import base64
import gzip
import json
from collections.abc import Sequence
from typing import Any

from hcl.source import MODULES, blocks_of, text
from sandbox.access_log import Kind, fill

# What Revenium's own CloudFormation template has its users set as the format: the keys that its function reads.
TEMPLATE = (
    '{"httpMethod":"$context.httpMethod","path":"$context.path","principalId":"$context.authorizer.principalId",'
    '"status":"$context.status","sourceIp":"$context.identity.sourceIp",'
    '"integrationLatency":"$context.integrationLatency","responseLength":"$context.responseLength"}'
)
KINDS: dict[str, Kind] = {"rest": "REST", "http": "HTTP", "websocket": "WEBSOCKET"}

# Lengths as AWS has them: ids, a UUID, a browser's user agent of today.
_VALUES = {
    "apiId": "a1b2c3d4e5", "stage": "prod", "httpMethod": "GET", "resourcePath": "/products/{id}",
    "routeKey": "GET /products/{id}", "status": "200", "requestTimeEpoch": "1795514400123", "responseLatency": "143",
    "integrationLatency": "131", "responseLength": "2048", "protocol": "HTTP/1.1", "eventType": "MESSAGE",
    "connectionId": "Bq1cXGqVoAMCJ7Q=", "messageId": "Bq1cYe4loAMCJ7Q=",
    "domainName": "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com", "identity.sourceIp": "203.0.113.109",
    "authorizer.clientId": "client-7f3a9c21", "authorizer.principalId": "client-7f3a9c21",
    "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef", "path": "/prod/products/18422",
    "identity.userAgent": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/126.0.0.0 Safari/537.36",
}  # fmt: skip


def formats() -> dict[str, str]:
    """The module's format of each kind of API, read from the HCL, and `template`."""
    found: dict[str, Any] = {}
    for block in blocks_of(MODULES["metering"] / "access_log_format.tf"):
        found |= block.body
    renamed = {text(name): text(key) for name, key in found["access_log_keys"].items()}
    made = {"template": TEMPLATE}
    for kind in KINDS:
        names = [text(name) for part in ("", "_caller") for name in found[f"access_log{part}_variables"][kind]]
        slots = [f'"{renamed.get(name, name.rpartition(".")[2])}":"$context.{name}"' for name in names]
        made[kind] = "{" + ",".join(slots) + "}"
    return made


def line(template: str, kind: Kind, number: int = 0) -> str:
    """The line of call `number`, which is in its request id."""
    values = _VALUES | {"extendedRequestId": f"Bq{number:09d}oAMFz7Q="}
    if kind == "WEBSOCKET":
        values["routeKey"] = "sendMessage"
    return fill(template, kind, values)


def event(lines: Sequence[str], first: int = 0) -> dict[str, Any]:
    """What CloudWatch Logs invokes the function with."""
    log_events = [
        {"id": f"{first + number:056d}", "timestamp": 1795514400123, "message": each}
        for number, each in enumerate(lines)
    ]
    payload = {"messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": "g", "logEvents": log_events}
    return {"awslogs": {"data": base64.b64encode(gzip.compress(json.dumps(payload).encode(), 1)).decode()}}
