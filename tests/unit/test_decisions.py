"""What an execution environment remembers, for how long and of how many, and when it leaves Revenium alone."""

import time
import tracemalloc

import pytest

from authorizer.decisions import LIMIT, Decisions
from authorizer.entitlement import _NOBODY as NOBODY
from authorizer.settings import Settings
from revenium.http11 import Answer
from revenium.transport import NotSent, Unanswered
from unit.authorizing import KNOWN, UNKNOWN, Revenium, event
from unit.fakes import FakeKey

DOWN = Answer(503, {}, "")
LIFETIMES = {"REVENIUM_ALLOW_CACHE_SECONDS": "30", "REVENIUM_DENY_CACHE_SECONDS": "10"}
# 1,000,000.0 and these are floats without a rest.
JUST = 0.125


def test_a_thousand_calls_of_a_client_make_one_check(clock: list[float], revenium: Revenium) -> None:
    revenium.start()
    for _ in range(1000):
        clock[0] += 0.029
        assert revenium.reason("acme") == "entitled"
    assert revenium.asked == ["acme"]


@pytest.mark.parametrize(("client_id", "seconds"), [("acme", 30), ("mallory", 10)])
def test_a_yes_and_a_no_are_remembered_for_their_own_times(
    client_id: str, seconds: int, clock: list[float], revenium: Revenium
) -> None:
    revenium.start(**LIFETIMES)
    first = revenium.reason(client_id)
    clock[0] += seconds - JUST
    assert revenium.reason(client_id) == first
    assert len(revenium.asked) == 1
    clock[0] += JUST
    assert revenium.reason(client_id) == first
    assert len(revenium.asked) == 2


def test_a_check_renews_the_time(clock: list[float], revenium: Revenium) -> None:
    revenium.start(**LIFETIMES)
    for _ in range(3):
        revenium.reason("acme")
        clock[0] += 30
    revenium.reason("acme")
    clock[0] += 30 - JUST
    revenium.reason("acme")
    assert len(revenium.asked) == 4


@pytest.mark.parametrize("client_id", ["acme", "mallory"])
def test_a_lifetime_of_nothing_asks_every_time(client_id: str, clock: list[float], revenium: Revenium) -> None:
    revenium.start(REVENIUM_ALLOW_CACHE_SECONDS="0", REVENIUM_DENY_CACHE_SECONDS="0")
    for _ in range(3):
        revenium.reason(client_id)
    assert len(revenium.asked) == 3


def test_a_client_that_is_revoked_is_out_when_the_yes_has_expired_and_in_again_when_the_no_has(
    clock: list[float], revenium: Revenium
) -> None:
    revenium.start(**LIFETIMES)
    assert revenium.reason("acme") == "entitled"
    revenium.trouble = UNKNOWN
    clock[0] += 30
    assert revenium.reason("acme") == "not_entitled"
    revenium.trouble = None
    clock[0] += 10
    assert revenium.reason("acme") == "entitled"


def test_a_client_stands_on_one_side_only() -> None:
    decisions = Decisions(Settings.from_environ({}))
    for entitled in (True, False, True, False):
        decisions.remember("acme", entitled)
        assert decisions._known[entitled].keys() == {"acme"}
        assert not decisions._known[not entitled]
        assert decisions.fresh("acme") is entitled
        assert decisions.stale("acme") is entitled


def test_a_second_call_at_the_same_instant_is_no_second_check(clock: list[float], revenium: Revenium) -> None:
    revenium.start()
    assert [revenium.reason("acme") for _ in range(2)] == ["entitled"] * 2
    assert len(revenium.asked) == 1


def test_a_clock_that_is_set_back_a_little_is_enough_to_ask_again(clock: list[float], revenium: Revenium) -> None:
    revenium.start()
    revenium.reason("acme")
    clock[0] -= JUST
    revenium.reason("acme")
    assert len(revenium.asked) == 2


def test_a_clock_that_is_set_back_makes_a_decision_worthless(clock: list[float], revenium: Revenium) -> None:
    revenium.start(REVENIUM_ON_ERROR="deny")
    revenium.reason("acme")
    clock[0] -= 3600
    revenium.reason("acme")
    assert len(revenium.asked) == 2
    clock[0] -= 3600
    revenium.trouble = DOWN
    assert revenium.reason("acme") == "no_decision"


@pytest.mark.parametrize(("entitled", "many"), [(True, 200_000), (False, 1_000_000)])
def test_very_many_ids_leave_the_memory_bounded(entitled: bool, many: int) -> None:
    decisions = Decisions(Settings.from_environ({}))
    for number in range(many):
        decisions.remember(str(number), entitled)
    assert len(decisions._known[entitled]) == LIMIT
    assert not decisions._known[not entitled]
    assert decisions.fresh(str(many - 1)) is entitled
    assert decisions.fresh(str(many - LIMIT)) is entitled
    assert decisions.fresh(str(many - LIMIT - 1)) is None


