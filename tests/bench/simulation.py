"""Many instances against Revenium's limit, in simulated time: the real handler's logic on a clock that jumps.

`python -m bench.simulation '{"events": [[second, lines], ...]}'` prints one JSON object. Real are the reading of lines,
delivery with its pace and breaker, the tally, and the queues' messages. Stood in for are the clock, the network (an
answer comes one latency after its request, on a new connection three), the CPU (each post takes its time, one after the
other), Revenium (a bucket of one second's requests) and SQS with two consumers. Each instance is a thread, of which one
runs at a time: the one whose time is next. CloudWatch's own delay before it invokes the function is not in it.
"""

import heapq
import json
import statistics
import sys
import threading
import time as real_time
from collections.abc import Callable, Sequence
from itertools import count
from types import SimpleNamespace
from typing import Any

import metering.delivery
import metering.handler
import metering.pace
import revenium.breaker
from bench.access_log_lines import formats, line
from metering.delivery import Deliverer
from metering.events import QueuedMessage
from metering.exchanges import Exchanges
from metering.handler import Meter, Tally
from metering.queues import LogEvent, Message
from metering.settings import Settings
from revenium.http11 import Answer

_EPOCH = 1_795_514_400.0
_TIMEOUT = 50.0  # of an invocation, without the reserve
_VISIBILITY = 360.0
_BATCH = 10
_CONSUMERS = 2
_CREATED = Answer(201, {}, "")
_REFUSED = Answer(429, {"retry-after": "1"}, "")


class World:
    """The clock, and whose turn it is."""

    def __init__(self) -> None:
        self.now = 0.0
        self.over = threading.Event()
        self._waiting: list[tuple[float, int, threading.Semaphore]] = []
        self._order = count()

    def until(self, when: float) -> None:
        """Comes back when the clock has got there."""
        if not self._waiting or when < self._waiting[0][0]:
            self.now = max(self.now, when)
            return
        turn = threading.Semaphore(0)
        heapq.heappush(self._waiting, (when, next(self._order), turn))
        self._pass_on()
        turn.acquire()

    def begin(self, work: Callable[[], None], when: float) -> None:
        """Has something done from that time on."""
        turn = threading.Semaphore(0)
        heapq.heappush(self._waiting, (when, next(self._order), turn))

        def run() -> None:
            turn.acquire()
            work()
            if self._waiting:
                self._pass_on()
            else:
                self.over.set()

        threading.Thread(target=run, daemon=True).start()

    def run(self) -> None:
        """Until nobody has anything left to do."""
        self._pass_on()
        self.over.wait()

    def _pass_on(self) -> None:
        when, _, turn = heapq.heappop(self._waiting)
        self.now = max(self.now, when)
        turn.release()


class Revenium:
    """The account: counts what it takes and what it refuses."""

    def __init__(self, world: World, limit: float) -> None:
        self._world, self._limit = world, limit
        self._tokens, self._filled = limit, 0.0
        self.taken = self.refused = 0

    def answer(self) -> Answer:
        now = self._world.now
        self._tokens = min(self._limit, self._tokens + (now - self._filled) * self._limit)
        self._filled = now
        if self._tokens < 1:
            self.refused += 1
            return _REFUSED
        self._tokens -= 1
        self.taken += 1
        return _CREATED


class SimulatedLines:
    """What metering.lines.Lines does, without a network."""

    def __init__(self, world: World, revenium: Revenium, latency: float, cpu: float) -> None:
        self._world, self._revenium, self._latency, self._cpu = world, revenium, latency, cpu
        self._answers: list[tuple[float, int, Any, Answer]] = []
        self._order = count()
        self._idle = 0
        self._busy_until = 0.0
        self.opened = 0

    def begin(self, token: Any, *_: object) -> None:
        self._busy_until = max(self._busy_until, self._world.now) + self._cpu
        wait = self._latency if self._idle else 3 * self._latency
        self.opened += not self._idle
        self._idle = max(0, self._idle - 1)
        due = self._busy_until + wait
        heapq.heappush(self._answers, (due, next(self._order), token, self._revenium.answer()))

    def poll(self, wait: float) -> list[tuple[Any, Answer]]:
        when = self._world.now + wait
        if self._answers:
            when = min(when, self._answers[0][0])
        self._world.until(max(when, self._busy_until))
        ended = []
        while self._answers and self._answers[0][0] <= self._world.now:
            _, _, token, answer = heapq.heappop(self._answers)
            ended.append((token, answer))
        self._idle += len(ended)
        return ended


