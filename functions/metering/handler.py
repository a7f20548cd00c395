"""The metering function: access logs in, billed usage out, and nothing forgotten in between."""

import os
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from metering import access_log, events, mapping
from metering.delivery import Deliverer, Outcome, Verdict
from metering.events import QueuedMessage
from metering.exchanges import Exchanges
from metering.lines import Lines
from metering.mapping import Usage
from metering.queues import (
    LINE_LIMIT,
    MAX_DELAY,
    DeadLetters,
    LogEvent,
    Message,
    Parked,
    Queue,
    QueueRefused,
    retry_messages,
)
from metering.settings import Settings
from revenium import metrics
from revenium.api_key import ApiKey
from revenium.log import log
from revenium.transport import Transport

QUEUEING_RESERVE = 10.0  # seconds of every invocation that belong to SQS, not to Revenium
_FIRST_DELAY = 15


@dataclass
class Tally:
    """What became of the invocation's records: received = delivered + skipped + queued + dead_lettered."""

    received: int = 0
    delivered: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    queued: Counter[str] = field(default_factory=Counter)
    dead_lettered: Counter[str] = field(default_factory=Counter)
    lags: list[float] = field(default_factory=list)
    retried: int = 0  # of the received, those that were counted as queued before
    queued_for: float = 0.0  # seconds that the oldest record has been tried which is still queued

    def emit(self, exchanges: Exchanges) -> None:
        answers, latencies = exchanges.take()
        metrics.emit(
            {
                "Received": self.received,
                "Delivered": self.delivered,
                "Skipped": self.skipped.total(),
                "Queued": self.queued.total(),
                "DeadLettered": self.dead_lettered.total(),
                # By how much more waits than before. What is redriven was a dead letter, and did not wait.
                "QueueGrowth": self.queued.total() - self.retried,
                "KeyRefused": self.queued["key_refused"] + self.queued["key_unavailable"],
                **answers,
            },
            {
                "Lag": self.lags,
                # SQS's own age starts anew with each try, as what is tried again is sent as a new message.
                "QueuedFor": [self.queued_for * 1000] if self.queued.total() else [],
                "ReveniumLatency": latencies,
            },
            skipped_by_reason=self.skipped,
            queued_by_reason=self.queued,
            dead_lettered_by_reason=self.dead_lettered,
        )


class Meter:
    """Everything one execution environment keeps between invocations."""

    def __init__(
        self, settings: Settings, deliverer: Deliverer, retry: Queue, dead_letter: Queue, exchanges: Exchanges
    ) -> None:
        self.exchanges = exchanges
        self._settings = settings
        self._deliverer = deliverer
        self._retry = retry
        self._dead_letter = dead_letter

    def meter(self, log_events: Sequence[LogEvent], deadline: float, tally: Tally) -> None:
        """Log events straight from CloudWatch. Raises QueueRefused: then Lambda keeps the event and invokes again."""
        tally.received += len(log_events)
        dead = DeadLetters()
        outcomes = self._deliverer.deliver(self._read(log_events, dead, tally), deadline)
        self._settle([outcome for outcome in outcomes if not _delivered(outcome, tally)], Message(), dead, tally)

    def retry(self, messages: Sequence[QueuedMessage], deadline: float, tally: Tally) -> list[str]:
        """Messages of the retry queue; gives back the ids of those that have to stay in it."""
        work: list[tuple[QueuedMessage, Message, DeadLetters, list[Usage]]] = []
        stay = []
        for queued in messages:
            if queued.message is None:
                log("ERROR", "A message stays in the retry queue: it cannot be read", id=queued.id, error=queued.error)
                tally.received += 1
                tally.retried += 1
                tally.queued["unreadable_message"] += 1
                stay.append(queued.id)
                continue
            tally.received += queued.message.records
            tally.retried += queued.message.records if queued.message.since else 0
            dead = DeadLetters()
            usages = list(self._read(queued.message.events, dead, tally))
            if self._gave_up(queued.message):
                dead.usages += [(usage, gave_up(why)) for usage, why in queued.message.usages_with_reasons()]
            else:
                usages += queued.message.usages
            work.append((queued, queued.message, dead, usages))
        refused: QueueRefused | None = None
        everything = [(usage, number) for number, (*_, usages) in enumerate(work) for usage in usages]
        left: list[list[Outcome]] = [[] for _ in work]
        for outcome in self._deliverer.deliver((usage for usage, _ in everything), deadline, from_queue=True):
            if not _delivered(outcome, tally):
                left[everything[outcome.number][1]].append(outcome)
        for (queued, message, dead, _), mine in zip(work, left, strict=True):
            undelivered = dead.records + len(mine)
            before = (tally.queued.copy(), tally.dead_lettered.copy())
            try:
                if refused and undelivered:
                    raise refused
                self._settle(mine, message, dead, tally)
            except QueueRefused as error:
                refused = error  # asking again for each message would take the time that the answer needs
                log("ERROR", "A message stays in the retry queue: SQS refused what is left", id=queued.id, error=error)
                tally.queued, tally.dead_lettered = before
                tally.queued["sqs_refused"] += undelivered
                tally.retried += 0 if message.since else undelivered
                tally.queued_for = max(tally.queued_for, message.tried_for(time.time()))
                stay.append(queued.id)
        return stay

    def _gave_up(self, message: Message) -> bool:
        """Asked before a message is sent, not after: later, Revenium may have forgotten the idempotency key."""
        return message.tried_for(time.time()) > self._settings.retry_for

    def _read(self, log_events: Sequence[LogEvent], dead: DeadLetters, tally: Tally) -> Iterator[Usage]:
        """What is to be billed of the lines; each is read when its turn comes, and the others end here."""
        for event in log_events:
            try:
                record = access_log.parse(event.message)
                reason = mapping.skip_reason(record, self._settings.rules)
                if reason:
                    tally.skipped[reason] += 1
                else:
                    yield mapping.to_usage(record, event.id, self._settings.api, self._settings.rules)
            except access_log.MalformedLine as error:
                _park(event, error.reason, str(error), dead)
            except Exception as error:  # noqa: BLE001 - calls are under way: their event must not be begun anew
                log("ERROR", "A line could not be processed", error=repr(error))
                _park(event, "internal_error", type(error).__name__, dead)

    def _settle(self, outcomes: Sequence[Outcome], message: Message, dead: DeadLetters, tally: Tally) -> None:
        """Every record that is not delivered goes into a queue; the tally counts it once it is there."""
        now = time.time()
        left = []
        for outcome in outcomes:
            if outcome.verdict is Verdict.RETRY:
                left.append(outcome)
            elif outcome.verdict is Verdict.DEAD:
                dead.usages.append((outcome.usage, Parked(outcome.reason, outcome.detail)))
        waiting = [(outcome.usage, Parked(outcome.reason)) for outcome in left]
        self._retry.send(
            list(retry_messages(waiting, message.attempts + 1, message.since or now)),
            _delay(message.attempts, max((outcome.retry_after for outcome in left), default=0.0)),
        )
        reasons = Counter(outcome.reason for outcome in left)
        tally.queued.update(reasons)
        if reasons:
            tally.queued_for = max(tally.queued_for, message.tried_for(now))
            log("WARNING", "Records wait in the retry queue", reasons=reasons)
        self._dead_letter.send(list(dead.messages()))
        reasons = Counter(why.reason for _, why in [*dead.usages, *dead.events])
        tally.dead_lettered.update(reasons)
        if reasons:
            log("ERROR", "Records went to the dead-letter queue, each with what was said of it", reasons=reasons)


