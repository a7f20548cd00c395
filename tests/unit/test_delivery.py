import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from metering.delivery import Deliverer, Outcome, Verdict, classify
from metering.mapping import Usage
from metering.pace import Pace
from revenium.http11 import Answer
from revenium.secret import SecretUnavailable
from revenium.transport import NotSent, Unanswered
from unit.fakes import OK, FakeKey, FakeLines, settings, usage


class InOrder(Deliverer):
    """Gives all outcomes at the end, in the order of what was to be delivered."""

    def deliver(self, usages: Iterable[Usage], deadline: float, from_queue: bool = False) -> list[Outcome]:  # type: ignore[override]
        outcomes = sorted(super().deliver(usages, deadline, from_queue), key=lambda outcome: outcome.number)
        assert [outcome.number for outcome in outcomes] == list(range(len(outcomes)))
        return outcomes


def deliverer(transport: FakeLines, key: FakeKey | None = None, **changes: object) -> InOrder:
    return InOrder(settings(**changes), transport, key or FakeKey())  # type: ignore[arg-type]


def soon(seconds: float = 20) -> float:
    return time.monotonic() + seconds


@pytest.fixture(autouse=True)
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metering.delivery._backoff", lambda *_: 0.0)


def test_both_calls_go_out_in_order_with_the_key_and_their_own_idempotency_keys() -> None:
    transport = FakeLines()
    outcomes = deliverer(transport).deliver([usage()], soon())
    assert [outcome.verdict for outcome in outcomes] == [Verdict.DELIVERED]
    assert [(url, headers["x-api-key"], headers["Idempotency-Key"]) for url, headers, _ in transport.sent] == [
        ("https://revenium.example/meter/v2/apis/requests", "hak_test", "t0:request"),
        ("https://revenium.example/meter/v2/apis/responses", "hak_test", "t0:response"),
    ]


def test_only_the_missing_half_is_left_when_the_response_call_fails() -> None:
    transport = FakeLines(lambda url, *_: OK if url.endswith("requests") else Answer(503, {}, ""))
    [outcome] = deliverer(transport).deliver([usage()], soon())
    assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, "http_503")
    assert outcome.usage.calls == usage().calls[1:]
    assert [url.rpartition("/")[2] for url, *_ in transport.sent] == ["requests"] + ["responses"] * 3


@pytest.mark.parametrize("trouble", [NotSent("no route"), Unanswered("reset")])
def test_a_passing_failure_is_tried_again_at_once_with_the_same_bytes(trouble: Exception) -> None:
    answers: Iterator[Exception | Answer] = iter([trouble, OK, OK])

    def respond(*_: object) -> Answer:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    transport = FakeLines(respond)
    [outcome] = deliverer(transport).deliver([usage()], soon())
    assert outcome.verdict is Verdict.DELIVERED
    assert transport.sent[0] == transport.sent[1]


@pytest.mark.parametrize(
    ("status", "headers", "verdict"),
    [
        (408, {}, Verdict.RETRY),
        (429, {"retry-after": "3"}, Verdict.RETRY),
        (500, {}, Verdict.RETRY),
        (503, {}, Verdict.RETRY),
        (409, {"retry-after": "1"}, Verdict.RETRY),
        (401, {}, Verdict.RETRY),
        (403, {}, Verdict.RETRY),
        (409, {}, Verdict.DEAD),
        (400, {}, Verdict.DEAD),
        (422, {}, Verdict.DEAD),
        (404, {}, Verdict.DEAD),
        (301, {}, Verdict.DEAD),
        (400, {"x-should-retry": "true"}, Verdict.RETRY),
        (503, {"x-should-retry": "false"}, Verdict.DEAD),
    ],
)
def test_what_an_answer_means(status: int, headers: Mapping[str, str], verdict: Verdict) -> None:
    failure = classify(Answer(status, headers, "x" * 10_000))
    assert failure is not None
    assert failure.verdict is verdict
    assert failure.retry_after == float(headers.get("retry-after", 0))
    assert len(failure.detail) <= 500


@pytest.mark.parametrize("status", [200, 201, 204])
def test_any_2xx_is_success(status: int) -> None:
    assert classify(Answer(status, {}, "")) is None


