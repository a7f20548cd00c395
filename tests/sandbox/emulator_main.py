"""Runs the AWS emulator with the checks and the observations that the emulator alone does not make.

Started by `emulator.Emulator` as a script, in isolated mode, so that functions in the emulator can import
what the virtual environment has and nothing of this repository. Every attribute that is wrapped here belongs
to one version of the emulator: another version, or a missing attribute, ends the process at once and says so.

What is added:
* each answer of the data plane carries, in one header, what the gateway knows and a caller does not see;
* subscription filters deliver as AWS does: asynchronously, with retries, and only with the function's
  permission;
* authorizers and Lambda integrations are invoked only with the function's permission;
* a WebSocket connection reports each of its events to the gateway front, on the connection itself.
* REST and WebSocket stages get access logs only where the account has a role to write them with.
"""

from __future__ import annotations

import argparse
import base64
import collections
import contextvars
import gzip
import importlib.metadata
import json
import logging
import os
import re
import signal
import sys
import threading
import time
import urllib.parse
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

EMULATOR_VERSION = "1.5.33"
OBSERVED_HEADER = "x-sandbox-observed"
FILTERS_PER_GROUP = 2
LONGEST_PATTERN = 1024
REMEMBERED_ANSWERS = 1000
NO_PERMISSION = (
    "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute "
    "your function."
)
NO_LOGGING_ROLE = "CloudWatch Logs role ARN must be set in account settings to enable logging"
JSON_HEADERS = {"Content-Type": "application/json"}

Observation = dict[str, Any]
Handler = Callable[..., Awaitable[Any]]

logger = logging.getLogger("sandbox")
_observed: contextvars.ContextVar[Observation | None] = contextvars.ContextVar("observed", default=None)
_events_path = ""
_events_lock = threading.Lock()


def main() -> None:
    """Wrap the emulator and serve until stopped, or until standard input closes because the parent is
    gone.
    """
    global _events_path
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", required=True, help="file that gets one JSON line per delivery or refusal")
    _events_path = parser.parse_args().events
    found = importlib.metadata.version("ministack")
    if found != EMULATOR_VERSION:
        raise SystemExit(f"the sandbox is written for ministack {EMULATOR_VERSION}, found {found}")
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _install()
    from ministack import app

    sys.argv = ["ministack"]
    app.main()


def _end_with_parent() -> None:
    # Not sys.stdin: its lock, held here, would make a normal exit fail.
    while os.read(0, 1):
        pass
    os.killpg(os.getpgid(0), signal.SIGKILL)


def _install() -> None:
    from hypercorn import asyncio as asyncio_server
    from ministack import app
    from ministack.core import iam_actions, iam_evaluator
    from ministack.services import (
        apigateway,
        apigateway_v1,
        cloudwatch_logs,
        lambda_svc,
        sqs,
    )

    for name in ("AUTH", "LOG_LEVEL", *(name for name in os.environ if name.startswith("LAMBDA_"))):
        # Read when the modules above and the next were imported; functions inherit what is left.
        os.environ.pop(name, None)

    _wrap(asyncio_server, "serve", _with_patience)

    _wrap(app, "_handle_execute_api_request", _with_observation)

    _wrap(apigateway_v1, "_execute_in_scope", _rest_execution)
    _wrap(apigateway_v1, "_authorize_request_v1", _rest_authorization)
    _wrap(apigateway_v1, "_invoke_authorizer_lambda", _authorizer_invocation)
    _wrap(apigateway_v1, "_gateway_error_response", _rest_error_response)
    _wrap(apigateway_v1, "_authorizer_cache", _RememberedAnswers)
    _wrap(apigateway_v1, "_invoke_lambda_proxy_v1", _rest_lambda_integration)
    _wrap(apigateway_v1, "_invoke_lambda_custom_v1", _rest_lambda_integration)
    _wrap(apigateway_v1, "_invoke_http_proxy_v1", _timed_integration)
    _wrap(apigateway_v1, "_invoke_sqs_v1", _timed_integration)

    _wrap(apigateway, "_handle_execute_in_scope", _http_execution)
    _wrap(apigateway, "_match_route", _http_route)
    _wrap(apigateway, "_authorize_request_v2", _http_authorization)
    _wrap(apigateway, "_validate_jwt_authorizer", _jwt_authorization)
    _wrap(apigateway, "_invoke_request_authorizer_lambda", _authorizer_invocation)
    _wrap(apigateway, "_authorizer_cache", _RememberedAnswers)
    _wrap(apigateway, "_invoke_lambda_proxy", _http_lambda_integration)
    _wrap(apigateway, "_invoke_http_proxy", _timed_integration)

    _wrap(apigateway, "handle_websocket", _websocket_connection)
    _wrap(apigateway, "_refuse_ws_handshake", _websocket_refusal)
    _wrap(apigateway, "_match_ws_route", _websocket_route)
    _wrap(apigateway, "_ws_request_context", _websocket_context)
    _wrap(apigateway, "_invoke_ws_lambda", _websocket_integration)
    _wrap(apigateway, "run_reentrant", _websocket_function)
    _wrap(apigateway, "_api_endpoint_scheme", _websocket_scheme)
    method_and_template = ("integrationMethod", "templateSelectionExpression", "credentialsArn")
    _wrap(apigateway, "_create_integration", _as_given("_integrations", "integrationId", method_and_template))
    token_only = ("authorizerPayloadFormatVersion", "jwtConfiguration")
    _wrap(apigateway, "_create_authorizer", _as_given("_authorizers", "authorizerId", token_only))
    for name in ("_apis", "_authorizers", "_integrations", "_route_responses", "_ws_connections"):
        _attribute(apigateway, name)
    _wrap(apigateway_v1, "_update_stage", _rest_stage_update)
    for name in ("_create_stage", "_update_stage"):
        _wrap(apigateway, name, _websocket_stage_change)
    _wrap(apigateway, "handle_request", _http_management)
    for module, name in (
        (apigateway_v1, "_account_settings"),
        (apigateway_v1, "_v1_error"),
        (apigateway, "_apis"),
        (apigateway, "_apigw_error"),
        (apigateway, "_stages"),
    ):
        _attribute(module, name)

    _wrap(iam_actions, "extract_iam_action", _iam_action)
    _wrap(iam_evaluator, "EvalContext", _over_tls)
    _attribute(sqs, "_queue_by_arn")
    _attribute(sqs, "_HANDLERS")["StartMessageMoveTask"] = _start_message_move_task

    _wrap(cloudwatch_logs, "_fanout_to_subscription_filters", _fan_out)
    _wrap(cloudwatch_logs, "_put_subscription_filter", _put_subscription_filter)
    _attribute(cloudwatch_logs, "_log_groups")
    for name in (
        "invoke_async_with_retry",
        "_execution_record_for_config",
        "_get_func_record_for_ref_in_scope",
    ):
        _attribute(lambda_svc, name)
    if not app.AUTH or lambda_svc.LAMBDA_EXECUTOR != "local":
        raise SystemExit("the emulator must enforce IAM and run functions as local processes")


