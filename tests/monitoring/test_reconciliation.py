"""What API Gateway counted beside what was billed and skipped, over days, by the expressions of the planned alarm."""

import json
import random

import pytest

from chaos.functions import records_in
from monitoring.conftest import Planned
from monitoring.day import DAY, MIDNIGHT, Simulation, answering

SHOP = {"ApiName": "shop", "Stage": "live"}
CALLS = 2_500


def found(planned: Planned, day: Simulation, days: int = 1, after: int = 0) -> tuple[float | None, float | None]:
    """How many calls are unbilled, and how many missing, of so many days; `after` so many."""
    alarm = planned.alarms["metering-missing"]
    values = [
        [alarm.value(day.store, MIDNIGHT + (after + n) * DAY, name) or 0 for n in range(1, days + 1)]
        for name in ("unbilled", "missing")
    ]
    return sum(values[0]), sum(values[1])


def a_day(planned: Planned, seed: int = 1, statuses: tuple[str, ...] = ()) -> Simulation:
    """Traffic until 23:30, so that nothing is under way at midnight."""
    day = Simulation(planned.names(**SHOP), seed, statuses)
    day.traffic(0, 23.5, CALLS)
    return day


def with_faults(day: Simulation) -> Simulation:
    """Everything that goes wrong and is made good: nothing may be missing in the end."""
    dice = random.Random(7)
    day.set(2, 3.5, revenium=answering(503))
    day.set(5, 6, revenium=answering(0, 0.3))
    day.set(7, 7.5, revenium=answering(401))
    day.set(8, 8.5, secret=False)
    day.set(9, 10, revenium=answering(500, 0.5))
    day.set(11, 12, killed=lambda: dice.random() < 0.3)
    day.set(12.5, 13.5, throttled=True)
    day.set(14, 16, revenium=answering(503), sqs=False)  # events that Lambda gives up
    day.set(17, 18, entitlement=answering(503))
    day.at(19, day.redrive)
    return day


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_is_missing_after_a_day_with_faults(seed: int, watched: Planned) -> None:
    day = with_faults(a_day(watched, seed))
    given_up: list[int] = []
    day.at(18.9, lambda: given_up.append(len(day.dead)))
    day.run(24)
    assert given_up[0] > 0, "the day has events that were given up and redriven"
    assert not day.retry and not day.dead
    assert len(day.tally.billed) + day.tally.rejected == day.tally.calls == CALLS
    assert day.tally.rejected > 0, "what the gateway turns away is counted by both sides"
    assert found(watched, day) == (0, 0)


@pytest.mark.parametrize("lost", [1, 137])
def test_what_is_lost_on_the_way_is_missing(lost: int, watched: Planned) -> None:
    """Lines that never reach the log group, of which nobody else knows."""
    day = with_faults(a_day(watched))
    day.at(10.2, lambda: setattr(day.world, "losing", lost))
    day.run(24)
    assert day.tally.lost == lost
    assert found(watched, day) == (lost, lost)


def test_what_cloudwatch_may_not_hand_over_is_missing(watched: Planned) -> None:
    day = a_day(watched)
    day.set(10, 11, permission=False)
    day.run(24)
    assert day.tally.lost > 50
    assert found(watched, day) == (day.tally.lost, day.tally.lost)


def test_dead_letters_are_missing_until_they_are_redriven(watched: Planned) -> None:
    """Events that Lambda gave up, and records that Revenium refuses."""
    day = a_day(watched)
    day.set(10, 11, revenium=answering(422))
    day.set(14, 14.5, revenium=answering(503), sqs=False)
    day.run(24)
    due = sum(records_in(json.loads(letter.body)) for letter in day.dead)
    assert due > 50 and not day.retry
    assert found(watched, day) == (due, due)
    day.at(25, day.redrive)
    day.run(48)
    assert found(watched, day, after=1) == (-due, -due), "the next day has more bills than calls"
    assert found(watched, day, days=2) == (0, 0)


def test_what_waits_is_unbilled_and_not_missing(watched: Planned) -> None:
    """Midnight comes in the middle of an outage."""
    day = a_day(watched)
    day.set(20, 26, revenium=answering(503))
    day.run(24)
    due = day.tally.calls - day.tally.rejected - len(day.tally.billed)
    assert due > 50
    assert found(watched, day) == (due, 0)
    day.run(48)
    assert found(watched, day, after=1) == (-due, 0)


def test_what_is_handed_over_twice_is_billed_once_and_counted_twice(watched: Planned) -> None:
    """CloudWatch Logs promises at least once. Which calls come again, the function cannot know."""
    day = a_day(watched)
    day.set(10, 11, twice=True)
    day.run(24)
    assert day.tally.twice > 50
    assert len(day.tally.billed) + day.tally.rejected == day.tally.calls
    unbilled, missing = found(watched, day)
    assert unbilled == missing == -day.tally.twice


@pytest.mark.parametrize("lost", [0, 5])
def test_what_a_status_filter_leaves_out_is_not_missing(lost: int, instances: dict[str, Planned]) -> None:
    """The function never sees it, so it is none of the skipped."""
    filtered = instances["filtered"]
    day = with_faults(a_day(filtered, statuses=("2xx",)))
    day.at(10.2, lambda: setattr(day.world, "losing", lost))
    day.run(24)
    assert day.tally.filtered > 100
    assert found(filtered, day) == (lost, lost)


def test_a_status_filter_that_is_gone_leaves_nothing_out(instances: dict[str, Planned]) -> None:
    """Nothing is handed over then, and no other metric says so."""
    filtered = instances["filtered"]
    day = a_day(filtered, statuses=("2xx",))
    day.set(0, 24, permission=False)
    day.run(24)
    assert found(filtered, day) == (CALLS, CALLS)
