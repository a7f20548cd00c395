"""Delivers usage to Revenium: concurrently, within a deadline, and with an outcome for every single record."""

import math
import random
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import replace
from enum import Enum
from heapq import heappop, heappush
from itertools import count, islice
from typing import NamedTuple, TypeVar

from metering.lines import Lines
from metering.mapping import Call, Usage
from metering.pace import Pace
from metering.settings import Settings
from revenium.api_key import ApiKey
from revenium.breaker import Breaker
from revenium.http11 import Answer
from revenium.log import log
from revenium.secret import SecretUnavailable
from revenium.transport import NotSent, Unanswered

_ATTEMPTS = 3
_BACKOFF_BASE, _BACKOFF_CAP = 0.2, 2.0
_LONGEST_RETRY_AFTER = 5.0  # a longer wait is the queue's: here it would be paid for as Lambda time
_SHORTEST_CALL = 1.0
_IN_LINE = 32  # with 1,000 requests a second, as many milliseconds without the CPU cost no place in the line
_TOGETHER = 0.005  # seconds: those whose turn is so near go with the one whose turn it is, as waking up for each costs
_CHUNK = 64
_AT_FIRST = 8  # records, and one more for each request that is taken: what 500 instances at once learn by is 429s
_LONGEST_POLL = 60.0  # every exchange ends before
_QUEUES_SHARE = 0.9  # of the account's rate; what is left keeps fresh usage going while a backlog is sent
_DETAIL_LIMIT = 500
_FAILURES = 9  # of records or of batches
_OPEN_FIRST, _OPEN_LONGEST = 5.0, 60.0


class Verdict(Enum):
    """What becomes of a record."""

    DELIVERED = "delivered"
    RETRY = "retry"
    DEAD = "dead"


class Outcome(NamedTuple):
    """`usage` holds the calls that are still to be sent, or of a delivered one those that were; `reason` is one word;
    `detail` is the server's text.

    `retry_after` in seconds, where the server named a time; `number` is the usage's place in what was to be delivered.
    """

    verdict: Verdict
    usage: Usage
    reason: str = ""
    detail: str = ""
    retry_after: float = 0.0
    number: int = 0


class _Failure(NamedTuple):
    verdict: Verdict
    reason: str
    detail: str = ""
    retry_after: float = 0.0