def _wrap(module: Any, name: str, wrapper: Callable[[Any], Any]) -> None:
    setattr(module, name, wrapper(_attribute(module, name)))


def _attribute(module: Any, name: str) -> Any:
    try:
        return getattr(module, name)
    except AttributeError:
        raise SystemExit(f"ministack {EMULATOR_VERSION} has no {module.__name__}.{name} to wrap") from None


def _with_patience(original: Handler) -> Handler:
    """On a busy machine an answer can be lost on its way: the server ends an idle connection just when a request comes
    in, or the client gives up. The SDK then repeats what was done, and what it makes is there already, which on AWS is
    too rare to matter.
    """

    async def serve(served: Handler, config: Any) -> Any:
        config.keep_alive_timeout = 3600  # clients end theirs after 90 seconds
        return await original(_answering_again(served), config)

    return serve


def _answering_again(served: Handler) -> Handler:
    """Gives a request that an SDK repeats under its invocation's id the answer that the first one had."""
    answered: collections.OrderedDict[bytes, list[dict[str, Any]]] = collections.OrderedDict()

    async def answer(scope: dict[str, Any], receive: Handler, send: Handler) -> None:
        headers: dict[bytes, bytes] = dict(scope.get("headers") or ())
        invocation = headers.get(b"amz-sdk-invocation-id", b"")
        if invocation in answered and b"attempt=1;" not in headers.get(b"amz-sdk-request", b"attempt=1;") + b";":
            logger.warning("%s %s was repeated, and is answered as before", scope["method"], scope["path"])
            for message in answered[invocation]:
                await send(message)
            return
        if not invocation:
            await served(scope, receive, send)
            return
        sent: list[dict[str, Any]] = []

        async def remember(message: dict[str, Any]) -> None:
            sent.append(message)
            whole = message["type"] == "http.response.body" and not message.get("more_body")
            if whole and 200 <= sent[0].get("status", 0) <= 299:
                answered[invocation] = sent
                if len(answered) > REMEMBERED_ANSWERS:
                    answered.popitem(last=False)
            await send(message)

        await served(scope, receive, remember)

    return answer


def _over_tls(original: Callable[..., Any]) -> Callable[..., Any]:
    """What is plain http on the loopback address here is TLS on AWS, and policies that demand it hold there."""

    def context(*args: Any, **kwargs: Any) -> Any:
        return original(*args, **{"secure_transport": True, **kwargs})

    return context


def _iam_action(original: Callable[..., str | None]) -> Callable[..., str | None]:
    """On AWS the permission for an SQS batch is that of the single operation: there is no action of its own.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html
    """

    def action(*args: Any, **kwargs: Any) -> str | None:
        found = original(*args, **kwargs)
        return found.removesuffix("Batch") if found and found.startswith("sqs:") else found

    return action


