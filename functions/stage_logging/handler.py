"""The stage_logging function: Terraform's invocations in, answers and readable errors out."""

import os
import time
from collections.abc import Mapping
from typing import Any

from revenium import settings
from revenium.log import LEVELS, log
from stage_logging import aws
from stage_logging.aws import Caller, Refusal
from stage_logging.memory import MemoryUnreadable, Parameter
from stage_logging.stages import KINDS, AccessLog, RestStages, Stage, StageMissing, Stages, V2Stages
from stage_logging.switching import Answer, NotOurs, Wanted, give_back, switch_on

ANSWER_RESERVE = 2.0  # seconds of an invocation that are kept for the answer
_CLIENTS: dict[str, Any] = {}


class StageLoggingError(Exception):
    """What Terraform shows: what is wrong, where, and what to do."""


class UnknownEvent(Exception):
    """No event of the module's Terraform code."""


def handler(event: Any, context: Any) -> dict[str, object]:
    """Lambda's entry point. Raises StageLoggingError, UnknownEvent and SettingsError.

    `task` `switch_on` does so whenever it is invoked; `give_back` when Terraform deletes the resource that invokes it.
    """
    settings.choice(os.environ, "LOG_LEVEL", "INFO", LEVELS)
    task, stage, parameter = _text(event, "task"), _stage(event), _text(event, "parameter")
    if task not in ("switch_on", "give_back"):
        raise UnknownEvent("`task` must be one of switch_on, give_back.")
    if task == "give_back" and _action(event) != "delete":
        return Answer("nothing_to_do", None).to_dict()
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - ANSWER_RESERVE
    caller = Caller(deadline)
    store = Parameter(_client("ssm"), parameter, caller)
    family = RestStages if stage.kind == "REST" else V2Stages
    stages: Stages = family(_client("apigateway"), _client("apigatewayv2"), caller)
    try:
        if task == "switch_on":
            wanted = Wanted(stage, AccessLog(_text(event, "destination_arn"), _text(event, "format")), _flag(event))
            answer = switch_on(wanted, stages, store)
        else:
            answer = give_back(stage, stages, store)
    except (NotOurs, StageMissing, MemoryUnreadable, Refusal) as error:
        message = explain(error, stage, parameter, task)
        log("ERROR", message, task=task)
        raise StageLoggingError(message) from error
    surprising = answer.outcome in ("stage_is_gone", "left_as_changed_since", "earlier_destination_is_gone")
    log("WARNING" if surprising else "INFO", f"{task}: {answer.outcome}", stage=str(stage), parameter=parameter)
    return answer.to_dict()


def explain(error: Exception, stage: Stage, parameter: str, task: str) -> str:
    """An error as the reader of Terraform's output needs it."""
    if isinstance(error, MemoryUnreadable):
        return (
            f"Parameter {parameter} does not hold what the {stage} logged before. Put back an earlier version of it "
            "from its history; or delete it, and set the stage's access logs by hand."
        )
    if not isinstance(error, Refusal):
        return str(error)
    return f"The {stage}: {_reason(error, stage)}" + (
        f" To leave the stage as it is instead, delete the parameter {parameter}." if task == "give_back" else ""
    )


def _reason(error: Refusal, stage: Stage) -> str:
    if "CloudWatch Logs role ARN must be set" in error.message:
        return (
            f"{stage.kind} APIs write logs with one role of the account and region, and none is set "
            f"(API Gateway: {error.message}). Have it set by whoever owns the account, or by this module's submodule "
            "`modules/account_logging`, whose README says what it touches; then apply again."
        )
    if aws.NO_LOG_DELIVERY in error.message:
        return (
            f"API Gateway may not deliver logs of HTTP APIs to the log group ({error.message}). CloudWatch Logs takes "
            "10 resource policies a region, of 5,120 characters each: remove those that nobody needs; then apply again."
        )
    if error.code in aws.DENIED:
        return (
            f"the function's role lacks a permission ({error.message}). The module has given it what it needs, so "
            "look for a service control policy or permissions boundary that denies it; then apply again."
        )
    if error.code in aws.THROTTLED:
        return f"AWS throttled the calls for too long ({error.message}). Apply again, with a lower -parallelism."
    if error.code == "NoAnswer":
        return f"AWS did not answer in time ({error.message}). Apply again."
    if error.code == "NotAsked":
        return f"the call of AWS could not be made ({error.message}). Put right what it names, and apply again."
    return f"AWS refused with {error.code}: {error.message}. Put right what it names, and apply again."


def _client(service: str) -> Any:
    if service not in _CLIENTS:
        _CLIENTS[service] = aws.client(service)
    return _CLIENTS[service]


def _stage(event: Any) -> Stage:
    kind = _text(event, "kind")
    if kind not in KINDS:
        raise UnknownEvent(f"`kind` must be one of {', '.join(KINDS)}.")
    return Stage(kind, _text(event, "api_id"), _text(event, "stage"))


def _text(event: Any, name: str) -> str:
    value = event.get(name) if isinstance(event, Mapping) else None
    if not isinstance(value, str) or not value:
        raise UnknownEvent(f"`{name}` must be a text that is not empty.")
    return value


def _flag(event: Mapping[str, Any]) -> bool:
    value = event.get("replace_existing")
    if not isinstance(value, bool):
        raise UnknownEvent("`replace_existing` must be true or false.")
    return value


def _action(event: Mapping[str, Any]) -> str:
    """What the provider adds to the input of an invocation with the lifecycle scope CRUD.

    https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/lambda_invocation
    """
    added = event.get("tf")
    action = added.get("action") if isinstance(added, Mapping) else None
    if action not in ("create", "update", "delete"):
        raise UnknownEvent("`tf.action` must be one of create, update, delete.")
    return str(action)
