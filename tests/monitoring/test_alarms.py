"""Each alarm goes off by a fault that is made for it, and by nothing else; and none in normal traffic.

The alarms are those of the plan, the clock is simulated, and all stages but one are without traffic.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest

from monitoring.cloudwatch import Store, key
from monitoring.conftest import Planned
from monitoring.day import MIDNIGHT, Simulation, answering, minutes

SHOP = {"ApiName": "shop", "Stage": "live"}


def went_off(planned: Planned, store: Store, begin: float, end: float) -> set[str]:
    """The alarms that went off in some minute, from hour to hour."""
    return {
        name for name, alarm in planned.alarms.items() if any(alarm.goes_off(store, now) for now in minutes(begin, end))
    }


def with_traffic(planned: Planned, hours: float, calls: int, environ: Mapping[str, str] | None = None) -> Simulation:
    day = Simulation(planned.names(**SHOP), environ=environ)
    day.traffic(0, hours, calls)
    return day


def test_none_goes_off_in_a_day_of_normal_traffic(watched: Planned) -> None:
    """With what is normal: callers who are turned away, Revenium down for a minute, one of its answers in 100 that is a
    5xx or none, an event in 300 that the function is killed on, a check in 200 that times out."""
    day = with_traffic(watched, 24, 4_000)
    dice = random.Random(3)
    sometimes = answering(0, 0.01)
    day.world.revenium = sometimes
    for hour in (6, 12, 18):
        day.at(hour, lambda: setattr(day.world, "revenium", answering(503)))
        day.at(hour + 1 / 60, lambda: setattr(day.world, "revenium", sometimes))
    day.world.killed = lambda: dice.random() < 1 / 300
    day.world.entitlement = answering(503, 1 / 200)
    day.run(25)
    for function, namespace, name in (
        (day.names.metering, "Revenium", "Queued"),
        (day.names.metering, "AWS/Lambda", "Errors"),
        (day.names.authorizer, "Revenium", "Errors"),
    ):
        metric = key(namespace, name, {"FunctionName": function})
        assert day.store.statistic(metric, "Sum", MIDNIGHT, day.now), f"{name} of {function}: nothing went wrong"
    assert went_off(watched, day.store, 0, 25) == set()


@dataclass(frozen=True)
class Fault:
    """What is done to a day of `hours` hours, and the alarms that it sets off."""

    alarms: str
    does: Callable[[Simulation], None]
    hours: float = 4
    mildly: Callable[[Simulation], None] | None = None
    environ: tuple[tuple[str, str], ...] = ()

    def run(self, planned: Planned, does: Callable[[Simulation], None]) -> Simulation:
        day = with_traffic(planned, self.hours, int(120 * self.hours), dict(self.environ))
        does(day)
        day.run(self.hours)
        return day


OPEN = (("REVENIUM_ON_ERROR", "allow"), ("REVENIUM_ALLOW_CACHE_SECONDS", "0"), ("REVENIUM_STALE_SECONDS", "0"))


def nobody_receives(day: Simulation, until: float) -> None:
    day.set(1, 1.2, revenium=answering(503))
    day.set(1, until, consumes=False)


FAULTS = {
    "a line that nobody can read": Fault(
        "metering-dead-letters",
        lambda day: day.at(2, lambda: setattr(day.world, "hopeless", 1)),
    ),
    "Revenium is down for 5 hours": Fault(
        "metering-queued",
        lambda day: day.set(1, 6, revenium=answering(503)),
        hours=7,
        mildly=lambda day: day.set(1, 4.5, revenium=answering(503)),
    ),
    "nobody receives from the retry queue": Fault(
        "metering-queued",
        lambda day: nobody_receives(day, 6.5),
        hours=7,
        mildly=lambda day: nobody_receives(day, 4.5),
    ),
    "CloudWatch may not invoke the function": Fault(
        "metering-delivery-errors metering-missing",
        lambda day: day.set(1, 1.5, permission=False),
    ),
    "a few lines are not handed over": Fault(
        "metering-delivery-errors",
        lambda day: day.set(0.2, 0.3, permission=False),
    ),
    "the function fails": Fault(
        "metering-errors metering-dead-letters metering-missing",
        lambda day: day.set(1, 1.5, killed=lambda: True),
        mildly=lambda day: day.set(2, 2.005, killed=lambda: True),
    ),
    # What Lambda could not start yet is in nobody's queue.
    "the function is throttled": Fault(
        "metering-throttles metering-missing",
        lambda day: day.set(1, 1.4, throttled=True),
        mildly=lambda day: day.set(1, 1.05, throttled=True),
    ),
    "the key is revoked": Fault("metering-key-refused", lambda day: day.set(1, 1.5, revenium=answering(401))),
    "the key is revoked for the authorizer": Fault(
        "authorizer-key-refused authorizer-no-decision",
        lambda day: day.set(1, 1.5, entitlement=answering(401)),
    ),
    "the key cannot be read, and callers are let in": Fault(
        "authorizer-fail-open authorizer-key-refused authorizer-no-decision metering-key-refused",
        lambda day: day.set(0, 1, secret=False),
        environ=OPEN,
    ),
    "Revenium gives no decision": Fault(
        "authorizer-no-decision",
        lambda day: day.set(1, 1.5, entitlement=answering(503)),
        mildly=lambda day: day.set(1, 1.05, entitlement=answering(503)),
    ),
    "Revenium gives no decision, and callers are let in": Fault(
        "authorizer-fail-open authorizer-no-decision",
        lambda day: day.set(1, 1.5, entitlement=answering(503)),
        environ=OPEN,
    ),
    "the authorizer cannot start": Fault(
        "authorizer-failures",
        lambda day: day.set(1, 1.5, authorizer_starts=False),
        mildly=lambda day: day.set(1, 1.015, authorizer_starts=False),
    ),
    "lines never reach the log group": Fault(
        "metering-missing",
        lambda day: day.at(1, lambda: setattr(day.world, "losing", 40)),
        mildly=lambda day: day.at(1, lambda: setattr(day.world, "losing", 5)),
    ),
}
# What the simulation has no part for: the same alarm on the filters of groups that exist.
SAME_ELSEWHERE = {"metering-delivery-errors-news", "metering-delivery-errors-shop"}


@pytest.mark.parametrize("what", FAULTS)
def test_an_alarm_goes_off_by_its_fault_and_no_other_does(what: str, watched: Planned) -> None:
    fault = FAULTS[what]
    day = fault.run(watched, fault.does)
    assert went_off(watched, day.store, 0, fault.hours) == set(fault.alarms.split())


@pytest.mark.parametrize("what", [what for what, fault in FAULTS.items() if fault.mildly])
def test_the_same_for_a_short_while_wakes_nobody(what: str, watched: Planned) -> None:
    fault = FAULTS[what]
    assert fault.mildly is not None
    day = fault.run(watched, fault.mildly)
    assert went_off(watched, day.store, 0, fault.hours) == set()


def test_every_alarm_has_its_fault(watched: Planned) -> None:
    assert {name for fault in FAULTS.values() for name in fault.alarms.split()} | SAME_ELSEWHERE == set(watched.alarms)


@pytest.mark.parametrize("name", sorted(SAME_ELSEWHERE))
def test_the_filters_of_existing_groups_have_alarms_of_their_own(name: str, watched: Planned) -> None:
    alarm, own = watched.alarms[name], watched.alarms["metering-delivery-errors"]
    [metric] = alarm.metrics
    store = Store()
    store.add(metric, MIDNIGHT, 1)
    assert alarm.goes_off(store, MIDNIGHT + 60)
    assert not own.goes_off(store, MIDNIGHT + 60)
    group = name.rpartition("-")[2]
    filter_name = {"news": "revenium", "shop": "watched-metering"}[group]
    assert dict(metric[2]) == {"LogGroupName": group, "DestinationType": "Lambda", "FilterName": filter_name}


def test_an_alarm_calls_what_it_is_told_to_when_it_goes_off_and_when_it_is_over(watched: Planned) -> None:
    for alarm in watched.alarms.values():
        assert alarm.actions == alarm.ok_actions == {"arn:aws:sns:us-east-1:123456789012:on-call"}, alarm.name


def test_thresholds_are_the_users(instances: dict[str, Planned]) -> None:
    alarms = instances["filtered"].alarms
    assert alarms["metering-dead-letters"].threshold == 3
    assert alarms["metering-queued"].threshold == 3600
    assert alarms["metering-missing"].threshold == 0
    assert "more than 1 hours" in alarms["metering-queued"].description
    store = Store()
    for id_, number in (("calls0", 1000), ("delivered", 990), ("skipped", 9), ("logged", 1), ("forwarded", 1)):
        metric = alarms["metering-missing"].queries[id_].metric
        assert metric is not None
        store.add(metric, MIDNIGHT, *([1] * number))
    assert alarms["metering-missing"].goes_off(store, MIDNIGHT + 60)


def test_without_monitoring_there_is_neither_dashboard_nor_alarm(instances: dict[str, Planned]) -> None:
    assert not instances["unwatched"].alarms and not instances["unwatched"].dashboards
    assert not instances["filtered"].dashboards
    assert len(instances["watched"].dashboards) == 1


def test_there_is_no_alarm_on_callers_let_in_unasked_where_nobody_is(instances: dict[str, Planned]) -> None:
    assert "authorizer-fail-open" in instances["watched"].alarms
    assert not [name for name in instances["filtered"].alarms if name.startswith("authorizer")]
