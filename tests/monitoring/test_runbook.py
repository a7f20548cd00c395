"""The runbook, on the sandbox: every command of it runs, what it promises comes true, and the faults that can be made
there set off the alarms that are deployed.

Where the emulator and AWS differ, AWS is right. CloudWatch's part here: the functions' metrics are their metric lines
in the emulator's log groups, the queues' and the subscription filter's are made from what the emulator says of them.
"""

import itertools
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import access_logs
from hcl.source import ROOT
from monitoring.cloudwatch import Store, embedded, key
from monitoring.conftest import API_KEY, Deployed
from polling import until
from sandbox import Sandbox

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
SECTIONS = {
    heading: re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    for heading, text in re.findall(r"(?ms)^## ([^\n]+)\n(.*?)(?=^## |\Z)", RUNBOOK)
}
[BEFORE] = SECTIONS["Before you begin"]
GROUP = "/aws/vendedlogs/apigateway/revenium"
# Version 1 of the CLI asks an older host for queues than AWS_ENDPOINT_URL names.
AT_THE_SANDBOX = 'aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }'
_numbers = itertools.count(1)


def block(section: str, command: str) -> str:
    """The block of a section that has the command, behind those whose variables it may use."""
    scripts = SECTIONS[section]
    [number] = [number for number, each in enumerate(scripts) if command in each]
    return "\n".join(scripts[: number + 1])


