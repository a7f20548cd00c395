"""stage_logging, through its handler, against an API Gateway and an SSM in memory."""

import functools
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)

from revenium.settings import SettingsError
from stage_logging import aws, handler
from stage_logging.handler import StageLoggingError, UnknownEvent
from stage_logging.memory import Memory
from stage_logging.stages import KINDS, AccessLog, Stage
from unit.fake_aws import FakeAws, refusal

ARN = "arn:aws:logs:us-east-1:123456789012:log-group"
OURS, OTHER_GROUP, THEIRS = f"{ARN}:/ours", f"{ARN}:/ours-too", f"{ARN}:/theirs:*"
FORMAT = '{"id":"$context.extendedRequestId"}'
THEIR_FORMAT = '$context.requestId "{{x}}" {"a":{"b":"ü\\\\"}} - '
PARAMETER = "/revenium/r/stage-logging/shop"
CONTEXT = SimpleNamespace(get_remaining_time_in_millis=lambda: 180_000)
EARLIER = [pytest.param(None, id="none before"), pytest.param((THEIRS, THEIR_FORMAT), id="theirs before")]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(handler, "Caller", lambda _: aws.Caller(178.0 + made.now, clock=made, sleep=made.sleep))
    return made


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Iterator[FakeAws]:
    made = FakeAws()
    monkeypatch.setattr(handler, "_CLIENTS", made.clients())
    yield made


def stage_of(kind: str) -> tuple[str, str, str]:
    return kind, kind.lower()[:4] + "123456", "$default" if kind == "HTTP" else "live"


def there(fake: FakeAws, kind: str, earlier: tuple[str, str] | None = None) -> tuple[str, str, str]:
    """A stage of this kind, which logs `earlier`."""
    stage = stage_of(kind)
    fake.add(*stage, *(earlier or ("", "")))
    return stage


def switch_on(where: tuple[str, str, str], replace: bool = True, **changes: Any) -> dict[str, Any]:
    kind, api_id, name = where
    event = {
        "task": "switch_on",
        "kind": kind,
        "api_id": api_id,
        "stage": name,
        "destination_arn": OURS,
        "format": FORMAT,
        "replace_existing": replace,
        "parameter": PARAMETER,
    }
    return handler.handler(event | changes, CONTEXT)


def give_back(stage: tuple[str, str, str], action: str = "delete", **changes: Any) -> dict[str, Any]:
    kind, api_id, name = stage
    event = {"task": "give_back", "kind": kind, "api_id": api_id, "stage": name, "parameter": PARAMETER}
    return handler.handler(event | {"tf": {"action": action, "prev_input": event}} | changes, CONTEXT)


def refused(attempt: Any, *parts: str) -> str:
    with pytest.raises(StageLoggingError) as error:
        attempt()
    for part in parts:
        assert part in str(error.value), str(error.value)
    return str(error.value)


@pytest.mark.parametrize("earlier", EARLIER)
@pytest.mark.parametrize("kind", KINDS)
def test_a_stage_is_switched_on_and_given_back_as_it_was(
    kind: str, earlier: tuple[str, str] | None, fake: FakeAws
) -> None:
    stage = there(fake, kind, earlier)
    found = json.dumps(fake.stages[stage])
    answer = switch_on(stage)
    assert fake.logs(*stage) == (OURS, FORMAT)
    assert answer["outcome"] == "switched_on"
    assert answer["earlier"] == (earlier and {"destination_arn": THEIRS, "format": THEIR_FORMAT})
    assert give_back(stage)["outcome"] == "given_back"
    assert json.dumps(fake.stages[stage]) == found
    assert fake.parameters == {}


@pytest.mark.parametrize("kind", KINDS)
def test_both_can_be_repeated(kind: str, fake: FakeAws) -> None:
    stage = there(fake, kind, (THEIRS, THEIR_FORMAT))
    switch_on(stage)
    remembered = dict(fake.parameters)
    fake.calls.clear()
    assert switch_on(stage)["outcome"] == "up_to_date"
    assert not {"put_parameter", "update_stage"} & set(fake.calls)
    assert fake.parameters == remembered
    give_back(stage)
    fake.calls.clear()
    assert give_back(stage)["outcome"] == "nothing_to_give_back"
    assert fake.calls == ["get_parameter"]
    assert fake.logs(*stage) == (THEIRS, THEIR_FORMAT)


