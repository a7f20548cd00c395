"""How fast the authorizer starts and answers.

Each subject lives in processes of its own, made from copies without bytecode, as a function's zip has none. The
subjects take turns all the way, so that whatever else the machine does hits all alike.
"""

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import certificates, server
from bench.report import Figure, Part, Target

_HERE = Path(__file__).parent
_FUNCTIONS = _HERE.parent.parent / "functions"
_ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:revenium-AbCdEf"
_TURNS = 10
_OURS = "ours"


@dataclass(frozen=True)
class Subject:
    """An authorizer: the module of its `handler`, what lies in its zip, and what it takes from the environment."""

    heading: str
    module: str
    sources: Sequence[Path]
    environ: Mapping[str, str]
    caches: bool


_SECRET = {"REVENIUM_API_KEY_SECRET_ARN": _ARN}
SUBJECTS = {
    # What is measured is a hit, however long the measurement takes.
    _OURS: Subject(
        "ours",
        "authorizer.handler",
        (_FUNCTIONS / "authorizer", _FUNCTIONS / "revenium"),
        {**_SECRET, "REVENIUM_ALLOW_CACHE_SECONDS": "3600"},
        caches=True,
    ),
    "requests": Subject(
        "requests.get\nper request",
        "plain",
        (_HERE / "references" / "plain.py",),
        {"REVENIUM_API_KEY": server.KEY},
        caches=False,
    ),
    "boto3": Subject(
        "boto3 client at\nimport, urllib3",
        "boto3_client",
        (_HERE / "references" / "boto3_client.py",),
        _SECRET,
        caches=False,
    ),
}


@dataclass(frozen=True)
class Counts:
    """How often each subject does what is measured; without a cache there is no need for thousands of calls."""

    starts: int = 20
    cached_hits: int = 5000
    uncached_hits: int = 300
    misses: int = 400


QUICK = Counts(starts=1, cached_hits=20, uncached_hits=5, misses=5)


@dataclass(frozen=True)
class Limits:
    """The targets: times of ours in ms, and the ratio of ours to the boto3 reference."""

    initialization_ms: float = 100.0
    initialization_ratio: float = 1 / 3
    cache_hit_ms: float = 0.1
    miss_overhead_ms: float = 2.0


@dataclass
class Times:
    """What one subject took, in seconds. A miss is the handler's time and that of the bare exchange before it."""

    initialized: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    hits: list[float] = field(default_factory=list)
    misses: list[tuple[float, float]] = field(default_factory=list)


