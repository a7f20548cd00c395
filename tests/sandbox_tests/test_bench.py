"""The benchmark measures all that it names, and fails where a target is missed."""

import json
import math
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from bench.authorizer import SUBJECTS, Limits
from bench.environment import event_of, timed
from sandbox import REPOSITORY

NAMES = [each.name for each in fields(Limits)]
EVENT = (REPOSITORY / "tests" / "bench" / "event.json").read_text()


def run(json_path: Path, **limits: float) -> tuple[int, str, dict[str, Any]]:
    """A quick run: its exit code, what it printed, and the authorizer's part of the JSON."""
    options = [f"--limit={name}={limits.get(name, math.inf)}" for name in NAMES]
    ended = subprocess.run(
        [sys.executable, "-m", "bench", "--quick", "--json", str(json_path), *options],
        cwd=REPOSITORY / "tests",
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert json_path.exists(), ended.stderr
    return ended.returncode, ended.stdout, json.loads(json_path.read_text())["authorizer"]


def test_every_figure_is_there_for_every_subject(tmp_path: Path) -> None:
    code, printed, found = run(tmp_path / "figures.json")
    assert code == 0, printed
    expected = ["initialization", "first_answer", "cache_hit", "cache_hit_p99", "miss_overhead"]
    assert list(found["figures"]) == expected
    for name, figure in found["figures"].items():
        assert figure.pop("unit") == "ms"
        assert list(figure) == list(SUBJECTS)
        assert all(math.isfinite(value) for value in figure.values()), name
    for name in ("initialization", "first_answer", "cache_hit", "cache_hit_p99"):
        assert min(found["figures"][name].values()) > 0
    assert list(found["targets"]) == NAMES
    assert "MISSED" not in printed


def test_a_missed_target_is_named_and_fails(tmp_path: Path) -> None:
    code, printed, found = run(tmp_path / "figures.json", cache_hit_ms=0)
    assert code == 1
    missed = [line for line in printed.splitlines() if "MISSED" in line]
    assert len(missed) == 1 and "(cache_hit_ms)" in missed[0]
    assert [name for name, target in found["targets"].items() if not target["met"]] == ["cache_hit_ms"]


def policy(effect: str, client_id: str) -> dict[str, Any]:
    return {"principalId": client_id, "policyDocument": {"Statement": [{"Effect": effect}]}}


@pytest.mark.parametrize(("effect", "client_id"), [("Deny", "acme"), ("Allow", "another")])
def test_a_wrong_answer_is_not_measured(effect: str, client_id: str) -> None:
    event = event_of(EVENT, "acme")
    assert timed(lambda event, context: policy("Allow", "acme"), event) >= 0
    with pytest.raises(SystemExit, match="nothing was measured"):
        timed(lambda event, context: policy(effect, client_id), event)