def test_terraforms_other_calls_of_give_back_do_nothing(fake: FakeAws) -> None:
    for action in ("create", "update"):
        assert give_back(there(fake, "REST"), action)["outcome"] == "nothing_to_do"
    assert fake.calls == []


@pytest.mark.parametrize("kind", KINDS)
def test_somebody_elses_destination_is_refused_unless_it_may_be_replaced(kind: str, fake: FakeAws) -> None:
    stage = there(fake, kind, (THEIRS, THEIR_FORMAT))
    refused(
        lambda: switch_on(stage, replace=False),
        f"stage {stage[2]} of {kind} API {stage[1]} logs to {THEIRS} already",
        "`replace_existing = true`",
    )
    assert fake.logs(*stage) == (THEIRS, THEIR_FORMAT)
    assert fake.parameters == {}


@pytest.mark.parametrize("log_format", [FORMAT, THEIR_FORMAT], ids=["just so", "in another format"])
@pytest.mark.parametrize("group", [OURS, f"{OURS}:*"])
def test_a_stage_of_our_log_group_that_is_not_remembered_is_refused(group: str, log_format: str, fake: FakeAws) -> None:
    """Whoever deletes the parameter by hand would get it back to a log group that goes with us."""
    stage = there(fake, "REST", (group, log_format))
    for replace in (False, True):
        refused(lambda may=replace: switch_on(stage, may), group, PARAMETER, "switch the stage's access logs off")
    assert fake.logs(*stage) == (group, log_format)
    assert fake.parameters == {}


@pytest.mark.parametrize("log_format", [FORMAT, FORMAT + " "], ids=["same format", "new format"])
@pytest.mark.parametrize("earlier", EARLIER)
def test_a_renamed_entry_is_refused_until_the_stage_is_given_back_under_its_old_name(
    earlier: tuple[str, str] | None, log_format: str, fake: FakeAws
) -> None:
    """One apply may do both in any order, and bring a new format besides."""
    stage = there(fake, "REST", earlier)
    switch_on(stage)
    new_name = PARAMETER + "-renamed"
    renamed = functools.partial(switch_on, stage, parameter=new_name, format=log_format)
    refused(renamed, OURS, new_name, "apply again")
    give_back(stage)
    assert fake.logs(*stage) == earlier
    assert renamed()["outcome"] == "switched_on"
    assert list(fake.parameters) == [new_name]
    give_back(stage, parameter=new_name)
    assert fake.logs(*stage) == earlier


def test_a_lost_state_does_not_lose_what_was_before(fake: FakeAws) -> None:
    stage = there(fake, "HTTP", (THEIRS, THEIR_FORMAT))
    switch_on(stage)
    for log_format in (FORMAT, FORMAT + " "):
        assert switch_on(stage, replace=False, format=log_format)["earlier"]["destination_arn"] == THEIRS
        assert fake.logs(*stage) == (OURS, log_format)
    give_back(stage)
    assert fake.logs(*stage) == (THEIRS, THEIR_FORMAT)


def test_another_log_group_is_taken_up_and_the_first_memory_kept(fake: FakeAws) -> None:
    stage = there(fake, "REST", (THEIRS, THEIR_FORMAT))
    switch_on(stage)
    assert switch_on(stage, replace=False, destination_arn=OTHER_GROUP)["outcome"] == "switched_on"
    assert fake.logs(*stage) == (OTHER_GROUP, FORMAT)
    give_back(stage)
    assert fake.logs(*stage) == (THEIRS, THEIR_FORMAT)


