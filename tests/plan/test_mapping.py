"""The mapping's way from the module's inputs into the function, the formats and CloudWatch's filter."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hcl.source import ROOT
from metering import access_log
from metering.access_log import MalformedLine
from metering.mapping import skip_reason
from metering.rules import Rules
from plan.test_plans import ACCOUNT, Plan, planned
from sandbox import Sandbox
from sandbox.access_log import VARIABLES, Kind, fill, format_problem
from sandbox.emulator_main import pattern_matches

MODULE = "module.revenium.module.metering[0]"


@pytest.fixture(scope="module")
def plan(sandbox: Sandbox) -> Plan:
    workspace = sandbox.workspace()
    folder = Path("tests/plan/terraform/mapping")
    (workspace.root / folder).mkdir(parents=True)
    (workspace.root / folder / "main.tf").write_text((Path(__file__).parent / "terraform/mapping/main.tf").read_text())
    return planned(workspace, str(folder))


# What the native tests find in the function's environment: as a plan the provider knows none of it.
WRITTEN = (ROOT / "modules/metering/tests/mapping.json").read_text()


def test_what_the_module_writes_the_function_reads() -> None:
    assert Rules.from_json("REVENIUM_MAPPING", WRITTEN) == Rules(
        sources={"": "s1", "abcdef1234": "s2", "abcdef1234 /products/{id}": "s3"},
        elements={"bytes-out": "responseLength", "tenant": "tenant"},
        subscription="{tenant}",
        metadata="stage={stage},tenant={tenant}",
        statuses=("2xx", "404"),
        routes=("*",),
        excluded_routes=("/internal/*", "OPTIONS *"),
        include_gateway_rejections=True,
        websocket_events=("CONNECT", "MESSAGE"),
    )


def test_each_existing_group_has_a_filter_for_every_line_and_a_permission_of_its_own(plan: Plan) -> None:
    for name, filter_name in (("news", "revenium"), ("shop", "mapping-metering")):
        plan.check(
            {
                f'{MODULE}.aws_cloudwatch_log_subscription_filter.existing["{name}"]': {
                    "filter_pattern": "",
                    "name": filter_name,
                },
                f'{MODULE}.aws_lambda_permission.existing["{name}"]': {
                    "principal": "logs.amazonaws.com",
                    "source_account": ACCOUNT,
                },
            }
        )
    plan.check(
        {
            f"{MODULE}.aws_lambda_permission.access_logs": {
                "source_arn": f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/vendedlogs/apigateway/mapping:*"
            }
        }
    )


def formats(plan: Plan) -> dict[str, str]:
    settings = plan.shown["planned_values"]["outputs"]["access_log_settings"]["value"]
    return {kind: value["format"] for kind, value in settings.items()}


@pytest.mark.parametrize(
    ("kind", "behind", "added", "callers"),
    [
        ("rest", "principalId", ["keyId", "traceId", "account", "tenant"], "requestId"),
        ("http", "clientId", ["bytesIn", "account", "tenant"], "path"),
        ("websocket", "principalId", ["connectionId", "keyId", "websocket", "account", "tenant"], "userAgent"),
    ],
)
def test_added_fields_are_in_the_formats_that_have_them_between_ours_and_the_callers(
    kind: str, behind: str, added: list[str], callers: str, plan: Plan
) -> None:
    template = formats(plan)[kind]
    assert format_problem(template) is None
    keys = list(json.loads(template))
    start = keys.index(behind) + 1
    assert keys[start : start + len(added) + 1] == [*added, callers]
    assert json.loads(template)["tenant"] == "$context.authorizer.tenant"


def test_cloudwatch_filters_by_status_where_the_pattern_is_short_enough(plan: Plan) -> None:
    def pattern(module: str) -> Any:
        return plan.resources[f"{module}.module.metering[0].aws_cloudwatch_log_subscription_filter.this"][
            "filter_pattern"
        ]

    assert pattern("module.successes") == r"%status\W*2|status\W*-%"
    assert pattern("module.revenium") == r"%status\W*2|status\W*404|status\W*-%"
    assert pattern("module.long_filter") in ("", None)


KINDS: dict[str, Kind] = {"rest": "REST", "http": "HTTP", "websocket": "WEBSOCKET"}
HOSTILE = ["", 'x"', 'x","status":"500', '"status":"404","errorType":"THROTTLED', "\\", "\n", "é", '{"a":']
STATUSES = ["-", "101", "200", "204", "302", "403", "404", "429", "500", "504"]
WRITTEN_BY_CALLERS = {"path", "identity.userAgent", "requestId", "authorizer.tenant"}
FILTERED = Rules(
    statuses=("2xx", "404"),
    routes=("/products/*", "sendMessage"),
    excluded_routes=("OPTIONS *",),
    include_gateway_rejections=True,
    websocket_events=("CONNECT", "MESSAGE"),
)


@pytest.fixture(scope="module")
def deployed(plan: Plan) -> list[tuple[str, Rules]]:
    return [
        (
            plan.resources[f"module.{module}.module.metering[0].aws_cloudwatch_log_subscription_filter.this"][
                "filter_pattern"
            ],
            setting,
        )
        for module, setting in (("revenium", FILTERED), ("successes", Rules(statuses=("2xx",))))
    ]


@hypothesis_settings(max_examples=1000, deadline=None)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    status=st.sampled_from(STATUSES),
    event=st.sampled_from(["CONNECT", "MESSAGE", "DISCONNECT"]),
    errors=st.sampled_from(["-", "THROTTLED", "INTEGRATION_FAILURE"]),
    written=st.dictionaries(
        st.sampled_from(sorted(WRITTEN_BY_CALLERS)), st.text(max_size=20) | st.sampled_from(HOSTILE)
    ),
    colon=st.sampled_from([":", ": ", " : ", "\t:\r\n "]),
    number=st.booleans(),
)
@example(
    kind="http", status="200", event="-", errors="-", written={"identity.userAgent": 'x"'}, colon=" : ", number=False
)
def test_what_cloudwatch_drops_the_function_would_have_skipped(
    kind: str,
    status: str,
    event: str,
    errors: str,
    written: dict[str, str],
    colon: str,
    number: bool,
    plan: Plan,
    deployed: list[tuple[str, Rules]],
) -> None:
    """Whatever a caller writes, and also in a format that somebody wrote by hand."""
    template = formats(plan)[kind]
    template = template.replace('":"', f'"{colon}"')
    if number and status != "-":
        template = template.replace('"$context.status"', "$context.status")
    values = dict.fromkeys(VARIABLES, "1") | {"resourcePath": "/products/{id}", "routeKey": "GET /products/{id}"}
    values |= {"status": status, "eventType": event, "error.responseType": errors} | written
    line = fill(template, KINDS[kind], values)
    for pattern, setting in deployed:
        if pattern_matches(pattern, line):
            continue
        try:
            assert skip_reason(access_log.parse(line), setting), f"dropped, though it would be metered: {line}"
        except MalformedLine as error:
            raise AssertionError(f"dropped, though it would be parked: {line}") from error
