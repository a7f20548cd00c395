"""A local Revenium: both versions of the metering API and the entitlement check, strict, and able to
misbehave.

`python -m sandbox.revenium --port 8080` runs it alone (with `tests/` as the import root).
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import random
import re
import socket
import threading
import time
import urllib.parse
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from sandbox import contract
from sandbox._http import Handler, Server

V2_BASE = "/meter"
V1_BASE = "/meter/v1/api"
ENTITLEMENT_PATH = "/meter/v1/api/meter/product-key"

DEFAULT_KEY = "rev_mk_sandbox"
DEFAULT_RATE = 1000.0
IDEMPOTENCY_SECONDS = 24 * 3600.0
REQUESTS_KEPT = 100_000

FaultKind = Literal["delay", "slow", "reset", "close", "lost_answer", "half_answer", "malformed"]
_PASSING = ("delay", "slow")
_STORING = ("lost_answer", "half_answer", "malformed")
_KINDS = ("delay", "slow", "reset", "close", *_STORING)

Matcher = str | Callable[[str, str, bytes], bool]


@dataclass(frozen=True)
class Transaction:
    """One API call as Revenium would bill it. Times and latencies in ms, sizes in bytes.

    `request_count` and `response_count` say how often each half was recorded: anything but 1 is a record that
    counted twice. v1 has no halves: each POST is a transaction, with `transaction_id` its correlation id.
    """

    version: str
    transaction_id: str
    credential: str | None = None
    product_key: str | None = None
    resource: str | None = None
    method: str | None = None
    response_code: int | None = None
    total_duration: int | None = None
    backend_latency: float | None = None
    gateway_latency: float | None = None
    request_message_size: int | None = None
    response_message_size: int | None = None
    remote_host: str | None = None
    user_agent: str | None = None
    source_type: str | None = None
    source_id: str | None = None
    metadata: str | None = None
    elements: tuple[tuple[str, str], ...] = ()
    call_count: int = 1
    request_count: int = 0
    response_count: int = 0
    received_monotonic: float = 0.0
    received_at: float = 0.0


@dataclass(frozen=True)
class RequestLog:
    """One request: when (epoch seconds), what, and the status answered; 0 if the answer was withheld."""

    time: float
    method: str
    path: str
    status: int


@dataclass(frozen=True)
class Violation:
    """A request that breaks the contract, with the body that did."""

    time: float
    path: str
    reason: str
    body: bytes


@dataclass
class Fault:
    """A planned misbehaviour. `hits` counts how often it struck."""

    kind: FaultKind | int
    match: Matcher
    times: int | None
    probability: float
    seconds: float
    headers: Mapping[str, str]
    rng: random.Random
    hits: int = 0

    def _strikes(self, method: str, target: str, body: bytes) -> bool:
        if self.times is not None and self.hits >= self.times:
            return False
        if isinstance(self.match, str):
            matched = re.search(self.match, target) is not None
        else:
            matched = self.match(method, target, body)
        if not matched or self.rng.random() >= self.probability:
            return False
        self.hits += 1
        return True


@dataclass(frozen=True)
class _Reply:
    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


@dataclass
class _Idempotent:
    """What is kept for an idempotency key; no reply yet while the first request is in progress."""

    fingerprint: bytes
    kept_until: float
    reply: _Reply | None = None


@dataclass
class _Halves:
    request: dict[str, Any] | None = None
    response: dict[str, Any] | None = None
    request_count: int = 0
    response_count: int = 0
    received_monotonic: float = 0.0
    received_at: float = 0.0


class Revenium:
    """The server. Everything may be called from any thread while it runs.

    :param port: 0 chooses a free one
    :param api_keys: keys that are accepted as `x-api-key`
    :param rate_limit: requests per second and account that v2 takes
    """

    def __init__(
        self, port: int = 0, *, api_keys: Iterable[str] = (DEFAULT_KEY,), rate_limit: float = DEFAULT_RATE
    ) -> None:
        self._changed = threading.Condition()
        self._port = port
        self._server: Server | None = None
        self._placeholder: socket.socket | None = None
        self._stopping = threading.Event()
        self._api_keys = set(api_keys)
        self._rate = rate_limit
        self._tokens = rate_limit
        self._refilled = time.monotonic()
        self._faults: list[Fault] = []
        self._forget()

    # ---- running ----

    def start(self) -> None:
        """Listen and serve."""
        self._server = Server(self._port, _Connection, self)
        self._port = int(self._server.server_port)
        self._server.start()

    def stop(self) -> None:
        """Stop for good. Safe to call twice."""
        self._stopping.set()
        if self._server is not None:
            self._server.stop()
            self._server = None
        if self._placeholder is not None:
            self._placeholder.close()
            self._placeholder = None

    def __enter__(self) -> Revenium:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def down(self) -> None:
        """Refuse connections, and cut those that are open, until `up`."""
        if self._server is None:
            return
        self._server.stop()
        self._server = None
        # Bound but not listening: connections are refused, and nobody else gets the port meanwhile.
        placeholder = socket.socket()
        placeholder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        placeholder.bind(("127.0.0.1", self._port))
        self._placeholder = placeholder

    def up(self) -> None:
        """Accept connections again on the same port."""
        if self._placeholder is not None:
            self._placeholder.close()
            self._placeholder = None
            self.start()

    @property
    def port(self) -> int:
        """The port, the same before and after `down` and `up`."""
        return self._port

    @property
    def origin(self) -> str:
        """`http://127.0.0.1:<port>`."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def v2_url(self) -> str:
        """Base URL for `REVENIUM_METERING_URL` with v2."""
        return self.origin + V2_BASE

    @property
    def v1_url(self) -> str:
        """Base URL for `REVENIUM_METERING_URL` with v1."""
        return self.origin + V1_BASE

    @property
    def entitlement_url(self) -> str:
        """Full URL for `REVENIUM_ENTITLEMENT_URL`."""
        return self.origin + ENTITLEMENT_PATH

    # ---- settings ----

    @property
    def api_key(self) -> str:
        """One key that is accepted."""
        with self._changed:
            return min(self._api_keys)

    def set_api_keys(self, *keys: str) -> None:
        """Accept these keys and no others."""
        with self._changed:
            self._api_keys = set(keys)

    def set_rate_limit(self, per_second: float) -> None:
        """Take this many v2 requests per second, with as many at once after a pause."""
        with self._changed:
            self._rate = self._tokens = per_second
            self._refilled = time.monotonic()

    def entitle(self, *ids: str) -> None:
        """Answer 200 to entitlement checks of these client or subscription ids."""
        with self._changed:
            self._entitled |= set(ids)

    def revoke(self, *ids: str) -> None:
        """Answer 404 to entitlement checks of these ids, as for unknown ones."""
        with self._changed:
            self._entitled -= set(ids)

    def fail(
        self,
        kind: FaultKind | int,
        match: Matcher = "",
        *,
        times: int | None = None,
        probability: float = 1.0,
        seconds: float = 0.0,
        headers: Mapping[str, str] | None = None,
        rng: random.Random | None = None,
    ) -> Fault:
        """Misbehave on requests that match, until `clear_faults`. The first fault in order that ends a
        request wins.

        :param kind: a status code: answered at once, nothing recorded. `delay`: wait `seconds`, then go on.
            `slow`: wait while the idempotency key is in progress, then record and answer. `reset`, `close`:
            end the connection before recording, by TCP reset or orderly. `lost_answer`: record, then end the
            connection. `half_answer`: record, then send a part of the answer. `malformed`: record, then
            answer with a body that is not JSON.
        :param match: regular expression searched in path and query, or a function of method, target and body
        :param times: how often at most; None for always
        :param probability: of striking when it matches, drawn from `rng`
        :param headers: added to the answer of a status code, e.g. Retry-After
        :return: the fault, whose `hits` can be read
        """
        if not isinstance(kind, int) and kind not in _KINDS:
            raise ValueError(f"unknown kind of fault: {kind!r}")
        fault = Fault(kind, match, times, probability, seconds, headers or {}, rng or random.Random(0))
        with self._changed:
            self._faults.append(fault)
        return fault

    def clear_faults(self) -> None:
        """Behave again."""
        with self._changed:
            self._faults.clear()

    def forget(self) -> None:
        """Drop all records, violations, logs, counters, entitlements and idempotency keys."""
        with self._changed:
            self._forget()
            self._changed.notify_all()

    def _forget(self) -> None:
        self._transactions: dict[str, _Halves] = {}
        self._v1: list[Transaction] = []
        self._billed = 0
        self._events: list[dict[str, Any]] = []
        self._idempotent: dict[str, _Idempotent] = {}
        self._entitled: set[str] = set()
        self._checks: Counter[str] = Counter()
        self._violations: list[Violation] = []
        self._requests: deque[RequestLog] = deque(maxlen=REQUESTS_KEPT)

    # ---- what happened ----

    def billed(self) -> list[Transaction]:
        """What would be billed: v2 transactions with both halves, and every v1 POST. In order of arrival."""
        with self._changed:
            both = [
                _transaction(key, halves)
                for key, halves in self._transactions.items()
                if halves.request is not None and halves.response is not None
            ]
            return sorted(both + self._v1, key=lambda transaction: transaction.received_monotonic)

    def count(self) -> int:
        """How many would be billed: `len(billed())` at no cost, for `wait_for` with many records."""
        with self._changed:
            return self._billed

    def incomplete(self) -> list[str]:
        """Ids of v2 transactions of which one half is missing."""
        with self._changed:
            return [k for k, h in self._transactions.items() if h.request is None or h.response is None]

    def duplicates(self) -> list[Transaction]:
        """Billed transactions that were recorded more than once."""
        billed = self.billed()
        seen = Counter(t.transaction_id for t in billed)
        return [
            t
            for t in billed
            if max(t.request_count, t.response_count) > 1 or (t.transaction_id and seen[t.transaction_id] > 1)
        ]

    def events(self) -> list[dict[str, Any]]:
        """Bodies of `/v2/events` and v1 `/event`, each with the path under `path`."""
        with self._changed:
            return list(self._events)

    def checks(self, identifier: str | None = None) -> int:
        """How often the entitlement of this id was asked, or of any."""
        with self._changed:
            return self._checks.total() if identifier is None else self._checks[identifier]

    @property
    def violations(self) -> list[Violation]:
        """Requests that broke the contract."""
        with self._changed:
            return list(self._violations)

    @property
    def requests(self) -> list[RequestLog]:
        """The latest requests, oldest first."""
        with self._changed:
            return list(self._requests)

    def wait_for(self, predicate: Callable[[Revenium], bool], timeout: float = 30.0, what: str = "") -> None:
        """Wait until the predicate holds; it is tried after every request.

        :param what: the condition in words, for the error
        :raises TimeoutError: it did not hold within `timeout` seconds
        """
        with self._changed:
            if self._changed.wait_for(lambda: predicate(self), timeout):
                return
            last = "\n".join(f"  {r.method} {r.path} -> {r.status}" for r in list(self._requests)[-10:])
            raise TimeoutError(
                f"Revenium did not see {what or 'what was waited for'} within {timeout:g} s; "
                f"billed {self._billed}, last of {len(self._requests)} requests:\n{last or '  none'}"
            )

    def check(self) -> None:
        """:raises AssertionError: a request broke the contract"""
        if violations := self.violations:
            lines = [f"  {v.path}: {v.reason}" for v in violations[:10]]
            raise AssertionError(f"{len(violations)} requests broke the contract:\n" + "\n".join(lines))

    # ---- requests ----

    def _plan(self, method: str, target: str, body: bytes) -> list[Fault]:
        """The faults that strike this request: any number that pass, then at most one that ends it."""
        struck = []
        with self._changed:
            for fault in self._faults:
                if fault._strikes(method, target, body):
                    struck.append(fault)
                    if fault.kind not in _PASSING:
                        break
        return struck

    def _log(self, method: str, target: str, status: int) -> None:
        with self._changed:
            self._requests.append(RequestLog(time.time(), method, target, status))
            self._changed.notify_all()

    def _handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes, hold: float) -> _Reply:
        """Process one request for good.

        :param hold: seconds that an idempotency key stays in progress
        """
        path, _, query = target.partition("?")
        route = (method, path)
        if route not in _ROUTES:
            return _error(404, "not_found", "no such endpoint")
        with self._changed:
            accepted = headers.get("x-api-key") in self._api_keys
        limits: tuple[tuple[str, str], ...] = ()
        if not accepted:
            return _error(401, "unauthorized", "x-api-key is missing or not valid")
        if path.startswith("/meter/v2/"):
            allowed, limits = self._take_token()
            if not allowed:
                refused = (("Retry-After", "1"), ("X-RateLimit-Limited-Reason", "bucket-rate"))
                return _error(429, "rate_limited", "too many requests", limits + refused)
        try:
            reply: _Reply = getattr(self, _ROUTES[route])(path, query, headers, body, hold)
        except contract.ContractViolation as violation:
            with self._changed:
                self._violations.append(Violation(time.time(), path, str(violation), body))
            reply = _error(400, "invalid_request", str(violation))
        return replace(reply, headers=reply.headers + limits)

    def _take_token(self) -> tuple[bool, tuple[tuple[str, str], ...]]:
        with self._changed:
            now = time.monotonic()
            self._tokens = min(self._rate, self._tokens + (now - self._refilled) * self._rate)
            self._refilled = now
            allowed = self._tokens >= 1
            if allowed:
                self._tokens -= 1
            return allowed, (
                ("X-RateLimit-Limit", str(int(self._rate))),
                ("X-RateLimit-Remaining", str(int(self._tokens))),
                ("X-RateLimit-Reset", "1"),
            )

    def _v2(self, path: str, query: str, headers: Mapping[str, str], body: bytes, hold: float) -> _Reply:
        _require_json(headers)
        parsed = contract.parse(body, _V2_FIELDS[path])
        key = headers.get("idempotency-key")
        if key is None:
            self._pause(hold)
            return self._record(path, parsed)
        if not contract.IDEMPOTENCY_KEY.fullmatch(key):
            raise contract.ContractViolation("Idempotency-Key must be 1 to 255 printable characters")
        fingerprint = hashlib.sha256(path.encode() + b"\0" + body).digest()
        now = time.monotonic()
        with self._changed:
            kept = self._idempotent.get(key)
            if kept is not None and kept.kept_until > now:
                if kept.fingerprint != fingerprint:
                    return _error(409, "idempotency_key_mismatch", "this key was used for another request")
                if kept.reply is None:
                    return _error(
                        409, "idempotency_key_in_progress", "this key is in progress", (("Retry-After", "1"),)
                    )
                return kept.reply
            kept = self._idempotent[key] = _Idempotent(fingerprint, now + IDEMPOTENCY_SECONDS)
        self._pause(hold)
        with self._changed:
            kept.reply = self._record(path, parsed)
        return kept.reply

    def _pause(self, seconds: float) -> None:
        if seconds > 0:
            self._stopping.wait(seconds)

    def _record(self, path: str, body: dict[str, Any]) -> _Reply:
        with self._changed:
            if path.endswith("/events"):
                self._events.append({**body, "path": path})
            else:
                halves = self._transactions.setdefault(body["transactionId"], _Halves())
                # The first record of a transaction is the one that counts.
                if path.endswith("/requests"):
                    halves.request = halves.request or body
                    halves.request_count += 1
                else:
                    halves.response = halves.response or body
                    halves.response_count += 1
                if not halves.received_at and halves.request and halves.response:
                    self._billed += 1
                    halves.received_monotonic, halves.received_at = time.monotonic(), time.time()
            answer = {
                "id": hashlib.sha256(body["transactionId"].encode()).hexdigest()[:12],
                "label": body["transactionId"],
                "resourceType": path.rsplit("/", 1)[-1],
                "signature": hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest(),
            }
        return _json(201, answer)

    def _v1_meter(self, path: str, query: str, headers: Mapping[str, str], body: bytes, hold: float) -> _Reply:
        _require_json(headers)
        parsed = contract.parse(body, contract.V1_METER)
        self._pause(hold)
        with self._changed:
            self._billed += 1
            self._v1.append(
                Transaction(
                    version="v1",
                    transaction_id=parsed.get("correlationId", ""),
                    credential=parsed.get("application"),
                    product_key=parsed.get("productKey"),
                    resource=parsed.get("url"),
                    method=parsed["method"],
                    response_code=parsed["responseCode"],
                    backend_latency=parsed.get("backendLatency"),
                    gateway_latency=parsed.get("gatewayLatency"),
                    request_message_size=parsed.get("requestMessageSize"),
                    response_message_size=parsed.get("responseMessageSize"),
                    remote_host=parsed.get("remoteHost"),
                    user_agent=parsed.get("userAgent"),
                    source_type=parsed.get("source"),
                    source_id=parsed.get("api"),
                    metadata=parsed.get("metadata"),
                    elements=tuple((each["name"], each["value"]) for each in parsed["elements"]),
                    call_count=parsed.get("callCount", 1),
                    request_count=1,
                    response_count=1,
                    received_monotonic=time.monotonic(),
                    received_at=time.time(),
                )
            )
        return _json(200, {})

    def _v1_event(self, path: str, query: str, headers: Mapping[str, str], body: bytes, hold: float) -> _Reply:
        _require_json(headers)
        parsed = contract.parse(body, contract.V1_EVENT, unknown=True)
        self._pause(hold)
        with self._changed:
            self._events.append({**parsed, "path": path})
        return _json(201, {})

    def _entitlement(self, path: str, query: str, headers: Mapping[str, str], body: bytes, hold: float) -> _Reply:
        parameters = urllib.parse.parse_qsl(query, keep_blank_values=True)
        if len(parameters) != 1 or parameters[0][0] not in ("application", "productKey"):
            raise contract.ContractViolation("the query must be application=<id> or productKey=<id>, once")
        identifier = parameters[0][1]
        if not identifier:
            raise contract.ContractViolation(f"{parameters[0][0]} is empty")
        self._pause(hold)
        with self._changed:
            self._checks[identifier] += 1
            if identifier in self._entitled:
                return _json(200, {parameters[0][0]: identifier})
        return _error(404, "not_found", "not entitled")


