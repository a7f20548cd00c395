"""A run: traffic and faults, then an operator who redrives, then the verdict."""

import contextlib
import json
import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos import worker
from chaos.faults import AwsProxy, Faults
from chaos.functions import TIMEOUT, Lambda
from chaos.traffic import Traffic
from sandbox import REPOSITORY
from sandbox.emulator import Emulator
from sandbox.revenium import Revenium

_CONCURRENCY = 4
_RECEIVES = 4  # of a message until SQS itself moves it to the dead-letter queue; 10 in production
_RETRY_FOR = 12  # seconds before the queue gives a record up; 23 hours in production
_ROUNDS = 12
_EVENTS_PER_SECOND = 150  # slower than this is a failure
_PAUSE = 0.2
_SHOWN = 20
# Reasons for which a record rests in the dead-letter queue until somebody changes something.
_FINAL = {"http_422", "not_json", "no_status"}


@dataclass
class Stand:
    """What the function talks to: the emulator with two queues and a secret, and Revenium."""

    folder: Path
    emulator: Emulator
    revenium: Revenium
    sqs: Any
    secrets: Any
    retry: str
    dead: str
    secret: str

    def variables(self, functions: Path, **more: str) -> dict[str, str]:
        """The environment of the function's processes."""
        return self.emulator.settings() | {
            "PYTHONPATH": f"{functions}{os.pathsep}{REPOSITORY / 'tests'}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "AWS_LAMBDA_FUNCTION_NAME": "metering",
            "REVENIUM_METERING_URL": self.revenium.v2_url,
            "REVENIUM_API_KEY_SECRET_ARN": self.secret,
            "RETRY_QUEUE_URL": self.retry,
            "DEAD_LETTER_QUEUE_URL": self.dead,
            **more,
        }

    def rotate(self, key: str) -> None:
        """Store another API key."""
        self.secrets.put_secret_value(SecretId=self.secret, SecretString=key)

    def waiting(self, queue: str) -> int:
        """How many messages a queue holds: visible, being handled and delayed."""
        names = [f"ApproximateNumberOfMessages{which}" for which in ("", "NotVisible", "Delayed")]
        found = self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)

    def take(self, queue: str) -> Iterator[dict[str, Any]]:
        """What is visible in a queue; it stays there and is not seen again."""
        while found := self.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=43_200).get(
            "Messages", []
        ):
            yield from found


@contextlib.contextmanager
def stand() -> Iterator[Stand]:
    """Start it all, and stop it."""
    with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as name, Revenium() as revenium:
        emulator = Emulator(Path(name))
        emulator.start()
        try:
            sqs, secrets = emulator.client("sqs"), emulator.client("secretsmanager")
            dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
            found = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
            redrive = {"deadLetterTargetArn": found["Attributes"]["QueueArn"], "maxReceiveCount": _RECEIVES}
            attributes = {"VisibilityTimeout": str(int(TIMEOUT) + 2), "RedrivePolicy": json.dumps(redrive)}
            retry = sqs.create_queue(QueueName="retry", Attributes=attributes)["QueueUrl"]
            secret = secrets.create_secret(Name="key", SecretString=revenium.api_key)["ARN"]
            yield Stand(Path(name), emulator, revenium, sqs, secrets, retry, dead, secret)
        finally:
            emulator.stop()


