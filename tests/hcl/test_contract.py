"""What holds for the HCL as it stands, without a plan."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hcl.source import CONFIGURATIONS, EXAMPLES, MODULES, ROOT, Block, blocks, outputs, text, variables
from metering import access_log
from metering.access_log import AccessLogRecord
from metering.handler import QUEUEING_RESERVE
from metering.mapping import to_usage
from metering.rules import Rules

EVERY_VARIABLE = [
    pytest.param(name, body, id=f"{module}.{name}")
    for module, folder in CONFIGURATIONS.items()
    for name, body in variables(folder).items()
]
EVERY_VALIDATION = [
    pytest.param(name, text(validation["error_message"]), id=f"{module}.{name}.{number}")
    for module, folder in CONFIGURATIONS.items()
    for name, body in variables(folder).items()
    for number, validation in enumerate(body.get("validation", []))
]
EVERY_OUTPUT = [
    pytest.param(body, id=f"{module}.{name}")
    for module, folder in CONFIGURATIONS.items()
    for name, body in outputs(folder).items()
]


@pytest.mark.parametrize("folder", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_the_bounds_are_the_same_everywhere_and_leave_out_the_next_major(folder: Path) -> None:
    [settings] = blocks(folder, "terraform")
    assert text(settings.body["required_version"]) == ">= 1.11, < 2.0"
    [providers] = settings.body["required_providers"]
    bounds = {name: text(each["version"]) for name, each in providers.items() if not name.startswith("__")}
    used = {block.labels[0].partition("_")[0] for block in blocks(folder) if block.kind in ("resource", "data")}
    calls = {"archive", "aws"} if blocks(folder, "module") else set()
    expected = {"archive": ">= 2.6, < 3.0", "aws": ">= 5.100, < 7.0"}
    assert bounds == {name: bound for name, bound in expected.items() if name in used | calls}


@pytest.mark.parametrize(("name", "body"), EVERY_VARIABLE)
def test_an_input_is_typed_and_described_and_null_only_where_null_means_something(
    name: str, body: dict[str, Any]
) -> None:
    assert len(text(body["description"])) > 20
    assert re.search(r"\bany\b", str(body["type"])) is None
    if "default" in body and body["default"] is not None and not str(body["type"]).startswith("${object"):
        assert body.get("nullable") is False, f"{name} has a default, so null must not get past it: nullable = false"


@pytest.mark.parametrize("body", EVERY_OUTPUT)
def test_an_output_says_what_it_is_for(body: dict[str, Any]) -> None:
    assert len(text(body["description"])) > 20


@pytest.mark.parametrize(("name", "message"), EVERY_VALIDATION)
def test_a_validation_names_the_input_says_the_rule_and_what_to_do_instead(name: str, message: str) -> None:
    assert f"`{name}" in message
    assert re.search(r"\bmust\b", message)
    assert len(re.findall(r"[.](?= |$)", message)) >= 2, "a second sentence says what to do instead"
    assert "var." not in message.replace("${var.", ""), "the caller knows the input, not the variable's address"


@pytest.mark.parametrize("module", MODULES)
def test_every_input_is_used(module: str) -> None:
    source = "\n".join(file.read_text() for file in MODULES[module].glob("*.tf") if file.name != "variables.tf")
    unused = [name for name in variables(MODULES[module]) if not re.search(rf"\bvar\.{name}\b", source)]
    assert unused == []


@pytest.mark.parametrize("module", ["metering", "authorizer"])
def test_the_root_hands_on_every_input_of_a_module(module: str) -> None:
    [call] = [block for block in blocks(ROOT, "module") if block.labels == (module,)]
    handed_on = {name: value for name, value in call.body.items() if name not in ("source", "count")}
    assert set(handed_on) == set(variables(MODULES[module]))
    # Each under its own name, but for those with a rule of their own, which the plans look at.
    for name, value in handed_on.items():
        own_rule = name in ("api_key", "api_key_secret", "authorizer", "kms_key")
        assert value in (f"${{var.{name}}}", f"${{var.{module}.{name}}}") or own_rule


@pytest.mark.parametrize("module", ["metering", "authorizer"])
def test_the_defaults_that_the_root_describes_are_those_of_the_module(module: str) -> None:
    described = dict(re.findall(r"(?m)^`(\w+)` .*\(([^()]+)\)[;.]$", text(variables(ROOT)[module]["description"])))
    assert len(described) >= 3
    assert set(described) <= set(variables(MODULES[module]))
    for name, default in described.items():
        in_module = variables(MODULES[module])[name]["default"]
        # Of an object, a list and null the root says in words what they mean.
        if in_module is not None and not isinstance(in_module, dict | list):
            assert default == text(in_module)


@pytest.mark.parametrize("module", ["metering", "authorizer"])
def test_the_root_describes_every_member_of_a_feature(module: str) -> None:
    described = re.findall(r"(?m)^`(\w+)` ", text(variables(ROOT)[module]["description"]))
    used = set(re.findall(rf"\bvar\.{module}\.(\w+)", (ROOT / "main.tf").read_text()))
    assert described == sorted(used), "one line each, in the order of the alphabet"


def test_what_both_modules_do_alike_they_do_with_the_same_lines() -> None:
    for name in ("api_key.tf", "versions.tf"):
        assert (MODULES["metering"] / name).read_text() == (MODULES["authorizer"] / name).read_text()


@pytest.mark.parametrize("module", ["root", "metering", "authorizer"])
def test_what_all_functions_have_in_common_has_one_type(module: str) -> None:
    """Terraform has no types to share: it is written down wherever it is handed on, and checked where it is used."""
    mine, used = variables(MODULES[module])["functions"], variables(MODULES["function"])["functions"]
    assert mine["type"] == used["type"]
    described = re.findall(r"(?m)^`(\w+)` ", text(mine["description"]))
    assert described == re.findall(r"(\w+) = optional\(", str(used["type"])), "one line each, in the order of the type"


def test_what_checkov_is_told_to_skip_says_why() -> None:
    """`make checkov` runs it."""
    skips = [
        (file.relative_to(ROOT), line)
        for folder in CONFIGURATIONS.values()
        for file in folder.glob("*.tf")
        for line in file.read_text().splitlines()
        if "checkov:" in line
    ]
    assert skips
    assert [skip for skip in skips if not re.fullmatch(r"  # checkov:skip=CKV2?_AWS_\d+: \w.{15,}", skip[1])] == []


def test_the_root_creates_nothing_of_its_own() -> None:
    assert blocks(ROOT, "resource") == []


def nested(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from nested(each)
    elif isinstance(value, list):
        for each in value:
            yield from nested(each)
    else:
        yield str(value)


@pytest.mark.parametrize("folder", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_the_partition_comes_from_data_and_nothing_runs_at_plan(folder: Path) -> None:
    for block in blocks(folder):
        if block.kind in ("resource", "data", "locals"):
            for value in nested(block.body):
                assert not re.search(r"arn:aws[:-]", value), f"{block.where} writes a partition down: {value}"
        assert not (block.kind == "data" and block.labels[0] in ("external", "http")), block.where
        assert "provisioner" not in block.body, block.where
        assert block.labels[:1] != ("null_resource",), block.where


KEYS_FOR_PEOPLE = {
    "stage": "which API and stage, when reading a log group that several share",
    "domainName": "which custom domain a call came through",
    "requestId": "what a caller can quote: the x-amzn-RequestId of the answer",
}


def formats() -> dict[str, tuple[list[str], list[str]]]:
    """The keys of each access-log format in order: the gateway's, and the caller's behind them."""
    [found] = [block.body for block in blocks(MODULES["metering"], "locals") if "access_log_variables" in block.body]
    names = {text(name): text(key) for name, key in found["access_log_keys"].items()}

    def keys(variables: list[str]) -> list[str]:
        return [names.get(text(name), text(name).rpartition(".")[2]) for name in variables]

    return {
        kind: (keys(variables), keys(found["access_log_caller_variables"][kind]))
        for kind, variables in found["access_log_variables"].items()
    }


@pytest.mark.parametrize("kind", ["rest", "http", "websocket"])
def test_nothing_is_logged_that_nobody_reads(kind: str) -> None:
    read = set(re.findall(r'\("(\w+)"\)', Path(access_log.__file__).read_text()))
    gateways, callers = formats()[kind]
    assert {*gateways, *callers} - read - set(KEYS_FOR_PEOPLE) == set()


def test_every_key_of_reveniums_own_template_keeps_its_name() -> None:
    template = {"httpMethod", "path", "principalId", "status", "sourceIp", "integrationLatency", "responseLength"}
    gateways, callers = formats()["rest"]
    assert template <= {*gateways, *callers}


def test_the_function_knows_who_writes_each_key_of_the_formats() -> None:
    """Added fields stand between the two groups, and are told by being in neither."""
    groups = formats().values()
    assert {key for gateways, _ in groups for key in gateways} == access_log._WRITTEN_BY_THE_GATEWAY
    assert {key for _, callers in groups for key in callers} == access_log._WRITTEN_BY_CALLERS


def test_the_budgets_of_the_hcl_and_of_the_function_are_one() -> None:
    """An invocation keeps QUEUEING_RESERVE for SQS; all calls of a record have to fit into what is left."""
    [rule] = [
        text(each["condition"])
        for each in variables(MODULES["metering"])["timeout_seconds"]["validation"]
        if "request_timeout" in each["condition"]
    ]
    _, without, with_elements, margin = re.findall(r"\d+", rule.partition(">=")[2])
    record, elements = AccessLogRecord(status=200, fields={"status": "200"}), Rules(elements={"s": "status"})
    assert int(without) == len(to_usage(record, "id", "v2").calls)
    assert int(with_elements) == len(to_usage(record, "id", "v2", elements).calls)
    assert int(margin) > QUEUEING_RESERVE
    source = (ROOT / "functions" / "metering" / "settings.py").read_text()
    for name, variable in (
        ("request_timeout_seconds", "TIMEOUT_SECONDS"),
        ("requests_per_second", "REQUESTS_PER_SECOND"),
    ):
        default = text(variables(MODULES["metering"])[name]["default"])
        assert f'"REVENIUM_{variable}", {default},' in source


# Argument names that this file's data does not tell apart from nested blocks, or that Terraform itself takes.
META = {"count", "for_each", "depends_on", "lifecycle", "provider", "dynamic"}
SCHEMA: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "aws-provider-6.62.0-arguments.json").read_text())


def unknown_arguments(body: dict[str, Any], known: dict[str, Any]) -> Iterator[str]:
    for name, value in body.items():
        if name in META or name.startswith("__"):
            continue
        if name not in known:
            yield name
        elif isinstance(known[name], dict) and isinstance(value, list):
            for each in value:
                if isinstance(each, dict):
                    yield from (f"{name}.{inner}" for inner in unknown_arguments(each, known[name]))


AWS_BLOCKS = [
    pytest.param(block, id=block.where)
    for folder in CONFIGURATIONS.values()
    for block in blocks(folder)
    if block.kind in ("resource", "data") and block.labels[0].startswith("aws_")
]


@pytest.mark.parametrize("block", AWS_BLOCKS)
def test_every_argument_exists_in_the_newest_provider_too(block: Block) -> None:
    """The lowest allowed version proves itself: it plans and applies in the other tests."""
    known = SCHEMA["resources" if block.kind == "resource" else "data_sources"]
    assert block.labels[0] in known
    assert list(unknown_arguments(block.body, known[block.labels[0]])) == []


@pytest.mark.parametrize("folder", EXAMPLES.values(), ids=EXAMPLES)
def test_an_example_is_complete_and_knows_nothing_of_the_sandbox(folder: Path) -> None:
    assert {"README.md", "main.tf", "outputs.tf", "variables.tf", "versions.tf"} <= {
        each.name for each in folder.iterdir()
    }
    for file in folder.glob("*.*"):
        if file.suffix in (".tf", ".py", ".md"):
            assert not re.search(r"sandbox|127\.0\.0\.1|localhost|endpoint_url", file.read_text(), re.IGNORECASE), file
    assert blocks(folder, "provider") == []


VALIDATED = [
    pytest.param(module, name, len(body["validation"]), id=f"{module}.{name}")
    for module, folder in MODULES.items()
    for name, body in variables(folder).items()
    if body.get("validation")
]


@pytest.mark.parametrize(("module", "name", "rules"), VALIDATED)
def test_every_validation_is_broken_by_a_native_test(module: str, name: str, rules: int) -> None:
    """`make plan` runs them."""
    source = "\n".join(file.read_text() for file in MODULES[module].glob("tests/*.tftest.hcl"))
    assert len(re.findall(rf"expect_failures = \[[^\]]*\bvar\.{name}\b", source)) >= rules


def test_a_stage_whose_giving_back_is_made_anew_is_switched_on_again() -> None:
    """Made anew it has given the stage back, which without the other would go unmetered, and nothing would say so."""
    [switch_on] = [
        block
        for block in blocks(MODULES["metering"], "resource")
        if block.labels == ("aws_lambda_invocation", "switch_on")
    ]
    [lifecycle] = switch_on.body["lifecycle"]
    assert [str(each).strip("${}") for each in lifecycle["replace_triggered_by"]] == [
        "aws_lambda_invocation.give_back[each.key]"
    ]
