"""Reads back what the sandbox's CloudWatch holds: access logs, and the metric lines of the functions."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from sandbox import Sandbox

TURNED_AWAY = ("UNAUTHORIZED", "ACCESS_DENIED", "MISSING_AUTHENTICATION_TOKEN")


def messages(sandbox: Sandbox, group: str) -> Iterator[str]:
    """Every line of a log group."""
    for page in sandbox.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group):
        for event in page["events"]:
            yield event["message"]


def groups(sandbox: Sandbox, prefix: str = "/") -> list[str]:
    """The names of the log groups."""
    pages = sandbox.client("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix)
    return [group["logGroupName"] for page in pages for group in page["logGroups"]]


def lines(sandbox: Sandbox) -> list[dict[str, str]]:
    """The access-log lines of all groups that the module made."""
    return [
        json.loads(message)
        for group in groups(sandbox, "/aws/vendedlogs/apigateway/")
        for message in messages(sandbox, group)
    ]


def is_usage(line: dict[str, str]) -> bool:
    """Whether the call reached the API."""
    return line["errorType"] not in TURNED_AWAY


def metric_lines(sandbox: Sandbox, function: str) -> list[dict[str, Any]]:
    """The metric lines of a function's invocations, oldest first."""
    return [
        json.loads(message)
        for message in messages(sandbox, f"/aws/lambda/{function}")
        if message.lstrip().startswith("{") and '"_aws"' in message
    ]


def metering_totals(sandbox: Sandbox, functions: Sequence[str]) -> Counter[str]:
    """The sums of the metering metrics."""
    totals: Counter[str] = Counter()
    for function in functions:
        for line in metric_lines(sandbox, function):
            totals.update({name: line[name] for name in ("Received", "Delivered", "Skipped", "Queued", "DeadLettered")})
    return totals