def test_the_longest_ids_take_a_few_megabytes() -> None:
    tracemalloc.start()
    try:
        decisions = Decisions(Settings.from_environ({}))
        for number in range(3 * LIMIT):
            decisions.remember(f"{number:0256d}", False)
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 5_000_000 and peak < 6_000_000


def test_invented_ids_do_not_push_out_who_is_entitled() -> None:
    decisions = Decisions(Settings.from_environ({}))
    decisions.remember("acme", True)
    for number in range(2 * LIMIT):
        decisions.remember(str(number), False)
    assert decisions.fresh("acme") is True


def test_whom_revenium_was_asked_for_last_is_forgotten_last() -> None:
    decisions = Decisions(Settings.from_environ({}))
    for number in range(LIMIT):
        decisions.remember(str(number), True)
    decisions.remember("0", True)
    decisions.remember("new", True)
    assert decisions.fresh("0") is True
    assert decisions.fresh("1") is None
    assert decisions.fresh("2") is True


def test_ids_through_the_whole_function_leave_the_memory_bounded(
    revenium: Revenium, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("authorizer.decisions.LIMIT", 50)
    decisions = revenium.start()._decisions
    for number in range(300):
        assert revenium.reason(f"invented-{number}") == "not_entitled"
    assert [len(side) for side in decisions._known.values()] == [0, 50]


@pytest.mark.parametrize("on_error", ["deny", "allow"])
@pytest.mark.parametrize(("client_id", "known"), [("acme", "entitled"), ("mallory", "not_entitled")])
def test_a_decision_is_repeated_while_it_is_young_enough_and_then_the_setting_decides(
    client_id: str, known: str, on_error: str, clock: list[float], revenium: Revenium
) -> None:
    revenium.start(REVENIUM_ON_ERROR=on_error, REVENIUM_STALE_SECONDS="100")
    assert revenium.reason(client_id) == known
    revenium.trouble = DOWN
    clock[0] += 99
    assert revenium.reason(client_id) == f"stale_{known}"
    clock[0] += 1
    answer = revenium.ask(event("http_2_0", client_id))
    assert answer["context"]["reason"] == f"stale_{known}"
    assert answer["context"]["decision"] == ("allow" if known == "entitled" else "deny")
    clock[0] += JUST
    answer = revenium.ask(event("http_2_0", client_id))
    assert answer["context"] == {"clientId": client_id, "decision": on_error, "reason": "no_decision"}


def test_a_stale_answer_does_not_make_the_decision_younger(clock: list[float], revenium: Revenium) -> None:
    revenium.start()
    revenium.reason("acme")
    revenium.trouble = DOWN
    for _ in range(3):
        clock[0] += 100
        assert revenium.reason("acme") == "stale_entitled"
    clock[0] += JUST
    assert revenium.reason("acme") == "no_decision"


def test_stale_answers_can_be_switched_off(clock: list[float], revenium: Revenium) -> None:
    revenium.start(REVENIUM_STALE_SECONDS="0", REVENIUM_ALLOW_CACHE_SECONDS="0")
    revenium.reason("acme")
    revenium.trouble = DOWN
    assert revenium.reason("acme") == "no_decision"


FAILURES = [
    (DOWN, "no_decision"),
    (Answer(400, {}, ""), "check_refused"),
    (Answer(401, {}, ""), "no_decision"),
    (Answer(204, {}, ""), "check_refused"),
    (NotSent("x"), "no_decision"),
    (Unanswered("x"), "no_decision"),
]


@pytest.mark.parametrize("on_error", ["deny", "allow"])
@pytest.mark.parametrize(("failure", "reason"), FAILURES)
def test_a_failure_is_never_remembered(
    failure: Answer | Exception, reason: str, on_error: str, revenium: Revenium
) -> None:
    decisions = revenium.start(REVENIUM_ON_ERROR=on_error)._decisions
    revenium.trouble = failure
    assert revenium.reason("mallory") == reason
    assert not any(decisions._known.values())
    revenium.client._breaker.succeeded()
    revenium.trouble = None
    assert revenium.reason("mallory") == "not_entitled"


def test_failing_open_does_not_let_in_who_is_known_as_not_entitled(clock: list[float], revenium: Revenium) -> None:
    revenium.start(REVENIUM_ON_ERROR="allow")
    revenium.reason("mallory")
    revenium.trouble = DOWN
    clock[0] += 60
    assert revenium.ask(event("rest_request", "mallory"))["context"]["decision"] == "deny"
    assert revenium.ask(event("rest_request", "stranger"))["context"]["decision"] == "allow"


def exhaust(revenium: Revenium) -> None:
    """Three failures in a row."""
    for number in range(3):
        revenium.reason(f"exhausting-{number}")


BRIEF, LONGER = (1, 1, 1, 1), (1, 2, 4, 8, 10, 10)


@pytest.mark.parametrize(
    ("trouble", "pauses"),
    [
        (DOWN, BRIEF),
        (Answer(500, {}, ""), BRIEF),
        (Answer(429, {}, ""), BRIEF),
        (Answer(408, {}, ""), BRIEF),
        (NotSent("x"), LONGER),
        (Unanswered("x"), LONGER),
    ],
)
def test_after_three_failures_revenium_is_left_alone_for_a_second_and_then_asked_once(
    trouble: Answer | Exception, pauses: tuple[int, ...], clock: list[float], revenium: Revenium
) -> None:
    revenium.start()
    revenium.trouble = trouble
    revenium.reason("a")
    revenium.reason("b")
    sent = len(revenium.asked)
    revenium.reason("c")
    per_check = len(revenium.asked) - sent
    assert per_check == (2 if isinstance(trouble, Exception) else 1)
    for pause in pauses:
        sent = len(revenium.asked)
        clock[0] += pause - JUST
        assert revenium.reason("d") == "no_decision"
        assert len(revenium.asked) == sent, "nothing goes out while it is open"
        clock[0] += JUST
        assert [revenium.reason("e") for _ in range(3)] == ["no_decision"] * 3
        assert len(revenium.asked) == sent + per_check, "one probe"


def test_a_probe_that_succeeds_brings_everybody_back(clock: list[float], revenium: Revenium) -> None:
    revenium.start()
    revenium.trouble = DOWN
    exhaust(revenium)
    revenium.trouble = None
    assert revenium.reason("acme") == "no_decision"
    clock[0] += 1
    assert revenium.reason("mallory") == "not_entitled"
    assert revenium.reason("acme") == "entitled"


@pytest.mark.parametrize("success", [KNOWN, UNKNOWN])
def test_two_failures_and_a_decision_do_not_open_it(success: Answer, revenium: Revenium) -> None:
    revenium.start()
    for number in range(10):
        revenium.trouble = success if number % 3 == 2 else DOWN
        revenium.reason(f"client-{number}")
    assert len(revenium.asked) == 10


@pytest.mark.parametrize("status", [400, 414, 422, 204, 302, 499])
def test_an_id_that_revenium_dislikes_does_not_shut_out_everybody_else(status: int, revenium: Revenium) -> None:
    revenium.start()
    revenium.trouble = Answer(status, {}, "")
    for number in range(20):
        assert revenium.reason(f"disliked-{number}") == "check_refused"
    revenium.trouble = None
    assert revenium.reason("acme") == "entitled"


def test_a_refused_key_is_shown_to_revenium_once(clock: list[float], revenium: Revenium) -> None:
    revenium.start()
    revenium.trouble = Answer(401, {}, "")
    assert [revenium.reason(client_id) for client_id in ("acme", "acme", "other")] == ["no_decision"] * 3
    assert revenium.asked == ["acme"]
    assert revenium.key.refusals == 1
    clock[0] += 1
    revenium.trouble, revenium.key._keys = None, ["rotated"]
    assert revenium.reason("acme") == "entitled"


@pytest.mark.parametrize(("status", "silent"), [(401, True), (403, False)])
def test_a_rotated_key_that_is_refused_too_is_shown_once(status: int, silent: bool, revenium: Revenium) -> None:
    """A 403 may be a firewall's answer to an id: it takes three in a row to leave Revenium alone."""
    revenium.key = FakeKey("one", "two", "three", "four", "five", "six")
    revenium.start()
    revenium.trouble = Answer(status, {}, "")
    revenium.reason("acme")
    shown = [headers["x-api-key"] for url, headers, _ in revenium.transport.sent if "=acme" in url]
    assert shown == ["one", "two"]
    assert revenium.client.is_silent() == silent
    for _ in range(2):
        revenium.reason("acme")
    assert revenium.client.is_silent()


def test_an_answer_that_takes_long_makes_the_pauses_longer_whatever_it_is(
    clock: list[float], revenium: Revenium, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, takes = [100.0], [1.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])

    def respond(*_: object) -> Answer:
        now[0] += takes[0]
        return DOWN

    revenium.transport.respond = respond
    revenium.start()
    exhaust(revenium)
    for pause in (1, 2, 4):
        clock[0] += pause - JUST
        assert revenium.client.is_silent()
        clock[0] += JUST
        assert not revenium.client.is_silent()
        revenium.reason("probe")
    takes[0] = 0.875
    clock[0] += 8
    revenium.reason("probe")
    clock[0] += 1
    assert not revenium.client.is_silent(), "one at once, and the pause is short again"


class Disliking(Revenium):
    """Answers `status` to ids that begin with `disliked`, and to nobody else."""

    def __init__(self, status: int) -> None:
        super().__init__()
        others = self.transport.respond
        disliked = Answer(status, {}, "")
        self.transport.respond = lambda url, headers, body: (
            disliked if "=disliked" in url else others(url, headers, body)
        )


def test_ids_that_are_answered_403_never_shut_out_anybody(clock: list[float]) -> None:
    revenium = Disliking(403)
    revenium.start(REVENIUM_ALLOW_CACHE_SECONDS="0")
    for number in range(1000):
        clock[0] += 0.875
        revenium.reason(f"disliked-{number}")
        if number % 10 == 0:
            assert revenium.reason("acme") == "entitled"


def test_a_key_that_was_good_for_somebody_lately_is_not_tried_out(clock: list[float]) -> None:
    revenium = Disliking(403)
    revenium.start()
    for client_id in ("acme", "mallory"):
        revenium.reason(client_id)
        before = len(revenium.asked)
        clock[0] += 300
        revenium.reason("disliked")
        assert revenium.asked[before:] == ["disliked"]
        clock[0] += JUST
        revenium.reason("disliked")
        assert revenium.asked[before + 1 :] == ["disliked", NOBODY]
        revenium.reason("disliked")
        assert revenium.asked[before + 3 :] == ["disliked"], "that it was good is remembered"
        clock[0] += 301


def test_another_key_is_tried_out_anew(clock: list[float]) -> None:
    revenium = Disliking(403)
    revenium.key = FakeKey("one", "two")
    revenium.start()
    assert revenium.reason("acme") == "entitled"
    revenium.reason("disliked")
    assert revenium.asked == ["acme", "disliked", "disliked", NOBODY]


@pytest.mark.parametrize("trouble", [Answer(403, {}, ""), DOWN, NotSent("x"), Unanswered("x")])
def test_a_key_that_cannot_be_told_from_a_refused_one_counts_as_trouble(
    trouble: Answer | Exception, revenium: Revenium
) -> None:
    def respond(url: str, *_: object) -> Answer:
        if NOBODY in url and isinstance(trouble, Exception):
            raise trouble
        return trouble if NOBODY in url and isinstance(trouble, Answer) else Answer(403, {}, "")

    revenium.transport.respond = respond
    revenium.start()
    exhaust(revenium)
    assert revenium.client.is_silent()
    assert revenium.asked.count(NOBODY) == 3


def test_a_key_is_not_tried_out_when_the_time_is_over(revenium: Revenium, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])

    def respond(*_: object) -> Answer:
        now[0] += 2.95
        return Answer(403, {}, "")

    revenium.transport.respond = respond
    revenium.start()
    revenium.reason("acme")
    assert revenium.asked == ["acme"]


