"""What the metering function takes and gives, beside what Revenium's own template does and what sending alone takes.

All of it in one run, the subjects in turns; what is printed are medians of several. The unit is the API call: v2 makes
two requests of each, the template's v1 one.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import certificates, prices, revenium
from bench.access_log_lines import KINDS, formats, line
from bench.environment_of_lambda import Function
from bench.report import Figure, Part, Target
from hcl.source import MODULES, blocks

_TESTS = Path(__file__).parent.parent
_LIMIT = 1000  # requests a second that Revenium takes of an account
_REQUESTS_PER_CALL = 2
_UNLIMITED = 1_000_000
_TEMPLATE_MB = 128
_LATENCIES_MS = (5, 25, 100)
_QUEUES = {"RETRY_QUEUE_URL": "https://sqs.example/retry", "DEAD_LETTER_QUEUE_URL": "https://sqs.example/dead"}
SUBJECTS = {"ours": "ours, v2", "template": "Revenium's\ntemplate, v1", "floor": "floor, v2"}


@dataclass(frozen=True)
class Counts:
    """How much is measured, in API calls where nothing else is said."""

    turns: int = 3
    calls: int = 2000
    template_calls: int = 40
    limited_calls: int = 3000
    memory_sizes: tuple[int, ...] = (128, 256, 512, 1024)
    event_sizes: tuple[int, ...] = (1, 10, 100, 1000)
    priced_event: int = 100
    steady_seconds: int = 60
    burst: int = 50_000
    growth: tuple[int, ...] = (10, 100, 1000, 10_000, 100_000)
    instances: tuple[int, ...] = (1, 10, 100, 500)


QUICK = Counts(1, 20, 2, 20, (256,), (1, 10), 10, 2, 200, (10, 100), (1, 3))


@dataclass(frozen=True)
class Limits:
    """The targets."""

    limit_reached_25ms: float = 0.95
    limit_reached_100ms: float = 0.95
    refused_25ms: float = 0.01
    refused_100ms: float = 0.01
    times_template: float = 40.0
    cpu_of_floor: float = 3.0
    cost_of_template: float = 0.5
    lambda_of_template: float = 0.1
    growth_of_cpu: float = 1.5
    growth_of_memory_mb: float = 16.0
    refused_of_instances: float = 0.05


Say = Callable[[str], None]


def memory_mb() -> int:
    """What the module gives the function."""
    [function] = [block.body for block in blocks(MODULES["metering"], "module") if block.labels[0] == "function"]
    return int(function["memory_size"])


def measure(counts: Counts, limits: Limits, say: Say) -> list[Part]:
    """Takes about five minutes with the default counts; `say` is told what is being done."""
    with _stage() as (server, environ):
        throughput = _throughput(server, environ, counts, limits, say)
        memory = _memory(server, environ, counts, say)
        cost = _cost(server, environ, counts, limits, say, memory)
    return [throughput, cost, memory, _lag(counts, say), _growth(counts, limits, say), _instances(counts, limits, say)]


@contextmanager
def _stage() -> Iterator[tuple[revenium.Server, dict[str, str]]]:
    with tempfile.TemporaryDirectory() as name:
        served, trusted = certificates.write(Path(name))
        with revenium.running(served) as server:
            yield server, _environ(Path(name), server.origin, trusted)


def _environ(home: Path, origin: str, trusted: Path) -> dict[str, str]:
    """Nothing of the user's own."""
    return {
        "HOME": str(home),
        "PATH": os.environ.get("PATH", ""),
        "SSL_CERT_FILE": str(trusted),
        "AWS_LAMBDA_FUNCTION_NAME": "metering",
        "REVENIUM_API_KEY": revenium.KEY,
        "REVENIUM_METERING_API": "v2",
        "REVENIUM_METERING_URL": f"{origin}/meter",
        "REVENIUM_REQUESTS_PER_SECOND": str(_LIMIT),
        "REVENIUM_PLATFORM_API": f"{origin}/meter/v1/api/meter",
        "REVENIUM_PLATFORM_API_KEY": revenium.KEY,
        **_QUEUES,
    }


# ---- throughput ----


