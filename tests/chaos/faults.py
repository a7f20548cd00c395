"""What goes wrong: a schedule of faults of Revenium, of its key and of AWS, drawn from a seed."""

import http.client
import json
import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from chaos.traffic import REFUSED_ID, REFUSED_ROUTE
from sandbox._http import Handler, Server
from sandbox.revenium import FaultKind, Revenium

UNLIMITED = 1e9

# Faults of Revenium's answers: kind, seconds, headers.
_ANSWERS: dict[str, tuple[FaultKind | int, float, dict[str, str]]] = {
    "reset": ("reset", 0, {}),
    "close": ("close", 0, {}),
    "half_answer": ("half_answer", 0, {}),
    "lost_answer": ("lost_answer", 0, {}),
    "malformed": ("malformed", 0, {}),
    "too_slow": ("slow", 1.6, {}),  # the function waits for 1 s
    "late": ("delay", 1.2, {}),
    "slow": ("delay", 0.2, {}),
    "500": (500, 0, {}),
    "502": (502, 0, {}),
    "503": (503, 0, {"Retry-After": "1"}),
    "408": (408, 0, {}),
    "429": (429, 0, {}),
    "429_wait": (429, 0, {"Retry-After": "1"}),
    "429_long": (429, 0, {"Retry-After": "7"}),  # longer than a function waits: the queue has to
    "401": (401, 0, {}),
    "403": (403, 0, {}),
}
_STATES = ("down", "limit", "limit_low", "rotation_secret_first", "rotation_key_first", "blackout")
_BLACKOUT = 4.0
_AWS = ("aws_refused", "aws_500", "aws_answer_lost", "aws_partial")
KINDS = (*_ANSWERS, *_STATES, *_AWS)


@dataclass(frozen=True)
class _Active:
    """A fault while it lasts: how likely it strikes, and the end of the paths that it strikes on."""

    probability: float
    path: str


class Faults:
    """Phases of 0.2 to 1.4 s with one to three kinds at once, and pauses of 0.8 to 2.6 s between.

    A blackout of Revenium and AWS together lasts 4 s, so that Lambda gives events up.

    Kinds come from a shuffled deck, so that each comes up before any comes again. `requests` counts what reached
    Revenium, `struck` how often each kind did.
    """

    def __init__(self, seed: int, revenium: Revenium, rotate: Callable[[str], None]) -> None:
        self._rng, self._dice = random.Random(f"faults {seed}"), random.Random(f"dice {seed}")
        self._revenium, self._rotate = revenium, rotate
        self._key = revenium.api_key
        self._deck: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.active: dict[str, _Active] = {}
        self.requests = 0
        self.struck: Counter[str] = Counter()
        revenium.set_rate_limit(UNLIMITED)
        revenium.fail(422, self._hopeless)  # the first to be asked: outlasts every other fault
        for name, (kind, seconds, headers) in _ANSWERS.items():
            revenium.fail(kind, partial(self._strikes_request, name), seconds=seconds, headers=headers)

    def start(self) -> None:
        """Let things go wrong, until `end`."""
        self._thread.start()

    def end(self) -> None:
        """From now on everything works."""
        self._stop.set()
        self._thread.join()

    def strikes(self, name: str, path: str = "") -> bool:
        """Whether this fault strikes now."""
        active = self.active.get(name)
        if active is None or not path.endswith(active.path) or self._dice.random() >= active.probability:
            return False
        self.struck[name] += 1
        return True

    def _strikes_request(self, name: str, _method: str, target: str, _body: bytes) -> bool:
        return self.strikes(name, target)

    def _hopeless(self, _method: str, target: str, body: bytes) -> bool:
        self.requests += 1
        return REFUSED_ROUTE.encode() in body or (target.endswith("/responses") and REFUSED_ID.encode() in body)

    def _run(self) -> None:
        while not self._stop.wait(self._rng.uniform(0.8, 2.6)):
            active = {}
            for _ in range(self._rng.randint(1, 3)):
                if not self._deck:
                    self._deck = self._rng.sample(KINDS, len(KINDS))
                name = self._deck.pop()
                path = "" if name in _AWS else self._rng.choice(("", "", "/requests", "/responses"))
                active[name] = _Active(self._rng.choice((1.0, 0.5, 0.1)), path)
            seconds = self._rng.uniform(0.2, 1.4)
            if "blackout" in active:
                active |= {"503": _Active(1.0, ""), "aws_refused": _Active(1.0, "")}
                seconds = _BLACKOUT
            self._begin(active)
            self._stop.wait(seconds)
            self._finish(active)

    def _begin(self, active: dict[str, _Active]) -> None:
        for name in active:
            if name in _STATES:
                self.struck[name] += 1
        if "down" in active:
            self._revenium.down()
        if "limit" in active or "limit_low" in active:
            self._revenium.set_rate_limit(200 if "limit_low" in active else 1000)
        key = f"rev_mk_{self._rng.getrandbits(64):x}"
        if "rotation_key_first" in active:  # somebody revoked the key before its successor was stored
            self._key = key
            self._revenium.set_api_keys(key)
        elif "rotation_secret_first" in active:  # as it should be: both keys are good for a while
            self._revenium.set_api_keys(self._key, key)
            self._rotate(key)
            self._key = key
        self.active = active

    def _finish(self, active: dict[str, _Active]) -> None:
        self.active = {}
        self._revenium.set_api_keys(self._key)
        if "rotation_key_first" in active:
            self._rotate(self._key)
        self._revenium.set_rate_limit(UNLIMITED)
        self._revenium.up()


