"""Lambda's part: execution environments, asynchronous invocations, and the SQS event source."""

import heapq
import itertools
import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos.traffic import read, subscription_event
from chaos.worker import ANSWER

TIMEOUT = 8.0  # the function's, in seconds; 60 in production
_RETRIES = 2
_RETRY_AFTER = (0.2, 0.6)  # seconds; about 1 and 2 minutes in production
_MESSAGE_RETRY_AFTER = 1  # a failed message's visibility, in seconds; minutes in production
_BATCH = 10
_ENDED = ("killed", "timed out")  # from outside: at any point, even behind the metric line
_KILLED, _KILLED_WITHIN = 0.06, 1.0  # share of invocations; seconds
_TWICE = 0.03  # share of events, and of batches of messages, that are delivered again although nothing failed
_FULL = 80  # messages in the retry queue at which no new traffic comes: the run gets longer, not the backlog


@dataclass
class Invocation:
    """How one ended: `answer`, or None where it raised, was killed or ran out of time, which `error` says."""

    answer: dict[str, Any] | None = None
    error: str = _ENDED[0]
    peak_mb: float = 0.0
    metrics: list[dict[str, int]] = field(default_factory=list)
    seconds: float = 0.0


class Environment:
    """An execution environment: a process that handles one event after the other until it is killed."""

    def __init__(self, variables: Mapping[str, str], errors: Path) -> None:
        self._variables, self._errors = dict(variables), errors
        self._process: subprocess.Popen[str] | None = None

    def invoke(self, event: Mapping[str, Any], timeout: float, kill_after: float | None = None) -> Invocation:
        """One invocation. The process is killed at the timeout or, where that is sooner, after `kill_after` s."""
        process = self._process = self._process or self._start()
        assert process.stdin and process.stdout
        result = Invocation()
        began = time.monotonic()
        timer = threading.Timer(min(timeout, timeout if kill_after is None else kill_after), process.kill)
        timer.start()
        try:
            process.stdin.write(json.dumps({"event": event, "timeout": timeout}) + "\n")
            process.stdin.flush()
            for line in process.stdout:
                if line.startswith(ANSWER):
                    ended = json.loads(line.removeprefix(ANSWER))
                    result.answer, result.peak_mb = ended.get("answer"), ended["peak_mb"]
                    result.error = ended.get("error", "")
                    break
                if line.endswith("\n") and '"_aws"' in line:
                    result.metrics.append(json.loads(line))
        except BrokenPipeError:
            pass
        timer.cancel()
        result.seconds = time.monotonic() - began
        if result.error == _ENDED[0]:
            if result.seconds >= timeout:
                result.error = _ENDED[1]
            self.close()
        return result

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    # What a killed process had not read cannot be flushed.
                    try:
                        pipe.close()
                    except BrokenPipeError:
                        continue

    def _start(self) -> "subprocess.Popen[str]":
        with self._errors.open("ab") as errors:
            return subprocess.Popen(
                [sys.executable, "-m", "chaos.worker"],
                env=self._variables,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                encoding="utf-8",
            )


def unbalanced(result: Invocation, received: int) -> str:
    """What is wrong with the metric lines of an invocation of `received` records; nothing where they balance."""
    if result.answer is None:
        raised = result.error not in _ENDED
        return f"an invocation that raised wrote {result.metrics}" if raised and result.metrics else ""
    if len(result.metrics) != 1:
        return f"{len(result.metrics)} metric lines in one invocation"
    names = ("Received", "Delivered", "Skipped", "Queued", "DeadLettered")
    counted = [result.metrics[0][name] for name in names]
    balanced = counted[0] == received == sum(counted[1:])
    return (
        "" if balanced else f"{received} records in, but the metric line says {dict(zip(names, counted, strict=True))}"
    )


@dataclass(order=True)
class _Delivery:
    due: float
    order: int
    attempt: int = field(compare=False)
    log_events: list[dict[str, Any]] = field(compare=False)