def _throughput(server: revenium.Server, environ: Mapping[str, str], counts: Counts, limits: Limits, say: Say) -> Part:
    free = {**environ, "REVENIUM_REQUESTS_PER_SECOND": str(_UNLIMITED)}
    rate: dict[tuple[str, int], list[float]] = defaultdict(list)
    cpu: dict[tuple[str, int], list[float]] = defaultdict(list)
    limited: dict[int, list[float]] = defaultdict(list)
    limited_cpu: list[float] = []
    refused: dict[int, list[float]] = defaultdict(list)
    busiest = 0.0
    with ExitStack() as stack:
        functions = {name: stack.enter_context(Function(name, free)) for name in SUBJECTS}
        paced = stack.enter_context(Function("ours", environ))
        server.set(0.0)
        most_connections = paced.connections
        for function in (functions["ours"], functions["floor"], paced):
            function.handle(2 * most_connections)  # the connections are there, as between two invocations
        for turn in range(counts.turns):
            for latency in _LATENCIES_MS:
                say(f"metering: throughput at {latency} ms, turn {turn + 1} of {counts.turns}")
                for name, function in functions.items():
                    calls = counts.template_calls if name == "template" else counts.calls
                    server.set(latency / 1000)
                    found = function.handle(calls)
                    _all_delivered(found, calls)
                    rate[name, latency].append(calls / found["wall"])
                    cpu[name, latency].append(found["cpu"] / calls)
                    if name == "ours":
                        busiest = max(busiest, server.counted()["cpu"] / found["wall"])
                server.set(latency / 1000, _LIMIT)
                found = paced.handle(counts.limited_calls)
                statuses = server.counted()["statuses"]
                limited[latency].append(found["delivered"] / found["wall"])
                limited_cpu.append(found["cpu"] / counts.limited_calls)
                refused[latency].append(statuses.get("429", 0) / sum(statuses.values()))
    most = _LIMIT / _REQUESTS_PER_CALL
    median = statistics.median
    figures = [
        Figure(f"calls_per_second_{each}ms", f"Metered per second at {each} ms", "API calls",
               {name: median(rate[name, each]) for name in SUBJECTS}) for each in _LATENCIES_MS
    ] + [
        Figure(f"limited_calls_per_second_{each}ms", f"With 1,000 requests/s taken, at {each} ms", "API calls",
               {"ours": median(limited[each])}) for each in _LATENCIES_MS
    ] + [
        Figure(f"refused_{each}ms", f"Of those answered 429, at {each} ms", "%", {"ours": 100 * median(refused[each])})
        for each in _LATENCIES_MS
    ] + [
        Figure(f"cpu_{each}ms", f"CPU time for a call at {each} ms", "us",
               {name: 1e6 * median(cpu[name, each]) for name in SUBJECTS}) for each in _LATENCIES_MS
    ] + [
        Figure("limited_cpu", "CPU time for a call at 1,000 requests/s", "us", {"ours": 1e6 * median(limited_cpu)}),
    ]  # fmt: skip
    of_floor = median(
        ours / floor
        for each in _LATENCIES_MS
        for ours, floor in zip(cpu["ours", each], cpu["floor", each], strict=True)
    )
    times = median(ours / template for ours, template in zip(rate["ours", 25], rate["template", 25], strict=True))
    targets = [
        Target(f"limit_reached_{each}ms", f"Of the limit of 1,000 requests/s, at {each} ms",
               median(limited[each]) / most, getattr(limits, f"limit_reached_{each}ms"), at_least=True)
        for each in (25, 100)
    ] + [
        Target(f"refused_{each}ms", f"Answered 429 at the limit, at {each} ms", median(refused[each]),
               getattr(limits, f"refused_{each}ms")) for each in (25, 100)
    ] + [
        Target("times_template", "Times the template's calls, at 25 ms", times, limits.times_template, at_least=True),
        Target("cpu_of_floor", "CPU time of a call, of the floor's, over all latencies", of_floor, limits.cpu_of_floor),
    ]  # fmt: skip
    about = {
        "turns": counts.turns,
        "calls": counts.calls,
        "template_calls": counts.template_calls,
        "limited_calls": counts.limited_calls,
        "connections": most_connections,
        "servers_busiest_share_of_a_cpu": busiest,
    }
    caption = (
        f"One instance, {most_connections} connections at most, TLS, a server in another process (for ours at most "
        f"{busiest:.0%} of a CPU). Medians of {counts.turns} turns of {counts.calls} calls ({counts.template_calls} by "
        f"the template, {counts.limited_calls} with the limit). The latency is injected before each answer, and not "
        "into connecting, which the template does for each call. An API call is two requests of v2, one of v1. The "
        "floor: the same posts' bytes made beforehand, one thread, of an answer its status and its end, no pace, no "
        "time limits."
    )
    return Part("metering_throughput", "Metering: throughput", SUBJECTS, figures, targets, about, caption)