def _start_message_move_task(data: dict[str, Any], _url: str) -> dict[str, str]:
    """SQS's redrive, which the emulator lacks: moves what is visible in a dead-letter queue, bodies as they are.

    As on AWS a task without a destination fails for messages that their sender put into the dead-letter queue: it
    does not know where they came from. Messages that SQS itself moved there are not told apart and stay as well.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
    """
    from ministack.services import sqs

    source, destination = (sqs._queue_by_arn(data.get(name, "")) for name in ("SourceArn", "DestinationArn"))
    if source is None or (destination is None and data.get("DestinationArn")):
        raise sqs._Err("ResourceNotFoundException", "The resource that you specified for the queue doesn't exist.", 404)
    if destination is not None:
        now = time.time()
        moved = [message for message in source["messages"] if message["visible_at"] <= now]
        for message in moved:
            source["messages"].remove(message)
            message.update(receive_count=0, first_receive_at=None, receipt_handle=None, visible_at=now, sent_at=now)
            destination["messages"].append(message)
    return {"TaskHandle": base64.b64encode(str(uuid.uuid4()).encode()).decode()}


# ---- access logs of stages ----


def _no_logging_role() -> bool:
    """REST and WebSocket APIs write logs with one role of the account and region; without it AWS takes no settings.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
    """
    from ministack.services import apigateway_v1

    return not (apigateway_v1._account_settings.get("settings") or {}).get("cloudwatchRoleArn")


def _rest_stage_update(original: Callable[..., Any]) -> Callable[..., Any]:
    def update(api_id: str, stage: str, data: dict[str, Any]) -> Any:
        from ministack.services import apigateway_v1

        sets = [
            operation
            for operation in data.get("patchOperations", [])
            if operation.get("path", "").startswith("/accessLogSettings") and operation.get("op") != "remove"
        ]
        if sets and _no_logging_role():
            return apigateway_v1._v1_error("BadRequestException", NO_LOGGING_ROLE, 400)
        return original(api_id, stage, data)

    return update


def _websocket_stage_change(original: Callable[..., Any]) -> Callable[..., Any]:
    def change(api_id: str, *rest: Any) -> Any:
        from ministack.services import apigateway

        protocol = (apigateway._apis.get(api_id) or {}).get("protocolType")
        if protocol == "WEBSOCKET" and rest[-1].get("accessLogSettings") and _no_logging_role():
            return apigateway._apigw_error("BadRequestException", NO_LOGGING_ROLE, 400)
        return original(api_id, *rest)

    return change


def _http_management(original: Handler) -> Handler:
    """DeleteAccessLogSettings, which the emulator takes for the deletion of the whole stage.

    https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-stages-stagename-accesslogsettings.html
    """

    async def handle(method: str, path: str, *rest: Any, **kwargs: Any) -> Any:
        from ministack.services import apigateway

        parts = urllib.parse.unquote(path).strip("/").split("/")
        if method != "DELETE" or parts[:2] != ["v2", "apis"] or parts[5:] != ["accesslogsettings"]:
            return await original(method, path, *rest, **kwargs)
        stage = (apigateway._stages.get(parts[2]) or {}).get(parts[4])
        if stage is None:
            return apigateway._apigw_error("NotFoundException", "Invalid API identifier specified", 404)
        stage.pop("accessLogSettings", None)
        return 204, {}, b""

    return handle


def _note(**values: Any) -> None:
    seen = _observed.get()
    if seen is not None:
        seen.update(values)


def _event(outcome: str, **details: Any) -> None:
    line = json.dumps({"time": time.time(), "outcome": outcome, **details})
    if outcome not in ("delivered",):
        logger.warning("sandbox: %s", line)
    with _events_lock, open(_events_path, "a", encoding="utf-8") as events:
        events.write(line + "\n")


# ---- the data plane ----


def _with_observation(original: Handler) -> Handler:
    async def handle(*args: Any, **kwargs: Any) -> Any:
        seen: Observation = {}
        token = _observed.set(seen)
        try:
            response = await original(*args, **kwargs)
        finally:
            _observed.reset(token)
        if response is None or not seen:
            return response
        status, headers, body = response
        return status, {**headers, OBSERVED_HEADER: _encoded(seen)}, body

    return handle


def _encoded(seen: Observation) -> str:
    return base64.b64encode(json.dumps(seen, default=str).encode()).decode()


def _rest_execution(original: Handler) -> Handler:
    async def execute(request: Any, api_id: str, stage: str, *rest: Any) -> Any:
        _note(kind="REST", apiId=api_id, stage=stage)
        response = await original(request, api_id, stage, *rest)
        _note(resourcePath=request["resource_path"] or None)
        if hasattr(response, "response_type"):
            _note(responseType=response.response_type, message=response.message)
        return response

    return execute