class Sqs:
    """A queue: what is sent is seen after its delay."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._messages: list[tuple[float, int, Message]] = []
        self._order = count()
        self.sent = 0
        self.requests = 0

    def send(self, messages: Sequence[Message], delay: float = 0) -> None:
        self.sent += len(messages)
        self.requests += -(-len(messages) // _BATCH)
        for message in messages:
            heapq.heappush(self._messages, (self._world.now + delay, next(self._order), message))

    def receive(self) -> list[Message]:
        found: list[Message] = []
        while self._messages and self._messages[0][0] <= self._world.now and len(found) < _BATCH:
            found.append(heapq.heappop(self._messages)[2])
        return found

    @property
    def next_due(self) -> float | None:
        return self._messages[0][0] if self._messages else None


def simulate(
    events: Sequence[tuple[float, int]], latency: float = 0.025, cpu: float = 0.001, limit: float = 1000.0
) -> dict[str, float]:
    """Each event is when its calls were made, in seconds, and how many; `cpu` in seconds for one post."""
    world = World()
    account = Revenium(world, limit)
    retry, dead = Sqs(world), Sqs(world)
    environ = {"RETRY_QUEUE_URL": "https://retry.example", "DEAD_LETTER_QUEUE_URL": "https://dead.example"}
    settings = Settings.from_environ(environ | {"REVENIUM_REQUESTS_PER_SECOND": str(int(limit))})
    clock = SimpleNamespace(
        monotonic=lambda: world.now, time=lambda: _EPOCH + world.now, sleep=lambda s: world.until(world.now + s)
    )
    for module in (metering.delivery, metering.handler, metering.pace, revenium.breaker):
        module.time = clock  # type: ignore[attr-defined]
    metering.handler.log = metering.delivery.log = lambda *_, **__: None  # type: ignore[attr-defined]
    total = Tally()
    key = SimpleNamespace(value=lambda timeout=2.0: "key", refused=lambda value: False)
    form = formats()["rest"]
    expected = sum(lines for _, lines in events)
    idle: list[tuple[Meter, SimulatedLines]] = []
    everywhere: list[SimulatedLines] = []

    def instance() -> tuple[Meter, SimulatedLines]:
        if idle:
            return idle.pop()
        lines = SimulatedLines(world, account, latency, cpu)
        everywhere.append(lines)
        deliverer = Deliverer(settings, lines, key)  # type: ignore[arg-type]
        return Meter(settings, deliverer, retry, dead, Exchanges()), lines  # type: ignore[arg-type]

    def handle(number: int, when: float, lines: int) -> None:
        made = [
            LogEvent(
                f"{number}-{each}", line(form, "REST", number * 100_000 + each).replace("1795514400123", epoch(when))
            )
            for each in range(lines)
        ]
        own = instance()
        own[0].meter(made, world.now + _TIMEOUT, total)
        idle.append(own)

    def consume() -> None:
        own = instance()
        while total.delivered < expected:
            messages = retry.receive()
            retry.requests += 1
            if not messages:
                world.until(min(world.now + 1.0, retry.next_due or world.now + 1.0))
                continue
            queued = [QueuedMessage(str(n), message) for n, message in enumerate(messages)]
            own[0].retry(queued, world.now + _TIMEOUT, total)
            retry.requests += 1  # Lambda deletes what was handled

    def epoch(when: float) -> str:
        return str(int((_EPOCH + when) * 1000))

    for number, (when, lines) in enumerate(events):
        world.begin(lambda number=number, when=when, lines=lines: handle(number, when, lines), when)  # type: ignore[misc]
    for _ in range(_CONSUMERS):
        world.begin(consume, 0.0)
    began = real_time.perf_counter()
    world.run()
    requests = account.taken + account.refused
    quantiles = statistics.quantiles(total.lags, n=100, method="inclusive")
    return {
        "calls": expected,
        "billed": total.delivered,
        "dead_lettered": dead.sent,
        "lag_median": statistics.median(total.lags) / 1000,
        "lag_p99": quantiles[98] / 1000,
        "lag_worst": max(total.lags) / 1000,
        "requests": requests,
        "refused": account.refused,
        "refused_share": account.refused / requests,
        "instances": len(everywhere) - _CONSUMERS,
        "connections": max(lines.opened for lines in everywhere),
        "queued": total.queued.total(),
        "sqs_requests": retry.requests,
        "seconds": max(total.lags) / 1000,
        "computing": real_time.perf_counter() - began,
    }


if __name__ == "__main__":
    print(json.dumps(simulate(**json.loads(sys.argv[1]))))
