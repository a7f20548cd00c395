"""Recognizes, by shape, what invoked the metering function."""

import base64
import binascii
import gzip
import json
import zlib
from dataclasses import dataclass
from typing import Any

from metering import queues
from metering.queues import LogEvent, Message


class UnknownEvent(Exception):
    """The event has none of the shapes this function takes; the message says which those are."""


@dataclass(frozen=True)
class QueuedMessage:
    """A message of an SQS batch; `message` is None where its body could not be read, for the reason in `error`."""

    id: str
    message: Message | None
    error: str = ""


def parse(event: Any) -> list[LogEvent] | list[QueuedMessage]:
    """The log events of a CloudWatch Logs subscription, or the messages of an SQS batch. Raises UnknownEvent."""
    if isinstance(event, dict) and isinstance(event.get("awslogs"), dict):
        return _log_events(event["awslogs"].get("data"))
    if isinstance(event, dict) and isinstance(event.get("Records"), list):
        return [_queued_message(record) for record in event["Records"]]
    raise UnknownEvent(
        "The event is neither a CloudWatch Logs subscription event (`awslogs.data`) nor an SQS batch (`Records` "
        "with `eventSource` aws:sqs). Subscribe this function to a log group, or map the retry queue to it."
    )


def _log_events(data: Any) -> list[LogEvent]:
    """The format: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html"""
    try:
        payload = json.loads(gzip.decompress(base64.b64decode(data, validate=True)))
        if payload["messageType"] == "CONTROL_MESSAGE":
            return []
        return [LogEvent(str(entry["id"]), str(entry["message"])) for entry in payload["logEvents"]]
    except (TypeError, ValueError, KeyError, OSError, EOFError, zlib.error, binascii.Error, RecursionError) as error:
        raise UnknownEvent(
            "`awslogs.data` must be a CloudWatch Logs message: JSON with `messageType` and `logEvents`, compressed "
            f"with gzip, in base64; reading it failed with {type(error).__name__}."
        ) from error


def _queued_message(record: Any) -> QueuedMessage:
    if not isinstance(record, dict) or record.get("eventSource") != "aws:sqs" or "messageId" not in record:
        raise UnknownEvent("`Records` must hold SQS messages (`eventSource` aws:sqs, with a `messageId`).")
    try:
        return QueuedMessage(record["messageId"], _message(json.loads(record["body"])))
    except (UnknownEvent, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        return QueuedMessage(record["messageId"], None, f"{type(error).__name__}: {error}")


def _message(body: Any) -> Message:
    """Our own format, or what Lambda puts into a failure destination around an event that it gave up.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
    """
    if isinstance(body, dict) and body.get("format") == queues.FORMAT:
        return queues.decode(body)
    if isinstance(body, dict) and isinstance(body.get("requestPayload"), dict) and "awslogs" in body["requestPayload"]:
        return Message(events=tuple(_log_events(body["requestPayload"]["awslogs"].get("data"))))
    raise UnknownEvent(f"The body is neither {queues.FORMAT} nor a Lambda failure record around a log event.")
