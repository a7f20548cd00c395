"""Delivers usage to Revenium: concurrently, within a deadline, and with an outcome for every single record."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from enum import Enum

from metering.mapping import Call, Usage
from metering.pace import Pace
from metering.settings import Settings
from revenium.api_key import ApiKey
from revenium.breaker import Breaker
from revenium.log import log
from revenium.secret import SecretUnavailable
from revenium.transport import Answer, NotSent, Transport, Unanswered

_ATTEMPTS = 3
_BACKOFF_BASE, _BACKOFF_CAP = 0.2, 2.0
_LONGEST_RETRY_AFTER = 5.0  # a longer wait is the queue's: here it would be paid for as Lambda time
_SHORTEST_CALL = 1.0
_GRACE = 1.0
_QUEUES_SHARE = 0.9  # of the account's rate; what is left keeps fresh usage going while a backlog is sent
_DETAIL_LIMIT = 500
_FAILURES = 9  # of records or of batches
_OPEN_FIRST, _OPEN_LONGEST = 5.0, 60.0


class Verdict(Enum):
    """What becomes of a record."""

    DELIVERED = "delivered"
    RETRY = "retry"
    DEAD = "dead"


@dataclass(frozen=True)
class Outcome:
    """`usage` holds the calls that are still to be sent; `reason` is one word; `detail` is the server's text.

    `retry_after` in seconds, where the server named a time.
    """

    verdict: Verdict
    usage: Usage
    reason: str = ""
    detail: str = ""
    retry_after: float = 0.0


@dataclass(frozen=True)
class _Failure:
    verdict: Verdict
    reason: str
    detail: str = ""
    retry_after: float = 0.0


class Deliverer:
    """Sends usage with one API key over shared connections."""

    def __init__(self, settings: Settings, transport: Transport, api_key: ApiKey) -> None:
        self._settings = settings
        self._transport = transport
        self._api_key = api_key
        self._breaker = Breaker(_FAILURES, _OPEN_FIRST, _OPEN_LONGEST)
        self._log_pace = Pace(settings.requests_per_second)
        self._queue_pace = Pace(settings.requests_per_second * _QUEUES_SHARE / settings.retry_concurrency)

    def deliver(self, usages: Sequence[Usage], deadline: float, from_queue: bool = False) -> list[Outcome]:
        """One outcome per usage, in the same order, a second after `deadline` (time.monotonic) at the latest.

        Straight from the log, any number of instances may be at work: the first 429 sends the rest of the batch to
        the queue. `from_queue`, at most `retry_concurrency` are: they share the account's rate, and slow down.
        """
        probe: list[Outcome] = []
        if usages and self._breaker.wants_probe():
            probe = self._deliver_all(usages[:1], deadline, from_queue)
            usages = usages[1:]
        if self._breaker.is_open():
            return probe + [Outcome(Verdict.RETRY, usage, self._breaker.reason) for usage in usages]
        return probe + self._deliver_all(usages, deadline, from_queue)

    def _deliver_all(self, usages: Sequence[Usage], deadline: float, from_queue: bool) -> list[Outcome]:
        batch = _Batch(deadline, from_queue, self._breaker)
        pace = self._queue_pace if from_queue else self._log_pace
        executor = ThreadPoolExecutor(max_workers=self._settings.connections)
        futures = [executor.submit(self._deliver, usage, batch, pace) for usage in usages]
        wait(futures, timeout=max(0.0, deadline - time.monotonic()))
        batch.stop("deadline")
        # Calls end with the deadline: those just ending now get the time to say how they ended.
        wait(futures, timeout=_GRACE)
        executor.shutdown(wait=False, cancel_futures=True)
        return [self._outcome(usage, future, batch) for usage, future in zip(usages, futures, strict=True)]

    def _outcome(self, usage: Usage, future: "Future[Outcome]", batch: "_Batch") -> Outcome:
        if not future.done() or future.cancelled():
            return self._abandoned(usage, batch)
        if error := future.exception():
            # A fault of ours in one record must not take the others' outcomes along.
            log("ERROR", "A record could not be processed", error=repr(error))
            return Outcome(Verdict.RETRY, usage, "internal_error")
        return future.result()

    def _abandoned(self, usage: Usage, batch: "_Batch") -> Outcome:
        """The deadline came while a call was under way, or before its turn."""
        if usage.transaction_id in batch.started:
            return _outcome(usage, self._unanswered(usage.api, "deadline"))
        return Outcome(Verdict.RETRY, usage, "deadline")

    def _deliver(self, usage: Usage, batch: "_Batch", pace: Pace) -> Outcome:
        if usage.api != self._settings.api:
            return Outcome(Verdict.DEAD, usage, "api_changed", f"Queued for {usage.api}; set that API and redrive.")
        if batch.stopped:
            return Outcome(Verdict.RETRY, usage, batch.stopped)
        batch.started.add(usage.transaction_id)
        for done, call in enumerate(usage.calls):
            failure = self._send(call, usage, batch, pace)
            if failure:
                batch.failed(failure)
                return _outcome(replace(usage, calls=usage.calls[done:]), failure)
        batch.succeeded()
        return Outcome(Verdict.DELIVERED, replace(usage, calls=()))

    def _send(self, call: Call, usage: Usage, batch: "_Batch", pace: Pace) -> _Failure | None:
        """One call, tried again within the invocation where that may help; None when Revenium has it."""
        failure = None
        key_was_refused = False
        attempt = 0
        while attempt < _ATTEMPTS:
            backoff = _backoff(attempt, failure.retry_after) if attempt and failure else 0.0
            turn = pace.turn(batch.deadline - time.monotonic() - _SHORTEST_CALL)
            if turn is None or not batch.pause(max(backoff, turn)):
                return failure or _Failure(Verdict.RETRY, batch.stopped or "deadline")
            try:
                key = self._api_key.value()
            except SecretUnavailable as error:
                if batch.stop("key_unavailable"):
                    log("ERROR", "Usage is queued: there is no API key", error=error)
                return failure or _Failure(Verdict.RETRY, "key_unavailable")
            # Asked after the key, for which a worker may have waited: what is sent late has had its outcome already.
            remaining = batch.deadline - time.monotonic()
            if batch.stopped or remaining < _SHORTEST_CALL:
                return failure or _Failure(Verdict.RETRY, batch.stopped or "deadline")
            failure = self._exchange(call, usage, key, min(remaining, self._settings.request_timeout))
            if failure is None:
                pace.taken()
                return None
            if failure.verdict is Verdict.DEAD:
                return failure
            if failure.reason == "http_429":
                pace.pushed_back(min(failure.retry_after, _LONGEST_RETRY_AFTER))
            if failure.reason == "key_refused":
                if key_was_refused or not self._api_key.refused(key):
                    return failure
                key_was_refused = True
                failure = None
            elif failure.reason == "http_429" and not batch.from_queue:
                batch.stop("rate_limited")
                return failure
            elif failure.retry_after > _LONGEST_RETRY_AFTER:
                return failure
            elif failure.reason != "http_429":  # after a 429 the pace makes it wait: that is no failed attempt
                attempt += 1
        return failure

    def _exchange(self, call: Call, usage: Usage, key: str, timeout: float) -> _Failure | None:
        headers = {"x-api-key": key, "Content-Type": "application/json"}
        if call.idempotency_key:
            headers["Idempotency-Key"] = call.idempotency_key
        try:
            answer = self._transport.send("POST", self._settings.url + call.path, headers, call.body.encode(), timeout)
        except NotSent as error:
            return _Failure(Verdict.RETRY, "unreachable", str(error))
        except Unanswered as error:
            return self._unanswered(usage.api, str(error))
        if may_have_counted(usage.api, answer.status):
            return self._unanswered(usage.api, f"HTTP {answer.status}")
        return classify(answer)

    def _unanswered(self, api: str, detail: str) -> _Failure:
        # v1 has no idempotency key: a call that may have arrived is set aside by default, not billed twice.
        again = api == "v2" or self._settings.v1_unanswered == "resend"
        return _Failure(Verdict.RETRY if again else Verdict.DEAD, "unanswered", detail)


class _Batch:
    """What the workers of one deliver() share: the deadline, and whether to stop before it."""

    def __init__(self, deadline: float, from_queue: bool, breaker: Breaker) -> None:
        self.deadline = deadline
        self.from_queue = from_queue
        self.stopped = ""
        self.started: set[str] = set()
        self._breaker = breaker
        self._wake = threading.Event()

    def stop(self, reason: str) -> bool:
        """End the work for the first reason given; says whether this is it."""
        first = not self.stopped
        self.stopped = self.stopped or reason
        self._wake.set()
        return first

    def succeeded(self) -> None:
        self._breaker.succeeded()

    def failed(self, failure: _Failure) -> None:
        """A record that Revenium refused for good was answered, one that was not sent says nothing of Revenium."""
        answered = failure.verdict is not Verdict.RETRY or failure.reason in ("http_429", "deadline", self.stopped)
        if not answered and self._breaker.failed(failure.reason):
            self.stop(self._breaker.reason)

    def pause(self, seconds: float) -> bool:
        """Wait before an attempt; False where the batch stops first or the deadline would pass."""
        if time.monotonic() + seconds + _SHORTEST_CALL > self.deadline:
            return False
        return not self._wake.wait(seconds)


def classify(answer: Answer) -> _Failure | None:
    """What an answer means for the record; None is success.

    By Revenium's rules: `x-should-retry` decides where it is sent; 401 and 403 are the key's fault; 408, 429, 5xx
    and a 409 with `Retry-After` pass; every other answer, a redirect too, will be the same next time.
    """
    status, should_retry = answer.status, answer.headers.get("x-should-retry", "").lower()
    if 200 <= status <= 299:
        return None
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


def _outcome(usage: Usage, failure: _Failure) -> Outcome:
    return Outcome(failure.verdict, usage, failure.reason, failure.detail, failure.retry_after)


def _backoff(attempt: int, retry_after: float, jitter: Callable[[float, float], float] = random.uniform) -> float:
    """Seconds before attempt number `attempt`: full jitter over a doubling bound, never before `Retry-After`."""
    return retry_after + jitter(0, min(_BACKOFF_CAP, _BACKOFF_BASE * 2**attempt))


def _seconds(retry_after: str | None) -> float:
    return float(retry_after) if retry_after and retry_after.isdecimal() else 0.0
