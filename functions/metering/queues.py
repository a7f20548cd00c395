"""The messages in the retry queue and the dead-letter queue.

One format for both, so that SQS's own redrive from the one into the other is all it takes to try again.
"""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from metering.mapping import Call, Usage

FORMAT = "revenium-metering/1"
MAX_DELAY = 900  # SQS's bound, seconds
_MESSAGE_BYTES = 60_000  # SQS bills a message in steps of 64 KB
_BATCH_BYTES, _BATCH_MESSAGES = 250_000, 10  # SQS takes 262,144 bytes and 10 messages at once
LINE_LIMIT = 20_000  # characters of a parked line; escaped they still fit into a message
_ATTEMPTS = 3

T = TypeVar("T")


class QueueRefused(Exception):
    """SQS did not take what it was given; nothing may be forgotten that was to be in it."""


@dataclass(slots=True)
class LogEvent:
    """A CloudWatch log event: its id (stable over redelivery) and the line."""

    id: str
    message: str


@dataclass(frozen=True)
class Parked:
    """Why a record is not delivered: one word, and for a dead letter what the server or the parser said."""

    reason: str
    detail: str = ""


@dataclass(frozen=True)
class Message:
    """What one SQS message holds: usage still to be sent, log events still to be read, why they are here.

    `attempts` counts how often the queue has tried; `since` (s since the epoch) is when that began, 0 in a dead
    letter: a redrive starts anew.
    """

    usages: tuple[Usage, ...] = ()
    events: tuple[LogEvent, ...] = ()
    parked: tuple[Parked, ...] = ()
    attempts: int = 0
    since: float = 0.0

    @property
    def records(self) -> int:
        return len(self.usages) + len(self.events)

    def tried_for(self, now: float) -> float:
        """Seconds since the queue began to try; 0 where it has not yet."""
        return max(0.0, now - self.since) if self.since else 0.0

    def usages_with_reasons(self) -> list[tuple[Usage, Parked]]:
        unknown = [Parked("unknown")] * len(self.usages)
        return list(zip(self.usages, [*self.parked, *unknown], strict=False))


def encode(message: Message) -> str:
    return json.dumps({"format": FORMAT, **asdict(message)}, separators=(",", ":"))


def decode(body: dict[str, Any]) -> Message:
    """Raises ValueError, TypeError, OverflowError or KeyError for what encode() cannot have written."""
    return Message(
        usages=tuple(_usage(**usage) for usage in body["usages"]),
        events=tuple(LogEvent(_text(event["id"]), _text(event["message"])) for event in body["events"]),
        parked=tuple(Parked(_text(parked["reason"]), _text(parked["detail"])) for parked in body["parked"]),
        attempts=int(_number(body["attempts"])),
        since=_number(body["since"]),
    )


def _usage(api: Any, transaction_id: Any, calls: Any, time: Any) -> Usage:
    if not calls:
        raise ValueError("usage without a call to send")
    return Usage(
        api=_text(api),
        transaction_id=_text(transaction_id),
        calls=tuple(Call(*(_text(call[name]) for name in ("path", "idempotency_key", "body"))) for call in calls),
        time=None if time is None else _number(time),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a text has another type")
    return value


def _number(value: Any) -> float:
    if not isinstance(value, int | float) or not 0 <= float(value) < 1e15:
        raise ValueError("a number is none, or out of all bounds")
    return float(value)


@dataclass
class DeadLetters:
    """Collects what can never succeed, each with its reason."""

    usages: list[tuple[Usage, Parked]] = field(default_factory=list)
    events: list[tuple[LogEvent, Parked]] = field(default_factory=list)

    @property
    def records(self) -> int:
        return len(self.usages) + len(self.events)

    def messages(self) -> Iterator[Message]:
        for chunk in _chunks(self.usages):
            yield Message(usages=tuple(usage for usage, _ in chunk), parked=tuple(why for _, why in chunk))
        for lines in _chunks(self.events):
            yield Message(events=tuple(event for event, _ in lines), parked=tuple(why for _, why in lines))


def retry_messages(waiting: Sequence[tuple[Usage, Parked]], attempts: int, since: float) -> Iterator[Message]:
    for chunk in _chunks(waiting):
        usages, parked = tuple(usage for usage, _ in chunk), tuple(why for _, why in chunk)
        yield Message(usages=usages, parked=parked, attempts=attempts, since=since)


def _chunks(items: Sequence[T]) -> Iterator[list[T]]:
    """Cut so that a message stays below _MESSAGE_BYTES; an item larger than that has a message of its own."""
    chunk: list[T] = []
    size = 0
    for item in items:
        length = _size(item)
        if chunk and size + length > _MESSAGE_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append(item)
        size += length
    if chunk:
        yield chunk


def _size(item: Any) -> int:
    parts = item if isinstance(item, tuple) else (item,)
    return sum(len(json.dumps(asdict(part), separators=(",", ":"))) + 1 for part in parts)


class Queue:
    """One SQS queue; the client is built when it is first needed, which for most invocations is never."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: Any = None

    def send(self, messages: Sequence[Message], delay: int = 0) -> None:
        """Put every message into the queue, or raise QueueRefused. `delay` in seconds."""
        entries = [
            {"Id": str(number), "MessageBody": encode(message), "DelaySeconds": delay}
            for number, message in enumerate(messages)
        ]
        for batch in _batches(entries):
            self._send_batch(batch)

    def _send_batch(self, entries: list[dict[str, Any]]) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        for attempt in range(_ATTEMPTS):
            try:
                answer = self._sqs().send_message_batch(QueueUrl=self._url, Entries=entries)
            except (BotoCoreError, ClientError) as error:
                raise QueueRefused(f"SQS did not take the messages for {self._url}: {error}") from error
            failed = {failure["Id"]: failure for failure in answer.get("Failed", [])}
            entries = [entry for entry in entries if entry["Id"] in failed]
            if not entries:
                return
            if any(failure.get("SenderFault") for failure in failed.values()):
                break
            time.sleep(0.1 * 2**attempt)
        codes = sorted({str(failure.get("Code")) for failure in failed.values()})
        raise QueueRefused(f"SQS refused {len(entries)} messages for {self._url}: {', '.join(codes)}.")

    def _sqs(self) -> Any:
        if self._client is None:
            import boto3
            from botocore.config import Config

            self._client = boto3.client(
                "sqs", config=Config(connect_timeout=1, read_timeout=3, retries={"total_max_attempts": 2})
            )
        return self._client


def _batches(entries: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    size = 0
    for entry in entries:
        length = len(entry["MessageBody"])
        if batch and (len(batch) == _BATCH_MESSAGES or size + length > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += length
    if batch:
        yield batch
