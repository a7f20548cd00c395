"""Delivers usage to Revenium: concurrently, within a deadline, and with an outcome for every single record."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from enum import Enum

from metering.mapping import Call, Usage
from metering.settings import Settings
from revenium.api_key import ApiKey, KeyUnavailable
from revenium.log import log
from revenium.transport import Answer, NotSent, Transport, Unanswered

_ATTEMPTS = 3
_BACKOFF_BASE, _BACKOFF_CAP = 0.2, 2.0
_LONGEST_RETRY_AFTER = 5.0  # a longer wait is the queue's: here it would be paid for as Lambda time
_SHORTEST_CALL = 1.0
_GRACE = 1.0
_FAILURES_TO_STOP = 9  # or three refusals of the key: repeated ones make Revenium limit the account
_DETAIL_LIMIT = 500


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

    def deliver(self, usages: Sequence[Usage], deadline: float) -> list[Outcome]:
        """One outcome per usage, in the same order, a second after `deadline` (time.monotonic) at the latest."""
        batch = _Batch(deadline)
        executor = ThreadPoolExecutor(max_workers=self._settings.connections)
        futures = [executor.submit(self._deliver, usage, batch) for usage in usages]
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

    def _deliver(self, usage: Usage, batch: "_Batch") -> Outcome:
        if usage.api != self._settings.api:
            return Outcome(Verdict.DEAD, usage, "api_changed", f"Queued for {usage.api}; set that API and redrive.")
        if batch.stopped:
            return Outcome(Verdict.RETRY, usage, batch.stopped)
        batch.started.add(usage.transaction_id)
        for done, call in enumerate(usage.calls):
            failure = self._send(call, usage, batch)
            if failure:
                batch.failed(failure)
                return _outcome(replace(usage, calls=usage.calls[done:]), failure)
        batch.succeeded()
        return Outcome(Verdict.DELIVERED, replace(usage, calls=()))

    def _send(self, call: Call, usage: Usage, batch: "_Batch") -> _Failure | None:
        """One call, tried again within the invocation where that may help; None when Revenium has it."""
        failure = None
        key_was_refused = False
        attempt = 0
        while attempt < _ATTEMPTS:
            if attempt and failure and not batch.pause(_backoff(attempt, failure.retry_after)):
                return failure
            try:
                key = self._api_key.value()
            except KeyUnavailable as error:
                if batch.stop("key_unavailable"):
                    log("ERROR", "Usage is queued: there is no API key", error=error)
                return failure or _Failure(Verdict.RETRY, "key_unavailable")
            # Asked after the key, for which a worker may have waited: what is sent late has had its outcome already.
            remaining = batch.deadline - time.monotonic()
            if batch.stopped or remaining < _SHORTEST_CALL:
                return failure or _Failure(Verdict.RETRY, batch.stopped or "deadline")
            failure = self._exchange(call, usage, key, min(remaining, self._settings.request_timeout))
            if failure is None or failure.verdict is Verdict.DEAD:
                return failure
            if failure.reason == "key_refused":
                if key_was_refused or not self._api_key.refused(key):
                    return failure
                key_was_refused = True
                failure = None
            elif failure.retry_after > _LONGEST_RETRY_AFTER:
                return failure
            else:
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
        # v1 has no idempotency key: a call that may have arrived is set aside rather than billed twice.
        return _Failure(Verdict.RETRY if api == "v2" else Verdict.DEAD, "unanswered", detail)


class _Batch:
    """What the workers of one deliver() share: the deadline, and whether to stop before it.

    After a run of failures without a success between them Revenium is taken to be down, or the key to be refused:
    what is left goes to the queue at once, since each further try would be paid for in Lambda time and would slow
    Revenium's return. A single refusal says nothing of the others: it may be one record that a firewall dislikes.
    """

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.stopped = ""
        self.started: set[str] = set()
        self._failures = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()

    def stop(self, reason: str) -> bool:
        """End the work for the first reason given; says whether this is it."""
        first = not self.stopped
        self.stopped = self.stopped or reason
        self._wake.set()
        return first

    def succeeded(self) -> None:
        with self._lock:
            self._failures = 0

    def failed(self, failure: _Failure) -> None:
        if failure.verdict is not Verdict.RETRY:
            return
        with self._lock:
            refused = failure.reason == "key_refused"
            self._failures += _FAILURES_TO_STOP // 3 if refused else 1
            if self._failures >= _FAILURES_TO_STOP:
                self.stop("key_refused" if refused else "revenium_down")

    def pause(self, seconds: float) -> bool:
        """Wait before another attempt; False where the batch stops first or the deadline would pass."""
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
