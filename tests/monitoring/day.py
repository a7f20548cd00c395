"""A day of traffic under a clock of its own: our handlers as they are, and around them what AWS and Revenium do.

The functions' metrics are the lines that the handlers print. Those of AWS are made here, from what happened: calls for
`AWS/ApiGateway`, lines for `AWS/Logs`, invocations for `AWS/Lambda`, the queues' messages each minute for `AWS/SQS`.
Revenium, Secrets Manager and SQS are stand-ins behind the functions' own transport and SQS client.
"""

import contextlib
import heapq
import io
import itertools
import json
import os
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from unittest import mock

import authorizer.handler
import metering.handler
from chaos.traffic import subscription_event
from metering.queues import Queue
from monitoring.cloudwatch import Store, key
from revenium.http11 import Answer
from revenium.transport import NotSent, Transport, Unanswered
from unit.fakes import FakeLines

MIDNIGHT = 1_760_054_400.0
HOUR, DAY = 3600.0, 86_400.0
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:revenium-AbCdEf"
_LAMBDA_RETRIES = (60, 120)  # seconds until an event is tried again: about 1 and 2 minutes on AWS
_VISIBILITY, _RECEIVES = 360, 10
_BATCH_EVERY = 10.0  # seconds of lines that CloudWatch hands over at once
_CONTEXT = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000)
OK = Answer(200, {}, "{}")


class Killed(Exception):
    """Lambda ended the function from outside, before it said anything."""


@dataclass(frozen=True)
class Names:
    """What the resources are called, as planned."""

    metering: str
    authorizer: str
    log_group: str
    retry_queue: str
    dead_letter_queue: str
    stage: Mapping[str, str]  # the dimensions of API Gateway's metrics


@dataclass
class _Message:
    id: str
    body: str
    sent: float
    visible: float
    receives: int = 0


@dataclass
class World:
    """What works, and what does not, at the moment."""

    revenium: Callable[[str], Answer] = lambda _: OK  # raises NotSent or Unanswered; gets the URL
    secret: bool = True
    sqs: bool = True
    permission: bool = True  # of CloudWatch, to invoke the function
    authorizer_starts: bool = True
    throttled: bool = False
    killed: Callable[[], bool] = lambda: False
    entitlement: Callable[[str], Answer] = lambda _: OK
    consumes: bool = True  # whether anything receives from the retry queue
    hopeless: int = 0  # this many of the next calls write a line that nobody can read
    twice: bool = False  # whether CloudWatch hands each event over a second time, which it never rules out
    losing: int = 0  # this many of the next lines never reach the log group


@dataclass
class Tally:
    """What really happened, to compare the metrics with."""

    calls: int = 0
    rejected: int = 0
    billed: set[str] = field(default_factory=set)
    lost: int = 0
    filtered: int = 0
    twice: int = 0


class _Lines(FakeLines):
    """What metering has of its connections, with `send` at their other end."""

    def __init__(self, send: Callable[..., Answer], note: Callable[[int, float], None]) -> None:
        super().__init__(lambda url, headers, body: send("POST", url, headers, body, 10.0))
        self._note = note

    def poll(self, wait: float) -> list[tuple[Any, Answer | NotSent | Unanswered]]:
        ended = super().poll(wait)
        for _, answer in ended:
            self._note(answer.status if isinstance(answer, Answer) else 0, 0.02)
        return ended


