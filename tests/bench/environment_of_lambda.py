"""Processes of metering functions, and the share of a CPU that Lambda gives them."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

_TESTS = Path(__file__).parent.parent
_FULL_CPU_MB = 1769  # https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
_PERIOD = 0.02  # seconds of which a process gets its share
_STEP = 0.001


class Function:
    """A metering function in a process of its own, as bench.metered runs it; `connections` is the setting."""

    def __init__(self, subject: str, environ: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.metered", subject],
            cwd=_TESTS,
            env={**environ, "PYTHONPATH": f"{_TESTS}{os.pathsep}{_TESTS.parent / 'functions'}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._first = 0
        self.connections: int = json.loads(self._hear())["connections"]

    def handle(self, lines: int, memory_mb: int | None = None) -> dict[str, float]:
        """One event, as bench.metered answers it; with the CPU that so much memory brings, where that is given."""
        self._say(json.dumps({"lines": lines, "first": self._first}))
        self._first += lines
        self._hear()
        held = Held(self._process.pid, memory_mb / _FULL_CPU_MB) if memory_mb else None
        self._say("go")
        answer: dict[str, float] = json.loads(self._hear())
        if held:
            held.let_go()
        return answer

    def __enter__(self) -> "Function":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        print(line, file=self._process.stdin, flush=True)

    def _hear(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("A measured process ended early; what it said stands above.")
        return line


class Held:
    """Holds a process to its share of one CPU, as Lambda does: what it has used up of a period stops it until the next.

    Linux only: reads the process's CPU clock, and stops and continues it by signals.
    """

    def __init__(self, pid: int, share: float) -> None:
        self._pid, self._share = pid, share
        self._clock = (~pid << 3) | 2  # what clock_getcpuclockid(3) answers
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._hold, daemon=True)
        self._thread.start()

    def let_go(self) -> None:
        """The process gets all it can again."""
        self._end.set()
        self._thread.join()

    def _hold(self) -> None:
        allowed = time.clock_gettime(self._clock)
        begun = time.monotonic()
        while not self._end.is_set():
            allowed = max(allowed, time.clock_gettime(self._clock) - _PERIOD * self._share) + _PERIOD * self._share
            begun += _PERIOD
            while (left := begun - time.monotonic()) > 0 and not self._end.is_set():
                if time.clock_gettime(self._clock) >= allowed:
                    os.kill(self._pid, signal.SIGSTOP)
                    time.sleep(left)
                    os.kill(self._pid, signal.SIGCONT)
                else:
                    time.sleep(min(left, _STEP))
