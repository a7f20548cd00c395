"""Access-log lines print as AWS's table of variables says."""

from __future__ import annotations

import pytest

from sandbox.access_log import fill, format_problem


def test_fills_and_leaves_the_rest_alone() -> None:
    values = {
        "status": 200,
        "identity.sourceIp": "10.0.0.1",
        "authorizer.clientId": 'a"b\\c',
        "authorizer.on": True,
    }
    template = (
        '{"s":"$context.status","i":"$context.identity.sourceIp","c":"$context.authorizer.clientId",'
        '"b":"$context.authorizer.on","m":"$context.authorizer.none","u":"$context.no.such"} $context.status.'
    )
    assert fill(template, "REST", values) == ('{"s":"200","i":"10.0.0.1","c":"a"b\\c","b":"true","m":"-","u":"-"} 200.')


@pytest.mark.parametrize(
    ("name", "rest", "http", "websocket"),
    [
        ("resourcePath", "v", "-", "-"),
        ("routeKey", "-", "v", "v"),
        ("httpMethod", "v", "v", "-"),
        ("path", "v", "v", "-"),
        ("responseLength", "v", "v", "-"),
        ("responseLatency", "v", "v", "-"),
        ("dataProcessed", "-", "v", "-"),
        ("integrationStatus", "v", "v", "-"),
        ("integrationLatency", "v", "v", "v"),
        ("identity.apiKeyId", "v", "-", "v"),
        ("identity.apiKey", "-", "-", "-"),
        ("authorizer.principalId", "v", "-", "v"),
        ("authorizer.clientId", "v", "v", "v"),
        ("error.responseType", "v", "v", "v"),
        ("connectionId", "-", "-", "v"),
        ("requestTimeEpoch", "v", "v", "v"),
    ],
)
def test_availability(name: str, rest: str, http: str, websocket: str) -> None:
    template, values = f"$context.{name}", {name: "v"}
    assert fill(template, "REST", values) == rest
    assert fill(template, "HTTP", values) == http
    assert fill(template, "WEBSOCKET", values) == websocket


@pytest.mark.parametrize("empty", [None, ""])
def test_no_value(empty: object) -> None:
    assert fill("$context.path", "REST", {"path": empty}) == "-"
    assert fill("$context.status", "REST", {"status": 0}) == "0"


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ('{"r":"$context.requestId"}', None),
        ('{"r":"$context.extendedRequestId"}', None),
        ('{"r":"$context.requestIdentity"}', "neither"),
        ("", "empty"),
        ("$context.requestId\n", "more than one line"),
        ("$context.requestId" + "x" * 3072, "3090 bytes"),
        ("$context.requestId $input.body", "only $context"),
    ],
)
def test_formats_that_aws_refuses(template: str, problem: str | None) -> None:
    found = format_problem(template)
    assert found is None if problem is None else problem in (found or "")