class Run:
    """One run; `problems` is what was found wrong, in words."""

    def __init__(self, seed: int, events: int, functions: Path, sabotage: str, at: Stand) -> None:
        self._at = at
        self._traffic = Traffic(seed, events)
        self._batches = iter(list(self._traffic.batches()))
        self._faults = Faults(seed, at.revenium, at.rotate)
        self._proxy = AwsProxy(self._faults, at.emulator.port)
        self._proxy.start()
        if sabotage in ("drop", "resend"):
            sabotage += ":" + next(iter(self._traffic.bills))
        variables = at.variables(
            functions,
            AWS_ENDPOINT_URL=f"http://127.0.0.1:{self._proxy.server_port}",
            REVENIUM_TIMEOUT_SECONDS="1",
            REVENIUM_REQUESTS_PER_SECOND="3000",
            REVENIUM_RETRY_FOR_SECONDS=str(_RETRY_FOR),
            LOG_LEVEL="WARNING",
            **{worker.SHORT: "yes", worker.SABOTAGE: sabotage},
        )
        errors = at.folder / "functions.log"
        self._lambda = Lambda(seed, variables, at.sqs, (at.retry, at.dead), errors, _CONCURRENCY)
        self._began = self._said = time.monotonic()
        self._deadline = self._began + 90 + events / _EVENTS_PER_SECOND
        self._letters: list[dict[str, Any]] = []
        self._redriven: Counter[str] = Counter()
        self.problems: list[str] = []

    def run(self) -> str:
        """Run to the end; gives back the last line."""
        threads = self._lambda.start(self._batches)
        self._faults.start()
        try:
            self._until(threads, "every event is handled or given up")
            self._faults.end()
            self._lambda.calm = True
            self._say("faults end")
            self._redrive()
        except TimeoutError as error:
            self.problems.append(str(error))
        finally:
            self._faults.end()
            self._lambda.stop()
            self._proxy.stop()
        return self._verdict()

    def _until(self, threads: list[threading.Thread], what: str) -> None:
        """Wait for the threads, and for the retry queue to be empty."""
        while True:
            self._lambda.backlog = self._at.waiting(self._at.retry)
            if not any(thread.is_alive() for thread in threads) and (threads or not self._lambda.backlog):
                return
            if time.monotonic() > self._deadline:
                raise TimeoutError(f"not in time: {what}; {self._lambda.backlog} messages wait")
            if time.monotonic() - self._said > 4:
                self._say(", ".join(self._faults.active) or "calm")
            time.sleep(_PAUSE)

    def _say(self, now: str) -> None:
        self._said = time.monotonic()
        print(
            f"{self._said - self._began:5.0f} s  invoked {self._lambda.invoked}, billed {self._at.revenium.count()}, "
            f"waiting {self._lambda.backlog} messages, dead {self._at.waiting(self._at.dead)}  [{now}]",
            flush=True,
        )

    def _redrive(self) -> None:
        """An operator moves what was given up back into the retry queue until only final letters are left."""
        for _ in range(_ROUNDS):
            self._until([], "the retry queue is empty")
            moved = 0
            for letter in self._at.take(self._at.dead):
                body = json.loads(letter["Body"])
                if self._is_final(body):
                    self._letters.append(body)
                    continue
                self._at.sqs.send_message(QueueUrl=self._at.retry, MessageBody=letter["Body"])
                self._at.sqs.delete_message(QueueUrl=self._at.dead, ReceiptHandle=letter["ReceiptHandle"])
                moved += 1
            if not moved:
                return
            self._say(f"redriven {moved} dead letters")
        self.problems.append(f"after {_ROUNDS} redrives there are still letters that were given up")

    def _is_final(self, body: dict[str, Any]) -> bool:
        """Whether it is a letter that should rest; an envelope by Lambda and a message moved by SQS never are."""
        if "requestPayload" in body or body["since"]:
            self._redriven["events given up by Lambda" if "requestPayload" in body else "messages moved by SQS"] += 1
            return False
        reasons = {parked["reason"] for parked in body["parked"]}
        for reason in reasons - _FINAL:
            if not reason.startswith("gave_up_"):
                self.problems.append(f"a dead letter for a reason that should have been retried: {reason}")
        if reasons <= _FINAL:
            return True
        self._redriven["messages given up by the function"] += 1
        return False

    # ---- the verdict ----

    def _verdict(self) -> str:
        traffic, revenium = self._traffic, self._at.revenium
        billed = {each.transaction_id: each for each in revenium.billed()}
        letters: dict[str, str] = {}
        for body in self._letters:
            keys = [each["transaction_id"] for each in body["usages"]] + [each["id"] for each in body["events"]]
            letters |= dict(zip(keys, (parked["reason"] for parked in body["parked"]), strict=True))
        lost = sorted(traffic.bills.keys() - billed.keys() - letters.keys())
        wrong = {}
        for key, each in billed.items():
            due = traffic.bills.get(key)
            got = (each.credential, each.resource, each.method, each.response_code, each.total_duration)
            counts = (each.request_count, each.response_count)
            if due is None:
                wrong[key] = "rejected by the gateway" if key in traffic.rejected else "never to be billed"
            elif counts != (1, 1):
                wrong[key] = f"request and response were recorded {counts} times"
            elif (*got, each.remote_host) != (
                due.credential, due.resource, due.method, due.status, due.duration, due.host,
            ):  # fmt: skip
                wrong[key] = f"billed {got}, due {due}"
        halves = set(revenium.incomplete())
        self._note(
            "lost",
            {key: "is in no queue; " + ("one half" if key in halves else "nothing") + " was recorded" for key in lost},
        )
        self._note("billed wrongly", wrong)
        self._note(
            "not hopeless, but a dead letter", {k: v for k, v in letters.items() if traffic.hopeless.get(k) != v}
        )
        self._note("hopeless, but no dead letter", {k: v for k, v in traffic.hopeless.items() if k not in letters})
        self._note("half recorded", dict.fromkeys(halves - traffic.hopeless.keys() - set(lost), ""))
        # A body that is cut off comes from a killed process; one that the function had cut would be a dead letter too.
        violations = [each for each in revenium.violations if not each.reason.startswith("the body is not JSON")]
        self._note("against the contract", {each.path: each.reason for each in violations})
        self._note("unbalanced", dict(enumerate(self._lambda.problems)))
        errors = (self._at.folder / "functions.log").read_text(errors="replace")
        if errors:
            self.problems.append("a function's process wrote to stderr:\n" + errors[-2000:])
        print("invocations:", dict(self._lambda.outcomes))
        print("redriven:", dict(self._redriven))
        print("faults:", dict(sorted(self._faults.struck.items())))
        return (
            f"events={traffic.events} billed={len(billed)} lost={len(lost)} duplicated={len(wrong)} "
            f"dead_lettered={len(letters)} requests={self._faults.requests}"
        )

    def _note(self, what: str, found: dict[Any, str]) -> None:
        if found:
            shown = [f"\n  {key} {why}" for key, why in list(found.items())[:_SHOWN]]
            self.problems.append(f"{what}: {len(found)}" + "".join(shown))