def _delivered(outcome: Outcome, tally: Tally) -> bool:
    """Counted before anything is settled: SQS's refusal takes nothing back from what Revenium has."""
    if outcome.verdict is not Verdict.DELIVERED:
        return False
    tally.delivered += 1
    if outcome.usage.time is not None:
        tally.lags.append(max(0.0, time.time() * 1000 - outcome.usage.time))
    return True


def _park(event: LogEvent, reason: str, detail: str, dead: DeadLetters) -> None:
    dead.events.append((LogEvent(event.id, event.message[:LINE_LIMIT]), Parked(reason, detail)))


def gave_up(why: Parked) -> Parked:
    """A record's reason once the queue has tried for long enough."""
    return Parked(f"gave_up_{why.reason}", why.detail)


def _delay(attempts: int, retry_after: float) -> int:
    """Seconds that a message waits in the queue: doubling from 15 s to SQS's 15 minutes, spread over its half."""
    bound = min(MAX_DELAY, _FIRST_DELAY * 2 ** min(attempts, 10))
    return int(min(MAX_DELAY, max(retry_after, random.uniform(bound / 2, bound))))


_meter: Meter | None = None


def _build() -> Meter:
    settings = Settings.from_environ(os.environ)
    # Without the key's: what Secrets Manager answers is not Revenium's.
    exchanges = Exchanges()
    transport = Transport(connections=1, ca_file=settings.ca_file)
    lines = Lines(settings.url, transport, exchanges.note)
    deliverer = Deliverer(settings, lines, ApiKey(os.environ, transport))
    return Meter(settings, deliverer, Queue(settings.retry_queue_url), Queue(settings.dead_letter_queue_url), exchanges)


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Lambda's entry point: a CloudWatch Logs subscription event or a batch from the retry queue.

    Answers an SQS batch with `batchItemFailures`. Raises UnknownEvent, SettingsError, or QueueRefused when records
    could be neither delivered nor queued: Lambda then retries the event and keeps it in its failure destination.
    """
    global _meter
    found = events.parse(event)
    _meter = _meter or _build()
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - QUEUEING_RESERVE
    tally = Tally()
    queued = [entry for entry in found if isinstance(entry, QueuedMessage)]
    if queued:
        stay = _meter.retry(queued, deadline, tally)
    else:
        stay = []
        _meter.meter([entry for entry in found if isinstance(entry, LogEvent)], deadline, tally)
    tally.emit(_meter.exchanges)
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in stay]}
