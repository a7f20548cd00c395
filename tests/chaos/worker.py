"""One execution environment of the metering function: handles what it reads from stdin until it is closed.

Each line in is `{"event": ..., "timeout": seconds}`. Out comes what the handler prints, then one line that begins
with `ANSWER` and holds `{"answer": ...}` or `{"error": ...}`, and the peak of the memory in MB.
"""

import importlib
import json
import os
import resource
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

ANSWER = "chaos-answer "
SHORT, SABOTAGE = "CHAOS_SHORT", "CHAOS_SABOTAGE"

# Waits that are seconds to minutes in production: module, name, production value, value here.
_SHORTENED = (
    ("metering.handler", "QUEUEING_RESERVE", 10.0, 3.0),
    ("metering.handler", "_FIRST_DELAY", 15, 1),
    ("metering.handler", "MAX_DELAY", 900, 2),
    ("metering.delivery", "_BACKOFF_BASE", 0.2, 0.05),
    ("metering.delivery", "_BACKOFF_CAP", 2.0, 0.3),
    ("metering.delivery", "_LONGEST_RETRY_AFTER", 5.0, 1.5),
    ("metering.delivery", "_OPEN_FIRST", 5.0, 0.2),
    ("metering.delivery", "_OPEN_LONGEST", 60.0, 1.0),
    ("revenium.secret", "MAX_AGE", 300.0, 3.0),
    ("revenium.secret", "_MIN_AGE", 1.0, 0.2),
    ("revenium.secret", "_RETRY_AFTER", 30.0, 1.0),
    ("revenium.transport", "IDLE_LIMIT", 30.0, 2.0),
)
# What the driver shortens beside these, as environment or in Lambda's part: see chaos.functions and chaos.run.


def _shorten() -> None:
    for module_name, name, production, here in _SHORTENED:
        module = importlib.import_module(module_name)
        if getattr(module, name) != production:
            raise SystemExit(f"{module_name}.{name} is no longer {production}: mend the table in {__file__}")
        setattr(module, name, here)


def _sabotage(how: str) -> None:
    """Break the function on purpose: a run that cannot fail proves nothing.

    `drop:<id>` takes this transaction for delivered without sending it; `resend:<id>` sends it twice with fresh
    idempotency keys; `forget:` takes what was to be queued for queued; `swallow:` drops what SQS refuses.
    """
    from metering.lines import Lines
    from metering.queues import Queue, QueueRefused
    from revenium.http11 import Answer
    from revenium.transport import Transport

    kind, _, transaction_id = how.partition(":")
    begin, queue, apart = Lines.begin, Queue.send, Transport(1)

    def sabotaged_begin(
        self: Lines, token: Any, path: str, headers: Mapping[str, str], body: bytes, timeout: float
    ) -> None:
        if headers.get("Idempotency-Key", "").partition(":")[0] == transaction_id:
            if kind == "drop":
                self._ended.append((token, Answer(200, {}, "{}")))
                return
            url = os.environ["REVENIUM_METERING_URL"] + path
            apart.send("POST", url, {**headers, "Idempotency-Key": uuid.uuid4().hex}, body, timeout)
        begin(self, token, path, headers, body, timeout)

    def sabotaged_queue(self: Queue, messages: Sequence[Any], delay: int = 0) -> None:
        if kind == "swallow":
            try:
                queue(self, messages, delay)
            except QueueRefused:
                return

    if kind in ("drop", "resend"):
        Lines.begin = sabotaged_begin  # type: ignore[method-assign]
    else:
        Queue.send = sabotaged_queue  # type: ignore[method-assign]


def main() -> None:
    """Handle events until stdin ends."""
    if os.environ.get(SHORT):
        _shorten()
    if how := os.environ.get(SABOTAGE):
        _sabotage(how)
    from metering.handler import handler

    for line in sys.stdin:
        given = json.loads(line)
        end = time.monotonic() + given["timeout"]
        context = SimpleNamespace(
            get_remaining_time_in_millis=lambda end=end: max(0, int((end - time.monotonic()) * 1000))
        )
        result: dict[str, Any]
        try:
            result = {"answer": handler(given["event"], context)}
        except Exception as error:  # noqa: BLE001 - Lambda catches everything too
            result = {"error": f"{type(error).__name__}: {error}"}
        result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(ANSWER + json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