class AwsProxy(Server):
    """Stands between the functions and the emulator, and breaks what passes while an `aws_` fault is active."""

    def __init__(self, faults: Faults, emulator_port: int) -> None:
        self.faults, self.emulator_port = faults, emulator_port
        super().__init__(0, _ProxyConnection, self)


class _ProxyConnection(Handler):
    _upstream: http.client.HTTPConnection | None = None

    def serve(self) -> None:
        proxy: AwsProxy = self.server.context
        if proxy.faults.strikes("aws_refused"):
            self.hang_up(reset=True)
            return
        body = self.read_body()
        if len(body) < int(self.headers.get("Content-Length") or 0):  # killed while it was sending
            self.close_connection = True
            return
        if proxy.faults.strikes("aws_500"):
            self.answer(500, [("Content-Type", "application/x-amz-json-1.0")], b'{"__type":"InternalFailure"}')
            return
        batch = self.headers.get("X-Amz-Target", "").endswith("SendMessageBatch")
        refused = []
        if batch and proxy.faults.strikes("aws_partial"):
            given = json.loads(body)
            refused, given["Entries"] = given["Entries"][::2], given["Entries"][1::2]
            body = json.dumps(given).encode()
        status, kind, answer = (200, "application/x-amz-json-1.0", b'{"Successful":[]}')
        if not refused or given["Entries"]:
            status, kind, answer = self._forward(proxy.emulator_port, body)
        if proxy.faults.strikes("aws_answer_lost"):
            self.hang_up(reset=False)
            return
        if refused:
            answer = _with_failures(answer, refused)
        self.answer(status, [("Content-Type", kind)], answer)

    def _forward(self, port: int, body: bytes) -> tuple[int, str, bytes]:
        if self._upstream is None:
            self._upstream = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _OWN_HEADERS}
        self._upstream.request(self.command, self.path, body, headers)
        response = self._upstream.getresponse()
        return response.status, response.headers.get("Content-Type", ""), response.read()


_OWN_HEADERS = ("content-length", "transfer-encoding", "expect", "connection")


def _with_failures(answer: bytes, refused: list[dict[str, Any]]) -> bytes:
    """SQS's answer to a batch of which it took only a part."""
    failed = [{"Id": entry["Id"], "Code": "InternalError", "SenderFault": False} for entry in refused]
    return json.dumps({**json.loads(answer), "Failed": failed}).encode()
