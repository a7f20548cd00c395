"""The front of the sandbox's API Gateway: callers use it instead of `https://<api>.execute-api.<region>...` (`wss://`).

It sends each request through the emulator, which routes and authorizes, and then does what the emulator does
not: it writes the stage's access log. Format and destination are those deployed on the stage, read back from
the emulator; nothing is known here about who deployed them.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import re
import threading
import time
import urllib.parse
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sandbox._http import Handler, Server
from sandbox.access_log import Kind, fill, format_problem
from sandbox.emulator import Emulator
from sandbox.emulator_main import OBSERVED_HEADER
from sandbox.websocket import NotReportedError, Tunnel, handshake

STAGE_CACHE_SECONDS = 1.0
BATCH_SECONDS = 0.2
BATCH_LINES = 1000
FLUSH_SECONDS = 30.0

_HOST = re.compile(r"^([a-z0-9]+)\.execute-api\.", re.IGNORECASE)
_GROUP_ARN = re.compile(r"^arn:aws[a-z-]*:logs:([a-z0-9-]+):(\d{12}):log-group:([A-Za-z0-9_./#-]{1,512})$")
_HOP_BY_HOP = frozenset(
    (
        "connection",
        "content-length",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)

_EMULATOR_ERRORS = (BotoCoreError, ClientError, OSError, http.client.HTTPException)


class GatewayError(RuntimeError):
    """An access log could not be written, or was not written in time."""


@dataclass(frozen=True)
class Address:
    """Where a caller reaches an invoke URL in the sandbox."""

    url: str
    headers: dict[str, str]


@dataclass(frozen=True)
class _Call:
    """A finished request, not yet in a log."""

    api_id: str
    kind: Kind
    stage: str
    values: dict[str, object]
    time_ms: int


@dataclass
class _Stage:
    """What a stage says about its access log: the group to write to, or a problem, or neither (logging is
    off).
    """

    format: str = ""
    group: str = ""
    problem: str = ""
    read_at: float = field(default_factory=time.monotonic)


class Gateway:
    """The front, and the background thread that writes access logs.

    Of a WebSocket API, each connect, message and disconnect is a line. Not modelled: custom domains, calls of
    `@connections` through the front, and the permission to write logs (the account's role for REST and WebSocket
    stages, log-delivery resource policies for HTTP stages): a log group that exists is written to.
    """

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._server = Server(0, _Front, self)
        self._rest = emulator.client("apigateway")
        self._http = emulator.client("apigatewayv2")
        self._logs = emulator.client("logs")
        self._changed = threading.Condition()
        self._calls: deque[_Call] = deque()
        self._unwritten = 0
        self._hurry = False
        self._stopping = False
        self._errors: list[str] = []
        self._kinds: dict[str, Kind] = {}
        self._stages: dict[tuple[str, str], _Stage] = {}
        self._stage_names: dict[str, tuple[float, frozenset[str]]] = {}
        self._streams: dict[str, str] = {}
        self._lines = 0
        self._writer = threading.Thread(target=self._write_logs, name="access-log", daemon=True)
        self._local = threading.local()

    def start(self) -> None:
        """Begin to serve."""
        self._server.start()
        self._writer.start()

    def stop(self) -> None:
        """Stop serving; lines that were not flushed are written first if the emulator still takes them."""
        self._server.stop()
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._writer.is_alive():
            self._writer.join(FLUSH_SECONDS)

    @property
    def origin(self) -> str:
        """`http://127.0.0.1:<port>` of the front."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def errors(self) -> list[str]:
        """Access logs that could not be written, each problem once."""
        with self._changed:
            return list(self._errors)

    @property
    def lines_written(self) -> int:
        """How many access-log lines were put into log groups so far."""
        with self._changed:
            return self._lines

    def locate(self, invoke_url: str) -> Address:
        """The front's URL and Host header for an invoke URL as Terraform outputs it.

        :param invoke_url: `https://<api>.execute-api.<region>.<domain>/<stage>/<path>`, with or without a
        path, or `wss://...` for a WebSocket API, which gives a `ws://` URL
        :raises ValueError: not the URL of an API
        """
        parts = urllib.parse.urlsplit(invoke_url)
        match = _HOST.match(parts.netloc)
        if match is None or parts.scheme not in ("http", "https", "ws", "wss"):
            raise ValueError(f"not an invoke URL of an API: {invoke_url!r}")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        origin = self.origin.replace("http", "ws", 1) if parts.scheme.startswith("ws") else self.origin
        return Address(origin + path, {"Host": f"{match[1].lower()}.execute-api.localhost"})

    def flush(self, timeout: float = FLUSH_SECONDS) -> None:
        """Wait until the lines of all requests answered so far are in their log groups.

        Of a WebSocket connection: the lines of all messages that reached the front, answered or not, and of the
        disconnect once the caller has seen the close.

        :raises GatewayError: not within `timeout` seconds
        """
        with self._changed:
            self._hurry = True
            self._changed.notify_all()
            try:
                if not self._changed.wait_for(lambda: self._unwritten == 0, timeout):
                    raise GatewayError(
                        f"{self._unwritten} access-log lines were not written within {timeout:.0f} s\n"
                        + self._emulator.log_tail()
                    )
            finally:
                self._hurry = False

    def forget_stages(self) -> None:
        """Read every stage's settings again for the next line, instead of within a second."""
        with self._changed:
            self._stages.clear()
            self._stage_names.clear()

    def check(self) -> None:
        """:raises GatewayError: an access log could not be written"""
        if errors := self.errors:
            raise GatewayError("access logs were not written:\n" + "\n".join(errors))

    # ---- requests ----

    def _begin(self) -> None:
        with self._changed:
            self._unwritten += 1

    def _finish(self, call: _Call | None) -> None:
        with self._changed:
            if call is None:
                self._unwritten -= 1
            else:
                self._calls.append(call)
            self._changed.notify_all()

    def _forward(
        self, method: str, target: str, headers: list[tuple[str, str]], body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """One request to the emulator, over this thread's own connection."""
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        while True:
            reused = connection is not None
            if connection is None:
                connection = http.client.HTTPConnection("127.0.0.1", self._emulator.port, timeout=60)
            try:
                connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
                for name, value in headers:
                    connection.putheader(name, value)
                if body or method in ("POST", "PUT", "PATCH"):
                    connection.putheader("Content-Length", str(len(body)))
                connection.endheaders(body or None)
                response = connection.getresponse()
                content = response.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                connection = self._local.connection = None
                if not reused:
                    raise
                continue  # the emulator closed a connection that was idle
            self._local.connection = connection
            return response.status, response.getheaders(), content

    # ---- access logs ----

    def _write_logs(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._calls or self._stopping)
                if not self._calls:
                    return
                # As on AWS, lines of several requests go out together.
                self._changed.wait_for(
                    lambda: self._hurry or self._stopping or len(self._calls) >= BATCH_LINES, BATCH_SECONDS
                )
                calls = [self._calls.popleft() for _ in range(min(len(self._calls), BATCH_LINES))]
            groups: dict[str, list[tuple[int, str]]] = {}
            for call in calls:
                try:
                    stage = self._stage(call)
                except _EMULATOR_ERRORS as error:
                    self._fail(f"{call.kind} API {call.api_id}: its stages cannot be read: {error}")
                    continue
                if stage.problem:
                    self._fail(stage.problem)
                elif stage.group:
                    line = fill(stage.format, call.kind, call.values)
                    groups.setdefault(stage.group, []).append((call.time_ms, line))
            written = 0
            for group, lines in groups.items():
                try:
                    self._put(group, lines)
                    written += len(lines)
                except _EMULATOR_ERRORS as error:
                    self._fail(f"log group {group}: {len(lines)} lines were lost: {error}")
            with self._changed:
                self._unwritten -= len(calls)
                self._lines += written
                self._changed.notify_all()

    def _fail(self, problem: str) -> None:
        with self._changed:
            if problem not in self._errors:
                self._errors.append(problem)

    def _kind(self, api_id: str) -> Kind | None:
        """Which kind of API has this id, or None."""
        if api_id not in self._kinds:
            try:
                self._rest.get_rest_api(restApiId=api_id)
                self._kinds[api_id] = "REST"
            except self._rest.exceptions.NotFoundException:
                try:
                    protocol = self._http.get_api(ApiId=api_id)["ProtocolType"]
                except self._http.exceptions.NotFoundException:
                    return None
                self._kinds[api_id] = "HTTP" if protocol == "HTTP" else "WEBSOCKET"
        return self._kinds[api_id]

    def _stage_of(self, api_id: str, kind: Kind, path: str) -> str:
        """The stage that serves this path; empty if there is none."""
        now = time.monotonic()
        with self._changed:
            read_at, names = self._stage_names.get(api_id, (-STAGE_CACHE_SECONDS, frozenset()))
        if now - read_at >= STAGE_CACHE_SECONDS:
            if kind == "REST":
                stages = self._rest.get_stages(restApiId=api_id)["item"]
                names = frozenset(stage["stageName"] for stage in stages)
            else:
                stages = self._http.get_stages(ApiId=api_id)["Items"]
                names = frozenset(stage["StageName"] for stage in stages)
            with self._changed:
                self._stage_names[api_id] = (now, names)
        first = urllib.parse.unquote(path.split("/")[1]) if path.startswith("/") else ""
        if first in names:
            return first
        return "$default" if "$default" in names else ""

    def _stage(self, call: _Call) -> _Stage:
        key = (call.api_id, call.stage)
        with self._changed:
            stage = self._stages.get(key)
        if stage is None or time.monotonic() - stage.read_at >= STAGE_CACHE_SECONDS:
            stage = self._read_stage(call)
            with self._changed:
                self._stages[key] = stage
        return stage

    def _read_stage(self, call: _Call) -> _Stage:
        if call.kind == "REST":
            found = self._rest.get_stage(restApiId=call.api_id, stageName=call.stage)
            settings = found.get("accessLogSettings") or {}
            template, destination = settings.get("format", ""), settings.get("destinationArn", "")
        else:
            found = self._http.get_stage(ApiId=call.api_id, StageName=call.stage)
            settings = found.get("AccessLogSettings") or {}
            template, destination = settings.get("Format", ""), settings.get("DestinationArn", "")
        if not template and not destination:
            return _Stage()
        where = f"stage {call.stage} of {call.kind} API {call.api_id}"
        match = _GROUP_ARN.match(destination)
        if match is None:
            return _Stage(problem=f"{where}: destination {destination!r} is not a log group's ARN without :*")
        if (match[1], match[2]) != (self._emulator.region, self._emulator.account):
            return _Stage(problem=f"{where}: destination {destination!r} is in another region or account")
        if problem := format_problem(template):
            return _Stage(problem=f"{where}: {problem}")
        return _Stage(format=template, group=match[3])

    def _put(self, group: str, lines: list[tuple[int, str]]) -> None:
        lines.sort(key=lambda line: line[0])  # PutLogEvents wants them in order of time
        events = [{"timestamp": time_ms, "message": line} for time_ms, line in lines]
        missing = self._logs.exceptions.ResourceNotFoundException
        for first_try in (True, False):
            if group not in self._streams:
                stream = f"sandbox-{uuid.uuid4().hex}"
                self._logs.create_log_stream(logGroupName=group, logStreamName=stream)
                self._streams[group] = stream
            try:
                self._logs.put_log_events(logGroupName=group, logStreamName=self._streams[group], logEvents=events)
                return
            except missing:
                # The group was destroyed and perhaps made again since: its stream is gone.
                del self._streams[group]
                if not first_try:
                    raise


class _Front(Handler):
    """One caller's connection."""

    def serve(self) -> None:
        gateway: Gateway = self.server.context
        if (self.headers.get("Upgrade") or "").lower() == "websocket":
            self._serve_websocket(gateway)
            return
        body = self.read_body()
        gateway._begin()
        call = None
        try:
            call = self._call(gateway, body)
        finally:
            gateway._finish(call)

    def _call(self, gateway: Gateway, body: bytes) -> _Call | None:
        match = _HOST.match(self.headers.get("Host") or "")
        if match is None:
            self._refuse(403, "the Host header names no API")
            return None
        api_id = match[1].lower()
        path = self.path.split("?")[0]
        try:
            kind = gateway._kind(api_id)
            if kind == "WEBSOCKET":
                # The emulator would execute a route with an HTTP request for its event.
                self._refuse(403, "only handshakes reach a WebSocket API here")
                return None
            stage = gateway._stage_of(api_id, kind, path) if kind else ""
            # Only from here: the look-ups above are the sandbox's own.
            started, time_ms = time.perf_counter(), int(time.time() * 1000)
            status, answered, content = gateway._forward(
                self.command, self.path, self._forwarded(api_id, gateway), body
            )
        except _EMULATOR_ERRORS as error:
            gateway._fail(f"{self.command} {path}: the emulator did not answer: {error!r}")
            self._refuse(502, "the emulator did not answer")
            return None
        observed: dict[str, Any] = {}
        headers = []
        for name, value in answered:
            if name.lower() == OBSERVED_HEADER:
                observed = json.loads(base64.b64decode(value))
            elif name.lower() not in _HOP_BY_HOP:
                headers.append((name, value))
        ids = _request_ids(kind, headers, self.headers.get("x-amzn-RequestId"))
        headers = [pair for pair in headers if pair[0].lower() not in ids] + list(ids.items())
        elapsed_ms = int((time.perf_counter() - started) * 1000)
        try:
            self.answer(status, headers, content)
        except OSError:
            # The caller is gone; the gateway did the work and logs it all the same.
            self.close_connection = True
        if kind is None or not stage:
            return None  # AWS has no stage to log to either
        values = self._values(kind, stage, api_id, path, observed)
        request_id, extended_id = (*ids.values(), *ids.values())[:2]
        values |= {
            "requestId": request_id,
            "extendedRequestId": extended_id,
            "status": status,
            "responseLength": len(content),
            "dataProcessed": len(content) + len(body),
            "responseLatency": elapsed_ms,
        }
        return _Call(api_id, kind, stage, values | _times(time_ms), time_ms)

    def _serve_websocket(self, gateway: Gateway) -> None:
        """A handshake, and if it is accepted the connection to its end, each event of which is logged."""
        call, tunnel = None, None
        gateway._begin()
        try:
            call, tunnel = self._connect(gateway)
        finally:
            gateway._finish(call)
        self.close_connection = True
        if tunnel is None:
            return
        try:
            tunnel.carry()
        except NotReportedError as error:
            gateway._fail(f"{self.path.split('?')[0]}: {error}")

    def _connect(self, gateway: Gateway) -> tuple[_Call | None, Tunnel | None]:
        match = _HOST.match(self.headers.get("Host") or "")
        api_id = match[1].lower() if match else ""
        path = self.path.split("?")[0]
        try:
            stage = self._websocket_stage(gateway, api_id, path)
            if not stage:
                # The emulator accepts any stage's name; that AWS answers so is known of REST APIs.
                self._refuse(403, "Forbidden")
                return None, None
            started_ms = int(time.time() * 1000)
            headers = self._forwarded(api_id, gateway)
            answer = handshake(gateway._emulator.port, self.path, headers)
        except _EMULATOR_ERRORS as error:
            gateway._fail(f"handshake of {path}: the emulator did not answer: {error!r}")
            self._refuse(502, "the emulator did not answer")
            return None, None
        call_of = self._event_of(api_id, stage, path)
        kept = [pair for pair in answer.headers if pair[0].lower() not in _HOP_BY_HOP | {OBSERVED_HEADER}]
        if answer.upstream is None:
            self.answer(answer.status, kept, answer.body)
            return call_of(answer.observed, started_ms), None
        tunnel = Tunnel(
            self.connection,
            self.rfile,
            answer.upstream,
            gateway._begin,
            lambda seen, time_ms: gateway._finish(None if seen is None else call_of(seen, time_ms)),
        )
        with contextlib.suppress(OSError):  # the caller is gone, which the tunnel will notice
            self.answer(101, [("Connection", "Upgrade"), ("Upgrade", "websocket"), *kept], b"")
        return call_of(answer.observed, started_ms), tunnel

    def _websocket_stage(self, gateway: Gateway, api_id: str, path: str) -> str:
        if gateway._kind(api_id) != "WEBSOCKET":
            return ""
        stage = gateway._stage_of(api_id, "WEBSOCKET", path)
        if not stage:  # perhaps it is new
            gateway.forget_stages()
            stage = gateway._stage_of(api_id, "WEBSOCKET", path)
        return stage

    def _event_of(self, api_id: str, stage: str, path: str) -> Callable[[dict[str, Any], int], _Call]:
        """How an observation of this connection becomes a line."""

        def call(observed: dict[str, Any], time_ms: int) -> _Call:
            values = self._values("WEBSOCKET", stage, api_id, path, observed) | _times(time_ms)
            names = ("eventType", "connectionId", "messageId", "connectedAt", "requestId", "status")
            values |= {name: observed.get(name) for name in names}
            values["extendedRequestId"] = observed.get("requestId")
            return _Call(api_id, "WEBSOCKET", stage, values, time_ms)

        return call

    def _values(self, kind: Kind, stage: str, api_id: str, path: str, observed: dict[str, Any]) -> dict[str, object]:
        emulator = self.server.context._emulator
        latency = observed.get("integrationLatency")
        message = observed.get("message")
        return {
            "accountId": emulator.account,
            "apiId": api_id,
            "stage": stage,
            "domainName": f"{api_id}.execute-api.{emulator.region}.amazonaws.com",
            "domainPrefix": api_id,
            "httpMethod": self.command,
            "path": path,
            "protocol": self.request_version,
            "resourcePath": observed.get("resourcePath"),
            "routeKey": observed.get("routeKey"),
            "integrationLatency": None if latency is None else int(latency),
            "integration.latency": None if latency is None else int(latency),
            "integrationStatus": observed.get("integrationStatus"),
            "integration.status": observed.get("integrationStatus"),
            "identity.sourceIp": self.client_address[0],
            "identity.userAgent": self.headers.get("User-Agent"),
            "error.responseType": observed.get("responseType"),
            "error.message": message,
            "error.messageString": None if message is None else f'"{message}"',
            **{f"authorizer.{key}": value for key, value in (observed.get("authorizer") or {}).items()},
        }

    def _forwarded(self, api_id: str, gateway: Gateway) -> list[tuple[str, str]]:
        ours = {"host", "x-forwarded-for", OBSERVED_HEADER}
        kept = [
            (name, value)
            for name, value in self.headers.items()
            if name.lower() not in _HOP_BY_HOP and name.lower() not in ours
        ]
        return [
            ("Host", f"{api_id}.execute-api.localhost:{gateway._emulator.port}"),
            # The emulator takes the caller's address from here, where the gateway itself puts it.
            ("X-Forwarded-For", self.client_address[0]),
            *kept,
        ]

    def _refuse(self, status: int, message: str) -> None:
        body = json.dumps({"message": message}).encode()
        self.answer(status, [("Content-Type", "application/json")], body)


def _times(time_ms: int) -> dict[str, object]:
    clf = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(time_ms / 1000))
    return {"requestTimeEpoch": time_ms, "requestTime": clf}


def _request_ids(kind: Kind | None, headers: list[tuple[str, str]], chosen: str | None) -> dict[str, str]:
    """The header that carries each request id: request id first, extended id second if it is another one.

    :param chosen: the caller's own `x-amzn-RequestId`, which a REST API takes over
    """
    if kind == "REST":
        return {
            "x-amzn-requestid": chosen or str(uuid.uuid4()),
            "x-amz-apigw-id": base64.b64encode(os.urandom(11)).decode(),
        }
    given = {name.lower(): value for name, value in headers}.get("apigw-requestid")
    return {"apigw-requestid": given or base64.b64encode(os.urandom(11)).decode()}