class Deliverer:
    """Sends usage with one API key over shared connections, in one thread."""

    def __init__(self, settings: Settings, lines: Lines, api_key: ApiKey) -> None:
        self._settings = settings
        self._lines = lines
        self._api_key = api_key
        self._breaker = Breaker(_FAILURES, _OPEN_FIRST, _OPEN_LONGEST)
        self._log_pace = Pace(settings.requests_per_second)
        self._queue_pace = Pace(settings.requests_per_second * _QUEUES_SHARE / settings.retry_concurrency)
        self._at_once = min(_AT_FIRST, settings.connections)

    def deliver(self, usages: Iterable[Usage], deadline: float, from_queue: bool = False) -> Iterator[Outcome]:
        """One outcome per usage, as they come about, the last at `deadline` (time.monotonic).

        `usages` is asked for the next few when there is room for one, so that a large event is read while its first
        lines are under way. Straight from the log, any number of instances may be at work: the first 429 sends the rest
        of the batch to the queue. `from_queue`, at most `retry_concurrency` are: they share the account's rate, and
        slow down.
        """
        numbered = _in_chunks(enumerate(usages))
        self._lines.poll(0.0)  # lets go of connections that the server closed since the last batch
        if self._breaker.wants_probe():
            yield from self._deliver_all(islice(numbered, 1), deadline, from_queue)
        if not self._breaker.is_open():
            yield from self._deliver_all(numbered, deadline, from_queue)
        for number, usage in numbered:
            yield Outcome(Verdict.RETRY, usage, self._breaker.reason, number=number)

    def _deliver_all(
        self, numbered: Iterator[tuple[int, Usage]], deadline: float, from_queue: bool
    ) -> Iterator[Outcome]:
        """Keeps as many records under way as there are connections, and no more of them in line for their turn than
        makes up for a moment without the CPU: an instance has the connections open that its rate needs."""
        batch = _Batch(deadline, from_queue, self._breaker, self._queue_pace if from_queue else self._log_pace)
        line = batch.line
        while True:
            while len(line) < _IN_LINE and batch.under_way < self._at_once and not batch.stopped:
                following = next(numbered, None)
                if following is None:
                    break
                batch.under_way += 1
                number, usage = following
                if outcome := self._go_on((number, usage, self._deliver(number, usage, batch)), None, batch):
                    yield outcome
            # Nobody waits for a turn that will not come.
            until = math.inf if batch.stopped else time.monotonic()
            if line and line[0][0] <= until:
                until += _TOGETHER
            while line and line[0][0] <= until:
                _, _, task = heappop(line)
                if outcome := self._go_on(task, None, batch):
                    yield outcome
            if not batch.under_way:
                break
            for task, result in self._lines.poll(line[0][0] - time.monotonic() if line else _LONGEST_POLL):
                if outcome := self._go_on(task, result, batch):
                    yield outcome
        if batch.stopped:
            for number, usage in numbered:
                yield self._not_begun(number, usage, batch)

    def _go_on(self, task: "_Task", result: "_Result", batch: "_Batch") -> Outcome | None:
        """Runs a record's delivery until it has to wait, for its turn or an answer; gives the outcome at its end."""
        number, usage, steps = task
        try:
            wanted = steps.send(result)
            if isinstance(wanted, float):
                heappush(batch.line, (time.monotonic() + wanted, next(batch.order), task))
            else:
                self._lines.begin(task, *wanted)
            return None
        except StopIteration as end:
            outcome: Outcome = end.value
        except Exception as error:  # noqa: BLE001 - a fault of ours in one record must not take the others along
            log("ERROR", "A record could not be processed", error=repr(error))
            outcome = Outcome(Verdict.RETRY, usage, "internal_error", number=number)
        batch.under_way -= 1
        return outcome

    def _not_begun(self, number: int, usage: Usage, batch: "_Batch") -> Outcome:
        if usage.api != self._settings.api:
            return _api_changed(number, usage)
        return Outcome(Verdict.RETRY, usage, batch.stopped, number=number)

    def _deliver(self, number: int, usage: Usage, batch: "_Batch") -> "_Steps[Outcome]":
        if usage.api != self._settings.api:
            return _api_changed(number, usage)
        for done, call in enumerate(usage.calls):
            failure = yield from self._send(call, usage, batch)
            if failure:
                batch.failed(failure)
                return Outcome(
                    failure.verdict,
                    replace(usage, calls=usage.calls[done:]),
                    failure.reason,
                    failure.detail,
                    failure.retry_after,
                    number,
                )
        batch.succeeded()
        return Outcome(Verdict.DELIVERED, usage, number=number)

    def _send(self, call: Call, usage: Usage, batch: "_Batch") -> "_Steps[_Failure | None]":
        """One call, tried again within the invocation where that may help; None when Revenium has it."""
        failure = None
        key_was_refused = False
        attempt = 0
        while attempt < _ATTEMPTS:
            backoff = _backoff(attempt, failure.retry_after) if attempt and failure else 0.0
            within = batch.deadline - time.monotonic() - _SHORTEST_CALL
            turn = batch.pace.turn(within)
            if turn is None or max(backoff, turn) > within:
                return failure or _Failure(Verdict.RETRY, batch.stopped or "deadline")
            if backoff or turn:
                yield max(backoff, turn)
            if batch.stopped:
                return failure or _Failure(Verdict.RETRY, batch.stopped)
            try:
                key = self._api_key.value()
            except SecretUnavailable as error:
                if batch.stop("key_unavailable"):
                    log("ERROR", "Usage is queued: there is no API key", error=error)
                return failure or _Failure(Verdict.RETRY, "key_unavailable")
            # Asked after the key, for which all may have waited.
            remaining = batch.deadline - time.monotonic()
            if batch.stopped or remaining < _SHORTEST_CALL:
                return failure or _Failure(Verdict.RETRY, batch.stopped or "deadline")
            headers = {"x-api-key": key, "Content-Type": "application/json"}
            if call.idempotency_key:
                headers["Idempotency-Key"] = call.idempotency_key
            timeout = min(remaining, self._settings.request_timeout)
            failure = self._judged((yield call.path, headers, call.body.encode(), timeout), usage.api)
            if failure is None:
                batch.pace.taken()
                self._at_once = min(self._at_once + 1, self._settings.connections)
                return None
            if failure.verdict is Verdict.DEAD:
                return failure
            if failure.reason == "http_429":
                batch.pace.pushed_back(min(failure.retry_after, _LONGEST_RETRY_AFTER))
            if failure.reason == "key_refused":
                if key_was_refused or not self._api_key.refused(key):
                    return failure
                key_was_refused = True
                failure = None
            elif failure.reason == "http_429" and not batch.from_queue:
                batch.stop("rate_limited")
                self._at_once = min(_AT_FIRST, self._settings.connections)
                return failure
            elif failure.retry_after > _LONGEST_RETRY_AFTER:
                return failure
            elif failure.reason != "http_429":  # after a 429 the pace makes it wait: that is no failed attempt
                attempt += 1
        return failure

    def _judged(self, result: "_Result", api: str) -> _Failure | None:
        """What an exchange's end means for the record; None is success."""
        if isinstance(result, Answer) and 200 <= result.status <= 299:
            return None
        if isinstance(result, NotSent):
            return _Failure(Verdict.RETRY, "unreachable", str(result))
        if isinstance(result, Unanswered):
            return self._unanswered(api, str(result))
        assert result is not None
        if may_have_counted(api, result.status):
            return self._unanswered(api, f"HTTP {result.status}")
        return classify(result)

    def _unanswered(self, api: str, detail: str) -> _Failure:
        # v1 has no idempotency key: a call that may have arrived is set aside by default, not billed twice.
        again = api == "v2" or self._settings.v1_unanswered == "resend"
        return _Failure(Verdict.RETRY if again else Verdict.DEAD, "unanswered", detail)