class Environment:
    """A fresh interpreter with one subject in it; `start` is how long it took to be ready and to answer, in seconds."""

    def __init__(self, subject: Subject, task: Path, environ: Mapping[str, str]) -> None:
        command = [sys.executable, "-P", "-B", str(_HERE / "environment.py")]
        self._process = subprocess.Popen(
            [*command, subject.module, str(_HERE / "event.json"), server.KEY],
            env={**environ, **subject.environ, "PYTHONPATH": str(task)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.start: tuple[float, float] = self._read()

    def ask(self, command: str) -> list[Any]:
        """As bench.environment answers it."""
        assert self._process.stdin is not None
        print(command, file=self._process.stdin, flush=True)
        times: list[Any] = self._read()
        return times

    def __enter__(self) -> "Environment":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("A measured process ended early; what it said stands above.")
        return json.loads(line)


def measure(counts: Counts, limits: Limits, say: Callable[[str], None]) -> Part:
    """Takes about half a minute with the default counts; `say` is told what is being done."""
    with _stage() as start:
        times = {name: Times() for name in SUBJECTS}
        say("authorizer: cold starts")
        _cold(start, times, counts)
        say("authorizer: hits and misses")
        _warm(start, times, counts)
    return _part(times, counts, limits)


Start = Callable[[str], Environment]


@contextmanager
def _stage() -> Iterator[Start]:
    """The server, and every subject unpacked; gives what starts an execution environment of one."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for subject_name, subject in SUBJECTS.items():
            _unpack(subject, folder / subject_name)
        served, trusted = certificates.write(folder)
        with server.running(served) as origin:
            environ = _environ(folder, origin, trusted)
            yield lambda subject_name: Environment(SUBJECTS[subject_name], folder / subject_name, environ)


def _environ(home: Path, origin: str, trusted: Path) -> dict[str, str]:
    """Nothing of the user's own: no proxies, no AWS profile, no .netrc."""
    return {
        "HOME": str(home),
        "PATH": os.environ.get("PATH", ""),
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_SESSION_TOKEN": "bench",
        "AWS_LAMBDA_FUNCTION_NAME": "authorizer",
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": origin,
        "REVENIUM_ENTITLEMENT_URL": f"{origin}/entitlement",
        "SSL_CERT_FILE": str(trusted),
        "REQUESTS_CA_BUNDLE": str(trusted),
        "AWS_CA_BUNDLE": str(trusted),
    }


def _unpack(subject: Subject, task: Path) -> None:
    task.mkdir()
    for source in subject.sources:
        if source.is_dir():
            shutil.copytree(source, task / source.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, task)


def _cold(start: Start, times: Mapping[str, Times], counts: Counts) -> None:
    for _ in range(counts.starts):
        for name, own in times.items():
            with start(name) as environment:
                own.initialized.append(environment.start[0])
                own.answered.append(environment.start[1])


def _warm(start: Start, times: Mapping[str, Times], counts: Counts) -> None:
    with ExitStack() as stack:
        environments = {name: stack.enter_context(start(name)) for name in times}
        for turn in range(_TURNS):
            for name, own in times.items():
                hits = counts.cached_hits if SUBJECTS[name].caches else counts.uncached_hits
                own.hits += environments[name].ask(f"hit {_share(hits, turn)}")
                own.misses += environments[name].ask(f"miss {_share(counts.misses, turn)}")


def _share(count: int, turn: int) -> int:
    return count * (turn + 1) // _TURNS - count * turn // _TURNS


def _part(times: Mapping[str, Times], counts: Counts, limits: Limits) -> Part:
    starting = {name: _median(own.initialized) for name, own in times.items()}
    hit = {name: _median(own.hits) for name, own in times.items()}
    above = {name: _median([took - bare for took, bare in own.misses]) for name, own in times.items()}
    bare = _median([exchange for own in times.values() for _, exchange in own.misses])
    figures = [
        Figure("initialization", "Import and initialize", "ms", starting),
        Figure("first_answer", "Cold start to first answer", "ms", {n: _median(t.answered) for n, t in times.items()}),
        Figure("cache_hit", "Client known, median", "ms", hit),
        Figure("cache_hit_p99", "Client known, p99", "ms", {n: _p99(t.hits) for n, t in times.items()}),
        Figure("miss_overhead", "Client new, above the check", "ms", above),
    ]
    ratio = starting[_OURS] / starting["boto3"]
    targets = [
        Target("initialization_ms", "Import and initialize, ms", starting[_OURS], limits.initialization_ms),
        Target("initialization_ratio", "The same, of boto3's", ratio, limits.initialization_ratio),
        Target("cache_hit_ms", "Client known, median, ms", hit[_OURS], limits.cache_hit_ms),
        Target("miss_overhead_ms", "Client new, above the check, ms", above[_OURS], limits.miss_overhead_ms),
    ]
    about = {
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "starts": counts.starts,
        "hits": {name: len(own.hits) for name, own in times.items()},
        "misses": {name: len(own.misses) for name, own in times.items()},
        "bare_exchange_ms": bare,
    }
    caption = (
        f"Python {about['python']} on {about['cpus']} CPUs. Cold: median of {counts.starts} fresh interpreters, whose "
        "own start is left out; without bytecode, as in a zip; requests.get alone reads no secret. Known and new: "
        f"{counts.cached_hits} calls (references {counts.uncached_hits}: they ask each time) and {counts.misses}; "
        f"metric lines go to /dev/null. The check itself, bare over a kept-alive TLS connection: {bare:.2f} ms."
    )
    subjects = {name: subject.heading for name, subject in SUBJECTS.items()}
    return Part("authorizer", "The authorizer", subjects, figures, targets, about, caption)


def _median(seconds: Sequence[float]) -> float:
    return statistics.median(seconds) * 1000


def _p99(seconds: Sequence[float]) -> float:
    return statistics.quantiles(seconds, n=100, method="inclusive")[98] * 1000