def _rest_authorization(original: Handler) -> Handler:
    async def authorize(*args: Any, **kwargs: Any) -> Any:
        error, context = await original(*args, **kwargs)
        if context:
            _note(authorizer=_flat(context))
        return error, context

    return authorize


def _rest_error_response(original: Callable[..., Any]) -> Callable[..., Any]:
    """Gateway responses may show the authorizer's context; the emulator's templates leave it unfilled."""

    def respond(error: Any, request: Any) -> Any:
        status, headers, body = original(error, request)
        context = (_observed.get() or {}).get("authorizer") or {}
        for name in sorted(context, key=len, reverse=True):
            body = body.replace(f"$context.authorizer.{name}".encode(), str(context[name]).encode())
        return status, headers, body

    return respond


def _http_execution(original: Handler) -> Handler:
    async def execute(api_id: str, stage: str, *rest: Any) -> Any:
        _note(kind="HTTP", apiId=api_id, stage=stage)
        return await original(api_id, stage, *rest)

    return execute


def _http_route(original: Callable[..., Any]) -> Callable[..., Any]:
    def match(*args: Any) -> Any:
        route = original(*args)
        # No route: AWS documents no gateway response type for it, so none is noted, and the route key stays
        # empty.
        if route:
            _note(routeKey=route.get("routeKey"))
        return route

    return match


def _note_http_refusal(response: tuple[int, Any, Any]) -> None:
    # HTTP APIs have no gateway responses of their own; AWS names the REST types for them.
    names = {401: ("UNAUTHORIZED", "Unauthorized"), 403: ("ACCESS_DENIED", "Forbidden")}
    kind, message = names.get(response[0], ("AUTHORIZER_FAILURE", "Internal Server Error"))
    _note(responseType=kind, message=message)


def _http_authorization(original: Handler) -> Handler:
    async def authorize(*args: Any, **kwargs: Any) -> Any:
        error, context = await original(*args, **kwargs)
        if error is not None:
            _note_http_refusal(error)
        elif context:
            _note(authorizer=_flat(context))
        return error, context

    return authorize


def _jwt_authorization(original: Handler) -> Handler:
    async def authorize(*args: Any, **kwargs: Any) -> Any:
        claims, scopes, error = await original(*args, **kwargs)
        if error is not None:
            _note_http_refusal(error)
        elif claims:
            _note(authorizer=_flat({"claims": claims}))
        return claims, scopes, error

    return authorize


class _RememberedAnswers(dict[Any, Any]):
    """The cache of authorizer answers: a hit is noted, since a cached denial has a context too."""

    def get(self, key: Any, default: Any = None) -> Any:
        hit = super().get(key, default)
        if hit and hit[0] > time.time():
            _note(authorizer=_flat(hit[2]))
        return hit


def _authorizer_invocation(original: Handler) -> Handler:
    async def invoke(authorizer: Any, event: Any, account: str, region: str) -> Any:
        from ministack.services import apigateway_v1

        api_id = (_observed.get() or {}).get("apiId", "")
        name = authorizer.get("id") or authorizer.get("authorizerId")
        source = f"arn:aws:execute-api:{region}:{account}:{api_id}/authorizers/{name}"
        function = apigateway_v1._extract_lambda_ref_from_integration_uri(authorizer.get("authorizerUri", ""))
        has_role = authorizer.get("authorizerCredentials") or authorizer.get("authorizerCredentialsArn")
        if not has_role and not _permitted(function, "apigateway.amazonaws.com", source, account, region):
            _event("refused", caller="authorizer", function=function, source=source)
            _note(responseType="AUTHORIZER_CONFIGURATION_ERROR")
            return None
        result = await original(authorizer, event, account, region)
        answer = result.get("body", result) if isinstance(result, dict) else result
        if isinstance(answer, (str, bytes)):
            try:
                answer = json.loads(answer)
            except ValueError:
                answer = None
        if isinstance(answer, dict) and isinstance(answer.get("context") or {}, dict):
            context = dict(answer.get("context") or {})
            if answer.get("principalId") is not None:
                context["principalId"] = answer["principalId"]
            _note(authorizer=_flat(context))
        return result

    return invoke