def test_a_key_that_is_refused_keeps_revenium_alone_for_longer_each_time(
    clock: list[float], revenium: Revenium
) -> None:
    """No id brings a 401 about, and repeated 4xx make Revenium limit the account."""
    revenium.start()
    revenium.trouble = Answer(401, {}, "")
    for pause in LONGER:
        revenium.reason("acme")
        clock[0] += pause - JUST
        assert revenium.client.is_silent()
        clock[0] += JUST
        assert not revenium.client.is_silent()


def test_while_it_is_open_who_is_known_is_answered_at_once(
    clock: list[float], revenium: Revenium, monkeypatch: pytest.MonkeyPatch
) -> None:
    revenium.start()
    revenium.reason("acme")
    revenium.reason("mallory")
    clock[0] += 60
    revenium.trouble = DOWN
    exhaust(revenium)
    sent = len(revenium.asked)

    def impossible(*_: object) -> None:
        raise AssertionError("a check was begun")

    monkeypatch.setattr(revenium.client, "check", impossible)
    assert [revenium.reason(each) for each in ("acme", "mallory")] == ["stale_entitled", "stale_not_entitled"]
    assert len(revenium.asked) == sent


def test_no_key_counts_as_trouble(revenium: Revenium, monkeypatch: pytest.MonkeyPatch) -> None:
    from revenium.secret import SecretUnavailable

    asked: list[float] = []

    def value(timeout: float) -> str:
        asked.append(timeout)
        raise SecretUnavailable("no secret")

    monkeypatch.setattr(revenium.key, "value", value)
    revenium.start()
    for number in range(9):
        assert revenium.reason(f"client-{number}") == "no_decision"
    assert len(asked) == 3
    assert not revenium.transport.sent


def test_a_check_has_until_its_deadline(revenium: Revenium) -> None:
    revenium.start()
    deadline = time.monotonic() + 2
    revenium.client.check("acme", deadline)
    [timeout] = revenium.transport.timeouts
    assert 0 < timeout <= 2
