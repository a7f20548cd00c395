"""The parts of API Gateway and SSM that stage_logging uses, in memory; any call can be made to fail."""

import copy
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

NO_ROLE = "CloudWatch Logs role ARN must be set in account settings to enable logging"


def refusal(code: str, message: str = "as told", operation: str = "Fake") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


class FakeAws:
    """`stages` maps (kind, api id, stage) to a stage as its API shows it; `kinds` API ids to kinds.

    `without` has destinations that are not there, with the error that says so. `interfere(number, name)` sees each call
    before it takes effect, and may raise; `lose(number, name)` likewise after it has: the answer is lost.
    """

    def __init__(self) -> None:
        self.stages: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.kinds: dict[str, str] = {}
        self.parameters: dict[str, dict[str, Any]] = {}
        self.has_logging_role = True
        self.without: dict[str, ClientError] = {}
        self.calls: list[str] = []
        self.interfere: Callable[[int, str], None] = lambda *_: None
        self.lose: Callable[[int, str], None] = lambda *_: None

    def add(self, kind: str, api_id: str, name: str, destination: str = "", log_format: str = "") -> None:
        self.kinds[api_id] = kind
        first = str.lower if kind == "REST" else str.upper
        settings = {f"{first('d')}estinationArn": destination, f"{first('f')}ormat": log_format}
        self.stages[kind, api_id, name] = {
            f"{first('s')}tageName": name,
            f"{first('d')}escription": "theirs",
            **({f"{first('a')}ccessLogSettings": settings} if destination else {}),
        }

    def logs(self, kind: str, api_id: str, name: str) -> tuple[str, str] | None:
        """What the stage logs: destination and format."""
        stage = self.stages[kind, api_id, name]
        settings = stage.get("accessLogSettings") or stage.get("AccessLogSettings")
        return tuple(settings.values()) if settings else None

    def clients(self) -> dict[str, Any]:
        return {"apigateway": _Rest(self), "apigatewayv2": _V2(self), "ssm": _Ssm(self)}

    def called(self, name: str, effect: Callable[[], Any]) -> Any:
        self.calls.append(name)
        self.interfere(len(self.calls), name)
        number = len(self.calls)
        try:
            return copy.deepcopy(effect())
        finally:
            self.lose(number, name)

    def stage(self, kinds: tuple[str, ...], api_id: str, name: str) -> dict[str, Any]:
        kind = self.kinds.get(api_id)
        if kind not in kinds:
            raise refusal("NotFoundException", "Invalid API identifier specified")
        found = self.stages.get((kind, api_id, name))
        if found is None:
            raise refusal("NotFoundException", "Invalid stage identifier specified")
        return found

    def takes(self, kind: str, destination: str | None) -> None:
        if kind != "HTTP" and not self.has_logging_role:
            raise refusal("BadRequestException", NO_ROLE)
        if destination in self.without:
            raise self.without[destination]


class _Rest:
    def __init__(self, aws: FakeAws) -> None:
        self._aws = aws

    def get_rest_api(self, restApiId: str) -> Any:
        def effect() -> Any:
            if self._aws.kinds.get(restApiId) != "REST":
                raise refusal("NotFoundException")
            return {"id": restApiId}

        return self._aws.called("get_rest_api", effect)

    def get_stage(self, restApiId: str, stageName: str) -> Any:
        return self._aws.called("get_stage", lambda: self._aws.stage(("REST",), restApiId, stageName))

    def update_stage(self, restApiId: str, stageName: str, patchOperations: list[dict[str, str]]) -> Any:
        def effect() -> Any:
            stage = self._aws.stage(("REST",), restApiId, stageName)
            for operation in patchOperations:
                if operation == {"op": "remove", "path": "/accessLogSettings"}:
                    stage.pop("accessLogSettings", None)
                else:
                    self._aws.takes("REST", operation["value"])
                    _, top, name = operation["path"].split("/")
                    assert (operation["op"], top) == ("replace", "accessLogSettings")
                    assert name in ("destinationArn", "format")
                    stage.setdefault(top, {})[name] = operation["value"]
            return stage

        return self._aws.called("update_stage", effect)


class _V2:
    def __init__(self, aws: FakeAws) -> None:
        self._aws = aws

    def get_api(self, ApiId: str) -> Any:
        def effect() -> Any:
            kind = self._aws.kinds.get(ApiId)
            if kind not in ("HTTP", "WEBSOCKET"):
                raise refusal("NotFoundException")
            return {"ProtocolType": kind}

        return self._aws.called("get_api", effect)

    def get_stage(self, ApiId: str, StageName: str) -> Any:
        return self._aws.called("get_stage", lambda: self._aws.stage(("HTTP", "WEBSOCKET"), ApiId, StageName))

    def update_stage(self, ApiId: str, StageName: str, AccessLogSettings: dict[str, str]) -> Any:
        def effect() -> Any:
            stage = self._aws.stage(("HTTP", "WEBSOCKET"), ApiId, StageName)
            self._aws.takes(self._aws.kinds[ApiId], AccessLogSettings["DestinationArn"])
            # Of what is left out the stage keeps what it has.
            stage["AccessLogSettings"] = stage.get("AccessLogSettings", {}) | AccessLogSettings
            return stage

        return self._aws.called("update_stage", effect)

    def delete_access_log_settings(self, ApiId: str, StageName: str) -> Any:
        def effect() -> Any:
            self._aws.stage(("HTTP", "WEBSOCKET"), ApiId, StageName).pop("AccessLogSettings", None)
            return {}

        return self._aws.called("delete_access_log_settings", effect)


class _Ssm:
    def __init__(self, aws: FakeAws) -> None:
        self._aws = aws

    def get_parameter(self, Name: str) -> Any:
        def effect() -> Any:
            if Name not in self._aws.parameters:
                raise refusal("ParameterNotFound")
            return {"Parameter": self._aws.parameters[Name]}

        return self._aws.called("get_parameter", effect)

    def put_parameter(self, Name: str, Value: str, Type: str, Tier: str, Overwrite: bool, Description: str) -> Any:
        def effect() -> Any:
            if Name in self._aws.parameters and not Overwrite:
                raise refusal("ParameterAlreadyExists")
            assert "{{" not in Value, "SSM would take it for a reference to another parameter"
            assert len(Value) <= 8192 and len(Description) <= 1024
            assert (Type, Tier) == ("String", "Intelligent-Tiering")
            self._aws.parameters[Name] = {"Name": Name, "Value": Value}
            return {"Version": 1}

        return self._aws.called("put_parameter", effect)

    def delete_parameter(self, Name: str) -> Any:
        def effect() -> Any:
            if Name not in self._aws.parameters:
                raise refusal("ParameterNotFound")
            del self._aws.parameters[Name]
            return {}

        return self._aws.called("delete_parameter", effect)