def _flat(context: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in context.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat


def _timed_integration(original: Handler, *, function: bool = False) -> Handler:
    async def invoke(*args: Any, **kwargs: Any) -> Any:
        started = time.perf_counter()
        response = await original(*args, **kwargs)
        if isinstance(response, tuple):
            # For a function, AWS logs the answer of the Lambda service here, not the function's own status.
            _note(
                integrationLatency=(time.perf_counter() - started) * 1000,
                integrationStatus=200 if function else response[0],
            )
        return response

    return invoke


def _rest_lambda_integration(original: Handler) -> Handler:
    timed = _timed_integration(original, function=True)

    async def invoke(
        integration: Any,
        api_id: str,
        stage_name: str,
        stage: Any,
        resource: Any,
        path: str,
        method: str,
        *rest: Any,
        owner_account_id: str,
        owner_region: str,
        **kwargs: Any,
    ) -> Any:
        from ministack.services import apigateway_v1

        target = f"{api_id}/{stage_name}/{method}{resource['path']}"
        function = apigateway_v1._extract_lambda_ref_from_integration_uri(integration.get("uri", ""))
        has_role = bool(integration.get("credentials"))
        if not has_role and not _integration_permitted(function, target, owner_account_id, owner_region):
            return apigateway_v1._gw_error("API_CONFIGURATION_ERROR", "Internal server error")
        return await timed(
            integration,
            api_id,
            stage_name,
            stage,
            resource,
            path,
            method,
            *rest,
            owner_account_id=owner_account_id,
            owner_region=owner_region,
            **kwargs,
        )

    return invoke


def _http_lambda_integration(original: Handler) -> Handler:
    timed = _timed_integration(original, function=True)

    async def invoke(
        integration: Any,
        api_id: str,
        stage: str,
        path: str,
        method: str,
        *rest: Any,
        owner_account_id: str,
        owner_region: str,
        **kwargs: Any,
    ) -> Any:
        from ministack.services import apigateway

        route_key = (_observed.get() or {}).get("routeKey") or "$default"
        route = route_key if route_key == "$default" else method + route_key.split(" ", 1)[1]
        function = apigateway._extract_lambda_ref_from_integration_uri(integration.get("integrationUri", ""))
        target = f"{api_id}/{stage}/{route}"
        has_role = bool(integration.get("credentialsArn"))
        if not has_role and not _integration_permitted(function, target, owner_account_id, owner_region):
            _note(responseType="API_CONFIGURATION_ERROR", message="Internal Server Error")
            return 500, dict(JSON_HEADERS), b'{"message":"Internal Server Error"}'
        return await timed(
            integration,
            api_id,
            stage,
            path,
            method,
            *rest,
            owner_account_id=owner_account_id,
            owner_region=owner_region,
            **kwargs,
        )

    return invoke


# ---- WebSocket APIs ----

PREDEFINED = ("$connect", "$disconnect")
# What an event has for itself; the rest (the API, the connection, the authorizer's context) belongs to the
# connection: AWS hands the context of the $connect authorizer on with each later event.
_OF_ONE_EVENT = ("messageId", "integrationLatency", "responseType", "message", "failed")

_connection: contextvars.ContextVar[_Connection | None] = contextvars.ContextVar("connection", default=None)


class _Connection:
    """The messages of one connection between the emulator and the front, with the observations among them.

    What was seen of the handshake travels in a header of its answer, what is seen of a later event in a binary
    frame ahead of the event's answer: once the caller has an answer, the front has the observation. Neither side
    sends binary frames otherwise: AWS refuses a caller's, and the emulator sends text. In the other direction one
    binary frame says how the caller left, since the server keeps the code of a close frame to itself, and so that
    the connection lasts until $disconnect was executed and seen.
    """

    def __init__(self, receive: Handler, send: Handler, seen: Observation) -> None:
        self._receive = receive
        self._send = send
        self._seen = seen
        self._open = False
        self._close: dict[str, Any] | None = None

    async def receive(self) -> Any:
        from ministack.services import apigateway

        message = await self._receive()
        left = message["type"] == "websocket.disconnect"
        if message["type"] == "websocket.receive" and message.get("bytes") is not None:
            left, message = True, {"type": "websocket.disconnect", **json.loads(message["bytes"])}
        known = apigateway._ws_connections.get(self._seen.get("connectionId"))
        if left and known:
            known["outbox"].put_nowait(None)  # the emulator looks for the end only twice a second
        return message

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] in ("websocket.accept", "websocket.http.response.start"):
            self._open = message["type"] == "websocket.accept"
            observed = (OBSERVED_HEADER.encode(), _encoded(self._seen).encode())
            message = {**message, "headers": [*message.get("headers", []), observed]}
        elif message["type"] == "websocket.close" and self._open:
            self._close = message  # $disconnect is executed next, and is to be seen
            return
        elif message["type"] == "websocket.close" and "status" in self._seen:
            await self._refuse()
            return
        await self._send(message)

    async def _refuse(self) -> None:
        """The $connect integration refused: on AWS the caller gets its status, from the emulator always 403."""
        body = _error_body(self._seen, self._seen.get("message") or "Forbidden")
        headers = [(b"content-type", b"application/json")]
        await self.send({"type": "websocket.http.response.start", "status": self._seen["status"], "headers": headers})
        await self._send({"type": "websocket.http.response.body", "body": body.encode()})

    async def observe(self) -> None:
        """Tell the front what was seen of the event."""
        if self._open:
            await self._send({"type": "websocket.send", "bytes": json.dumps(self._seen, default=str).encode()})

    async def end(self) -> None:
        """Close what the emulator closed earlier."""
        if self._close:
            await self._send(self._close)