_Result = Answer | NotSent | Unanswered | None
_T = TypeVar("_T")
# A step is seconds to wait, or what Lines.begin sends; with what became of that it goes on.
_Steps = Generator[float | tuple[str, Mapping[str, str], bytes, float], _Result, _T]
_Task = tuple[int, Usage, _Steps[Outcome]]  # a record under way, with its number


def _in_chunks(items: Iterator[_T]) -> Iterator[_T]:
    """A line that is read between two requests finds the CPU's caches full of them, and takes half as long again."""
    while chunk := list(islice(items, _CHUNK)):
        yield from chunk


class _Batch:
    """What the records of one deliver() share: the deadline, the pace, and whether to stop before it."""

    def __init__(self, deadline: float, from_queue: bool, breaker: Breaker, pace: Pace) -> None:
        self.deadline = deadline
        self.from_queue = from_queue
        self.pace = pace
        self.stopped = ""
        self.under_way = 0
        self.line: list[tuple[float, int, _Task]] = []  # who waits, as a heap by the time until when
        self.order = count()
        self._breaker = breaker

    def stop(self, reason: str) -> bool:
        """End the work for the first reason given; says whether this is it."""
        first = not self.stopped
        self.stopped = self.stopped or reason
        return first

    def succeeded(self) -> None:
        self._breaker.succeeded()

    def failed(self, failure: _Failure) -> None:
        """A record that Revenium refused for good was answered, one that was not sent says nothing of Revenium."""
        answered = failure.verdict is not Verdict.RETRY or failure.reason in ("http_429", "deadline", self.stopped)
        if not answered and self._breaker.failed(failure.reason):
            self.stop(self._breaker.reason)


def classify(answer: Answer) -> _Failure | None:
    """What an answer means for the record; None is success.

    By Revenium's rules: `x-should-retry` decides where it is sent; 401 and 403 are the key's fault; 408, 429, 5xx
    and a 409 with `Retry-After` pass; every other answer, a redirect too, will be the same next time.
    """
    status = answer.status
    if 200 <= status <= 299:
        return None
    should_retry = answer.headers.get("x-should-retry", "").lower()
    detail = f"HTTP {status} {answer.body}".strip()[:_DETAIL_LIMIT]
    retry_after = _seconds(answer.headers.get("retry-after"))
    if status in (401, 403):
        return _Failure(Verdict.RETRY, "key_refused", detail, retry_after)
    passing = status in (408, 429) or status >= 500 or (status == 409 and "retry-after" in answer.headers)
    if should_retry == "true" or (passing and should_retry != "false"):
        return _Failure(Verdict.RETRY, f"http_{status}", detail, retry_after)
    return _Failure(Verdict.DEAD, f"http_{status}", detail)


def may_have_counted(api: str, status: int) -> bool:
    """Whether v1 may have counted the call all the same: a timeout or a fault that some proxy reports for it.

    429, 503, 401 and 403 say that the call was refused; v2 tells a repeated call by its idempotency key.
    """
    return api == "v1" and (status == 408 or (status >= 500 and status != 503))


def _api_changed(number: int, usage: Usage) -> Outcome:
    detail = f"Queued for {usage.api}; set that API and redrive."
    return Outcome(Verdict.DEAD, usage, "api_changed", detail, number=number)


def _backoff(attempt: int, retry_after: float, jitter: Callable[[float, float], float] = random.uniform) -> float:
    """Seconds before attempt number `attempt`: full jitter over a doubling bound, on top of `Retry-After`."""
    return retry_after + jitter(0, min(_BACKOFF_CAP, _BACKOFF_BASE * 2**attempt))


def _seconds(retry_after: str | None) -> float:
    return float(retry_after) if retry_after and retry_after.isdecimal() else 0.0
