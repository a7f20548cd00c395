import pytest

from revenium.breaker import Breaker

FAILURES, FIRST, LONGEST = 9, 5.0, 60.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr("time.time", lambda: now[0])
    return now


def opened() -> Breaker:
    breaker = Breaker(FAILURES, FIRST, LONGEST)
    for _ in range(FAILURES):
        breaker.failed("http_503")
    return breaker


def test_it_opens_after_a_run_of_failures_and_not_before(clock: list[float]) -> None:
    breaker = Breaker(FAILURES, FIRST, LONGEST)
    assert [breaker.failed("http_503") for _ in range(FAILURES)] == [False] * (FAILURES - 1) + [True]
    assert (breaker.is_open(), breaker.wants_probe(), breaker.reason) == (True, False, "revenium_down")


def test_a_success_in_between_starts_the_count_anew(clock: list[float]) -> None:
    breaker = Breaker(FAILURES, FIRST, LONGEST)
    for _ in range(5 * FAILURES):
        assert not breaker.failed("unreachable")
        breaker.succeeded()


def test_a_refused_key_opens_it_after_three(clock: list[float]) -> None:
    breaker = Breaker(FAILURES, FIRST, LONGEST)
    assert [breaker.failed("key_refused") for _ in range(3)] == [False, False, True]
    assert breaker.reason == "key_refused"


def test_after_its_time_it_wants_a_probe_whose_failure_doubles_the_time(clock: list[float]) -> None:
    breaker = opened()
    expected = FIRST
    for _ in range(8):
        clock[0] += expected - 0.1
        assert breaker.is_open()
        clock[0] += 0.2
        assert breaker.wants_probe()
        assert breaker.failed("unanswered")
        expected = min(LONGEST, 2 * expected)
    assert expected == LONGEST


def test_a_failure_may_bound_the_time_that_it_opens_for(clock: list[float]) -> None:
    breaker = opened()
    for pause, longest in ((FIRST, None), (2 * FIRST, FIRST), (FIRST, FIRST), (FIRST, None), (2 * FIRST, None)):
        clock[0] += pause - 0.1
        assert breaker.is_open()
        clock[0] += 0.2
        assert breaker.wants_probe()
        assert breaker.failed("unanswered", longest)


def test_a_probe_that_succeeds_closes_it_and_the_time_begins_anew(clock: list[float]) -> None:
    breaker = opened()
    clock[0] += FIRST
    breaker.succeeded()
    assert not breaker.is_open() and not breaker.wants_probe()
    for _ in range(FAILURES):
        breaker.failed("http_503")
    clock[0] += FIRST
    assert breaker.wants_probe()


def test_stragglers_do_not_prolong_it(clock: list[float]) -> None:
    breaker = opened()
    for _ in range(50):
        assert breaker.failed("http_503")
    clock[0] += FIRST
    assert breaker.wants_probe()


def test_a_clock_that_is_set_back_does_not_keep_it_open(clock: list[float]) -> None:
    breaker = opened()
    clock[0] -= 3600
    assert breaker.wants_probe()