_ROUTES = {
    ("POST", f"{V2_BASE}/v2/apis/requests"): "_v2",
    ("POST", f"{V2_BASE}/v2/apis/responses"): "_v2",
    ("POST", f"{V2_BASE}/v2/events"): "_v2",
    ("POST", f"{V1_BASE}/meter"): "_v1_meter",
    ("POST", f"{V1_BASE}/event"): "_v1_event",
    ("GET", ENTITLEMENT_PATH): "_entitlement",
}
_V2_FIELDS = {
    f"{V2_BASE}/v2/apis/requests": contract.V2_REQUEST,
    f"{V2_BASE}/v2/apis/responses": contract.V2_RESPONSE,
    f"{V2_BASE}/v2/events": contract.V2_EVENT,
}


class _Connection(Handler):
    """One client's connection."""

    def serve(self) -> None:
        revenium: Revenium = self.server.context
        body = self.read_body()
        hold = 0.0
        ending: Fault | None = None
        for fault in revenium._plan(self.command, self.path, body):
            if fault.kind == "delay":
                revenium._pause(fault.seconds)
            elif fault.kind == "slow":
                hold += fault.seconds
            else:
                ending = fault
        if ending is not None and isinstance(ending.kind, int):
            reply = _error(ending.kind, "fault", "told to fail", tuple(ending.headers.items()))
        elif ending is not None and ending.kind not in _STORING:
            revenium._log(self.command, self.path, 0)
            self.hang_up(reset=ending.kind == "reset")
            return
        else:
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = revenium._handle(self.command, self.path, headers, body, hold)
        self._reply(revenium, reply, ending.kind if ending else None)

    def _reply(self, revenium: Revenium, reply: _Reply, fault: FaultKind | int | None) -> None:
        if fault == "malformed":
            reply = replace(reply, body=b'{"id": "half an obj')
        headers = [("Content-Type", "application/json"), *reply.headers]
        answer = self.answer_bytes(reply.status, headers, reply.body)
        if fault in ("lost_answer", "half_answer"):
            revenium._log(self.command, self.path, 0)
            if fault == "half_answer":
                self.wfile.write(answer[: len(answer) - max(1, len(reply.body) // 2)])
            self.hang_up(reset=False)
            return
        # Logged before it is sent: whoever has the answer finds it in the log.
        revenium._log(self.command, self.path, reply.status)
        with contextlib.suppress(ConnectionError):
            self.wfile.write(answer)


def _transaction(transaction_id: str, halves: _Halves) -> Transaction:
    request, response = halves.request or {}, halves.response or {}
    return Transaction(
        version="v2",
        transaction_id=transaction_id,
        credential=request.get("credential"),
        resource=request.get("resource"),
        method=request.get("method"),
        response_code=response.get("responseCode"),
        total_duration=response.get("totalDuration"),
        backend_latency=response.get("backendLatency"),
        gateway_latency=response.get("gatewayLatency"),
        request_message_size=request.get("requestMessageSize"),
        response_message_size=response.get("responseMessageSize"),
        remote_host=request.get("remoteHost"),
        user_agent=request.get("userAgent"),
        source_type=request.get("sourceType"),
        source_id=request.get("sourceId"),
        request_count=halves.request_count,
        response_count=halves.response_count,
        received_monotonic=halves.received_monotonic,
        received_at=halves.received_at,
    )


def _require_json(headers: Mapping[str, str]) -> None:
    if headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise contract.ContractViolation("Content-Type must be application/json")


def _json(status: int, body: object, headers: tuple[tuple[str, str], ...] = ()) -> _Reply:
    return _Reply(status, json.dumps(body).encode(), headers)


def _error(status: int, code: str, message: str, headers: tuple[tuple[str, str], ...] = ()) -> _Reply:
    return _json(status, {"code": code, "message": message}, headers)


def main() -> None:
    """Run alone until interrupted."""
    parser = argparse.ArgumentParser(description="A local Revenium for trying things out.")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--api-key", default=DEFAULT_KEY)
    parser.add_argument("--entitle", nargs="*", default=[], metavar="ID", help="ids that are entitled")
    options = parser.parse_args()
    revenium = Revenium(options.port, api_keys=[options.api_key])
    revenium.entitle(*options.entitle)
    with revenium, contextlib.suppress(KeyboardInterrupt):
        print(
            f"v2 {revenium.v2_url}",
            f"v1 {revenium.v1_url}",
            f"entitlement {revenium.entitlement_url}",
            sep="\n",
        )
        threading.Event().wait()


if __name__ == "__main__":
    main()
