"""Runs the AWS emulator with the checks and the observations that the emulator alone does not make.

Started by `emulator.Emulator` as a script, in isolated mode, so that functions in the emulator can import
what the virtual environment has and nothing of this repository. Every attribute that is wrapped here belongs
to one version of the emulator: another version, or a missing attribute, ends the process at once and says so.

What is added:
* each answer of the data plane carries, in one header, what the gateway knows and a caller does not see;
* subscription filters deliver as AWS does: asynchronously, with retries, and only with the function's
  permission;
* authorizers and Lambda integrations are invoked only with the function's permission.
"""

from __future__ import annotations

import argparse
import base64
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
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

EMULATOR_VERSION = "1.5.33"
OBSERVED_HEADER = "x-sandbox-observed"
FILTERS_PER_GROUP = 2
LONGEST_PATTERN = 1024
NO_PERMISSION = (
    "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute "
    "your function."
)
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
    from ministack import app
    from ministack.core import iam_actions
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

    _wrap(iam_actions, "extract_iam_action", _iam_action)
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
        encoded = base64.b64encode(json.dumps(seen, default=str).encode()).decode()
        return status, {**headers, OBSERVED_HEADER: encoded}, body

    return handle


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


def pattern_matches(pattern: str, message: str) -> bool:
    """A filter pattern that is empty, or that has terms with a question mark, of which one must be in the message.

    The emulator's own matcher demands every term, and reads no punctuation but `_./:-`. AWS has more kinds of
    patterns, which nothing here uses: they are refused.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html

    :raises ValueError: the pattern is of another kind, or longer than AWS takes
    """
    if not pattern:
        return True
    terms = re.findall(r'\?(\w+|"(?:[^"\\]|\\.)+")(?= |$)', pattern)
    if " ".join(f"?{term}" for term in terms) != pattern or len(pattern) > LONGEST_PATTERN:
        raise ValueError("this emulator knows patterns of terms with a question mark, of 1024 characters at most")
    return any((json.loads(term) if term.startswith('"') else term) in message for term in terms)


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
