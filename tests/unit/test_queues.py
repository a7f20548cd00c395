import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from metering.access_log import parse
from metering.mapping import to_usage
from metering.queues import (
    FORMAT,
    LINE_LIMIT,
    DeadLetters,
    LogEvent,
    Message,
    Parked,
    Queue,
    QueueRefused,
    decode,
    encode,
    retry_messages,
)
from metering.rules import Rules
from unit.fakes import usage


class FakeSqs:
    """Answers each send_message_batch with the next of `answers`, then with success."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.batches: list[list[dict[str, Any]]] = []

    def send_message_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        self.batches.append(Entries)
        answer = self.answers.pop(0) if self.answers else {}
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, dict)
        return answer


def queue(sqs: FakeSqs, monkeypatch: pytest.MonkeyPatch) -> Queue:
    monkeypatch.setattr("boto3.client", lambda *_, **__: sqs)
    monkeypatch.setattr("time.sleep", lambda _: None)
    return Queue("https://sqs.example/q")


def test_a_message_survives_the_queue() -> None:
    message = Message(
        usages=(usage(1), usage(2, "v1")),
        events=(LogEvent("e1", "not json"),),
        parked=(Parked("not_json", "why"),),
        attempts=3,
        since=1_700_000_000.5,
    )
    body = json.loads(encode(message))
    assert body["format"] == FORMAT
    assert decode(body) == message


def test_messages_stay_below_the_step_that_sqs_bills_and_hold_every_record() -> None:
    usages = [usage(number) for number in range(2000)]
    messages = list(retry_messages([(usage, Parked("http_503")) for usage in usages], attempts=2, since=5.0))
    assert [each for message in messages for each in message.usages] == usages
    assert all(len(encode(message)) <= 64 * 1024 for message in messages)
    assert len(messages) < 10
    assert {(message.attempts, message.since) for message in messages} == {(2, 5.0)}


def test_dead_letters_carry_the_reason_of_each_record_and_start_anew_when_redriven() -> None:
    dead = DeadLetters(
        usages=[(usage(1), Parked("http_400", "bad"))], events=[(LogEvent("e1", "x"), Parked("not_json"))]
    )
    first, second = dead.messages()
    assert (first.usages, first.parked) == ((usage(1),), (Parked("http_400", "bad"),))
    assert (second.events, second.parked) == ((LogEvent("e1", "x"),), (Parked("not_json"),))
    assert {(message.attempts, message.since) for message in (first, second)} == {(0, 0.0)}


def test_the_longest_line_in_the_widest_script_fits_into_a_message() -> None:
    dead = DeadLetters(events=[(LogEvent("e1", "\U0001f600" * LINE_LIMIT), Parked("not_json"))] * 2)
    assert [len(encode(message)) < 262_144 for message in dead.messages()] == [True, True]


def test_a_batch_respects_the_bounds_of_sqs(monkeypatch: pytest.MonkeyPatch) -> None:
    sqs = FakeSqs()
    dead = DeadLetters(events=[(LogEvent(str(n), "x" * LINE_LIMIT), Parked("not_json")) for n in range(100)])
    queue(sqs, monkeypatch).send(list(dead.messages()), delay=30)
    assert all(len(batch) <= 10 for batch in sqs.batches)
    assert all(sum(len(entry["MessageBody"]) for entry in batch) <= 262_144 for batch in sqs.batches)
    assert {entry["DelaySeconds"] for batch in sqs.batches for entry in batch} == {30}
    sent = [json.loads(entry["MessageBody"]) for batch in sqs.batches for entry in batch]
    assert sorted(int(event["id"]) for body in sent for event in body["events"]) == list(range(100))


def test_entries_that_sqs_refused_for_a_moment_are_sent_again_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    sqs = FakeSqs({"Failed": [{"Id": "1", "Code": "InternalError", "SenderFault": False}]})
    queue(sqs, monkeypatch).send([Message(attempts=n) for n in range(3)])
    assert [[entry["Id"] for entry in batch] for batch in sqs.batches] == [["0", "1", "2"], ["1"]]


@pytest.mark.parametrize(
    "answers",
    [
        [{"Failed": [{"Id": "0", "Code": "InternalError", "SenderFault": False}]}] * 3,
        [{"Failed": [{"Id": "0", "Code": "InvalidMessageContents", "SenderFault": True}]}],
        [ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "SendMessageBatch")],
    ],
)
def test_what_sqs_does_not_take_is_an_error(answers: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(QueueRefused):
        queue(FakeSqs(*answers), monkeypatch).send([Message()])


@pytest.mark.parametrize(
    "change",
    [
        {"attempts": "many"},
        {"since": "NaN"},
        {"since": float("nan")},
        {"since": -1},
        {"attempts": float("inf")},
        {"usages": 3},
        {"usages": [{"api": "v2", "transaction_id": [], "calls": [], "time": None}]},
        {"usages": [{"api": "v2", "transaction_id": "t", "calls": [], "time": None}]},
        {
            "usages": [
                {
                    "api": "v2",
                    "transaction_id": "t",
                    "calls": [{"path": "/", "idempotency_key": "", "body": 3}],
                    "time": None,
                }
            ]
        },
        {
            "usages": [
                {
                    "api": "v2",
                    "transaction_id": "t",
                    "calls": [{"path": "/", "idempotency_key": "", "body": ""}],
                    "time": "x",
                }
            ]
        },
        {"events": [{"id": 3, "message": "x"}]},
        {"parked": [{"reason": None, "detail": ""}]},
    ],
)
def test_a_message_that_we_cannot_have_written_is_refused(change: dict[str, Any]) -> None:
    body = json.loads(encode(Message())) | change
    with pytest.raises((ValueError, TypeError, KeyError)):
        decode(body)


def test_the_longest_record_in_the_widest_script_fits_into_a_message() -> None:
    wide = "\U0001f600" * 5000
    names = ("status", "httpMethod", "resourcePath", "clientId", "sourceIp", "protocol", "path", "userAgent")
    record = parse(json.dumps({name: "200" if name == "status" else wide for name in names}))
    rules = Rules(
        sources={"": "s" * 128},
        elements={f"{number}{'n' * 60}": "clientId" for number in range(20)},
        subscription="{clientId}",
        metadata="{clientId}",
    )
    for api in ("v1", "v2"):
        [message] = retry_messages([(to_usage(record, "e1", api, rules), Parked("http_503"))], 1, 1.0)
        assert len(encode(message)) < 262_144


def test_a_chunk_never_grows_past_its_bound_by_one_more_item() -> None:
    usages = [(usage(number), Parked("http_503")) for number in range(500)]
    sizes = [len(encode(message)) for message in retry_messages(usages, 1, 1.0)]
    assert max(sizes) <= 61_000