def test_a_bad_record_is_parked_at_once_and_the_others_go_through() -> None:
    def respond(url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        return Answer(400, {}, "bad field") if headers["Idempotency-Key"].startswith("t1:") else OK

    transport = FakeLines(respond)
    outcomes = deliverer(transport).deliver([usage(0), usage(1), usage(2)], soon())
    assert [outcome.verdict for outcome in outcomes] == [Verdict.DELIVERED, Verdict.DEAD, Verdict.DELIVERED]
    assert (outcomes[1].reason, outcomes[1].detail) == ("http_400", "HTTP 400 bad field")
    assert len(transport.sent) == 5


def test_a_long_retry_after_is_left_to_the_queue() -> None:
    transport = FakeLines(lambda *_: Answer(429, {"retry-after": "60"}, ""))
    [outcome] = deliverer(transport).deliver([usage()], soon())
    assert (outcome.verdict, outcome.retry_after, len(transport.sent)) == (Verdict.RETRY, 60, 1)


def test_a_rotated_key_is_picked_up() -> None:
    transport = FakeLines(lambda _, headers, __: OK if headers["x-api-key"] == "new" else Answer(401, {}, ""))
    outcomes = deliverer(transport, FakeKey("old", "new")).deliver([usage(n) for n in range(20)], soon())
    assert {outcome.verdict for outcome in outcomes} == {Verdict.DELIVERED}


def test_a_refused_key_queues_everything_and_stops_asking() -> None:
    transport = FakeLines(lambda *_: Answer(401, {}, ""))
    outcomes = deliverer(transport).deliver([usage(n) for n in range(500)], soon())
    assert {(outcome.verdict, outcome.reason) for outcome in outcomes} == {(Verdict.RETRY, "key_refused")}
    assert len(transport.sent) <= 8


def test_without_a_key_everything_is_queued() -> None:
    class NoKey(FakeKey):
        def value(self, timeout: float = 2.0) -> str:
            raise SecretUnavailable("no secret")

    transport = FakeLines()
    outcomes = deliverer(transport, NoKey()).deliver([usage(n) for n in range(5)], soon())
    assert {(outcome.verdict, outcome.reason) for outcome in outcomes} == {(Verdict.RETRY, "key_unavailable")}
    assert not transport.sent


def test_a_revenium_that_is_down_is_not_hammered() -> None:
    transport = FakeLines(lambda *_: Answer(503, {}, ""))
    outcomes = deliverer(transport).deliver([usage(n) for n in range(500)], soon())
    assert {outcome.verdict for outcome in outcomes} == {Verdict.RETRY}
    assert len(transport.sent) < 60


def test_scattered_failures_do_not_stop_the_batch() -> None:
    def respond(url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        number = int(headers["Idempotency-Key"].partition(":")[0][1:])
        return Answer(503, {}, "") if number % 5 == 0 else OK

    outcomes = deliverer(FakeLines(respond), connections=1).deliver([usage(n) for n in range(200)], soon())
    assert sum(outcome.verdict is Verdict.DELIVERED for outcome in outcomes) == 160


def test_the_deadline_ends_the_work_and_leaves_an_outcome_for_every_record() -> None:
    transport = FakeLines(lambda *_: None)
    started = time.monotonic()
    outcomes = deliverer(transport, connections=2).deliver([usage(n) for n in range(50)], started + 1.5)
    assert time.monotonic() - started < 2
    assert [(outcome.verdict, outcome.reason) for outcome in outcomes] == [
        (Verdict.RETRY, "unanswered"),
        (Verdict.RETRY, "unanswered"),
        *[(Verdict.RETRY, "deadline")] * 48,
    ]
    assert len(transport.sent) == 2


def test_nothing_is_sent_when_there_is_no_time() -> None:
    transport = FakeLines()
    outcomes = deliverer(transport).deliver([usage(n) for n in range(50)], soon(-1))
    assert {(outcome.verdict, outcome.reason) for outcome in outcomes} == {(Verdict.RETRY, "deadline")}
    assert not transport.sent


def test_v1_never_sends_again_what_may_have_arrived() -> None:
    def respond(*_: object) -> Answer:
        raise Unanswered("timeout")

    transport = FakeLines(respond)
    [outcome] = deliverer(transport, api="v1").deliver([usage(api="v1")], soon())
    assert (outcome.verdict, outcome.reason, len(transport.sent)) == (Verdict.DEAD, "unanswered", 1)
    assert "Idempotency-Key" not in transport.sent[0][1]


def test_v1_sends_again_what_cannot_have_arrived() -> None:
    def respond(*_: object) -> Answer:
        raise NotSent("refused")

    transport = FakeLines(respond)
    [outcome] = deliverer(transport, api="v1").deliver([usage(api="v1")], soon())
    assert (outcome.verdict, outcome.reason, len(transport.sent)) == (Verdict.RETRY, "unreachable", 3)


def test_usage_queued_for_the_other_api_is_parked_since_its_paths_would_not_fit() -> None:
    transport = FakeLines()
    [outcome] = deliverer(transport).deliver([replace(usage(), api="v1")], soon())
    assert (outcome.verdict, outcome.reason) == (Verdict.DEAD, "api_changed")
    assert not transport.sent


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (408, Verdict.DEAD),
        (500, Verdict.DEAD),
        (502, Verdict.DEAD),
        (504, Verdict.DEAD),
        (429, Verdict.RETRY),
        (503, Verdict.RETRY),
        (401, Verdict.RETRY),
    ],
)
def test_v1_sends_again_only_what_was_refused(status: int, verdict: Verdict) -> None:
    transport = FakeLines(lambda *_: Answer(status, {}, ""))
    [outcome] = deliverer(transport, api="v1").deliver([usage(api="v1")], soon())
    assert outcome.verdict is verdict
    assert verdict is Verdict.RETRY or (outcome.reason, len(transport.sent)) == ("unanswered", 1)


