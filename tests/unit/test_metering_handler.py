import base64
import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any
from zlib import crc32

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import metering.handler
from metering import mapping
from metering.access_log import AccessLogRecord
from metering.delivery import Deliverer, Outcome
from metering.events import UnknownEvent
from metering.exchanges import Exchanges
from metering.handler import Meter, handler
from metering.lines import Lines
from metering.mapping import Usage
from metering.queues import LogEvent, Message, Parked, QueueRefused, decode, encode
from metering.rules import Rules
from revenium.http11 import Answer
from revenium.settings import SettingsError
from revenium.transport import NotSent, Transport, Unanswered
from unit.fakes import OK, FakeKey, FakeLines, FakeQueue, settings, usage

CONTEXT = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000)
LINE = {"extendedRequestId": "x1", "status": "200", "httpMethod": "GET", "resourcePath": "/a", "clientId": "acme"}


class Bench:
    """The handler with its surroundings replaced, and the metric line that it wrote last."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.transport = FakeLines()
        self.retry, self.dead = FakeQueue(), FakeQueue()
        self.exchanges = Exchanges()
        self._capsys = capsys

    def invoke(self, event: Any, **changes: Any) -> dict[str, Any]:
        configured = settings(**changes)
        deliverer = Deliverer(configured, self.transport, FakeKey())  # type: ignore[arg-type]
        metering.handler._meter = Meter(configured, deliverer, self.retry, self.dead, self.exchanges)  # type: ignore[arg-type]
        self._capsys.readouterr()
        return handler(event, CONTEXT)

    def metrics(self) -> dict[str, Any]:
        lines = [json.loads(line) for line in self._capsys.readouterr().out.splitlines()]
        [metric_line] = [line for line in lines if "_aws" in line]
        assert isinstance(metric_line, dict)
        assert metric_line["Received"] == sum(
            metric_line[name] for name in ("Delivered", "Skipped", "Queued", "DeadLettered")
        )
        return metric_line


@pytest.fixture
def bench(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr("metering.delivery._backoff", lambda *_: 0.0)
    yield Bench(capsys)
    metering.handler._meter = None


def logs(*lines: str, kind: str = "DATA_MESSAGE") -> dict[str, Any]:
    payload = {
        "messageType": kind,
        "logEvents": [{"id": f"e{n}", "timestamp": 1, "message": line} for n, line in enumerate(lines)],
    }
    return {"awslogs": {"data": base64.b64encode(gzip.compress(json.dumps(payload).encode())).decode()}}


def sqs(*bodies: str) -> dict[str, Any]:
    return {
        "Records": [{"eventSource": "aws:sqs", "messageId": f"m{n}", "body": body} for n, body in enumerate(bodies)]
    }


def line(**changes: str) -> str:
    return json.dumps(LINE | changes)


def down(*_: object) -> Answer:
    return Answer(503, {}, "")


def test_each_line_is_delivered_skipped_or_parked_and_the_count_balances(bench: Bench) -> None:
    bench.invoke(logs(line(), line(errorType="ACCESS_DENIED"), "no json", line(extendedRequestId="x2")))
    counted = bench.metrics()
    assert (counted["Delivered"], counted["Skipped"], counted["DeadLettered"]) == (2, 1, 1)
    assert counted["skipped_by_reason"] == {"gateway_rejection": 1}
    assert counted["dead_lettered_by_reason"] == {"not_json": 1}
    [letter] = bench.dead.messages
    assert letter.events == (LogEvent("e2", "no json"),)
    assert not bench.retry.messages


def test_what_the_settings_leave_out_is_counted_with_the_reason(bench: Bench) -> None:
    rules = Rules(statuses=("2xx",), excluded_routes=("/a",))
    bench.invoke(logs(line(), line(status="404"), line(resourcePath="/b"), line(errorType="THROTTLED")), rules=rules)
    counted = bench.metrics()
    assert (counted["Delivered"], counted["skipped_by_reason"]) == (
        1,
        {"route": 1, "status": 1, "gateway_rejection": 1},
    )


def test_elements_that_revenium_does_not_take_now_wait_alone(bench: Bench) -> None:
    """And they go out as they are after the setting is gone: what is queued holds its calls."""
    bench.transport.respond = lambda url, *_: down() if url.endswith("/v2/events") else OK
    bench.invoke(logs(line(responseLength="42")), rules=Rules(elements={"bytes-out": "responseLength"}))
    [message] = bench.retry.messages
    [[call]] = [each.calls for each in message.usages]
    assert (call.path, call.idempotency_key) == ("/v2/events", "x1:event")
    bench.transport = FakeLines()
    bench.invoke(sqs(encode(message)), rules=Rules(statuses=("5xx",), routes=("/none",)))
    assert [(url, headers["Idempotency-Key"], body.decode()) for url, headers, body in bench.transport.sent] == [
        ("https://revenium.example/meter/v2/events", "x1:event", call.body)
    ]
    assert bench.metrics()["Delivered"] == 1


def test_a_parked_line_is_cut_to_what_a_message_can_hold(bench: Bench) -> None:
    bench.invoke(logs("x" * 100_000))
    [letter] = bench.dead.messages
    assert len(letter.events[0].message) == 20_000


@pytest.mark.parametrize("api", ["v1", "v2"])
def test_a_fault_of_ours_in_one_line_does_not_begin_the_others_anew(
    api: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls are under way by then: an invocation that failed would send them again, which v1 counts twice."""
    to_usage = mapping.to_usage

    def faulty(record: AccessLogRecord, event_id: str, version: str, rules: Rules) -> Usage:
        if record.extended_request_id == "x1":
            raise ZeroDivisionError
        return to_usage(record, event_id, version, rules)

    monkeypatch.setattr(mapping, "to_usage", faulty)
    bench.invoke(logs(line(extendedRequestId="x0"), line(), line(extendedRequestId="x2")), api=api)
    counted = bench.metrics()
    assert (counted["Delivered"], counted["dead_lettered_by_reason"]) == (2, {"internal_error": 1})
    [letter] = bench.dead.messages
    assert (letter.events, letter.parked) == (
        (LogEvent("e1", line()),),
        (Parked("internal_error", "ZeroDivisionError"),),
    )


