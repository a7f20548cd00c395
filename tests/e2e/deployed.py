"""What the end-to-end tests apply, and what they apply it with."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox import Sandbox, Workspace

API_KEY = "rev_mk_never-to-be-seen-anywhere"
TOKEN = "a-token-that-nobody-writes-down"
ROOT_MODULES = Path(__file__).parent / "terraform"

# What the emulator reads back otherwise than AWS. A second plan may show exactly this.
FALSE_DIFFERENCES = {
    "aws_apigatewayv2_authorizer": {"jwt_configuration"},
}
# It reads an alarm back in part, and one on an expression as one without: an update in place says nothing.
READ_BACK_IN_PART = {"aws_cloudwatch_metric_alarm"}


def variables(sandbox: Sandbox) -> dict[str, str]:
    """The input variables of the root modules here."""
    return {
        "revenium_api_key": API_KEY,
        "metering_url": sandbox.revenium.v2_url,
        "entitlement_url": sandbox.revenium.entitlement_url,
        "revenium_v1_url": sandbox.revenium.v1_url,
    }


@dataclass(frozen=True)
class TwoInstances:
    """The root module two_instances, planned in one workspace and applied in another."""

    directory: str
    planned_in: Workspace
    applied_in: Workspace
    outputs: dict[str, Any]


@dataclass(frozen=True)
class Applied:
    """A root module, applied in a workspace with the input variables `given`."""

    directory: str
    workspace: Workspace
    outputs: dict[str, Any]
    given: dict[str, Any]

    def differences(self) -> list[str]:
        """`address: attribute` of what a second apply would change."""
        self.workspace.plan(self.directory, out="second.tfplan", variables=self.given)
        return real_differences(self.workspace.show_json(self.directory, "second.tfplan")["resource_changes"])

    def is_shown_by_its_page(self) -> None:
        """The README of the example has what Terraform prints at the end, but for ids."""
        page = (self.workspace.root / self.directory / "README.md").read_text(encoding="utf-8")
        made = sum(each["mode"] == "managed" for each in resources(self.workspace.show_json(self.directory)["values"]))
        assert f"Apply complete! Resources: {made} added, 0 changed, 0 destroyed.\n\nOutputs:\n\n" in page
        shown = page.partition("Outputs:\n\n")[2].partition("```")[0]
        for name, value in self.outputs.items():
            assert f"{name} = " in shown
            if isinstance(value, str) and "://" not in value:
                assert f'{name} = "{value}"\n' in shown


def resources(values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All resources of a state, or of a module in it."""
    module = values.get("root_module", values)
    yield from module.get("resources", [])
    for child in module.get("child_modules", []):
        yield from resources(child)


def real_differences(changes: list[dict[str, Any]]) -> list[str]:
    """`address: attribute` of what a plan would change, without the emulator's known false differences."""
    found = []
    for change in changes:
        before, after = change["change"]["before"] or {}, change["change"]["after"] or {}
        if change["type"] in READ_BACK_IN_PART and change["change"]["actions"] == ["update"]:
            continue
        if change["change"]["actions"] not in (["no-op"], ["read"]):
            differing = {key for key in {*before, *after} if before.get(key) != after.get(key)} or {"?"}
            known = FALSE_DIFFERENCES.get(change["type"], set())
            found += [f"{change['address']}: {key}" for key in sorted(differing - known)]
    return found


def redrive(sandbox: Sandbox, dead_letter_queue_url: str, retry_queue_url: str) -> None:
    """What the runbook says: SQS moves everything from the one queue into the other."""
    sqs = sandbox.client("sqs")

    def arn(url: str) -> str:
        return str(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"])

    sqs.start_message_move_task(SourceArn=arn(dead_letter_queue_url), DestinationArn=arn(retry_queue_url))
