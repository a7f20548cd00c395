"""Stand-ins for what the functions talk to, and the objects that tests begin with."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from metering.mapping import Call, Usage
from metering.queues import Message, QueueRefused
from metering.settings import Settings
from revenium.transport import Answer

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
