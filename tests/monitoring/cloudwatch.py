"""As much of CloudWatch as the alarms and the dashboard use: data points, statistics, metric math, alarm states.

Where this differs from AWS, AWS is right. Known: an alarm whose newest periods are without data looks further back on
AWS; here each period is taken as it is, with the data that the whole period will have had.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

import ast
import bisect
import json
import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Value = float | None  # None is no data point
Key = tuple[str, str, frozenset[tuple[str, str]]]


def key(namespace: str, name: str, dimensions: Mapping[str, str]) -> Key:
    """What tells a metric from all others."""
    return namespace, name, frozenset(dimensions.items())


class Store:
    """Data points in the order in which they were added, which has to be that of time."""

    def __init__(self) -> None:
        self._times: dict[Key, list[float]] = defaultdict(list)
        self._values: dict[Key, list[float]] = defaultdict(list)

    def add(self, metric: Key, time: float, *values: float) -> None:
        """`time` in seconds since the epoch."""
        times = self._times[metric]
        assert not times or time >= times[-1], f"{metric} goes back in time"
        times += [time] * len(values)
        self._values[metric] += values

    def add_line(self, line: str) -> None:
        """What CloudWatch makes of a log line in the embedded metric format; of another line nothing.

        https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
        """
        for metric, time, values in embedded(line):
            self.add(metric, time, *values)

    def metrics(self) -> set[Key]:
        """The metrics that have data."""
        return set(self._times)

    def statistic(self, metric: Key, stat: str, start: float, end: float) -> Value:
        """Of the data points from `start` to before `end`."""
        times = self._times.get(metric, [])
        values = self._values.get(metric, [])[bisect.bisect_left(times, start) : bisect.bisect_left(times, end)]
        if not values:
            return None
        if stat.startswith("p"):
            ordered = sorted(values)
            return ordered[min(len(ordered) - 1, int(len(ordered) * float(stat[1:]) / 100))]
        return _STATISTICS[stat](values)


def embedded(line: str) -> Iterable[tuple[Key, float, list[float]]]:
    """The metrics of a log line in the embedded metric format."""
    if '"_aws"' not in line:
        return
    document = json.loads(line)
    time = document["_aws"]["Timestamp"] / 1000
    for directive in document["_aws"]["CloudWatchMetrics"]:
        for names in directive["Dimensions"]:
            for metric in directive["Metrics"]:
                value = document[metric["Name"]]
                values = value if isinstance(value, list) else [value]
                assert len(values) <= 100, "CloudWatch takes 100 values of a metric from one line"
                yield (
                    key(directive["Namespace"], metric["Name"], {name: document[name] for name in names}),
                    time,
                    values,
                )


_STATISTICS: dict[str, Callable[[list[float]], float]] = {
    "Average": lambda values: sum(values) / len(values),
    "Maximum": max,
    "Minimum": min,
    "SampleCount": len,
    "Sum": sum,
}
_OPERATORS: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Gt: operator.gt,
}


@dataclass(frozen=True)
class Query:
    """One metric, or an expression over the ids of other queries."""

    id: str
    metric: Key | None = None
    stat: str = ""
    expression: str = ""


def evaluate(queries: Mapping[str, Query], wanted: str, store: Store, start: float, end: float) -> Value:
    """The value of the query `wanted` for one period."""

    def value(node: ast.AST) -> Any:
        match node:
            case ast.Expression(body=body):
                return value(body)
            case ast.Constant(value=constant):
                return float(str(constant))
            case ast.Name(id=name):
                return evaluate(queries, name, store, start, end)
            case ast.List(elts=elements):
                return [value(each) for each in elements]
            case ast.BinOp(left=left, op=op, right=right):
                return _apply(op, value(left), value(right))
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return _apply(op, value(left), value(right))
            case ast.Call(func=ast.Name(id="FILL"), args=[series, instead]):
                found = value(series)
                return value(instead) if found is None else found
            case ast.Call(func=ast.Name(id="MAX"), args=[series]):
                return max((each for each in value(series) if each is not None), default=None)
            case ast.Call(func=ast.Name(id="IF"), args=[condition, then, otherwise]):
                holds = value(condition)
                return None if holds is None else value(then if holds else otherwise)
        raise AssertionError(f"{queries[wanted].expression} has what this does not know: {ast.dump(node)}")

    query = queries[wanted]
    if query.metric is not None:
        return store.statistic(query.metric, query.stat, start, end)
    found: Value = value(ast.parse(query.expression, mode="eval"))
    return found


def _apply(op: ast.AST, left: Value, right: Value) -> Value:
    if left is None or right is None or (isinstance(op, ast.Div) and right == 0):
        return None
    return float(_OPERATORS[type(op)](left, right))


@dataclass(frozen=True)
class Alarm:
    """An alarm as it is planned; `watched` is the query whose value is compared."""

    name: str
    description: str
    actions: frozenset[str]
    ok_actions: frozenset[str]
    queries: dict[str, Query] = field(hash=False)
    watched: str
    comparison: str
    threshold: float
    period: int
    periods: int
    to_alarm: int
    missing: str

    @classmethod
    def planned(cls, values: Mapping[str, Any]) -> "Alarm":
        """From the values of an `aws_cloudwatch_metric_alarm` in a plan."""
        queries: dict[str, Query] = {}
        watched, spans = "only", {int(each) for each in [values.get("period")] if each}
        for each in values["metric_query"] or []:
            metric = None
            for found in each["metric"]:
                metric = key(found["namespace"], found["metric_name"], found["dimensions"] or {})
                spans.add(int(found["period"]))
                queries[each["id"]] = Query(each["id"], metric, found["stat"])
            if metric is None:
                queries[each["id"]] = Query(each["id"], expression=each["expression"])
            watched = each["id"] if each["return_data"] else watched
        if not queries:
            metric = key(values["namespace"], values["metric_name"], values["dimensions"] or {})
            queries["only"] = Query("only", metric, values.get("statistic") or values["extended_statistic"])
        [period] = spans
        return cls(
            values["alarm_name"], values["alarm_description"], frozenset(values["alarm_actions"] or ()),
            frozenset(values["ok_actions"] or ()), queries, watched, values["comparison_operator"],
            float(values["threshold"]), int(period), values["evaluation_periods"],
            values.get("datapoints_to_alarm") or values["evaluation_periods"], values["treat_missing_data"],
        )  # fmt: skip

    @property
    def metrics(self) -> set[Key]:
        """The metrics that it names."""
        return {query.metric for query in self.queries.values() if query.metric is not None}

    def value(self, store: Store, end: float, watched: str = "") -> Value:
        """Of the period that ends at `end`."""
        return evaluate(self.queries, watched or self.watched, store, end - self.period, end)

    def goes_off(self, store: Store, now: float) -> bool:
        """Whether it is in the state ALARM, evaluated at `now`: over a window that slides with each evaluation.

        https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation-window.html
        """
        breaching = 0
        for number in range(self.periods):
            value = self.value(store, now - number * self.period)
            breaching += (
                self.missing == "breaching" if value is None else _COMPARISONS[self.comparison](value, self.threshold)
            )
        return breaching >= self.to_alarm


_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