class Live:
    """The deployed module, as the one on call has it: a shell with the AWS CLI."""

    def __init__(self, sandbox: Sandbox, deployed: Deployed) -> None:
        self.sandbox = sandbox
        self.alarms = deployed.alarms
        self.began = time.time()

    def run(self, script: str, typed: str = "") -> str:
        """What a block of the runbook prints."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        ended = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"{AT_THE_SANDBOX}\n{BEFORE}\necho ----\n{script}"],
            env={**self.sandbox.env, "PATH": path, "AWS_PAGER": ""},
            input=typed,
            capture_output=True,
            text=True,
            timeout=180,
        )
        assert ended.returncode == 0, f"{script}\n{ended.stdout}\n{ended.stderr}"
        assert not ended.stderr, ended.stderr
        return ended.stdout.partition("----\n")[2]

    def log(self, *lines: str) -> None:
        """Lines in the access-log group, as API Gateway would have written them."""
        logs = self.sandbox.client("logs")
        stream = f"stream-{next(_numbers)}"
        logs.create_log_stream(logGroupName=GROUP, logStreamName=stream)
        events = [{"timestamp": int(time.time() * 1000), "message": each} for each in lines]
        logs.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=events)

    def calls(self, number: int) -> list[str]:
        """Calls whose lines are logged; their transaction ids."""
        ids = [f"Runbook{next(_numbers):06d}=" for _ in range(number)]
        self.log(*(json.dumps({"extendedRequestId": each, "status": "200", "httpMethod": "GET"}) for each in ids))
        return ids

    def billed(self, ids: list[str]) -> bool:
        return set(ids) <= {each.transaction_id for each in self.sandbox.revenium.billed()}

    def authorize(self, client_id: str) -> dict[str, Any]:
        event = {
            "type": "REQUEST",
            "methodArn": "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/live/GET/",
            "headers": {"clientId": client_id},
            "requestContext": {"requestId": "r"},
        }
        answer = self.sandbox.client("lambda").invoke(
            FunctionName="revenium-authorizer", Payload=json.dumps(event).encode()
        )
        found = json.loads(answer["Payload"].read())
        assert isinstance(found, dict)
        return found

    def store(self) -> Store:
        """The metrics as of now, of what happened since this test began."""
        store, now = Store(), time.time()
        for function in ("revenium-metering", "revenium-authorizer"):
            lines = access_logs.metric_lines(self.sandbox, function)
            points = [each for line in lines for each in embedded(json.dumps(line)) if each[1] >= self.began]
            for metric, when, values in sorted(points, key=lambda each: each[1]):
                store.add(metric, when, *values)
        sqs = self.sandbox.client("sqs")
        for name in ("revenium-metering-retry", "revenium-metering-dead-letter"):
            url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
            found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])["Attributes"]
            metric = key("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": name})
            store.add(metric, now, float(found["ApproximateNumberOfMessages"]))
        dimensions = {"LogGroupName": GROUP, "DestinationType": "Lambda", "FilterName": "revenium-metering"}
        for event in self.sandbox.emulator.events():
            if (
                event["outcome"] in ("refused", "missing")
                and event["caller"] == "filter"
                and event["time"] >= self.began
            ):
                store.add(key("AWS/Logs", "DeliveryErrors", dimensions), event["time"], 1)
        return store

    def alarming(self) -> set[str]:
        store, now = self.store(), time.time() + 1
        return {alarm.name for alarm in self.alarms if alarm.goes_off(store, now)}


@pytest.fixture
def live(sandbox: Sandbox, deployed: Deployed) -> Iterator[Live]:
    sandbox.revenium.entitle("acme")
    found = Live(sandbox, deployed)
    yield found
    sandbox.revenium.clear_faults()
    sandbox.check()


@pytest.mark.parametrize("section", [section for section, scripts in SECTIONS.items() if scripts])
def test_every_command_runs(section: str, live: Live) -> None:
    live.calls(1)
    live.run("\n".join(SECTIONS[section]), typed=f"{API_KEY}\n")


def test_nothing_but_blocks_that_are_run_names_a_command_of_the_cli() -> None:
    """But for the one whose argument a person has to choose."""
    rest = re.sub(r"```sh\n.*?```", "", RUNBOOK, flags=re.DOTALL)
    assert re.findall(r"`(aws [^`]*)`", rest) == ["aws lambda update-event-source-mapping --uuid <the UUID> --enabled"]
    assert sum(len(scripts) for scripts in SECTIONS.values()) >= 13


def test_in_normal_traffic_no_alarm_goes_off(live: Live) -> None:
    ids = live.calls(20)
    until(lambda: live.billed(ids), "the calls are billed")
    assert live.authorize("acme")["context"]["decision"] == "allow"
    # The simulated gateway counts nothing here, so nothing is missing either.
    assert live.alarming() == set()


def test_a_dead_letter_sets_off_its_alarm_and_is_billed_once_it_is_redriven(live: Live, sandbox: Sandbox) -> None:
    fault = sandbox.revenium.fail(422)
    ids = live.calls(3)
    until(lambda: "revenium-metering-dead-letters" in live.alarming(), "the alarm goes off")
    assert live.alarming() == {"revenium-metering-dead-letters"}
    shown = live.run(block("Dead letters", "receive-message"))
    assert '"reason":"http_422"' in shown and ids[0] in shown
    sandbox.revenium.clear_faults()
    del fault
    live.run(block("Redrive", "start-message-move-task"))
    until(lambda: live.billed(ids), "what was redriven is billed")
    until(lambda: live.alarming() == set(), "the alarm is over")
    assert '"DeadLettered":3' in live.run(block("Redrive", "filter-log-events"))


def test_lines_that_may_not_be_handed_over_set_off_their_alarm_and_are_billed_once_they_are_sent_again(
    live: Live, sandbox: Sandbox
) -> None:
    functions = sandbox.client("lambda")
    functions.remove_permission(FunctionName="revenium-metering", StatementId="access-logs")
    try:
        ids = live.calls(3)
        until(lambda: live.alarming() == {"revenium-metering-delivery-errors"}, "the alarm goes off")
        # AWS has no policy at all any more, the emulator an empty one.
        look = block("Access-log lines are not handed over", "get-policy")
        assert "logs.amazonaws.com" not in live.run(look)
    finally:
        functions.add_permission(
            FunctionName="revenium-metering", StatementId="access-logs", Action="lambda:InvokeFunction",
            Principal="logs.amazonaws.com", SourceAccount=sandbox.emulator.account,
            SourceArn=f"arn:aws:logs:us-east-1:{sandbox.emulator.account}:log-group:{GROUP}:*",
        )  # fmt: skip
    assert not live.billed(ids[:1])
    counts = {each.transaction_id: each.request_count for each in sandbox.revenium.billed()}
    live.run(block("Access-log lines are not handed over", "send-message"))
    until(lambda: live.billed(ids), "the lines that were sent again are billed")
    for each in sandbox.revenium.billed():
        assert each.request_count == counts.get(each.transaction_id, 1), "and no other a second time"


def test_a_revoked_key_sets_off_its_alarm_and_all_is_billed_once_another_is_stored(
    live: Live, sandbox: Sandbox
) -> None:
    other = "rev_mk_another"
    sandbox.revenium.set_api_keys(other)
    try:
        ids = live.calls(3)
        live.authorize("acme")
        until(
            lambda: (
                live.alarming()
                >= {"revenium-metering-key-refused", "revenium-authorizer-key-refused", "revenium-authorizer-fail-open"}
            ),
            "the alarms go off",
        )
        assert "key_refused" in live.run(block("Revenium refuses the key", "describe-secret"))
        live.run(block("Revenium refuses the key", "put-secret-value"), typed=f"{other}\n")
        until(lambda: live.billed(ids), "what waited is billed", 120)
    finally:
        sandbox.revenium.set_api_keys(API_KEY, other)
        live.run(block("Revenium refuses the key", "put-secret-value"), typed=f"{API_KEY}\n")


def test_callers_let_in_unasked_set_off_their_alarm_and_are_counted(live: Live, sandbox: Sandbox) -> None:
    sandbox.revenium.down()
    try:
        for number in range(3):
            assert live.authorize(f"stranger-{number}")["context"]["reason"] == "no_decision"
    finally:
        sandbox.revenium.up()
    until(lambda: live.alarming() == {"revenium-authorizer-fail-open"}, "the alarm goes off")
    assert int(live.run(block("Callers are let in unasked", "length(events)"))) >= 3
    assert "Revenium did not answer" in live.run(block("Callers are not decided about", "filter-log-events"))


def test_the_alarms_and_the_dashboard_are_deployed(live: Live, sandbox: Sandbox) -> None:
    """By name: the emulator forgets an alarm's expression."""
    cloudwatch = sandbox.client("cloudwatch")
    pages = cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix="revenium-")
    assert {each["AlarmName"] for page in pages for each in page["MetricAlarms"]} == {each.name for each in live.alarms}
    body = json.loads(cloudwatch.get_dashboard(DashboardName="revenium-metering")["DashboardBody"])
    assert len(body["widgets"]) > 15
