import json

import pytest

from revenium import metrics
from revenium.log import log


def test_a_hostile_value_cannot_forge_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    log("ERROR", "Something", detail='x"}\n{"level":"INFO"}', error=ValueError("a\nb"))
    [line] = capsys.readouterr().out.splitlines()
    assert json.loads(line) == {
        "level": "ERROR",
        "message": "Something",
        "detail": 'x"}\n{"level":"INFO"}',
        "error": "a\nb",
    }


@pytest.mark.parametrize(("threshold", "written"), [("ERROR", False), ("WARNING", True), ("", True)])
def test_the_level_is_a_setting(
    threshold: str, written: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOG_LEVEL", threshold)
    log("WARNING", "Careful")
    assert bool(capsys.readouterr().out) is written


def test_the_metric_line_names_its_metrics_and_thins_what_cloudwatch_would_refuse(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "revenium-metering")
    metrics.emit({"Received": 3}, {"Lag": [n + 1 / 3 for n in range(1001)], "None": []}, why={"a": 1})
    line = json.loads(capsys.readouterr().out)
    [directive] = line["_aws"]["CloudWatchMetrics"]
    assert directive == {
        "Namespace": "Revenium",
        "Dimensions": [["FunctionName"]],
        "Metrics": [{"Name": "Received", "Unit": "Count"}, {"Name": "Lag", "Unit": "Milliseconds"}],
    }
    assert (line["FunctionName"], line["Received"], line["why"]) == ("revenium-metering", 3, {"a": 1})
    assert (len(line["Lag"]), line["Lag"][0], line["Lag"][-1]) == (100, 0.3, 1000.3)