class Simulation:
    """Runs until there is nothing left to do, or until a time."""

    def __init__(
        self, names: Names, seed: int = 1, statuses: tuple[str, ...] = (), environ: Mapping[str, str] | None = None
    ) -> None:
        self.names, self.store, self.world, self.tally = names, Store(), World(), Tally()
        self.now = MIDNIGHT
        self.retry: list[_Message] = []
        self.dead: list[_Message] = []
        self._statuses = statuses
        self._rng = random.Random(seed)
        self._order = itertools.count()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._lines: list[dict[str, Any]] = []
        self._halves: dict[str, set[str]] = {}
        self._environ = {
            "DEAD_LETTER_QUEUE_URL": "https://sqs.example/dead",
            "RETRY_QUEUE_URL": "https://sqs.example/retry",
            "REVENIUM_API_KEY_SECRET_ARN": SECRET,
            "REVENIUM_MAPPING": json.dumps({"statuses": list(statuses)} if statuses else {}),
            "REVENIUM_REQUESTS_PER_SECOND": "1000000",
            "LOG_LEVEL": "ERROR",
            **(environ or {}),
        }

    # ---- the script ----

    def at(self, hours: float, what: Callable[[], None]) -> None:
        """Have something happen so many hours after midnight."""
        self._schedule(MIDNIGHT + hours * HOUR, what)

    def set(self, begin: float, end: float, **changes: Any) -> None:
        """Have the world be another from hour to hour."""
        before = {name: getattr(World(), name) for name in changes}
        self.at(begin, lambda: self.world.__dict__.update(changes))
        self.at(end, lambda: self.world.__dict__.update(before))

    def traffic(self, begin: float, end: float, calls: int) -> None:
        """Calls spread over some hours by chance, more of them in the middle."""
        for _ in range(calls):
            self.at(begin + (end - begin) * (self._rng.random() + self._rng.random()) / 2, self._call)

    def redrive(self) -> None:
        """What the runbook says."""
        for message in self.dead:
            self._put(self.retry, message.body, 0)
        self.dead.clear()

    def run(self, hours: float) -> None:
        """Until so many hours after midnight; what is under way then stays so."""
        end = MIDNIGHT + hours * HOUR
        for minute in range(int((end - self.now) / 60)):
            self._schedule(self.now + minute * 60, self._tick)
        authorizer.handler._authorizer = None
        metering.handler._meter = None
        with contextlib.ExitStack() as stack:
            stack.enter_context(mock.patch("time.time", lambda: self.now))
            stack.enter_context(mock.patch.object(Transport, "send", _method(self._send)))
            stack.enter_context(mock.patch("metering.handler.Lines", lambda _, __, note: _Lines(self._send, note)))
            stack.enter_context(mock.patch.object(Queue, "_sqs", _method(lambda: self)))
            stack.enter_context(mock.patch("metering.delivery._backoff", lambda *_: 0.0))
            stack.enter_context(mock.patch.dict(os.environ, self._environ))
            stack.enter_context(mock.patch("time.sleep", lambda _: None))
            try:
                while self._due and self._due[0][0] < end:
                    self.now, _, what = heapq.heappop(self._due)
                    what()
            finally:
                metering.handler._meter = None
                authorizer.handler._authorizer = None
        self.now = end

    # ---- API Gateway and CloudWatch Logs ----

    def _call(self) -> None:
        self.tally.calls += 1
        self.store.add(key("AWS/ApiGateway", "Count", self.names.stage), self.now, 1)
        identifier = f"X{self.tally.calls:08d}="
        status, error_type = self._rng.choice(("200",) * 8 + ("404", "500")), "-"
        client = self._rng.choice(("acme", "acme", "globex", "nobody"))
        answer = self._authorize(client)
        if answer is None:
            status, error_type = "500", "AUTHORIZER_FAILURE"
        elif answer["context"]["decision"] == "deny":
            status, error_type = "403", "ACCESS_DENIED"
        self.tally.rejected += error_type != "-"
        line = {
            "extendedRequestId": identifier, "status": status, "errorType": error_type, "httpMethod": "GET",
            "resourcePath": "/products", "clientId": client, "requestTimeEpoch": str(int(self.now * 1000)),
        }  # fmt: skip
        text = json.dumps(line)
        if self.world.hopeless > 0 and error_type == "-":
            self.world.hopeless -= 1
            text = "END RequestId: " + identifier
        if self.world.losing > 0:
            self.world.losing -= 1
            self.tally.lost += 1
            return
        self._log({"id": f"e{self.tally.calls}", "timestamp": int(self.now * 1000), "message": text}, status)

    def _log(self, event: dict[str, Any], status: str) -> None:
        self.store.add(key("AWS/Logs", "IncomingLogEvents", {"LogGroupName": self.names.log_group}), self.now, 1)
        if self._statuses and not any(status.startswith(each.removesuffix("xx")) for each in self._statuses):
            self.tally.filtered += 1
            return
        self._lines.append(event)
        if len(self._lines) == 1:
            self._schedule(self.now + _BATCH_EVERY, self._hand_over)

    def _hand_over(self) -> None:
        lines, self._lines = self._lines, []
        if not self.world.permission:
            # AccessDenied is not tried again.
            self.tally.lost += len(lines)
            self._count_of_filter("DeliveryErrors", len(lines))
            return
        self._count_of_filter("ForwardedLogEvents", len(lines))
        self._invoke_event(subscription_event(lines), 0)
        if self.world.twice:
            self.tally.twice += len(lines)
            self._invoke_event(subscription_event(lines), 0)

    def _count_of_filter(self, name: str, number: int) -> None:
        dimensions = {
            "LogGroupName": self.names.log_group,
            "DestinationType": "Lambda",
            "FilterName": self.names.metering,
        }
        self.store.add(key("AWS/Logs", name, dimensions), self.now, number)

    # ---- Lambda ----

    def _authorize(self, client: str) -> dict[str, Any] | None:
        if not self.world.authorizer_starts:
            self._count_of_function(self.names.authorizer, "Throttles")
            return None
        event = {
            "type": "REQUEST", "methodArn": "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/live/GET/products",
            "headers": {"clientId": client}, "requestContext": {"requestId": "r"},
        }  # fmt: skip
        return self._invoke(self.names.authorizer, authorizer.handler.handler, event)

    def _invoke_event(self, event: dict[str, Any], attempt: int) -> None:
        """Asynchronously: twice again, then the failure destination. A throttled one waits, and is not a failure."""
        if self.world.throttled:
            self._count_of_function(self.names.metering, "Throttles")
            self._schedule(self.now + 60, lambda: self._invoke_event(event, attempt))
            return
        if self._invoke(self.names.metering, metering.handler.handler, event, self.world.killed()) is not None:
            return
        if attempt < len(_LAMBDA_RETRIES):
            self._schedule(self.now + _LAMBDA_RETRIES[attempt], lambda: self._invoke_event(event, attempt + 1))
        else:
            self._put(self.dead, json.dumps({"requestContext": {}, "requestPayload": event}), 0)

    def _invoke(
        self, name: str, handler: Callable[[Any, Any], dict[str, Any]], event: dict[str, Any], killed: bool = False
    ) -> dict[str, Any] | None:
        """The answer, or None where the function failed; what it printed goes to CloudWatch."""
        output = io.StringIO()
        answer = None
        try:
            with mock.patch.dict(os.environ, {"AWS_LAMBDA_FUNCTION_NAME": name}), contextlib.redirect_stdout(output):
                answer = handler(event, _CONTEXT)
                if killed:
                    raise Killed
        except Exception:  # noqa: BLE001 - Lambda catches everything too
            self._count_of_function(name, "Errors")
            return None
        for line in output.getvalue().splitlines():
            self.store.add_line(line)
        self._count_of_function(name, "Duration", 12.0)
        return answer

    def _count_of_function(self, function: str, name: str, value: float = 1) -> None:
        self.store.add(key("AWS/Lambda", name, {"FunctionName": function}), self.now, value)

    # ---- Revenium and Secrets Manager ----

    def _send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, timeout: float) -> Answer:
        if "secretsmanager" in url:
            return Answer(200, {}, '{"SecretString":"hak"}') if self.world.secret else Answer(400, {}, "{}")
        if method == "GET":
            answer = self.world.entitlement(url)
            return Answer(404, {}, "") if answer.status == 200 and url.endswith("nobody") else answer
        answer = self.world.revenium(url)
        if answer.status == 200:
            transaction, _, half = headers["Idempotency-Key"].partition(":")
            halves = self._halves.setdefault(transaction, set())
            halves.add(half)
            if len(halves) == 2:
                self.tally.billed.add(transaction)
        return answer

    # ---- SQS ----

    def send_message_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        """The part of boto3's SQS client that the function uses."""
        if not self.world.sqs:
            return {"Failed": [{"Id": each["Id"], "Code": "InternalError", "SenderFault": True} for each in Entries]}
        for each in Entries:
            self._put(self.dead if QueueUrl.endswith("dead") else self.retry, each["MessageBody"], each["DelaySeconds"])
        return {"Successful": [{"Id": each["Id"]} for each in Entries]}

    def _put(self, queue: list[_Message], body: str, delay: float) -> None:
        queue.append(_Message(f"m{next(self._order)}", body, self.now, self.now + delay))
        if queue is self.retry:
            self._schedule(self.now + delay, self._poll)

    def _poll(self) -> None:
        """The event source: up to 10 visible messages in one invocation."""
        batch = [each for each in self.retry if each.visible <= self.now][:10]
        if not batch:
            return
        if not self.world.consumes or self.world.throttled:
            self._schedule(self.now + 60, self._poll)
            return
        for message in batch:
            message.visible = self.now + _VISIBILITY
            message.receives += 1
        records = [{"eventSource": "aws:sqs", "messageId": each.id, "body": each.body} for each in batch]
        answer = self._invoke(self.names.metering, metering.handler.handler, {"Records": records})
        stays = {each.id for each in batch}
        if answer is not None:
            stays = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
        for message in batch:
            if message.id not in stays:
                self.retry.remove(message)
            elif message.receives >= _RECEIVES:
                self.retry.remove(message)
                self._put(self.dead, message.body, 0)
            else:
                self._schedule(message.visible, self._poll)

    def _tick(self) -> None:
        for name, queue in ((self.names.retry_queue, self.retry), (self.names.dead_letter_queue, self.dead)):
            waiting = [each for each in queue if each.visible <= self.now]
            for metric, value in {
                "ApproximateNumberOfMessagesVisible": len(waiting),
                "ApproximateNumberOfMessagesDelayed": len([each for each in queue if not each.receives]) - len(waiting),
                "ApproximateNumberOfMessagesNotVisible": len([each for each in queue if each.receives]),
                "ApproximateAgeOfOldestMessage": max((self.now - each.sent for each in queue), default=0),
            }.items():
                self.store.add(key("AWS/SQS", metric, {"QueueName": name}), self.now, value)

    def _schedule(self, when: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._due, (when, next(self._order), what))


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function in the place of a method: without `self`."""

    def method(_: object, *args: Any, **options: Any) -> Any:
        return function(*args, **options)

    return method


def minutes(begin: float, end: float) -> Iterator[float]:
    """The minutes from one hour after midnight to another."""
    return (MIDNIGHT + minute * 60 for minute in range(int(begin * 60), int(end * 60) + 1))


def answering(status: int, share: float = 1.0, seed: int = 1) -> Callable[[str], Answer]:
    """A Revenium that answers a share of the requests so, and no request where the status is 0."""
    dice = random.Random(seed)

    def answer(_: str) -> Answer:
        if dice.random() >= share:
            return OK
        if status == 0:
            raise dice.choice((NotSent("ConnectionRefusedError"), Unanswered("ConnectionResetError")))
        return Answer(status, {}, "")

    return answer