def test_the_lag_is_measured_from_the_time_of_the_call(bench: Bench) -> None:
    bench.invoke(logs(line(requestTimeEpoch=str(int((time.time() - 5) * 1000)))))
    [lag] = bench.metrics()["Lag"]
    assert 4_900 < lag < 60_000


def test_a_control_message_is_answered_and_dropped(bench: Bench) -> None:
    assert bench.invoke(logs("anything", kind="CONTROL_MESSAGE")) == {"batchItemFailures": []}
    assert bench.metrics()["Received"] == 0


def test_what_revenium_does_not_take_now_is_queued(bench: Bench) -> None:
    bench.transport.respond = down
    bench.invoke(logs(*(line(extendedRequestId=f"x{n}") for n in range(30))))
    assert bench.metrics()["Queued"] == 30
    assert sum(len(message.usages) for message in bench.retry.messages) == 30
    assert all(5 <= delay <= 15 for delay in bench.retry.delays)
    assert {message.attempts for message in bench.retry.messages} == {1}
    reasons = {why.reason for message in bench.retry.messages for why in message.parked}
    assert reasons <= {"http_503", "revenium_down"}


def test_a_bad_record_is_parked_with_the_servers_words(bench: Bench) -> None:
    bench.transport.respond = lambda *_: Answer(422, {}, "resource is too long")
    bench.invoke(logs(line()))
    [letter] = bench.dead.messages
    assert letter.parked == (Parked("http_422", "HTTP 422 resource is too long"),)
    assert letter.usages[0].transaction_id == "x1"


@pytest.mark.parametrize(("refuses", "event"), [("retry", logs(line())), ("dead", logs("no json"))])
def test_when_sqs_refuses_the_invocation_fails_so_that_lambda_keeps_the_event(
    refuses: str, event: dict[str, Any], bench: Bench
) -> None:
    bench.transport.respond = down
    getattr(bench, refuses).refuses = True
    with pytest.raises(QueueRefused):
        bench.invoke(event)


def test_a_queued_message_is_delivered(bench: Bench) -> None:
    answer = bench.invoke(sqs(encode(Message(usages=(usage(1), usage(2)), attempts=1, since=time.time()))))
    assert answer == {"batchItemFailures": []}
    assert bench.metrics()["Delivered"] == 2


