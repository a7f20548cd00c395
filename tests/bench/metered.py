"""One execution environment of a metering function, in a process of its own.

`python -m bench.metered ours|at_once|template|floor` says its `connections`. Each line in is `{"lines": n, "first":
number}`: an event of n lines is made, and after another line handled and answered with `wall` and `cpu` in seconds,
`delivered`, `queued`, the bytes that were `logged`, and memory in MB: its peak, that with the event `decoded`, and how
much it had `grown` since. For ours the queues only count, for no AWS is here.
"""

import contextlib
import io
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from bench.access_log_lines import event, formats, line
from bench.revenium import KEY
from revenium.http11 import Answer

_MILLISECONDS = 900_000  # Lambda's longest timeout
_Handle = Callable[[Sequence[str], int], Callable[[], dict[str, int]]]


def ours() -> _Handle:
    """The handler as it is deployed."""
    import metering.handler
    from metering.queues import Message, Queue

    def send(_self: Queue, messages: Sequence[Message], delay: int = 0) -> None:
        del delay, messages

    Queue.send = send  # type: ignore[method-assign, assignment]
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: _MILLISECONDS)

    def prepare(lines: Sequence[str], first: int) -> Callable[[], dict[str, int]]:
        made = event(lines, first)

        def run() -> dict[str, int]:
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                metering.handler.handler(made, context)
            metrics = json.loads(printed.getvalue().splitlines()[-1])
            return {
                "delivered": metrics["Delivered"],
                "queued": metrics["Queued"],
                "logged": len(printed.getvalue().encode()),
            }

        return run

    return prepare


class _AtOnce:
    """In place of metering.lines.Lines: everything is answered at once. Keeps how much memory was seen at most."""

    def __init__(self, *_: object) -> None:
        self._tokens: list[Any] = []
        self._count = 0

    def begin(self, token: Any, *_: object) -> None:
        self._tokens.append(token)
        self._count += 1
        if self._count % 500 == 0:
            _MEMORY["most"] = max(_MEMORY["most"], _resident_mb())

    def poll(self, _wait: float) -> list[tuple[Any, Any]]:
        tokens, self._tokens = self._tokens, []
        return [(token, _CREATED) for token in tokens]


_CREATED = Answer(201, {}, "")
_MEMORY = {"decoded": 0.0, "most": 0.0}


def _resident_mb() -> float:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20


def at_once() -> _Handle:
    """Ours without a network."""
    import metering.handler
    from metering import events

    parse = events.parse

    def measured(given: Any) -> Any:
        found = parse(given)
        _MEMORY["decoded"] = _MEMORY["most"] = _resident_mb()
        return found

    events.parse = measured  # type: ignore[assignment]
    metering.handler.Lines = _AtOnce  # type: ignore[assignment, attr-defined]
    return ours()


def template() -> _Handle:
    """What Revenium's own template does."""
    from bench.references import template as reference

    def prepare(lines: Sequence[str], first: int) -> Callable[[], dict[str, int]]:
        made = event(lines, first)

        def run() -> dict[str, int]:
            reference.handler(made, None)
            return {"delivered": len(lines), "queued": 0, "logged": 0}

        return run

    return prepare


def floor() -> _Handle:
    """The same posts as ours, whose bytes are made before the clock starts."""
    from bench.references.floor import Floor
    from metering import access_log, mapping
    from revenium import http11, transport

    origin, base = transport.split(os.environ["REVENIUM_METERING_URL"])

    def posts_of(message: str) -> list[bytes]:
        usage = mapping.to_usage(access_log.parse(message), "", os.environ["REVENIUM_METERING_API"])
        headers = {"x-api-key": KEY, "Content-Type": "application/json"}
        return [
            http11.request(
                "POST",
                base + call.path,
                origin.name,
                headers | ({"Idempotency-Key": call.idempotency_key} if call.idempotency_key else {}),
                call.body.encode(),
            )
            for call in usage.calls
        ]

    open_ones: list[Floor] = []

    def prepare(lines: Sequence[str], first: int) -> Callable[[], dict[str, int]]:
        posts = [post for each in lines for post in posts_of(each)]
        if not open_ones:
            open_ones.append(Floor(os.environ["REVENIUM_METERING_URL"], _connections(), posts[0]))
        each = len(posts) // len(lines)

        def run() -> dict[str, int]:
            return {"delivered": open_ones[0].send(posts) // each, "queued": 0, "logged": 0}

        return run

    return prepare


def _connections() -> int:
    from metering.settings import Settings

    return Settings.from_environ(os.environ).connections


def main(subject: str) -> None:
    """Handles events until stdin is closed."""
    prepare = {"ours": ours, "template": template, "floor": floor, "at_once": at_once}[subject]()
    form = formats()["template" if subject == "template" else "rest"]
    print(json.dumps({"connections": _connections()}), flush=True)
    for command in sys.stdin:
        given: dict[str, Any] = json.loads(command)
        first = given["first"]
        run = prepare([line(form, "REST", first + number) for number in range(given["lines"])], first)
        print("ready", flush=True)
        sys.stdin.readline()
        wall, cpu = time.perf_counter(), time.process_time()
        found: dict[str, float] = {**run()}
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        found |= {"memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "wall": wall, "cpu": cpu}
        found |= {"decoded_mb": _MEMORY["decoded"], "grown_mb": _MEMORY["most"] - _MEMORY["decoded"]}
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