def _all_delivered(found: Mapping[str, float], calls: int) -> None:
    if found["delivered"] != calls:
        raise SystemExit(f"{found['delivered']} of {calls} calls were delivered: nothing was measured")


# ---- memory and cost ----


def _memory(server: revenium.Server, environ: Mapping[str, str], counts: Counts, say: Say) -> Part:
    latency = 25
    took: dict[str, dict[int, float]] = {}
    peak: dict[str, float] = {}
    server.set(latency / 1000, _LIMIT)
    for size in counts.memory_sizes:
        with Function("ours", environ) as function:
            function.handle(2 * function.connections)
            name = f"{size}"
            took[name] = {}
            for lines in counts.event_sizes:
                say(f"metering: events of {lines} with the CPU of {size} MB")
                found = [function.handle(lines, size) for _ in range(1 if lines >= 1000 else counts.turns)]
                took[name][lines] = statistics.median(each["wall"] for each in found)
                peak[name] = found[-1]["memory_mb"]
    names = sorted(took, key=lambda name: int(name) != memory_mb())
    figures = [
        Figure(f"milliseconds_{lines}", f"Event of {lines} calls", "ms", {n: 1000 * took[n][lines] for n in names})
        for lines in counts.event_sizes
    ] + [
        Figure(f"gb_seconds_{lines}", f"A million calls in such of {lines}", "GB-s",
               {n: int(n) / 1024 * took[n][lines] / lines * 1e6 for n in names}) for lines in counts.event_sizes
    ] + [Figure("peak", "Memory at its peak", "MB", peak)]  # fmt: skip
    caption = (
        f"At {latency} ms and 1,000 requests/s. The process is held to the share of a CPU that Lambda gives with so "
        "much memory (of 1,769 MB), by stopping it where it has used its share of 20 ms. The peak is this machine's, "
        "with the benchmark's own modules in it, and without boto3, which is loaded when a record has to wait."
    )
    return Part(
        "metering_memory", "Metering: memory size", {n: f"{n} MB" for n in names}, figures, [], {"latency_ms": latency},
        caption,
    )  # fmt: skip