def _websocket_connection(original: Handler) -> Handler:
    async def handle(scope: Any, receive: Handler, send: Handler, api_id: str, **kwargs: Any) -> None:
        seen: Observation = {"kind": "WEBSOCKET", "apiId": api_id, "connectedAt": int(time.time() * 1000)}
        connection = _Connection(receive, send, seen)
        observed, current = _observed.set(seen), _connection.set(connection)
        try:
            await original(scope, connection.receive, connection.send, api_id, **kwargs)
        finally:
            _observed.reset(observed)
            _connection.reset(current)
            await connection.end()

    return handle


def _websocket_refusal(original: Handler) -> Handler:
    """A connect that was not authorized: 401 without identity source, 403 by policy, 500 for all else.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html
    AWS documents no response types of WebSocket APIs; these are what REST APIs log.
    """
    types = {401: "UNAUTHORIZED", 403: "ACCESS_DENIED"}

    async def refuse(scope: Any, send: Handler, status: int, message: str, connection: str, request: str) -> None:
        message = message or "Internal server error"
        _note(eventType="CONNECT", routeKey="$connect", connectionId=connection, requestId=request)
        kind = types.get(status) or (_observed.get() or {}).get("responseType") or "AUTHORIZER_FAILURE"
        _note(status=status, responseType=kind, message=message)
        await original(scope, send, status, message, connection, request)

    return refuse


def _websocket_route(original: Callable[..., Any]) -> Callable[..., Any]:
    """The emulator executes $default for $connect and $disconnect too; on AWS it is for messages only, and both
    routes are optional. A route that is missing is made up here, so that its event is seen all the same.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-develop-routes.html
    """

    def match(api_id: str, route_key: str) -> Any:
        route = original(api_id, route_key) or {}
        if route_key in PREDEFINED and route.get("routeKey") != route_key:
            return {"routeKey": route_key}
        return route

    return match


def _websocket_context(original: Callable[..., Any]) -> Callable[..., Any]:
    """On AWS both request ids of an event are the same, a message's own id is another, and `connectedAt` stays.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html
    """

    def build(api_id: str, route: str, stage: str, connection: str, event: str, request: str, *rest: Any) -> Any:
        seen = _observed.get() or {}
        context = original(api_id, route, stage, connection, event, request, *rest)
        given = seen.get("requestId", request)
        return {**context, "requestId": given, "extendedRequestId": given, "connectedAt": seen.get("connectedAt")}

    return build


def _websocket_function(original: Handler) -> Handler:
    """The emulator gives a function's exception to the caller, as if the function had answered so."""

    async def run(*args: Any, **kwargs: Any) -> Any:
        result = await original(*args, **kwargs)
        if isinstance(result, dict) and (result.get("status") == "error" or result.get("error")):
            _note(failed=True)
        return result

    return run


def _websocket_integration(original: Handler) -> Handler:
    async def invoke(
        api_id: str,
        account: str,
        region: str,
        route: Any,
        stage: str,
        connection: str,
        event: str,
        event_id: str,
        *rest: Any,
        **kwargs: Any,
    ) -> Any:
        seen, current = _observed.get(), _connection.get()
        assert seen is not None and current is not None
        for name in _OF_ONE_EVENT:
            seen.pop(name, None)
        _note(eventType=event, routeKey=route.get("routeKey"), connectionId=connection, requestId=event_id)
        if event == "MESSAGE":
            _note(messageId=event_id, requestId=base64.b64encode(os.urandom(11)).decode())
        integration = _websocket_target(api_id, route)
        where = f"{api_id}/{stage}/{route.get('routeKey')}"
        answer = None
        if _websocket_invocable(route, integration, where, account, region):
            started = time.perf_counter()
            answer = await original(api_id, account, region, route, stage, connection, event, event_id, *rest, **kwargs)
            # Suppressed for mock integrations:
            # https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-logging.html
            if integration.get("integrationType") != "MOCK":
                _note(integrationLatency=(time.perf_counter() - started) * 1000)
        if not integration and route.get("routeKey") in PREDEFINED:
            answer = {"statusCode": 200}  # these routes are optional, and so are their integrations
        answer = _websocket_answer(api_id, route, answer)
        if event != "CONNECT":
            await current.observe()
        return answer

    return invoke


def _websocket_target(api_id: str, route: Any) -> Any:
    from ministack.services import apigateway

    name = (route.get("target") or "").rsplit("/", 1)[-1]
    return apigateway._integrations.get(api_id, {}).get(name) or {}


def _websocket_invocable(route: Any, integration: Any, where: str, account: str, region: str) -> bool:
    from ministack.services import apigateway

    if not integration or integration.get("integrationType") == "MOCK" or integration.get("credentialsArn"):
        return bool(integration)
    function = apigateway._extract_lambda_ref_from_integration_uri(integration.get("integrationUri", ""))
    if _integration_permitted(function, where, account, region):
        return True
    _note(responseType="API_CONFIGURATION_ERROR", failed=True)
    return False


