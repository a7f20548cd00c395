import pytest

from metering.pace import Pace


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_requests_are_spaced_evenly_and_a_pause_is_not_made_up_for(clock: list[float]) -> None:
    pace = Pace(10)
    assert [pace.turn() for _ in range(3)] == pytest.approx([0, 0.1, 0.2])
    clock[0] += 100
    assert [pace.turn() for _ in range(3)] == pytest.approx([0, 0.1, 0.2])


def test_after_a_429_nobody_goes_before_the_time_and_then_at_half_the_rate(clock: list[float]) -> None:
    pace = Pace(10)
    pace.pushed_back(2.0)
    assert [pace.turn() for _ in range(3)] == pytest.approx([2.0, 2.2, 2.4])


def test_the_rate_never_falls_to_nothing_and_recovers(clock: list[float]) -> None:
    pace = Pace(10)
    for _ in range(50):
        pace.pushed_back(0)
    pace.turn()
    assert pace.turn() == pytest.approx(2.0)
    for _ in range(200):
        pace.taken()
    clock[0] += 100
    assert [pace.turn() for _ in range(2)] == pytest.approx([0, 0.1])


def test_a_place_that_comes_too_late_is_not_taken(clock: list[float]) -> None:
    pace = Pace(10)
    assert [pace.turn(0.15) for _ in range(100)] == [0, pytest.approx(0.1)] + [None] * 98
    assert pace.turn() == pytest.approx(0.2)
