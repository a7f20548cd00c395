"""CloudWatch metrics, written as one log line in CloudWatch's embedded metric format.

The format: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
import os
import time
from collections.abc import Mapping, Sequence

NAMESPACE = "Revenium"
_VALUES_PER_METRIC = 100  # the format's bound for an array of values


def emit(
    counts: Mapping[str, int],
    milliseconds: Mapping[str, Sequence[float]] | None = None,
    **properties: object,
) -> None:
    """Write the invocation's one metric line, with the function's name as the dimension.

    `counts` are metrics in the unit Count; `milliseconds` are metrics with a value per observation, thinned
    evenly where there are more than CloudWatch takes; `properties` are searchable but no metrics.
    """
    timings = {name: _thin(values) for name, values in (milliseconds or {}).items() if values}
    metrics = [{"Name": name, "Unit": "Count"} for name in counts]
    metrics += [{"Name": name, "Unit": "Milliseconds"} for name in timings]
    line = {
        "_aws": {
            "Timestamp": int(time.time() * 1000),
            "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": [["FunctionName"]], "Metrics": metrics}],
        },
        "FunctionName": os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "local"),
        **counts,
        **timings,
        **properties,
    }
    print(json.dumps(line, separators=(",", ":")), flush=True)


def _thin(values: Sequence[float]) -> list[float]:
    """In tenths: all digits would be most of what the function logs, and CloudWatch is paid by the byte."""
    ordered = sorted(values)
    if len(ordered) > _VALUES_PER_METRIC:
        last = len(ordered) - 1
        ordered = [ordered[round(i * last / (_VALUES_PER_METRIC - 1))] for i in range(_VALUES_PER_METRIC)]
    return [round(value, 1) for value in ordered]