@pytest.mark.parametrize("kind", KINDS)
def test_what_somebody_has_changed_since_is_refused_and_left_alone(
    kind: str, fake: FakeAws, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = there(fake, kind)
    switch_on(stage)
    fake.add(*stage, THEIRS, "$context.requestId")
    refused(lambda: switch_on(stage, replace=False, format=FORMAT + " "), f"logs to {THEIRS} already")
    assert give_back(stage)["outcome"] == "left_as_changed_since"
    assert '"level": "WARNING"' in capsys.readouterr().out
    assert fake.logs(*stage) == (THEIRS, "$context.requestId")
    assert fake.parameters == {}


@pytest.mark.parametrize("earlier", EARLIER)
@pytest.mark.parametrize("kind", KINDS)
def test_what_somebody_has_changed_since_is_given_back_where_it_may_be_replaced(
    kind: str, earlier: tuple[str, str] | None, fake: FakeAws
) -> None:
    """As the error that asks for `replace_existing` says."""
    stage = there(fake, kind, earlier)
    switch_on(stage)
    newer = (f"{ARN}:/newer", "$context.requestId")
    fake.add(*stage, *newer)
    refused(lambda: switch_on(stage, replace=False), "what it logs now is remembered and given back")
    for destination in (OURS, OTHER_GROUP, OURS):
        assert switch_on(stage, destination_arn=destination)["earlier"] == dict(
            zip(("destination_arn", "format"), newer, strict=True)
        )
    assert give_back(stage)["outcome"] == "given_back"
    assert fake.logs(*stage) == newer


def test_logs_that_somebody_has_switched_off_since_stay_off_when_given_back(fake: FakeAws) -> None:
    stage = there(fake, "REST", (THEIRS, THEIR_FORMAT))
    switch_on(stage)
    fake.add(*stage)
    assert give_back(stage)["outcome"] == "left_as_changed_since"
    assert fake.logs(*stage) is None
    switch_on(stage)
    fake.add(*stage)
    assert switch_on(stage)["outcome"] == "switched_on", "an entry that is there meters"


def test_a_destination_without_a_format_is_given_back_without_one(fake: FakeAws) -> None:
    stage = there(fake, "REST", (THEIRS, ""))
    fake.stages[stage]["accessLogSettings"].pop("format")
    found = json.dumps(fake.stages[stage])
    switch_on(stage)
    interrupted = always(refusal("InternalServerError"), "update_stage")

    def between(number: int, name: str) -> None:
        if fake.logs(*stage) is None:
            interrupted(number, name)

    fake.interfere = between
    refused(lambda: give_back(stage), "InternalServerError")
    fake.interfere = lambda *_: None
    assert give_back(stage)["outcome"] == "given_back"
    assert json.dumps(fake.stages[stage]) == found


@pytest.mark.parametrize(
    "error",
    [
        refusal("NotFoundException", "LogDestination /theirs"),
        refusal("BadRequestException", "The specified log group does not exist."),
        refusal("BadRequestException", "Delivery stream not found"),
        refusal("BadRequestException", "The log group doesn't exist"),
    ],
)
@pytest.mark.parametrize("their_format", [THEIR_FORMAT, ""])
@pytest.mark.parametrize("kind", KINDS)
def test_a_stage_whose_earlier_destination_is_gone_logs_nothing(
    kind: str, their_format: str, error: Exception, fake: FakeAws, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody gets a destroy to its end otherwise: what was before cannot be had."""
    stage = there(fake, kind, (THEIRS, their_format))
    switch_on(stage)
    fake.without = {THEIRS: error}
    answer = give_back(stage)
    assert answer["outcome"] == "earlier_destination_is_gone"
    assert answer["earlier"]["destination_arn"] == THEIRS
    assert '"level": "WARNING"' in capsys.readouterr().out
    assert fake.logs(*stage) is None
    assert fake.parameters == {}


@pytest.mark.parametrize("gone", ["stage", "api"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_stage_that_is_gone_is_forgotten(
    kind: str, gone: str, fake: FakeAws, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = there(fake, kind)
    switch_on(stage)
    fake.stages.clear()
    if gone == "api":
        fake.kinds.clear()
    assert give_back(stage)["outcome"] == "stage_is_gone"
    assert '"level": "WARNING"' in capsys.readouterr().out
    assert fake.parameters == {}


@pytest.mark.parametrize("lost", [False, True], ids=["call fails", "answer is lost"])
@pytest.mark.parametrize("earlier", EARLIER)
@pytest.mark.parametrize("kind", KINDS)
def test_an_interruption_at_any_call_is_made_up_for_by_running_again(
    kind: str, earlier: tuple[str, str] | None, lost: bool, fake: FakeAws
) -> None:
    """Also where Terraform gives up on the entry instead: then its stage is given back."""

    def interrupt(at: int, attempt: Any) -> bool:
        """Whether the attempt came to the call with this number, counted from now."""
        target = len(fake.calls) + at

        def fail(number: int, name: str) -> None:
            if number == target:
                raise refusal("InternalServerError")

        setattr(fake, "lose" if lost else "interfere", fail)
        try:
            attempt()
        except StageLoggingError:
            return True
        finally:
            fake.lose = fake.interfere = lambda *_: None
        return False

    stage = there(fake, kind, earlier)
    switch_on(stage)
    to_switch_on = len(fake.calls)
    give_back(stage)
    to_give_back = len(fake.calls) - to_switch_on
    for at in range(1, max(to_switch_on, to_give_back) + 1):
        for repeat in (True, False):
            stage = there(fake, kind, earlier)
            assert interrupt(at, functools.partial(switch_on, stage)) == (at <= to_switch_on)
            if repeat:
                switch_on(stage)
                assert fake.logs(*stage) == (OURS, FORMAT)
                change = functools.partial(switch_on, stage, format=FORMAT + " ", destination_arn=OTHER_GROUP)
                assert interrupt(at, change) == (at <= to_switch_on)
                change()
                assert fake.logs(*stage) == (OTHER_GROUP, FORMAT + " ")
                assert interrupt(at, functools.partial(give_back, stage)) == (at <= to_give_back)
            give_back(stage)
            assert fake.logs(*stage) == earlier
            assert fake.parameters == {}


def test_what_was_there_is_remembered_before_it_is_touched_and_forgotten_after(fake: FakeAws) -> None:
    stage = there(fake, "REST", (THEIRS, THEIR_FORMAT))
    switch_on(stage)
    assert fake.calls == ["get_stage", "get_parameter", "put_parameter", "update_stage"]
    fake.calls.clear()
    give_back(stage)
    assert fake.calls == ["get_parameter", "get_stage", "update_stage", "delete_parameter"]


def test_a_memory_that_appears_meanwhile_is_not_written_over(fake: FakeAws) -> None:
    stage = there(fake, "REST", (THEIRS, THEIR_FORMAT))
    switch_on(stage)
    first = fake.parameters.pop(PARAMETER)
    fake.add(*stage, THEIRS, "$context.requestId")

    def meanwhile(_: int, name: str) -> None:
        if name == "put_parameter":
            fake.parameters[PARAMETER] = first

    fake.interfere = meanwhile
    refused(lambda: switch_on(stage), "ParameterAlreadyExists", "apply again")
    assert fake.parameters == {PARAMETER: first}
    assert fake.logs(*stage) == (THEIRS, "$context.requestId")


@pytest.mark.parametrize("earlier", EARLIER)
def test_giving_back_that_was_interrupted_before_it_forgot_ends_as_given_back(
    earlier: tuple[str, str] | None, fake: FakeAws
) -> None:
    stage = there(fake, "HTTP", earlier)
    switch_on(stage)
    fake.interfere = always(refusal("InternalServerError"), "delete_parameter")
    refused(lambda: give_back(stage), "InternalServerError")
    fake.interfere = lambda *_: None
    assert give_back(stage)["outcome"] == "given_back"


def test_a_memory_that_is_deleted_meanwhile_is_forgotten_as_well(fake: FakeAws) -> None:
    stage = there(fake, "REST")
    switch_on(stage)

    def meanwhile(_: int, name: str) -> None:
        if name == "delete_parameter":
            fake.parameters.clear()

    fake.interfere = meanwhile
    assert give_back(stage)["outcome"] == "given_back"


def test_a_stage_given_up_on_before_it_was_switched_on_is_left_alone(fake: FakeAws) -> None:
    """Refused, and its entry removed; its owner has it log to our group by his own configuration."""
    stage = there(fake, "REST", (OURS, FORMAT))
    refused(lambda: switch_on(stage))
    assert give_back(stage)["outcome"] == "nothing_to_give_back"
    assert fake.logs(*stage) == (OURS, FORMAT)


@pytest.mark.parametrize("kind", KINDS)
def test_an_api_that_is_not_there_a_stage_that_is_not_there_and_an_api_of_another_kind(
    kind: str, fake: FakeAws
) -> None:
    stage = stage_of(kind)
    refused(lambda: switch_on(stage), f"no API {stage[1]} in this account and region", "`api_id`")
    fake.add(kind, stage[1], "beta")
    refused(lambda: switch_on(stage), f"{kind} API {stage[1]} has no stage {stage[2]}", "`stage`")
    for other in set(KINDS) - {kind}:
        fake.add(other, stage[1], stage[2])
        refused(lambda: switch_on(stage), f"API {stage[1]} is a {other} API, not a {kind} API", f"`kind` to {other}")
    assert fake.parameters == {}


@pytest.mark.parametrize("kind", ["REST", "WEBSOCKET"])
def test_without_the_accounts_logging_role_it_says_how_to_get_it(kind: str, fake: FakeAws) -> None:
    fake.has_logging_role = False
    stage = there(fake, kind)
    refused(lambda: switch_on(stage), f"stage live of {kind} API {stage[1]}", "modules/account_logging", "apply again")
    fake.has_logging_role = True
    assert switch_on(stage)["outcome"] == "switched_on"
    fake.has_logging_role = False
    assert give_back(stage)["outcome"] == "given_back", "taking logs off needs no role"


def test_a_stage_that_cannot_get_its_own_back_says_how_to_leave_it(fake: FakeAws) -> None:
    stage = there(fake, "REST", (THEIRS, THEIR_FORMAT))
    switch_on(stage)
    fake.has_logging_role = False
    refused(lambda: give_back(stage), "modules/account_logging", f"delete the parameter {PARAMETER}")
    fake.without = {THEIRS: refusal("BadRequestException", "The role to write logs with does not exist")}
    fake.has_logging_role = True
    refused(lambda: give_back(stage), "does not exist", f"delete the parameter {PARAMETER}")
    assert fake.logs(*stage) == (OURS, FORMAT)
    fake.parameters.clear()
    assert give_back(stage)["outcome"] == "nothing_to_give_back"


def always(error: Exception, name: str) -> Any:
    def interfere(_: int, called: str) -> None:
        if called == name:
            raise error

    return interfere


@pytest.mark.parametrize(
    ("error", "parts"),
    [
        (
            refusal("AccessDeniedException", "not authorized to perform: apigateway:PATCH"),
            ["apigateway:PATCH", "policy"],
        ),
        (refusal("TooManyRequestsException", "Too Many Requests"), ["throttled", "-parallelism"]),
        (refusal("ConflictException", "concurrent modification"), ["concurrent modification", "apply again"]),
        (refusal("BadRequestException", "Insufficient permissions to enable logging"), ["10 resource policies"]),
    ],
    ids=["denied", "throttled", "conflict", "no log delivery"],
)
def test_what_passes_is_waited_for_and_what_stays_is_named(
    error: Exception, parts: list[str], fake: FakeAws, clock: Clock
) -> None:
    """IAM takes some seconds to know a permission that Terraform has just given."""
    stage = there(fake, "HTTP")
    fake.interfere = always(error, "update_stage")
    refused(lambda: switch_on(stage), f"stage $default of HTTP API {stage[1]}", *parts)
    assert aws.PATIENCE - 5 <= sum(clock.slept) <= aws.PATIENCE
    clock.slept.clear()
    started = clock.now

    def for_ten_seconds(_: int, name: str) -> None:
        if name == "update_stage" and clock.now < started + 10:
            raise error

    fake.interfere = for_ten_seconds
    assert switch_on(stage)["outcome"] == "switched_on"
    assert fake.logs(*stage) == (OURS, FORMAT)


def test_another_error_is_not_waited_for_and_shown_as_it_is(fake: FakeAws, clock: Clock) -> None:
    stage = there(fake, "HTTP")
    fake.interfere = always(refusal("NotFoundException", "LogDestination /ours does not exist"), "update_stage")
    refused(lambda: switch_on(stage), "LogDestination /ours does not exist", "apply again")
    assert clock.slept == []


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (EndpointConnectionError(endpoint_url="https://x"), "did not answer in time"),
        (ConnectTimeoutError(endpoint_url="https://x"), "did not answer in time"),
        (ReadTimeoutError(endpoint_url="https://x"), "did not answer in time"),
        (ConnectionClosedError(endpoint_url="https://x"), "did not answer in time"),
        (NoCredentialsError(), "could not be made (Unable to locate credentials). Put right"),
        (ParamValidationError(report="Invalid length for parameter ApiId"), "Invalid length for parameter ApiId"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_a_call_without_an_answer_and_one_that_was_not_made_are_told_apart(
    error: Exception, said: str, fake: FakeAws, clock: Clock
) -> None:
    fake.interfere = always(error, "get_api")
    message = refused(lambda: switch_on(there(fake, "HTTP")), said)
    assert ("in time" in message) == ("in time" in said)
    assert clock.slept == []


def test_it_ends_before_lambda_ends_it(fake: FakeAws, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that Lambda cuts off leaves a message without any of this."""
    stage = there(fake, "REST")
    monkeypatch.setattr(handler, "Caller", lambda _: aws.Caller(100.0, clock=clock, sleep=clock.sleep))

    def slow(_: int, name: str) -> None:
        clock.now += aws.CALL_SECONDS

    fake.interfere = slow
    refused(lambda: switch_on(stage), "AWS took too long", "Apply again")
    assert clock.now <= 100


def test_no_call_takes_longer_than_is_reckoned_with(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "us-east-1")
    config = aws.client("ssm").meta.config
    assert (config.connect_timeout, config.read_timeout) == (aws.CONNECT_SECONDS, aws.READ_SECONDS)
    assert config.retries["mode"] == "standard"
    assert config.retries["total_max_attempts"] == aws.ATTEMPTS
    # Four calls one after the other, and the wait for what passes, within the function's 180 s.
    assert 3 * aws.CALL_SECONDS + aws.PATIENCE + handler.ANSWER_RESERVE <= 180


def test_a_memory_of_another_stage_is_neither_used_nor_overwritten(fake: FakeAws) -> None:
    first, second = there(fake, "REST", (THEIRS, THEIR_FORMAT)), there(fake, "HTTP")
    switch_on(first)
    remembered = dict(fake.parameters)
    refused(lambda: switch_on(second), PARAMETER, "stage live of REST API rest123456", "delete the parameter")
    refused(lambda: give_back(second), PARAMETER, "stage live of REST API rest123456", "delete the parameter")
    assert fake.parameters == remembered
    assert fake.logs(*second) is None


@pytest.mark.parametrize("value", ["", "null", "[]", "{}", '{"before":null,"destinations":[],"stage":{"kind":1}}'])
def test_a_memory_that_cannot_be_read_stops_everything(value: str, fake: FakeAws) -> None:
    stage = there(fake, "REST", (THEIRS, THEIR_FORMAT))
    fake.parameters[PARAMETER] = {"Name": PARAMETER, "Value": value}
    for attempt in (switch_on, give_back):
        refused(functools.partial(attempt, stage), PARAMETER, "history")
    assert fake.logs(*stage) == (THEIRS, THEIR_FORMAT)


def test_a_memory_survives_its_way_through_a_parameter() -> None:
    log = AccessLog(THEIRS, '"' * 3000 + "{{{{}}\\{{ü\n")
    memory = Memory(Stage("REST", "a", "b"), log, (OURS, OTHER_GROUP))
    assert "{{" not in memory.to_json()
    assert Memory.from_json(memory.to_json()) == memory
    assert len(memory.to_json()) <= 8192


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"task": "else"}, "task"),
        ({"kind": "rest"}, "kind"),
        ({"api_id": None}, "api_id"),
        ({"stage": ""}, "stage"),
        ({"parameter": 1}, "parameter"),
        ({"destination_arn": None}, "destination_arn"),
        ({"format": ""}, "format"),
        ({"replace_existing": "yes"}, "replace_existing"),
    ],
)
def test_an_event_of_another_shape_is_refused(change: dict[str, Any], named: str, fake: FakeAws) -> None:
    with pytest.raises(UnknownEvent, match=named):
        switch_on(there(fake, "REST"), **change)
    assert "update_stage" not in fake.calls and fake.parameters == {}


@pytest.mark.parametrize("added", [None, {}, {"action": "destroy"}])
def test_giving_back_is_done_for_terraforms_delete_alone(added: Any, fake: FakeAws) -> None:
    with pytest.raises(UnknownEvent, match="action"):
        give_back(there(fake, "REST"), tf=added)


def test_a_level_that_is_none_is_named(fake: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "LOUD")
    with pytest.raises(SettingsError, match="LOG_LEVEL"):
        switch_on(there(fake, "REST"))
