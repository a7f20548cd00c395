"""The module as planned by the real provider, read once."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from monitoring.cloudwatch import Alarm
from monitoring.day import Names
from sandbox import Sandbox

API_KEY = "rev_mk_never-to-be-seen-anywhere"
PLANS = Path(__file__).parents[1] / "plan" / "terraform"


@dataclass(frozen=True)
class Planned:
    """One instance of the module: addresses within it to planned values."""

    resources: dict[str, dict[str, Any]]

    @property
    def alarms(self) -> dict[str, Alarm]:
        """By their names, without that of the instance."""
        found = [
            Alarm.planned(values)
            for address, values in self.resources.items()
            if ".aws_cloudwatch_metric_alarm." in address
        ]
        return {alarm.name.partition("-")[2]: alarm for alarm in found}

    @property
    def dashboards(self) -> list[dict[str, Any]]:
        return [
            json.loads(values["dashboard_body"])
            for address, values in self.resources.items()
            if ".aws_cloudwatch_dashboard." in address
        ]

    def names(self, **stage: str) -> Names:
        """For a simulation of this instance with one stage."""

        def name(address: str, attribute: str = "name") -> str:
            found = [values[attribute] for each, values in self.resources.items() if each.endswith(address)]
            return str(found[0]) if found else ""

        metering = name("module.metering[0].aws_cloudwatch_log_subscription_filter.this")
        return Names(
            metering,
            metering.replace("-metering", "-authorizer"),
            name("module.metering[0].aws_cloudwatch_log_group.access"),
            name("aws_sqs_queue.retry"),
            name("aws_sqs_queue.dead_letter"),
            stage,
        )


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        running.revenium.set_api_keys(API_KEY)
        yield running


@pytest.fixture(scope="session")
def instances(sandbox: Sandbox) -> dict[str, Planned]:
    """The instances of the root module `monitoring`, by the module's name."""
    for group in ("news", "shop"):
        sandbox.client("logs").create_log_group(logGroupName=group)
    workspace = sandbox.workspace()
    directory = "tests/plan/terraform/monitoring"
    shutil.copytree(PLANS / "monitoring", workspace.root / directory)
    workspace.init(directory)
    workspace.plan(directory, out="saved.tfplan")
    changes = workspace.show_json(directory, "saved.tfplan")["resource_changes"]
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for change in changes:
        if change["mode"] == "managed":
            instance = change["address"].split(".")[1]
            found.setdefault(instance, {})[change["address"]] = change["change"]["after"]
    return {name: Planned(resources) for name, resources in found.items()}


@pytest.fixture(scope="session")
def watched(instances: dict[str, Planned]) -> Planned:
    """With every alarm and widget."""
    return instances["watched"]


@dataclass(frozen=True)
class Deployed:
    """The root module `deployed`, applied."""

    alarms: list[Alarm]


@pytest.fixture(scope="session")
def deployed(sandbox: Sandbox) -> Deployed:
    """The module under its default name."""
    workspace = sandbox.workspace()
    directory = "tests/monitoring/terraform/deployed"
    shutil.copytree(Path(__file__).parent / "terraform" / "deployed", workspace.root / directory)
    workspace.init(directory)
    given = {
        "revenium_api_key": API_KEY,
        "metering_url": sandbox.revenium.v2_url,
        "entitlement_url": sandbox.revenium.entitlement_url,
    }
    workspace.plan(directory, out="saved.tfplan", variables=given)
    # The emulator reads an alarm on an expression back without it: the plan is what AWS gets.
    changes = workspace.show_json(directory, "saved.tfplan")["resource_changes"]
    workspace.apply(directory, plan="saved.tfplan", variables={"revenium_api_key": API_KEY})
    alarms = [each["change"]["after"] for each in changes if each["type"] == "aws_cloudwatch_metric_alarm"]
    return Deployed([Alarm.planned(each) for each in alarms])