def _websocket_answer(api_id: str, route: Any, answer: Any) -> Any:
    """The answer as AWS gives it to the caller, whose status is noted.

    AWS documents `$context.status` as "The response status" and no value for any event, nor is an access-log line
    to be found in public: what follows is the sandbox's choice, which nothing should rely on. A function's own
    status where it gives one, else 200; 403 without a route; 502 (which callers of AWS see for $connect) and 500
    where the integration failed.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-logging.html
    """
    from ministack.services import apigateway

    seen = _observed.get() or {}
    if not route:
        _note(status=403, message="Forbidden")
        return {"statusCode": 403, "body": _error_body(seen, "Forbidden")}
    if seen.get("failed") or not isinstance(answer, dict):
        status = 502 if seen.get("eventType") == "CONNECT" else 500
        kind = seen.get("responseType") or "INTEGRATION_FAILURE"
        _note(status=status, responseType=kind, message="Internal server error")
        return {"statusCode": status, "body": _error_body(seen, "Internal server error")}
    _note(status=int(answer.get("statusCode") or 200))
    # Without a route response a route is one-way, whatever its integration answers; the emulator sends it all.
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-route-response.html
    two_way = apigateway._route_responses.get(api_id, {}).get(route.get("routeId"))
    return answer if two_way else {**answer, "body": None}


def _error_body(seen: Observation, message: str) -> str:
    known = {"message": message, "connectionId": seen.get("connectionId"), "requestId": seen.get("requestId")}
    return json.dumps(known)


def _websocket_scheme(original: Callable[[str], str]) -> Callable[[str], str]:
    """The endpoint of a WebSocket API is a `wss` URL on AWS: `api_endpoint` in Terraform."""
    return lambda protocol: "wss" if protocol == "WEBSOCKET" else original(protocol)