def test_a_record_that_a_firewall_dislikes_does_not_hold_up_the_others() -> None:
    def respond(url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        return Answer(403, {}, "") if headers["Idempotency-Key"] == "t0:request" else OK

    outcomes = deliverer(FakeLines(respond)).deliver([usage(n) for n in range(100)], soon())
    assert [outcome.reason for outcome in outcomes] == ["key_refused"] + [""] * 99


def test_a_fault_of_ours_in_one_record_does_not_take_the_others_along(capsys: pytest.CaptureFixture[str]) -> None:
    def respond(url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if headers["Idempotency-Key"].startswith("t1:"):
            raise ZeroDivisionError
        return OK

    outcomes = deliverer(FakeLines(respond)).deliver([usage(0), usage(1), usage(2)], soon())
    assert [(each.verdict, each.reason) for each in outcomes] == [
        (Verdict.DELIVERED, ""),
        (Verdict.RETRY, "internal_error"),
        (Verdict.DELIVERED, ""),
    ]
    assert "ZeroDivisionError" in capsys.readouterr().out


def test_nothing_is_sent_when_reading_the_key_took_the_time_there_was() -> None:
    class SlowKey(FakeKey):
        def value(self, timeout: float = 2.0) -> str:
            time.sleep(0.5)
            return "hak_test"

    transport = FakeLines()
    outcomes = deliverer(transport, SlowKey(), api="v1").deliver([usage(api="v1")], soon(1.2))
    assert (outcomes[0].verdict, outcomes[0].reason) == (Verdict.RETRY, "deadline")
    assert not transport.sent


def test_no_more_exchanges_are_under_way_than_there_are_connections() -> None:
    transport = FakeLines(lambda *_: None)
    deliverer(transport, connections=7).deliver([usage(n) for n in range(50)], soon(1.3))
    assert transport.most == 7


def test_an_instance_begins_with_a_few_and_takes_more_the_more_are_taken() -> None:
    """Any number of instances may begin at the same moment: what one has under way at its first 429 is refused too."""

    def at_once_after(*batches: Answer) -> int:
        transport = FakeLines()
        sender = deliverer(transport, connections=100)
        for answer in batches:
            transport.respond = lambda *_, answer=answer: answer
            sender.deliver([usage(n) for n in range(20)], soon())
        transport.respond, transport.most = lambda *_: None, 0
        sender.deliver([usage(n) for n in range(200)], soon(1.3))
        return transport.most

    assert at_once_after() == 8
    assert at_once_after(OK) == 8 + 2 * 20
    assert at_once_after(OK, OK, OK) == 100
    assert at_once_after(OK, Answer(429, {}, "")) == 8


def test_a_large_batch_is_read_as_it_goes_out_and_not_before() -> None:
    read: list[int] = []

    def reading() -> Iterator[Usage]:
        for number in range(1000):
            read.append(number)
            yield usage(number)

    outcomes = Deliverer(settings(connections=4), FakeLines(), FakeKey()).deliver(reading(), soon())  # type: ignore[arg-type]
    assert next(outcomes).verdict is Verdict.DELIVERED
    assert len(read) < 100
    assert [outcome.verdict for outcome in outcomes] == [Verdict.DELIVERED] * 999


def test_only_as_many_wait_for_their_turn_as_a_moment_without_the_cpu_costs_places() -> None:
    """The others need no connection yet: an instance opens those that its rate and the latency need."""
    read: list[int] = []

    def reading() -> Iterator[Usage]:
        for number in range(500):
            read.append(number)
            yield usage(number)

    sender = Deliverer(settings(connections=128, requests_per_second=10), FakeLines(), FakeKey())  # type: ignore[arg-type]
    sender._at_once = 128
    outcomes = sender.deliver(reading(), soon(60))
    next(outcomes)
    assert len(read) < 100


def test_turns_within_5_ms_are_taken_together_and_none_earlier(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waking up for each took more of the CPU than sending. The clock is the test's."""
    now = 0.0
    began: list[float] = []
    waits: list[float] = []

    class Line(FakeLines):
        def begin(self, *arguments: Any) -> None:
            began.append(now)
            super().begin(*arguments)

        def poll(self, wait: float) -> Any:
            nonlocal now
            if not self._ended:
                waits.append(wait)
                now += wait
            ended, self._ended = self._ended, []
            return ended

    monkeypatch.setattr(time, "monotonic", lambda: now)
    lines = Line()
    sender = Deliverer(settings(connections=128, requests_per_second=1000), lines, FakeKey())  # type: ignore[arg-type]
    outcomes = list(sender.deliver([usage(number) for number in range(100)], 60.0))
    monkeypatch.undo()
    assert [outcome.verdict for outcome in outcomes] == [Verdict.DELIVERED] * 100
    assert len({headers["Idempotency-Key"] for _, headers, _ in lines.sent}) == len(lines.sent) == 200
    assert all(at >= number / 1000 - 0.005001 for number, at in enumerate(began)), "the rate is kept but for 5 ms"
    assert all(at <= number / 1000 + 0.000001 for number, at in enumerate(began)), "nobody's turn is left to pass"
    assert len(waits) < 80


def test_a_call_takes_the_configured_time_and_never_more_than_there_is() -> None:
    transport = FakeLines()
    deliverer(transport, request_timeout=7).deliver([usage()], soon(60))
    deliverer(transport, request_timeout=7).deliver([usage()], soon(3))
    assert transport.timeouts[:2] == [7, 7]
    assert all(1 <= timeout <= 3 for timeout in transport.timeouts[2:])


def test_straight_from_the_log_the_first_429_sends_the_rest_to_the_queue() -> None:
    answered = iter([OK] * 10)
    transport = FakeLines(lambda *_: next(answered, Answer(429, {"retry-after": "1"}, "")))
    outcomes = deliverer(transport, connections=2).deliver([usage(n) for n in range(500)], soon())
    assert len(transport.sent) <= 12
    assert {outcome.reason for outcome in outcomes[10:]} <= {"http_429", "rate_limited"}
    assert {outcome.verdict for outcome in outcomes[10:]} == {Verdict.RETRY}


def test_from_the_queue_a_429_slows_down_and_everything_is_delivered() -> None:
    answered = iter([OK] * 10 + [Answer(429, {}, "")] * 3)
    transport = FakeLines(lambda *_: next(answered, OK))
    outcomes = deliverer(transport, connections=4).deliver([usage(n) for n in range(200)], soon(), from_queue=True)
    assert {outcome.verdict for outcome in outcomes} == {Verdict.DELIVERED}
    assert len(transport.sent) == 403


def test_v1_sends_unanswered_calls_again_where_that_is_chosen() -> None:
    answered = iter([Answer(504, {}, "")])
    transport = FakeLines(lambda *_: next(answered, OK))
    [outcome] = deliverer(transport, api="v1", v1_unanswered="resend").deliver([usage(api="v1")], soon())
    assert outcome.verdict is Verdict.DELIVERED
    assert len(transport.sent) == 2


def test_while_the_breaker_is_open_small_batches_are_not_sent_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = FakeLines(lambda *_: Answer(503, {}, ""))
    sender = deliverer(transport)
    for number in range(100):
        outcomes = sender.deliver([usage(number)], soon())
        assert [outcome.verdict for outcome in outcomes] == [Verdict.RETRY]
    assert len(transport.sent) == 27, "nine records, three times each"
    assert outcomes[0].reason == "revenium_down"


def test_one_probe_decides_whether_the_rest_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metering.delivery._OPEN_FIRST", 0.0)
    monkeypatch.setattr("metering.delivery._OPEN_LONGEST", 0.0)

    transport = FakeLines(lambda *_: Answer(503, {}, ""))
    sender = deliverer(transport)
    sender.deliver([usage(n) for n in range(100)], soon())
    monkeypatch.setattr(sender._breaker, "_longest", 60.0)
    monkeypatch.setattr(sender._breaker, "_first", 60.0)
    transport.sent.clear()
    outcomes = sender.deliver([usage(n) for n in range(100)], soon())
    assert len(transport.sent) == 3
    assert [outcome.verdict for outcome in outcomes] == [Verdict.RETRY] * 100

    transport.respond = lambda *_: OK
    monkeypatch.setattr(sender._breaker, "_opened", 0.0)
    outcomes = sender.deliver([usage(n) for n in range(100)], soon())
    assert [outcome.verdict for outcome in outcomes] == [Verdict.DELIVERED] * 100
    assert [outcome.usage.transaction_id for outcome in outcomes] == [f"t{n}" for n in range(100)]


def test_a_rate_limit_is_no_outage() -> None:
    transport = FakeLines(lambda *_: Answer(429, {}, ""))
    sender = deliverer(transport)
    for number in range(50):
        sender.deliver([usage(number)], soon())
    assert len(transport.sent) == 50


def test_straight_from_the_log_and_from_the_queue_have_a_pace_each(monkeypatch: pytest.MonkeyPatch) -> None:
    paces: list[tuple[float, bool]] = []
    original = Pace.turn

    def turn(self: Pace, within: float = 0.0) -> float | None:
        paces.append((self._rate, self is sender._queue_pace))
        return original(self, within)

    monkeypatch.setattr(Pace, "turn", turn)
    sender = deliverer(FakeLines(), requests_per_second=1000, retry_concurrency=2)
    sender.deliver([usage()], soon())
    sender.deliver([usage()], soon(), from_queue=True)
    assert paces == [(1000, False)] * 2 + [(450, True)] * 2


def test_a_429_slows_the_queue_down_and_success_brings_the_rate_back() -> None:
    answered = iter([Answer(429, {}, "")])
    sender = deliverer(FakeLines(lambda *_: next(answered, OK)), requests_per_second=2000)
    sender.deliver([usage()], soon(), from_queue=True)
    assert 450 < sender._queue_pace._rate < 900
    assert sender._log_pace._rate == 2000


def test_the_pace_is_kept() -> None:
    started = time.monotonic()
    deliverer(FakeLines(), requests_per_second=40).deliver([usage(n) for n in range(10)], soon())
    assert time.monotonic() - started > 19 / 40 * 0.95


def test_records_that_had_no_time_do_not_make_the_next_invocation_wait() -> None:
    sender = deliverer(FakeLines(), requests_per_second=20)
    sender.deliver([usage(n) for n in range(2000)], soon(1.5), from_queue=True)
    waiting = sender._queue_pace.turn()
    assert waiting is not None and waiting < 2