def test_of_a_queued_message_only_what_failed_waits_again_and_longer(bench: Bench) -> None:
    def respond(url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        return Answer(503, {}, "") if headers["Idempotency-Key"] == "t2:response" else OK

    bench.transport.respond = respond
    since = time.time() - 100
    answer = bench.invoke(sqs(encode(Message(usages=(usage(1), usage(2)), attempts=4, since=since))))
    assert answer == {"batchItemFailures": []}
    [message] = bench.retry.messages
    assert (message.attempts, message.since) == (5, since)
    assert [[call.idempotency_key for call in each.calls] for each in message.usages] == [["t2:response"]]
    assert 120 <= bench.retry.delays[0] <= 240
    counted = bench.metrics()
    assert (counted["Delivered"], counted["Queued"]) == (1, 1)


def test_after_a_day_a_record_is_given_up_into_the_dead_letter_queue(bench: Bench) -> None:
    message = Message(usages=(usage(1),), parked=(Parked("http_503"),), attempts=99, since=time.time() - 86_401)
    bench.invoke(sqs(encode(message)))
    [letter] = bench.dead.messages
    assert (letter.usages, letter.parked[0].reason) == ((usage(1),), "gave_up_http_503")
    assert not bench.transport.sent, "a day later Revenium may have forgotten that it has it"
    assert bench.metrics()["DeadLettered"] == 1
    assert (letter.attempts, letter.since) == (0, 0.0)
    assert not bench.retry.messages


def test_the_wait_never_exceeds_what_sqs_takes_and_honours_the_server(bench: Bench) -> None:
    bench.transport.respond = lambda *_: Answer(429, {"retry-after": "700"}, "")
    bench.invoke(sqs(encode(Message(usages=(usage(1),), attempts=0, since=time.time()))))
    bench.invoke(sqs(encode(Message(usages=(usage(1),), attempts=500, since=time.time()))))
    assert bench.retry.delays[0] == 700
    assert 700 <= bench.retry.delays[1] <= 900


def test_only_the_message_that_sqs_cannot_take_back_stays_in_the_queue(bench: Bench) -> None:
    def respond(url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        return Answer(503, {}, "") if headers["Idempotency-Key"].startswith("t2") else OK

    bench.transport.respond = respond
    bench.retry.refuses = True
    answer = bench.invoke(
        sqs(*(encode(Message(usages=(usage(n), usage(n + 10)), attempts=1, since=time.time())) for n in (1, 2, 3)))
    )
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    counted = bench.metrics()
    assert (counted["Delivered"], counted["Queued"]) == (5, 1)


def test_after_one_refusal_sqs_is_not_asked_again(bench: Bench) -> None:
    """Each try can take seconds, and the answer has to be given in time."""

    def respond(url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        return OK if headers["Idempotency-Key"].startswith("t1") else Answer(503, {}, "")

    bench.transport.respond = respond
    bench.retry.refuses = True
    answer = bench.invoke(sqs(*(encode(Message(usages=(usage(10 + n), usage(20 + n)))) for n in range(8))))
    assert len(answer["batchItemFailures"]) == 8
    assert bench.retry.asked == 1
    counted = bench.metrics()
    assert (counted["Delivered"], counted["queued_by_reason"]) == (8, {"sqs_refused": 8})


def test_the_last_seconds_belong_to_sqs(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[float, bool]] = []

    def deliver(self: Deliverer, usages: list[Usage], deadline: float, from_queue: bool = False) -> list[Outcome]:
        asked.append((deadline - time.monotonic(), from_queue))
        return []

    monkeypatch.setattr(Deliverer, "deliver", deliver)
    bench.invoke(logs())
    bench.invoke(sqs(encode(Message())))
    assert [from_queue for _, from_queue in asked] == [False, True]
    assert [seconds for seconds, _ in asked] == pytest.approx([50, 50], abs=1)


def test_why_records_wait_is_logged_and_what_the_server_said_is_not(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.transport.respond = lambda *_: Answer(422, {}, "acme's secret life")
    bench.invoke(logs(line()))
    bench.transport.respond = down
    bench.invoke(logs(line()), connections=1)
    output = capsys.readouterr().out
    assert '"http_503": 1' in output
    assert "secret life" not in output


def test_a_refused_key_is_a_metric_of_its_own(bench: Bench) -> None:
    bench.transport.respond = lambda *_: Answer(401, {}, "")
    bench.invoke(logs(line()))
    assert bench.metrics()["KeyRefused"] == 1


def test_a_message_of_which_only_a_part_could_be_put_away_stays_and_counts_once(bench: Bench) -> None:
    def respond(url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        return Answer(400 if headers["Idempotency-Key"].startswith("t2") else 503, {}, "")

    bench.transport.respond = respond
    bench.dead.refuses = True
    answer = bench.invoke(sqs(encode(Message(usages=(usage(1), usage(2))))))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert bench.metrics()["queued_by_reason"] == {"sqs_refused": 2}


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{}",
        "no json",
        '{"format":"revenium-metering/1"}',
        "[1]",
        '{"requestPayload":3}',
        '{"requestPayload":{"Records":[]}}',
        '{"requestPayload":{"awslogs":3}}',
    ],
)
def test_a_message_that_cannot_be_read_stays_for_the_dead_letter_queue(body: str, bench: Bench) -> None:
    answer = bench.invoke(sqs(body, encode(Message(usages=(usage(1),)))))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    counted = bench.metrics()
    assert (counted["Delivered"], counted["Queued"]) == (1, 1)


def test_every_kind_of_dead_letter_can_be_redriven(bench: Bench) -> None:
    """Ours with usage, ours with a line, and what Lambda writes around an event that it gave up."""
    bench.invoke(
        sqs(
            encode(Message(usages=(usage(1),), parked=(Parked("http_404"),))),
            encode(Message(events=(LogEvent("e9", line()),), parked=(Parked("not_json"),))),
            json.dumps({"requestContext": {"condition": "RetriesExhausted"}, "requestPayload": logs(line(), line())}),
        )
    )
    assert bench.metrics()["Delivered"] == 4


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "text",
        {},
        {"awslogs": {}},
        {"awslogs": {"data": "%%%"}},
        {"awslogs": {"data": base64.b64encode(b"no gzip").decode()}},
        {"awslogs": {"data": base64.b64encode(gzip.compress(b"{}")).decode()}},
        {"awslogs": {"data": base64.b64encode(gzip.compress(b"{}")[:-9]).decode()}},
        {"Records": [{"eventSource": "aws:s3", "messageId": "m"}]},
        {"Records": [3]},
    ],
)
def test_an_event_of_no_known_shape_is_refused_with_what_was_expected(event: Any, bench: Bench) -> None:
    with pytest.raises(UnknownEvent, match=r"awslogs|SQS"):
        bench.invoke(event)


def test_a_missing_setting_fails_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    metering.handler._meter = None
    monkeypatch.delenv("RETRY_QUEUE_URL", raising=False)
    with pytest.raises(SettingsError, match="RETRY_QUEUE_URL"):
        handler(logs(line()), CONTEXT)


Respond = Callable[[str, Mapping[str, str], bytes], Answer]
LINES = st.one_of(
    st.text(),
    st.builds(
        json.dumps, st.dictionaries(st.sampled_from([*LINE, "errorType", "routeKey"]), st.text() | st.integers())
    ),
    st.builds(lambda changes: line(**changes), st.dictionaries(st.sampled_from(list(LINE)), st.text(max_size=20))),
)


counting = threading.Lock()
TROUBLE = [200, 400, 401, 429, 500, 503, NotSent("x"), Unanswered("x")]


@hypothesis_settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(LINES, max_size=20),
    troubles=st.lists(st.sampled_from(TROUBLE), min_size=1),
    api=st.sampled_from(["v1", "v2"]),
)
def test_whatever_the_lines_and_answers_are_no_record_is_forgotten_and_v1_never_repeats_a_doubtful_call(
    lines: list[str], troubles: list[int | Exception], api: str, bench: Bench
) -> None:
    doubtful = 0

    def respond(url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        nonlocal doubtful
        trouble = troubles[crc32(body) % len(troubles)]
        with counting:
            doubtful += trouble == 500 or isinstance(trouble, Unanswered)
        if isinstance(trouble, Exception):
            raise trouble
        return Answer(trouble, {}, "")

    bench.transport, bench.retry, bench.dead = FakeLines(respond), FakeQueue(), FakeQueue()
    bench.invoke(logs(*lines), api=api)
    counted = bench.metrics()
    assert counted["Received"] == len(lines)
    assert counted["Queued"] == sum(message.records for message in bench.retry.messages)
    assert counted["DeadLettered"] == sum(message.records for message in bench.dead.messages)
    for message in [*bench.retry.messages, *bench.dead.messages]:
        assert decode(json.loads(encode(message))) == message
    if api == "v1":
        assert counted["dead_lettered_by_reason"].get("unanswered", 0) == doubtful


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
SUBSCRIPTIONS = st.builds(
    lambda payload: {"awslogs": {"data": base64.b64encode(gzip.compress(json.dumps(payload).encode())).decode()}},
    JSON | st.fixed_dictionaries({"messageType": st.just("DATA_MESSAGE"), "logEvents": JSON}),
)
BODIES = st.text() | st.builds(
    json.dumps,
    JSON
    | st.fixed_dictionaries({"requestPayload": JSON | SUBSCRIPTIONS})
    | st.fixed_dictionaries(
        dict.fromkeys(("usages", "events", "parked", "attempts", "since"), JSON)
        | {"format": st.just("revenium-metering/1")}
    ),
)


@hypothesis_settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(event=JSON | SUBSCRIPTIONS | st.builds(lambda bodies: sqs(*bodies), st.lists(BODIES, min_size=1, max_size=5)))
def test_an_event_of_any_shape_is_counted_or_refused_and_nothing_else(event: Any, bench: Bench) -> None:
    try:
        bench.invoke(event)
    except UnknownEvent:
        return
    bench.metrics()


def test_how_long_the_oldest_record_has_been_tried_is_known_while_it_waits(bench: Bench, clock: list[float]) -> None:
    bench.transport.respond = down
    bench.invoke(logs(line()))
    assert bench.metrics()["QueuedFor"] == [0]
    tried = [
        encode(Message(usages=(usage(n),), attempts=9, since=clock[0] - hours * 3600)) for n, hours in ((1, 2), (2, 5))
    ]
    bench.invoke(sqs(*tried))
    assert bench.metrics()["QueuedFor"] == [5 * 3_600_000]
    bench.retry.refuses = True
    bench.invoke(sqs(*tried))
    assert bench.metrics()["QueuedFor"] == [5 * 3_600_000], "also where it stays in the queue as it is"
    bench.transport.respond = lambda *_: OK
    bench.invoke(sqs(*tried))
    assert "QueuedFor" not in bench.metrics()


STATUSES = {
    "Revenium2xx": (200, 201, 299),
    "Revenium429": (429,),
    "Revenium4xx": (100, 302, 400, 404, 499),
    "Revenium5xx": (500, 503, 599),
    "ReveniumUnanswered": (0, 0),
}


@pytest.mark.parametrize("name", STATUSES)
def test_each_answer_of_revenium_is_counted_by_its_class_and_timed(name: str, bench: Bench) -> None:
    for answer in STATUSES[name]:
        bench.exchanges.note(answer, 0.1)
    bench.invoke(logs())
    counted = bench.metrics()
    assert {each: counted[each] for each in STATUSES} == {
        each: len(STATUSES[name]) * (each == name) for each in STATUSES
    }
    assert len(counted["ReveniumLatency"]) == len(STATUSES[name])
    bench.invoke(logs())
    counted = bench.metrics()
    assert {counted[each] for each in STATUSES} == {0}, "nothing is counted twice, and what is none is 0"
    assert "ReveniumLatency" not in counted


def test_what_revenium_answers_is_noted_and_what_secrets_manager_does_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def send(self: Transport, method: str, url: str, *_: object) -> Answer:
        asked.append(url)
        return Answer(200, {}, json.dumps({"SecretString": "hak_test"}))

    def begin(self: Lines, token: Any, *_: object) -> None:
        self._finish(token, time.monotonic(), OK)

    monkeypatch.setattr(Transport, "send", send)
    monkeypatch.setattr(Lines, "begin", begin)
    for name, value in {
        "REVENIUM_API_KEY_SECRET_ARN": "arn:aws:secretsmanager:us-east-1:123456789012:secret:revenium-AbCdEf",
        "RETRY_QUEUE_URL": "https://sqs.example/retry",
        "DEAD_LETTER_QUEUE_URL": "https://sqs.example/dead",
    }.items():
        monkeypatch.setenv(name, value)
    meter = metering.handler._build()
    meter.meter([LogEvent("e1", line())], time.monotonic() + 20, metering.handler.Tally())
    assert len(asked) == 1 and "secretsmanager" in asked[0]
    counts, latencies = meter.exchanges.take()
    assert (counts["Revenium2xx"], len(latencies)) == (2, 2)


def test_the_growth_of_the_queue_adds_up_to_what_waits(bench: Bench) -> None:
    waits = 0

    def invoke(event: Any) -> int:
        nonlocal waits
        bench.invoke(event)
        waits += int(bench.metrics()["QueueGrowth"])
        return waits

    bench.transport.respond = down
    assert invoke(logs(line(), line(extendedRequestId="x2"), line(extendedRequestId="x3"))) == 3
    [message] = bench.retry.messages
    assert invoke(sqs(encode(message))) == 3, "tried in vain"
    bench.retry.refuses = True
    assert invoke(sqs(encode(message))) == 3, "and SQS does not take it back: it stays as it is"
    assert invoke(sqs("no json")) == 3, "what nobody queued"
    letter = Message(usages=(usage(7),), parked=(Parked("http_404"),))
    assert invoke(sqs(encode(letter))) == 3, "a redriven dead letter that stays in the queue"
    bench.retry.refuses = False
    assert invoke(sqs(encode(letter))) == 4, "and is tried anew"
    bench.transport.respond = lambda *_: OK
    assert invoke(sqs(encode(message), encode(bench.retry.messages[-1]))) == 0
    assert invoke(sqs(encode(letter))) == 0, "a redriven dead letter never waited"