class Lambda:
    """Invokes the function in `concurrency` environments for log events and two for the retry queue.

    `backlog` is to be set to the retry queue's length. `problems` says which invocations did not balance;
    `outcomes` counts how they ended.
    """

    def __init__(
        self, seed: int, variables: Mapping[str, str], sqs: Any, queues: tuple[str, str], errors: Path, concurrency: int
    ) -> None:
        self._rng = random.Random(f"lambda {seed}")
        self._sqs, (self._retry, self._dead) = sqs, queues
        self._environments = [Environment(variables, errors) for _ in range(concurrency + 2)]
        self._pollers = [threading.Thread(target=self._poll, args=(each,)) for each in self._environments[:2]]
        self._fresh: Iterator[list[dict[str, Any]]] = iter(())
        self._due: list[_Delivery] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._busy = 0
        self.calm = False
        self.backlog = self.invoked = 0
        self.outcomes: Counter[str] = Counter()
        self.problems: list[str] = []

    def start(self, batches: Iterator[list[dict[str, Any]]]) -> list[threading.Thread]:
        """Begin; gives back the threads that end once every event is handled or given up."""
        self._fresh = batches
        threads = [threading.Thread(target=self._invoke_events, args=(each,)) for each in self._environments[2:]]
        for thread in [*self._pollers, *threads]:
            thread.daemon = True
            thread.start()
        return threads

    def stop(self) -> None:
        """End everything."""
        self._stop.set()
        for environment in self._environments:
            environment.close()
        for poller in self._pollers:
            poller.join(5)

    # ---- asynchronous invocations ----

    def _invoke_events(self, environment: Environment) -> None:
        while (delivery := self._next()) is not None:
            result = self._invoke(environment, subscription_event(delivery.log_events), len(delivery.log_events))
            given_up = result.answer is None and delivery.attempt == _RETRIES and not self._stop.is_set()
            if given_up:
                self._give_up(delivery, result)
            with self._changed:
                self._busy -= 1
                if result.answer is None and not given_up:
                    self._schedule(delivery.log_events, delivery.attempt + 1)
                self._changed.notify_all()

    def _next(self) -> _Delivery | None:
        """The next event that is due; None once there is none left. A retry comes before fresh ones."""
        with self._changed:
            while not self._stop.is_set():
                if self._due and self._due[0].due <= time.monotonic():
                    self._busy += 1
                    return heapq.heappop(self._due)
                if self.backlog < _FULL:
                    log_events = next(self._fresh, None)
                    if log_events is not None:
                        self._busy += 1
                        self.invoked += len(log_events)
                        if self._rng.random() < _TWICE:
                            self._schedule(log_events, 0)
                        return _Delivery(0, 0, 0, log_events)
                    if not self._due and not self._busy:
                        return None
                self._changed.wait(0.05)
        return None

    def _schedule(self, log_events: list[dict[str, Any]], attempt: int) -> None:
        due = time.monotonic() + self._rng.uniform(*_RETRY_AFTER)
        heapq.heappush(self._due, _Delivery(due, next(self._order), attempt, log_events))

    def _give_up(self, delivery: _Delivery, result: Invocation) -> None:
        """Lambda's failure destination, by Lambda itself: the function's trouble with SQS is not Lambda's."""
        envelope = {
            "version": "1.0",
            "requestContext": {"condition": "RetriesExhausted", "approximateInvokeCount": delivery.attempt + 1},
            "requestPayload": subscription_event(delivery.log_events),
            "responsePayload": {"errorMessage": result.error},
        }
        self._sqs.send_message(QueueUrl=self._dead, MessageBody=json.dumps(envelope))
        self.outcomes["given up"] += 1

    # ---- the retry queue's event source ----

    def _poll(self, environment: Environment) -> None:
        while not self._stop.is_set():
            answer = self._sqs.receive_message(QueueUrl=self._retry, MaxNumberOfMessages=_BATCH, WaitTimeSeconds=1)
            if messages := answer.get("Messages", []):
                self._handle(environment, messages)

    def _handle(self, environment: Environment, messages: Sequence[Mapping[str, Any]]) -> None:
        records = [
            {"eventSource": "aws:sqs", "messageId": each["MessageId"], "body": each["Body"]} for each in messages
        ]
        received = sum(records_in(json.loads(each["Body"])) for each in messages)
        result = self._invoke(environment, {"Records": records}, received)
        if result.answer is None:
            failed = {each["MessageId"] for each in messages}
        else:
            failed = {each["itemIdentifier"] for each in result.answer["batchItemFailures"]}
            if self._rng.random() < _TWICE and not self.calm:
                failed = {each["MessageId"] for each in messages}
        if self._stop.is_set():
            return
        # A deleted message is gone, a failed one is seen again after its visibility timeout.
        done = [each for each in messages if each["MessageId"] not in failed]
        if done:
            self._sqs.delete_message_batch(
                QueueUrl=self._retry,
                Entries=[{"Id": str(n), "ReceiptHandle": each["ReceiptHandle"]} for n, each in enumerate(done)],
            )
        for each in messages:
            if each["MessageId"] in failed:
                self._sqs.change_message_visibility(
                    QueueUrl=self._retry, ReceiptHandle=each["ReceiptHandle"], VisibilityTimeout=_MESSAGE_RETRY_AFTER
                )

    def _invoke(self, environment: Environment, event: Mapping[str, Any], received: int) -> Invocation:
        kill_after = None
        if not self.calm and self._rng.random() < _KILLED:
            kill_after = self._rng.uniform(0, _KILLED_WITHIN)
        result = environment.invoke(event, TIMEOUT, kill_after)
        with self._changed:
            self.outcomes[result.error.partition(":")[0] or "answered"] += 1
            if wrong := unbalanced(result, received):
                self.problems.append(wrong)
        return result


def records_in(body: dict[str, Any]) -> int:
    """How many records a message of the retry queue holds, ours or Lambda's envelope."""
    if "requestPayload" in body:
        return len(read(body["requestPayload"]))
    return len(body["usages"]) + len(body["events"])
