"""Stand-ins for what the functions talk to, and the objects that tests begin with."""

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from metering.mapping import Call, Usage
from metering.queues import Message, QueueRefused
from metering.settings import Settings
from revenium.http11 import Answer
from revenium.transport import NotSent, Unanswered

OK = Answer(200, {}, "{}")


class FakeTransport:
    """Answers with what `respond(url, headers, body)` returns or raises, and keeps what was sent."""

    def __init__(self, respond: Callable[[str, Mapping[str, str], bytes], Answer] = lambda *_: OK) -> None:
        self.respond = respond
        self.sent: list[tuple[str, dict[str, str], bytes]] = []
        self.methods: list[str] = []
        self.timeouts: list[float] = []
        self._lock = threading.Lock()

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, timeout: float) -> Answer:
        with self._lock:
            self.sent.append((url, dict(headers), body or b""))
            self.methods.append(method)
            self.timeouts.append(timeout)
        return self.respond(url, headers, body or b"")


class FakeLines:
    """Answers with what `respond(url, headers, body)` returns or raises, and keeps what was sent.

    Where it returns None there is no answer: the exchange ends with its time.
    """

    def __init__(self, respond: Callable[[str, Mapping[str, str], bytes], Answer | None] = lambda *_: OK) -> None:
        self.respond = respond
        self.sent: list[tuple[str, dict[str, str], bytes]] = []
        self.timeouts: list[float] = []
        self.most = 0  # exchanges at once
        self._ended: list[tuple[Any, Answer | NotSent | Unanswered]] = []
        self._silent: list[tuple[float, Any]] = []

    def begin(self, token: Any, path: str, headers: Mapping[str, str], body: bytes, timeout: float) -> None:
        url = "https://revenium.example/meter" + path
        self.sent.append((url, dict(headers), body))
        self.timeouts.append(timeout)
        try:
            answer: Answer | NotSent | Unanswered | None = self.respond(url, headers, body)
        except (NotSent, Unanswered) as error:
            answer = error
        if answer is None:
            self._silent.append((time.monotonic() + timeout, token))
        else:
            self._ended.append((token, answer))
        self.most = max(self.most, len(self._ended) + len(self._silent))

    def poll(self, wait: float) -> list[tuple[Any, Answer | NotSent | Unanswered]]:
        if not self._ended:
            soonest = min((due for due, _ in self._silent), default=math.inf)
            time.sleep(max(0.0, min(wait, soonest - time.monotonic())))
        now = time.monotonic()
        self._ended += [(token, Unanswered("TimeoutError")) for due, token in self._silent if due <= now]
        self._silent = [(due, token) for due, token in self._silent if due > now]
        ended, self._ended = self._ended, []
        return ended


class FakeKey:
    """A key that may be rotated: `refused` says whether another one is there."""

    def __init__(self, *keys: str) -> None:
        self._keys = list(keys) or ["hak_test"]
        self.refusals = 0

    def value(self, timeout: float = 2.0) -> str:
        return self._keys[0]

    def refused(self, value: str) -> bool:
        self.refusals += 1
        if len(self._keys) > 1:
            self._keys.pop(0)
        return self._keys[0] != value


class FakeQueue:
    def __init__(self, refuses: bool = False) -> None:
        self.refuses = refuses
        self.messages: list[Message] = []
        self.delays: list[int] = []
        self.asked = 0

    def send(self, messages: Sequence[Message], delay: int = 0) -> None:
        self.asked += bool(messages)
        if self.refuses and messages:
            raise QueueRefused("SQS is away")
        self.messages += messages
        self.delays += [delay] * len(messages)


def settings(**changes: Any) -> Settings:
    values: dict[str, Any] = {
        "api": "v2",
        "url": "https://revenium.example/meter",
        "retry_queue_url": "https://sqs.example/retry",
        "dead_letter_queue_url": "https://sqs.example/dead",
        "connections": 4,
        "request_timeout": 10,
        "requests_per_second": 1_000_000,
        "retry_concurrency": 2,
        "retry_for": 82800,
        "v1_unanswered": "park",
    }
    return Settings(**values | changes)


def usage(number: int = 0, api: str = "v2") -> Usage:
    calls = (
        (Call("/v2/apis/requests", f"t{number}:request", "{}"), Call("/v2/apis/responses", f"t{number}:response", "{}"))
        if api == "v2"
        else (Call("/meter", "", "{}"),)
    )
    return Usage(api, f"t{number}", calls, None)
