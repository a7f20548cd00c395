"""A widget or an alarm without data is a defect: what they name is what our functions write, or what AWS documents."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from hcl.source import ROOT
from monitoring.cloudwatch import Alarm, Key, Query, Store, evaluate, key
from monitoring.conftest import Planned
from monitoring.day import MIDNIGHT, Simulation, answering

SHOP = {"ApiName": "shop", "Stage": "live"}
_FILTER = ("LogGroupName", "DestinationType", "FilterName")
_SQS = (
    "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html"
)
_LAMBDA = "https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html"
_LOGS = "https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatch-Logs-Monitoring-CloudWatch-Metrics.html"
_REST = "https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html"
_HTTP = "https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html"
# Namespace, metric and the names of its dimensions, and where AWS says so.
DOCUMENTED = {
    ("AWS/ApiGateway", "Count", ("ApiName", "Stage")): _REST,
    ("AWS/ApiGateway", "Count", ("ApiId", "Stage")): _HTTP,
    ("AWS/Lambda", "Duration", ("FunctionName",)): _LAMBDA,
    ("AWS/Lambda", "Errors", ("FunctionName",)): _LAMBDA,
    ("AWS/Lambda", "Throttles", ("FunctionName",)): _LAMBDA,
    ("AWS/Logs", "DeliveryErrors", _FILTER): _LOGS,
    ("AWS/Logs", "DeliveryThrottling", _FILTER): _LOGS,
    ("AWS/Logs", "ForwardedLogEvents", _FILTER): _LOGS,
    ("AWS/Logs", "IncomingLogEvents", ("LogGroupName",)): _LOGS,
    ("AWS/SQS", "ApproximateAgeOfOldestMessage", ("QueueName",)): _SQS,
    ("AWS/SQS", "ApproximateNumberOfMessagesDelayed", ("QueueName",)): _SQS,
    ("AWS/SQS", "ApproximateNumberOfMessagesNotVisible", ("QueueName",)): _SQS,
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible", ("QueueName",)): _SQS,
}
STATISTICS = {"Average", "Maximum", "Minimum", "SampleCount", "Sum", "p50", "p99"}


def widgets(planned: Planned, kind: str = "metric") -> list[dict[str, Any]]:
    [dashboard] = planned.dashboards
    return [widget for widget in dashboard["widgets"] if widget["type"] == kind]


def queries(widget: dict[str, Any]) -> dict[str, Query]:
    """The metrics and expressions of a widget; those without an id have their number."""
    found = {}
    for number, each in enumerate(widget["properties"]["metrics"]):
        *named, options = each
        id_ = options.get("id", f"m{number}")
        assert id_ not in found, f"two metrics of {widget['properties']['title']} are called {id_}"
        if "expression" in options:
            assert not named
            found[id_] = Query(id_, expression=options["expression"])
        else:
            namespace, name, *pairs = named
            metric = key(namespace, name, dict(zip(pairs[::2], pairs[1::2], strict=True)))
            found[id_] = Query(id_, metric, options.get("stat", widget["properties"]["stat"]))
    return found


@pytest.fixture(scope="module")
def written(watched: Planned) -> Store:
    """What the functions write in a day in which everything happens at least once, and AWS beside them."""
    day = Simulation(
        watched.names(**SHOP), environ={"REVENIUM_ALLOW_CACHE_SECONDS": "0", "REVENIUM_STALE_SECONDS": "600"}
    )
    day.traffic(0, 3, 400)
    day.set(1, 1.5, revenium=answering(503), entitlement=answering(503))
    day.run(4)
    return day.store


def named(planned: Planned) -> Iterator[tuple[str, Key]]:
    for name, alarm in planned.alarms.items():
        yield from ((name, metric) for metric in alarm.metrics)
    for dashboard in planned.dashboards:
        for widget in dashboard["widgets"]:
            if widget["type"] == "metric":
                for query in queries(widget).values():
                    if query.metric is not None:
                        yield widget["properties"]["title"], query.metric


def test_every_metric_is_written_by_our_functions_or_documented_by_aws(
    instances: dict[str, Planned], watched: Planned, written: Store
) -> None:
    functions = {watched.names().metering: "metering", watched.names().authorizer: "authorizer"}
    ours = {
        (functions[dict(dimensions)["FunctionName"]], name)
        for namespace, name, dimensions in written.metrics()
        if namespace == "Revenium"
    }
    assert len(ours) >= 24
    for instance, planned in instances.items():
        for where, (namespace, name, dimensions) in named(planned):
            given = dict(dimensions)
            if namespace == "Revenium":
                assert list(given) == ["FunctionName"], where
                function = given["FunctionName"].removeprefix(f"{instance}-")
                assert (function, name) in ours, f"{where}: no {function} function writes {name}"
            else:
                documented = {(*each[:2], frozenset(each[2])) for each in DOCUMENTED}
                assert (namespace, name, frozenset(given)) in documented, f"{where}: {namespace} {name} of {given}"


def test_what_is_documented_and_in_no_use_is_in_no_table(instances: dict[str, Planned]) -> None:
    used = {(*metric[:2], frozenset(dict(metric[2]))) for each in instances.values() for _, metric in named(each)}
    assert {(*each[:2], frozenset(each[2])) for each in DOCUMENTED} <= used
    assert all(url.startswith("https://docs.aws.amazon.com/") for url in DOCUMENTED.values())


def test_every_dimension_is_the_name_of_something_that_is_planned(instances: dict[str, Planned]) -> None:
    for instance, planned in instances.items():
        resources = planned.resources
        names = {
            "FunctionName": {f"{instance}-metering", f"{instance}-authorizer"},
            "QueueName": {values["name"] for each, values in resources.items() if ".aws_sqs_queue." in each},
            "LogGroupName": {values["name"] for each, values in resources.items() if "log_group.access" in each}
            | {values["log_group_name"] for each, values in resources.items() if "subscription_filter" in each},
            "FilterName": {values["name"] for each, values in resources.items() if "subscription_filter" in each},
            "DestinationType": {"Lambda"},
            "ApiName": {"shop"},
            "ApiId": {"ghijkl5678"},
            "Stage": {"live", "$default"},
        }
        for where, (_, _, dimensions) in named(planned):
            for name, value in dimensions:
                assert value in names[name], f"{where}: there is no {name} {value}"


def test_every_metric_of_the_functions_is_shown_or_said_to_be_for_searches(watched: Planned, written: Store) -> None:
    """What nobody looks at costs 0.30 USD a month."""
    shown = {name for _, (namespace, name, _) in named(watched) if namespace == "Revenium"}
    ours = {name for namespace, name, _ in written.metrics() if namespace == "Revenium"}
    assert ours - shown == {"Received", "WouldDeny", "CacheHits"}
    readme = (ROOT / "functions" / "README.md").read_text()
    table = readme.partition("## Metrics")[2].partition("##")[0]
    assert ours == set(re.findall(r"`([A-Z]\w+)`", table)) - {"FunctionName", "Revenium"}


def test_the_widgets_fill_rows_without_a_gap_and_none_overlaps(watched: Planned) -> None:
    [dashboard] = watched.dashboards
    taken: set[tuple[int, int]] = set()
    for widget in dashboard["widgets"]:
        cells = {
            (x, y)
            for x in range(widget["x"], widget["x"] + widget["width"])
            for y in range(widget["y"], widget["y"] + widget["height"])
        }
        assert not taken & cells, widget["properties"]["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
    height = max(y for _, y in taken) + 1
    assert {y for _, y in taken} == set(range(height))
    assert len(taken) > 0.95 * 24 * height
    assert height <= 50


def test_the_first_thing_to_see_is_every_alarm(watched: Planned) -> None:
    [alarms] = widgets(watched, "alarm")
    assert (alarms["x"], alarms["y"]) == (0, 0)
    shown = {arn.rpartition(":")[2] for arn in alarms["properties"]["alarms"]}
    assert shown == {alarm.name for alarm in watched.alarms.values()}
    assert all(
        arn.startswith("arn:aws:cloudwatch:us-east-1:123456789012:alarm:") for arn in alarms["properties"]["alarms"]
    )


def test_every_graph_has_a_title_a_unit_a_region_and_lines_that_are_named_and_coloured(watched: Planned) -> None:
    colours: dict[str, set[str]] = {}
    for widget in widgets(watched):
        properties = widget["properties"]
        assert properties["title"] and properties["region"] == "us-east-1"
        assert properties["view"] in ("timeSeries", "singleValue")
        hourly = properties["title"].endswith("hour by hour")
        assert properties["view"] == "singleValue" or hourly or properties["yAxis"]["left"]["label"], properties[
            "title"
        ]
        visible = [each[-1] for each in properties["metrics"] if each[-1].get("visible", True)]
        assert visible
        for options in visible:
            assert options["label"] and re.fullmatch("#[0-9a-f]{6}", options["color"]), properties["title"]
        for query in queries(widget).values():
            assert query.expression or query.stat in STATISTICS
        for each in properties["metrics"]:
            if len(each) > 1:
                colours.setdefault(each[1], set()).add(each[-1].get("color", ""))
    for name, colour in {
        "Delivered": "#2ca02c",
        "Skipped": "#7f7f7f",
        "Queued": "#ff9900",
        "DeadLettered": "#d62728",
    }.items():
        assert colours[name] - {""} == {colour}, name


def test_every_expression_has_a_value_and_uses_what_its_widget_has(watched: Planned, written: Store) -> None:
    for widget in widgets(watched):
        found = queries(widget)
        for query in found.values():
            if query.expression:
                value = evaluate(found, query.id, written, MIDNIGHT, MIDNIGHT + 4 * 3600)
                assert value is not None, f"{widget['properties']['title']}: {query.expression}"


def test_every_line_has_data_once_everything_has_happened(watched: Planned, written: Store) -> None:
    """But for what the simulation has no part for: groups that exist, another stage, faults that did not happen."""
    without = {
        metric
        for _, metric in named(watched)
        if written.statistic(metric, "SampleCount", MIDNIGHT, MIDNIGHT + 86_400) is None
    }
    names = {(namespace, name) for namespace, name, _ in without}
    elsewhere = {metric for metric in without if dict(metric[2]).get("LogGroupName") in ("news", "shop")}
    assert {dict(metric[2]).get("ApiId") for metric in without if metric[1] == "Count"} == {"ghijkl5678"}
    never = {"Errors", "Throttles", "DeliveryErrors", "DeliveryThrottling", "Count", "ForwardedLogEvents"}
    assert {name for namespace, name in names if namespace != "Revenium"} <= never
    assert not [metric for metric in without if metric[0] == "Revenium"]
    assert elsewhere


def test_the_number_is_the_difference_of_the_alarm(watched: Planned, written: Store) -> None:
    [number] = [each for each in widgets(watched) if each["properties"]["title"] == "Calls that are not billed"]
    assert number["properties"]["setPeriodToTimeRange"] is True, "of the whole time that is shown"
    alarm = watched.alarms["metering-missing"]
    for name in ("calls", "unbilled", "missing"):
        shown = evaluate(queries(number), name, written, MIDNIGHT, MIDNIGHT + 86_400)
        assert shown == evaluate(alarm.queries, name, written, MIDNIGHT, MIDNIGHT + 86_400)


RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
HEADINGS = re.findall(r"(?m)^## (.+)$", RUNBOOK)
# Sections that belong to no single alarm.
GENERAL = {"Before you begin", "Redrive"}


def test_every_alarm_says_what_it_means_and_names_a_section_of_the_runbook(instances: dict[str, Planned]) -> None:
    opened = set()
    for alarm in everything(instances):
        sections = re.findall(r'See docs/runbook\.md, "([^"]+)"\.$', alarm.description)
        assert len(sections) == 1, alarm.name
        assert sections[0] in HEADINGS, f"{alarm.name} opens {sections[0]}"
        opened |= set(sections)
        assert len(alarm.description) <= 1024
        assert len(alarm.name) <= 255
    assert set(HEADINGS) == opened | GENERAL


def test_every_section_names_its_alarms(instances: dict[str, Planned]) -> None:
    for alarm in everything(instances):
        [section] = re.findall(r'docs/runbook\.md, "([^"]+)"', alarm.description)
        text = RUNBOOK.partition(f"## {section}\n")[2].partition("\n## ")[0]
        kind = alarm.name.partition("-")[2]
        generic = re.sub(r"delivery-errors-.*", "delivery-errors", kind)
        assert f"`<name>-{generic}`" in text, f"{section} does not name <name>-{generic}"


def everything(instances: dict[str, Planned]) -> list[Alarm]:
    return [alarm for planned in instances.values() for alarm in planned.alarms.values()]


def test_a_dashboard_fits_into_what_cloudwatch_takes(watched: Planned) -> None:
    """500 metrics in a widget, 2,500 in a dashboard; and 10 in an alarm.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html
    """
    assert sum(len(queries(widget)) for widget in widgets(watched)) < 2_500
    assert json.dumps(watched.dashboards[0])
    for alarm in watched.alarms.values():
        assert len(alarm.metrics) <= 10
        assert len(alarm.queries) - len(alarm.metrics) <= 10