def _as_given(store: str, identity: str, names: tuple[str, ...]) -> Callable[[Any], Any]:
    """Of a WebSocket API's new resource, keeps these attributes as they were given: the emulator makes up what AWS
    leaves empty and drops what it does not know, and Terraform would want to change both with each plan.
    """

    def wrapper(original: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
        def create(api_id: str, data: Any) -> Any:
            from ministack.services import apigateway

            response = original(api_id, data)
            if response[0] != 201 or apigateway._apis[api_id].get("protocolType") != "WEBSOCKET":
                return response
            record = getattr(apigateway, store)[api_id][json.loads(response[2])[identity]]
            for name in names:
                record.pop(name, None)
                if data.get(name):
                    record[name] = data[name]
            return apigateway._apigw_response(record, 201)

        return create

    return wrapper


def _integration_permitted(function: str, target: str, account: str, region: str) -> bool:
    source = f"arn:aws:execute-api:{region}:{account}:{target}"
    if _permitted(function, "apigateway.amazonaws.com", source, account, region):
        return True
    _event("refused", caller="integration", function=function, source=source)
    return False


# ---- resource policies ----


def _permitted(reference: str, service: str, source_arn: str, account: str, region: str) -> bool:
    """Whether the function's resource policy lets the AWS service invoke it on behalf of the source."""
    from ministack.core.iam_evaluator import (
        EvalContext,
        evaluate_resource_policy,
    )
    from ministack.services import lambda_svc

    function, config, _ = lambda_svc._get_func_record_for_ref_in_scope(reference, account_id=account, region=region)
    if function is None or config is None:
        return True  # the emulator reports a function that does not exist
    context = EvalContext(
        principal_arn="",
        principal_type="Service",
        principal_account="",
        action="lambda:InvokeFunction",
        resource_arn=reference if reference.startswith("arn:") else config["FunctionArn"],
        region=region,
        service_context={"aws:sourcearn": source_arn, "aws:sourceaccount": account},
    )
    decision = evaluate_resource_policy(function.get("policy"), context, service=service).decision
    return bool(decision == "Allow")


# ---- subscription filters ----


def _put_subscription_filter(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """AWS tries the function when the filter is made, and refuses a third filter on one group."""

    def put(data: Any) -> Any:
        from ministack.core.responses import (
            error_response_json,
            get_account_id,
            get_region,
        )
        from ministack.services import cloudwatch_logs, lambda_svc

        try:
            pattern_matches(data.get("filterPattern") or "", "")
        except ValueError as error:
            return error_response_json("InvalidParameterException", str(error), 400)
        name, destination = data.get("logGroupName"), data.get("destinationArn") or ""
        group = cloudwatch_logs._log_groups.get(name)
        if group is not None:
            others = set(group["subscriptionFilters"]) - {data.get("filterName")}
            if len(others) >= FILTERS_PER_GROUP:
                return error_response_json("LimitExceededException", "Resource limit exceeded.", 400)
            if ":function:" in destination:
                account, region = get_account_id(), get_region()
                function, _, _ = lambda_svc._get_func_record_for_ref_in_scope(
                    destination, account_id=account, region=region
                )
                source = _group_source(name, account, region)
                if function is None or not _permitted(destination, "logs.amazonaws.com", source, account, region):
                    _event("refused", caller="put filter", function=destination, source=source)
                    return error_response_json("InvalidParameterException", NO_PERMISSION, 400)
        return original(data)

    return put


# What AWS takes in a regular expression: letters and digits, these symbols, these operators, and what may be escaped.
_REGEX = re.compile(
    r"%((?:[A-Za-z0-9:_#=@/;,-]|[\^$?\[\]{}|*+.]|\\x[0-9A-F]{2}|\\[dDsSwW]|\\[:_#=@/;,\-^$?\[\]{}|\\*+.])+)%", re.ASCII
)
# Where Python reads something else: `$` before a line break too, and more characters as white space.
_IN_PYTHON = {"$": r"\Z", r"\s": r"[ \t\n]", r"\S": r"[^ \t\n]"}


def pattern_matches(pattern: str, message: str) -> bool:
    """A filter pattern that is empty, or that is one regular expression, as AWS documents it.

    The emulator's own matcher has none. AWS has more kinds of patterns, which nothing here uses: they are refused.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/regex-expressions.html

    :raises ValueError: the pattern is of another kind, or longer than AWS takes
    """
    if not pattern:
        return True
    found = _REGEX.fullmatch(pattern)
    if found is None or len(pattern) > LONGEST_PATTERN:
        raise ValueError("this emulator knows regular expressions as AWS takes them, of 1024 characters at most")
    # In a class, `$` is a character, and white space is what it is outside.
    parts = re.findall(r"\[\^?(?:\\.|[^\\\]])+\]|\\x..|\\.|.", found[1])
    translated = "".join(_IN_PYTHON.get(part, part) for part in parts)
    try:
        return re.search(translated, message, re.ASCII | re.DOTALL) is not None
    except re.error as error:
        raise ValueError(f"no regular expression: {error}") from error


def _group_source(group: str, account: str, region: str) -> str:
    return f"arn:aws:logs:{region}:{account}:log-group:{group}:*"


def _fan_out(_original: Callable[..., None]) -> Callable[..., None]:
    def deliver(group_name: str, stream_name: str, events: list[dict[str, Any]]) -> None:
        from ministack.services import cloudwatch_logs

        group = cloudwatch_logs._log_groups.get(group_name)
        filters = list(((group or {}).get("subscriptionFilters") or {}).values())
        if not filters or not events:
            return
        now = int(time.time() * 1000)
        # One id per event, whatever the number of filters; a retried invocation carries it again.
        records = [
            {
                "id": str(uuid.uuid4().int).zfill(56),
                "timestamp": e.get("timestamp", now),
                "message": e.get("message", ""),
            }
            for e in events
        ]
        for each in filters:
            try:
                _deliver_one(each, group_name, stream_name, records)
            except Exception as error:
                # A failing delivery must not fail the PutLogEvents call that caused it.
                logger.exception("sandbox: subscription filter delivery")
                _event("error", caller="filter", group=group_name, reason=repr(error))

    return deliver


def _deliver_one(each: dict[str, Any], group_name: str, stream_name: str, records: list[dict[str, Any]]) -> None:
    from ministack.core.responses import get_account_id, get_region
    from ministack.services import lambda_svc

    destination = each.get("destinationArn", "")
    if ":function:" not in destination:
        return
    if group_name == "/aws/lambda/" + destination.split(":function:")[-1].split(":")[0]:
        _event("refused", caller="filter", function=destination, source=group_name, reason="own log group")
        return
    pattern = each.get("filterPattern", "")
    matched = [r for r in records if pattern_matches(pattern, r["message"])]
    if not matched:
        return
    account, region = get_account_id(), get_region()
    function, config, _ = lambda_svc._get_func_record_for_ref_in_scope(destination, account_id=account, region=region)
    details = {"caller": "filter", "function": destination, "group": group_name, "records": len(matched)}
    if function is None or config is None:
        _event("missing", **details)
        return
    source = _group_source(group_name, account, region)
    if not _permitted(destination, "logs.amazonaws.com", source, account, region):
        _event("refused", **details, source=source)
        return
    payload = {
        "messageType": "DATA_MESSAGE",
        "owner": account,
        "logGroup": group_name,
        "logStream": stream_name,
        "subscriptionFilters": [each.get("filterName", "")],
        "logEvents": matched,
    }
    data = base64.b64encode(gzip.compress(json.dumps(payload).encode())).decode()
    record = lambda_svc._execution_record_for_config(function, config)
    lambda_svc.invoke_async_with_retry(record, {"awslogs": {"data": data}})
    _event("delivered", **details)


if __name__ == "__main__":
    main()