def _cost(
    server: revenium.Server, environ: Mapping[str, str], counts: Counts, limits: Limits, say: Say, memory: Part
) -> Part:
    lines, size = counts.priced_event, memory_mb()
    form = formats()
    of_line = {name: len(line(form[name], KINDS.get(name, "REST")).encode()) for name in form}
    walls: dict[str, float] = {}
    logged = 0
    with Function("ours", environ) as function, Function("template", environ) as reference:
        function.handle(2 * function.connections)
        for latency in (25, 100):
            server.set(latency / 1000, _LIMIT)
            say(f"metering: cost at {latency} ms")
            ours = [function.handle(lines, size) for _ in range(3 * counts.turns)]
            logged = int(ours[-1]["logged"])
            walls[f"ours_{latency}"] = statistics.median(each["wall"] for each in ours) / lines
            for name, connecting in (("template", False), ("connecting", True)):
                server.set(latency / 1000, connecting=connecting)
                few = max(1, counts.template_calls // 2)
                walls[f"{name}_{latency}"] = reference.handle(few, _TEMPLATE_MB)["wall"] / few
    headings = {
        "ours_25": "ours\n25 ms", "template_25": "template\n25 ms", "connecting_25": "and connecting\n25 ms",
        "ours_100": "ours\n100 ms", "template_100": "template\n100 ms", "connecting_100": "and connecting\n100 ms",
    }  # fmt: skip
    costs = {}
    for name in headings:
        if name.startswith("ours"):
            gb_seconds = walls[name] * lines * size / 1024
            costs[name] = prices.cost(of_line["rest"], gb_seconds, lines, logged, prices.LAMBDA_ARM_PER_GB_SECOND)
        else:
            gb_seconds = walls[name] * lines * _TEMPLATE_MB / 1024
            costs[name] = prices.cost(of_line["template"], gb_seconds, lines, 0, prices.LAMBDA_X86_PER_GB_SECOND)
    rows: Sequence[tuple[str, str, Callable[[prices.Cost], float]]] = [
        ("access_log", "Access log, CloudWatch ingestion", lambda cost: cost.access_log),
        ("lambda_time", "Lambda, GB-seconds", lambda cost: cost.lambda_time),
        ("lambda_requests", "Lambda, invocations", lambda cost: cost.lambda_requests),
        ("function_log", "The function's own log", lambda cost: cost.function_log),
        ("sqs", "SQS", lambda cost: cost.sqs),
        ("total", "Together", lambda cost: cost.total),
    ]
    figures = [
        Figure(name, text, "$", {each: value(costs[each]) for each in headings}) for name, text, value in rows
    ] + [
        Figure("lambda", "Lambda alone", "$", {each: costs[each].lambda_part for each in headings}),
        Figure("gb_seconds", "Lambda", "GB-s", {
            each: walls[each] * 1e6 * (size if each.startswith("ours") else _TEMPLATE_MB) / 1024 for each in headings
        }),
    ]  # fmt: skip
    targets = [
        Target("cost_of_template", "Cost of the template's in total, at 100 ms, connecting included",
               costs["ours_100"].total / costs["connecting_100"].total, limits.cost_of_template),
        Target("lambda_of_template", "Of Lambda alone, at 25 ms, connecting included",
               costs["ours_25"].lambda_part / costs["connecting_25"].lambda_part, limits.lambda_of_template),
    ]  # fmt: skip
    about = {
        "prices_as_of": prices.AS_OF,
        "line_bytes": of_line,
        "lines_per_event": lines,
        "memory_mb": size,
        "template_memory_mb": _TEMPLATE_MB,
    }
    shown = ", ".join(f"{name} {length}" for name, length in of_line.items())
    caption = (
        f"Dollars for a million calls of a REST API in events of {lines}, prices of us-east-1 on {prices.AS_OF}; bytes "
        f"of a line with realistic values: {shown}. Ours with {size} MB (arm64), the template with {_TEMPLATE_MB} MB "
        "(x86), each held to the CPU that brings. `and connecting`: two more latencies for each new connection, as "
        "TCP and TLS take on a network. SQS takes nothing while Revenium takes everything; else one or two requests "
        "for about 60 calls, and what Lambda polls with an empty queue."
    )
    return Part("metering_cost", "Metering: cost", headings, figures, targets, about, caption)


# ---- in simulated time ----


def _simulate(events: Sequence[tuple[float, int]], **more: float) -> dict[str, float]:
    given = json.dumps({"events": events, **more})
    path = f"{_TESTS}{os.pathsep}{_TESTS.parent / 'functions'}"
    ended = subprocess.run(
        [sys.executable, "-m", "bench.simulation", given],
        cwd=_TESTS, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    found: dict[str, float] = json.loads(ended.stdout)
    if found["billed"] != found["calls"] or found["dead_lettered"]:
        raise SystemExit(f"The simulation lost something: {found}")
    return found


def _lag(counts: Counts, say: Say) -> Part:
    say("metering: lag")
    found = {
        "steady": _simulate([(second, 100) for second in range(counts.steady_seconds)]),
        "slow": _simulate([(second, 100) for second in range(counts.steady_seconds)], latency=0.1),
        "burst": _simulate(
            [(0.02 * number, min(1000, counts.burst)) for number in range(max(1, counts.burst // 1000))]
        ),
    }
    headings = {
        "steady": "100 calls/s\n25 ms", "slow": "100 calls/s\n100 ms", "burst": f"burst of {counts.burst:,}\n25 ms",
    }  # fmt: skip
    figures = [
        Figure(name, text, unit, {each: scale * found[each][name] for each in headings})
        for name, text, unit, scale in (
            ("lag_median", "From call to billed, median", "s", 1.0),
            ("lag_p99", "p99", "s", 1.0),
            ("lag_worst", "worst", "s", 1.0),
            ("refused_share", "Requests answered 429", "%", 100.0),
            ("queued", "Waits in the retry queue", "", 1.0),
            ("instances", "Instances", "", 1.0),
            ("connections", "Connections of one, at most", "", 1.0),
        )
    ]
    caption = (
        "Simulated time, the real function: 1,000 requests/s taken, 1 ms of CPU time for a request, as 256 MB bring. "
        "An event a second, or events of 1,000 calls every 20 ms. CloudWatch's own delay, seconds, comes on top. The "
        "queue's consumers have 900 requests/s, so a burst of 50,000 calls takes 111 s at the least."
    )
    return Part("metering_lag", "Metering: lag", headings, figures, [], {}, caption)


def _instances(counts: Counts, limits: Limits, say: Say) -> Part:
    found = {}
    for instances in counts.instances:
        say(f"metering: {instances} instances at once")
        found[str(instances)] = _simulate([(0.0, 100)] * instances)
    headings = {name: f"{name}" for name in found}
    figures = [
        Figure(name, text, unit, {each: scale * found[each][name] for each in headings})
        for name, text, unit, scale in (
            ("calls", "API calls", "", 1.0),
            ("seconds", "Until the last is billed", "s", 1.0),
            ("refused_share", "Requests answered 429", "%", 100.0),
            ("refused", "429 of all instances together", "", 1.0),
        )
    ]
    most = found[str(counts.instances[-1])]
    targets = [
        Target("refused_of_instances", f"Answered 429 of {counts.instances[-1]} instances' requests",
               most["refused_share"], limits.refused_of_instances),
    ]  # fmt: skip
    caption = "Simulated as above: so many instances get an event of 100 calls at the same moment."
    return Part("metering_instances", "Metering: instances at once", headings, figures, targets, {}, caption)


def _growth(counts: Counts, limits: Limits, say: Say) -> Part:
    found = {}
    for lines in counts.growth:
        say(f"metering: an event of {lines} lines")
        environ = {"REVENIUM_API_KEY": "k", "REVENIUM_REQUESTS_PER_SECOND": str(_UNLIMITED), **_QUEUES}
        with Function("at_once", {**environ, "PATH": os.environ.get("PATH", "")}) as function:
            function.handle(10)
            repeated = max(1, min(20, 1000 // lines))
            runs = [function.handle(lines) for _ in range(repeated)]
            found[str(lines)] = {
                "cpu": statistics.median(run["cpu"] for run in runs) / lines * 1e6,
                "memory": max(run["grown_mb"] for run in runs),
                "decoded": max(run["decoded_mb"] for run in runs),
            }
    headings = {name: f"{int(name):,}" for name in found}
    figures = [
        Figure("cpu", "CPU time for a line", "us", {name: each["cpu"] for name, each in found.items()}),
        Figure(
            "decoded", "Memory with the event decoded", "MB", {name: each["decoded"] for name, each in found.items()}
        ),
        Figure(
            "memory", "More of it until the last is delivered", "MB", {n: each["memory"] for n, each in found.items()}
        ),
    ]
    largest, middle = str(counts.growth[-1]), str(counts.growth[len(counts.growth) // 2])
    targets = [
        Target("growth_of_cpu", f"CPU time for a line, {int(largest):,} lines in an event, of that of {int(middle):,}",
               found[largest]["cpu"] / found[middle]["cpu"], limits.growth_of_cpu),
        Target("growth_of_memory_mb", f"Memory that {int(largest):,} lines take after they are decoded, MB",
               found[largest]["memory"], limits.growth_of_memory_mb),
    ]  # fmt: skip
    caption = (
        "Lines in one event; every request is answered at once, without a network, so that only our own work grows."
    )
    return Part("metering_growth", "Metering: lines in one event", headings, figures, targets, {}, caption)
