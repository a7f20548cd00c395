"""Chaos in CI: short runs, proof that a broken function makes them fail, and 10,000 lines in one event."""

import json
import os
import re
import subprocess
import sys
import time

import pytest

from chaos.functions import Environment, Invocation, unbalanced
from chaos.run import Stand, stand
from chaos.traffic import Traffic, subscription_event
from sandbox import REPOSITORY

LINES = 10_000
TIMEOUT = 60.0  # the function's, as the module sets it
MEMORY_MB = 256


def chaos(*arguments: str) -> tuple[int, dict[str, int], str]:
    """The exit code, the last line's numbers, and all that was printed."""
    found = subprocess.run(
        [sys.executable, "-m", "chaos", *arguments],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "tests")},
        capture_output=True,
        text=True,
        timeout=600,
    )
    output = found.stdout + found.stderr
    last = found.stdout.splitlines()[-1] if found.stdout else ""
    names = ("events", "billed", "lost", "duplicated", "dead_lettered", "requests")
    match = re.fullmatch(" ".join(rf"{name}=(\d+)" for name in names), last)
    assert match, output
    return found.returncode, dict(zip(names, map(int, match.groups()), strict=True)), output


@pytest.mark.parametrize(("seed", "events"), [(1, 20_000), (2, 5_000)])
def test_nothing_is_lost_and_nothing_billed_twice(seed: int, events: int) -> None:
    code, counted, output = chaos("--seed", str(seed), "--events", str(events))
    assert code == 0, output
    assert (counted["events"], counted["lost"], counted["duplicated"]) == (events, 0, 0)
    assert counted["billed"] > 0.93 * events
    assert 0.005 * events < counted["dead_lettered"] < 0.02 * events


@pytest.mark.parametrize(
    ("sabotage", "lost", "duplicated"),
    [("drop", (1, 1), (0, 0)), ("resend", (0, 0), (1, 1)), ("forget", (2, 2000), (0, 0))],
)
def test_a_run_fails_where_the_function_is_broken(
    sabotage: str, lost: tuple[int, int], duplicated: tuple[int, int]
) -> None:
    code, counted, output = chaos("--seed", "3", "--events", "2000", "--sabotage", sabotage)
    assert code == 1, output
    assert lost[0] <= counted["lost"] <= lost[1], output
    assert duplicated[0] <= counted["duplicated"] <= duplicated[1], output
    assert "make chaos SEED=3 EVENTS=2000" in output


def test_ten_thousand_lines_in_one_event_are_delivered_or_queued_in_one_invocation() -> None:
    with stand() as at:
        traffic, result = _invoke(at)
        billed = {each.transaction_id for each in at.revenium.billed()}
        queued = _queued(at)
        assert len(billed) > LINES / 2, "a healthy Revenium takes 1,000 requests a second"
        assert traffic.bills.keys() <= billed | queued
        assert result.metrics[0]["Delivered"] == len(billed)


def test_ten_thousand_lines_in_one_event_are_queued_while_revenium_is_down() -> None:
    with stand() as at:
        at.revenium.down()
        traffic, result = _invoke(at)
        assert traffic.bills.keys() <= _queued(at)
        assert result.seconds < TIMEOUT / 2, "nothing is gained by waiting for a server that refuses connections"


def _invoke(at: Stand) -> tuple[Traffic, Invocation]:
    """All in production's values: no wait is shortened."""
    traffic = Traffic(1, LINES)
    log_events = [each for batch in traffic.batches() for each in batch]
    environment = Environment(at.variables(REPOSITORY / "functions"), at.folder / "functions.log")
    try:
        result = environment.invoke(subscription_event(log_events), TIMEOUT)
    finally:
        environment.close()
    print(f"{result.seconds:.1f} s, {result.peak_mb:.0f} MB, {result.metrics}")
    assert result.answer is not None, result.error
    assert not unbalanced(result, LINES)
    assert result.peak_mb < MEMORY_MB
    return traffic, result


def _queued(at: Stand) -> set[str]:
    """The transactions in the retry queue, delayed ones too."""
    found: set[str] = set()
    deadline = time.monotonic() + 120
    while at.waiting(at.retry):
        assert time.monotonic() < deadline, "the retry queue is not empty after 120 s"
        for message in at.take(at.retry):
            found |= {usage["transaction_id"] for usage in json.loads(message["Body"])["usages"]}
            at.sqs.delete_message(QueueUrl=at.retry, ReceiptHandle=message["ReceiptHandle"])
        time.sleep(0.2)
    return found
