"""The benchmark measures all that it names, and fails where a target is missed."""

import json
import math
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from bench import access_log_lines, authorizer, metering
from bench.authorizer import SUBJECTS
from bench.environment import event_of, timed
from sandbox import REPOSITORY

OF_AUTHORIZER = [each.name for each in fields(authorizer.Limits)]
OF_METERING = [each.name for each in fields(metering.Limits)]
UPWARDS = ("limit_reached_25ms", "limit_reached_100ms", "times_template")
EVENT = (REPOSITORY / "tests" / "bench" / "event.json").read_text()


def run(json_path: Path, **limits: float) -> tuple[int, str, dict[str, Any]]:
    """A quick run without any target but these: its exit code, what it printed, and the JSON."""
    none = {name: 0.0 if name in UPWARDS else math.inf for name in (*OF_AUTHORIZER, *OF_METERING)}
    options = [f"--limit={name}={limit}" for name, limit in (none | limits).items()]
    options.append(f"--chart={json_path.with_suffix('.svg')}")
    ended = subprocess.run(
        [sys.executable, "-m", "bench", "--quick", "--json", str(json_path), *options],
        cwd=REPOSITORY / "tests",
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert json_path.exists(), ended.stderr
    return ended.returncode, ended.stdout, json.loads(json_path.read_text())


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, str, dict[str, Any], Path]:
    path = tmp_path_factory.mktemp("bench") / "figures.json"
    return (*run(path, cache_hit_ms=0, times_template=1e9), path)


def test_every_figure_is_there_for_every_authorizer(quick: tuple[int, str, dict[str, Any], Path]) -> None:
    found = quick[2]["authorizer"]
    expected = ["initialization", "first_answer", "cache_hit", "cache_hit_p99", "miss_overhead"]
    assert list(found["figures"]) == expected
    for name, figure in found["figures"].items():
        assert figure.pop("unit") == "ms"
        assert list(figure) == list(SUBJECTS)
        assert all(math.isfinite(value) for value in figure.values()), name
    for name in ("initialization", "first_answer", "cache_hit", "cache_hit_p99"):
        assert min(found["figures"][name].values()) > 0
    assert list(found["targets"]) == OF_AUTHORIZER


def test_every_part_of_metering_is_measured(quick: tuple[int, str, dict[str, Any], Path]) -> None:
    parts = {name: part for name, part in quick[2].items() if name != "authorizer"}
    assert list(parts) == [
        f"metering_{name}" for name in ("throughput", "cost", "memory", "lag", "growth", "instances")
    ]
    assert sorted(name for part in parts.values() for name in part["targets"]) == sorted(OF_METERING)
    throughput = parts["metering_throughput"]["figures"]
    for name in (f"{figure}_{latency}ms" for figure in ("calls_per_second", "cpu") for latency in (5, 25, 100)):
        assert list(throughput[name]) == ["unit", *metering.SUBJECTS]
        assert min(throughput[name][subject] for subject in metering.SUBJECTS) > 0
    total = parts["metering_cost"]["figures"]["total"]
    assert 0 < min(value for name, value in total.items() if name != "unit") < 10
    assert metering.memory_mb() == parts["metering_cost"]["about"]["memory_mb"]


def test_the_chart_is_drawn(quick: tuple[int, str, dict[str, Any], Path]) -> None:
    drawn = quick[3].with_suffix(".svg").read_text()
    assert ElementTree.fromstring(drawn).tag == "{http://www.w3.org/2000/svg}svg"
    assert "template" in drawn


def test_missed_targets_are_named_and_fail(quick: tuple[int, str, dict[str, Any], Path]) -> None:
    code, printed, found, _ = quick
    assert code == 1
    missed = sorted(line.rpartition("(")[2] for line in printed.splitlines() if "MISSED" in line)
    assert missed == ["cache_hit_ms)", "times_template)"]
    targets = {name: target for part in found.values() for name, target in part["targets"].items()}
    assert [name for name, target in targets.items() if not target["met"]] == ["cache_hit_ms", "times_template"]


def test_lines_are_as_long_as_the_deployed_formats_make_them() -> None:
    made = access_log_lines.formats()
    lines = {name: access_log_lines.line(made[name], kind) for name, kind in access_log_lines.KINDS.items()}
    for name, line in lines.items():
        assert "$context" not in line
        missing = [key for key, value in json.loads(line).items() if value == "-"]
        assert missing == ["errorType"], name
    assert list(json.loads(lines["rest"]))[-3:] == ["requestId", "path", "userAgent"]


def test_a_burst_of_many_instances_is_billed_to_the_last_call_without_a_storm() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "bench.simulation", json.dumps({"events": [[0, 40]] * 200})],
        cwd=REPOSITORY / "tests",
        env={**os.environ, "PYTHONPATH": f"{REPOSITORY / 'tests'}{os.pathsep}{REPOSITORY / 'functions'}"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=120,
    )
    found = json.loads(ended.stdout)
    assert (found["billed"], found["dead_lettered"]) == (8000, 0)
    assert 0 < found["refused"] <= 200 * 15, "an instance learns by few refusals, not by as many as it has connections"


def policy(effect: str, client_id: str) -> dict[str, Any]:
    return {"principalId": client_id, "policyDocument": {"Statement": [{"Effect": effect}]}}


@pytest.mark.parametrize(("effect", "client_id"), [("Deny", "acme"), ("Allow", "another")])
def test_a_wrong_answer_is_not_measured(effect: str, client_id: str) -> None:
    event = event_of(EVENT, "acme")
    assert timed(lambda event, context: policy("Allow", "acme"), event) >= 0
    with pytest.raises(SystemExit, match="nothing was measured"):
        timed(lambda event, context: policy(effect, client_id), event)
