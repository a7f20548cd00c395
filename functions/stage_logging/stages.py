"""The access-log settings of API Gateway stages: one client for REST APIs, one for HTTP and WebSocket APIs."""

import re
from dataclasses import dataclass
from typing import Any, Protocol

from stage_logging.aws import Caller, Refusal

KINDS = ("REST", "HTTP", "WEBSOCKET")
_MISSING = "NotFoundException"


@dataclass(frozen=True)
class Stage:
    """A stage of an API; `kind` is one of KINDS."""

    kind: str
    api_id: str
    name: str

    def __str__(self) -> str:
        return f"stage {self.name} of {self.kind} API {self.api_id}"


@dataclass(frozen=True)
class AccessLog:
    """What a stage logs and where to: a log group's ARN, or a Firehose stream's."""

    destination_arn: str
    format: str

    def goes_to(self, destination_arn: str) -> bool:
        """Whether it is the same log group; its ARN is written with and without `:*`."""
        return self.destination_arn.removesuffix(":*") == destination_arn.removesuffix(":*")


def names_nothing(error: Refusal) -> bool:
    """Whether settings were refused because their destination is not there.

    AWS documents no error for it. The stage itself is there: it was read just before.
    """
    said = error.message.lower()
    return error.code == _MISSING or (
        re.search(r"(\bnot|n't) (exist|found)\b", said) is not None and "role" not in said
    )


class StageMissing(Exception):
    """There is no such stage, or no such API; the message says which, and what to do."""


class Stages(Protocol):
    """All raise StageMissing or Refusal."""

    def read(self, stage: Stage) -> AccessLog | None:
        """What the stage logs now; None is nothing."""

    def write(self, stage: Stage, log: AccessLog) -> None:
        """Have it log this; of what has no value the stage keeps what it has."""

    def clear(self, stage: Stage) -> None:
        """Have it log nothing."""


class RestStages:
    """https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateStage.html

    The operations on `/accessLogSettings`: https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html
    """

    def __init__(self, rest: Any, v2: Any, caller: Caller) -> None:
        self._client = rest
        self._kinds = ApiKinds(rest, v2, caller)
        self._caller = caller

    def read(self, stage: Stage) -> AccessLog | None:
        try:
            found = self._caller.call(self._client.get_stage, restApiId=stage.api_id, stageName=stage.name)
        except Refusal as error:
            if error.code == _MISSING:
                raise self._kinds.missing(stage) from error
            raise
        settings = found.get("accessLogSettings") or {}
        return _access_log(settings.get("destinationArn"), settings.get("format"))

    def write(self, stage: Stage, log: AccessLog) -> None:
        values = {"destinationArn": log.destination_arn, "format": log.format}
        self._patch(
            stage,
            [
                {"op": "replace", "path": f"/accessLogSettings/{name}", "value": value}
                for name, value in values.items()
                if value
            ],
        )

    def clear(self, stage: Stage) -> None:
        self._patch(stage, [{"op": "remove", "path": "/accessLogSettings"}])

    def _patch(self, stage: Stage, operations: list[dict[str, str]]) -> None:
        self._caller.call(
            self._client.update_stage, restApiId=stage.api_id, stageName=stage.name, patchOperations=operations
        )


class V2Stages:
    """https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-stages-stagename.html"""

    def __init__(self, rest: Any, v2: Any, caller: Caller) -> None:
        self._client = v2
        self._kinds = ApiKinds(rest, v2, caller)
        self._caller = caller

    def read(self, stage: Stage) -> AccessLog | None:
        # Asked first: the stages of HTTP and WebSocket APIs answer alike, and take different formats.
        if self._kinds.of(stage.api_id) != stage.kind:
            raise self._kinds.missing(stage)
        try:
            found = self._caller.call(self._client.get_stage, ApiId=stage.api_id, StageName=stage.name)
        except Refusal as error:
            if error.code == _MISSING:
                raise self._kinds.missing(stage) from error
            raise
        settings = found.get("AccessLogSettings") or {}
        return _access_log(settings.get("DestinationArn"), settings.get("Format"))

    def write(self, stage: Stage, log: AccessLog) -> None:
        values = {"DestinationArn": log.destination_arn, "Format": log.format}
        self._caller.call(
            self._client.update_stage,
            ApiId=stage.api_id,
            StageName=stage.name,
            AccessLogSettings={name: value for name, value in values.items() if value},
        )

    def clear(self, stage: Stage) -> None:
        self._caller.call(self._client.delete_access_log_settings, ApiId=stage.api_id, StageName=stage.name)


class ApiKinds:
    """Tells which kind of API an id belongs to."""

    def __init__(self, rest: Any, v2: Any, caller: Caller) -> None:
        self._rest = rest
        self._v2 = v2
        self._caller = caller

    def of(self, api_id: str) -> str | None:
        """One of KINDS, or None where there is no such API. Raises Refusal."""
        try:
            return str(self._caller.call(self._v2.get_api, ApiId=api_id)["ProtocolType"])
        except Refusal as error:
            if error.code != _MISSING:
                raise
        try:
            self._caller.call(self._rest.get_rest_api, restApiId=api_id)
        except Refusal as error:
            if error.code != _MISSING:
                raise
            return None
        return "REST"

    def missing(self, stage: Stage) -> StageMissing:
        """Why a stage is not there."""
        kind = self.of(stage.api_id)
        if kind is None:
            return StageMissing(
                f"There is no API {stage.api_id} in this account and region. "
                "Set `api_id` to the id of the API that the stage belongs to."
            )
        if kind != stage.kind:
            return StageMissing(f"API {stage.api_id} is a {kind} API, not a {stage.kind} API. Set `kind` to {kind}.")
        return StageMissing(
            f"{stage.kind} API {stage.api_id} has no stage {stage.name}. "
            "Deploy the stage first, or set `stage` to the name of one that is there."
        )


def _access_log(destination_arn: str | None, log_format: str | None) -> AccessLog | None:
    return AccessLog(destination_arn, log_format or "") if destination_arn else None
