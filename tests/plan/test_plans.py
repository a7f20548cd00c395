"""Plans by the real provider with dummy credentials; the emulator answers who the caller is, and nothing is created."""

import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hcl.source import blocks_of
from metering import access_log
from sandbox import Sandbox, Workspace
from sandbox.access_log import fill, format_problem

HERE = Path(__file__).parent
ACCOUNT = "123456789012"
SECRET = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:revenium-AbCdEf"
GROUP = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/vendedlogs/apigateway/revenium"
QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:revenium-metering"
METERING, AUTHORIZER = "module.revenium.module.metering[0]", "module.revenium.module.authorizer[0]"


@dataclass(frozen=True)
class Plan:
    """What `terraform show -json` says of a saved plan."""

    shown: dict[str, Any]

    @property
    def resources(self) -> dict[str, dict[str, Any]]:
        """Address to planned values; what is known only after apply is missing."""
        return {
            change["address"]: change["change"]["after"]
            for change in self.shown["resource_changes"]
            if change["mode"] == "managed"
        }

    @property
    def types(self) -> Counter[str]:
        return Counter(change["type"] for change in self.shown["resource_changes"] if change["mode"] == "managed")

    def check(self, expected: dict[str, dict[str, Any]]) -> None:
        """Every attribute that is expected of an address is planned so."""
        for address, attributes in expected.items():
            assert address in self.resources, f"{address} is not planned; planned are {sorted(self.resources)}"
            for name, value in attributes.items():
                got = self.resources[address].get(name)
                assert got == value, f"{address}: {name}: got {got!r}, expected {value!r}"

    def statements(self, address: str) -> list[dict[str, Any]]:
        """The statements of a policy."""
        policy = json.loads(self.resources[address]["policy"])
        found = policy["Statement"]
        assert isinstance(found, list)
        return found


@pytest.fixture(scope="module")
def workspace(sandbox: Sandbox) -> Workspace:
    made = sandbox.workspace()
    shutil.copytree(HERE / "terraform", made.root / "tests" / "plan" / "terraform")
    shutil.copytree(HERE.parent, made.root / "tests", ignore=_all_but_native_tests, dirs_exist_ok=True)
    return made


def _all_but_native_tests(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if not name.endswith(".tftest.hcl")]


@pytest.fixture(scope="module")
def plan(workspace: Workspace) -> Plan:
    return planned(workspace, "tests/plan/terraform/given_secret")


def planned(workspace: Workspace, directory: str) -> Plan:
    workspace.init(directory)
    workspace.plan(directory, out="saved.tfplan")
    return Plan(workspace.show_json(directory, "saved.tfplan"))


NATIVE_TESTS = (
    ("tests/validation.tftest.hcl", "."),
    ("tests/conditions.tftest.hcl", "modules/metering"),
    ("tests/validation.tftest.hcl", "inputs/modules/metering"),
    ("tests/validation.tftest.hcl", "inputs/modules/authorizer"),
    ("tests/validation.tftest.hcl", "modules/account_logging"),
    ("tests/validation.tftest.hcl", "modules/function"),
    ("tests/validation.tftest.hcl", "modules/kms_key"),
)


@pytest.fixture(scope="module")
def native_tests(workspace: Workspace, sandbox: Sandbox) -> Iterator[dict[tuple[str, str], Future[str]]]:
    """`terraform test` of each file, all at once since they take the most time; what they print.

    In `inputs/` are those files of a module that create nothing: a run that starts the aws provider takes 2 seconds,
    one that reads variables a tenth of one.
    """
    inputs = workspace.root / "inputs"
    shutil.copytree(workspace.root / "examples", inputs / "examples")
    for _, folder in NATIVE_TESTS:
        if folder.startswith("inputs/"):
            shutil.copytree(
                workspace.root / folder.removeprefix("inputs/") / "tests", workspace.root / folder / "tests"
            )
            for file in (workspace.root / folder.removeprefix("inputs/")).glob("*.tf"):
                if {block.kind for block in blocks_of(file)} <= {"variable", "locals", "terraform"}:
                    shutil.copy(file, workspace.root / folder)
        workspace.init(folder)

    def run(file: str, folder: str) -> str:
        return sandbox.terraform.run(
            ["test", "-no-color", f"-filter={file}"], workspace.root / folder, codes=(0, 1)
        ).output

    with ThreadPoolExecutor() as executor:
        yield {each: executor.submit(run, *each) for each in NATIVE_TESTS}


@pytest.mark.parametrize("native", NATIVE_TESTS, ids=str)
def test_every_validation_holds_and_breaks(
    native: tuple[str, str], workspace: Workspace, native_tests: dict[tuple[str, str], Future[str]]
) -> None:
    """The native tests beside each module: all inputs valid, then one broken per run."""
    output = native_tests[native].result()
    passed = re.search(r"Success! (\d+) passed, 0 failed\.", output)
    assert passed, output
    file, folder = native
    assert int(passed[1]) == len(re.findall(r"(?m)^run ", (workspace.root / folder / file).read_text()))


def test_every_native_test_is_run() -> None:
    ran = {(folder.removeprefix("inputs/"), file) for file, folder in NATIVE_TESTS}
    written = {
        (module, f"tests/{file.name}")
        for module in (".", *(f"modules/{each.name}" for each in (HERE.parents[1] / "modules").iterdir()))
        for file in (HERE.parents[1] / module / "tests").glob("*.tftest.hcl")
    }
    assert ran == written


def test_it_creates_this_and_nothing_else(plan: Plan) -> None:
    assert plan.types == {
        "aws_api_gateway_authorizer": 1,
        "aws_apigatewayv2_authorizer": 2,
        "aws_cloudwatch_dashboard": 1,
        "aws_cloudwatch_log_group": 3,
        "aws_cloudwatch_log_subscription_filter": 1,
        "aws_cloudwatch_metric_alarm": 9,
        "aws_iam_role": 2,
        "aws_iam_role_policy": 5,
        "aws_lambda_event_source_mapping": 1,
        "aws_lambda_function": 2,
        "aws_lambda_function_event_invoke_config": 1,
        "aws_lambda_permission": 4,
        "aws_sqs_queue": 2,
        "aws_sqs_queue_policy": 2,
        "terraform_data": 2,
    }


def test_what_is_created_is_configured_so(plan: Plan) -> None:
    plan.check(
        {
            f"{METERING}.module.function.aws_lambda_function.this": {
                "function_name": "revenium-metering",
                "handler": "metering.handler.handler",
                "runtime": "python3.12",
                "timeout": 60,
                "layers": None,
            },
            f"{METERING}.aws_cloudwatch_log_group.access": {
                "name": "/aws/vendedlogs/apigateway/revenium",
                "retention_in_days": 30,
            },
            f"{METERING}.module.function.aws_cloudwatch_log_group.this": {"name": "/aws/lambda/revenium-metering"},
            f"{METERING}.aws_cloudwatch_log_subscription_filter.this": {"filter_pattern": ""},
            f"{METERING}.aws_lambda_permission.access_logs": {
                "principal": "logs.amazonaws.com",
                "source_account": ACCOUNT,
                "source_arn": f"{GROUP}:*",
            },
            f"{METERING}.aws_sqs_queue.retry": {
                "message_retention_seconds": 14 * 86400,
                "sqs_managed_sse_enabled": True,
                "visibility_timeout_seconds": 360,
            },
            f"{METERING}.aws_sqs_queue.dead_letter": {
                "message_retention_seconds": 14 * 86400,
                "sqs_managed_sse_enabled": True,
            },
            f"{METERING}.aws_lambda_event_source_mapping.retry": {
                "batch_size": 10,
                "function_response_types": ["ReportBatchItemFailures"],
                "scaling_config": [{"maximum_concurrency": 2}],
            },
            f"{METERING}.aws_lambda_function_event_invoke_config.this": {"maximum_retry_attempts": 2},
            f"{AUTHORIZER}.module.function.aws_lambda_function.this": {
                "function_name": "revenium-authorizer",
                "handler": "authorizer.handler.handler",
                "timeout": 10,
            },
            f'{AUTHORIZER}.aws_api_gateway_authorizer.this["shop"]': {
                "type": "REQUEST",
                "identity_source": "method.request.header.clientId",
                "authorizer_result_ttl_in_seconds": 30,
            },
            f'{AUTHORIZER}.aws_apigatewayv2_authorizer.this["news"]': {
                "authorizer_type": "REQUEST",
                "authorizer_payload_format_version": "2.0",
                "authorizer_result_ttl_in_seconds": 30,
                "enable_simple_responses": False,
                "identity_sources": ["$request.header.clientId"],
            },
            f'{AUTHORIZER}.aws_apigatewayv2_authorizer.websocket["chat"]': {
                "api_id": "mnopqr9012",
                "authorizer_type": "REQUEST",
                "authorizer_payload_format_version": None,
                "authorizer_result_ttl_in_seconds": None,
                "enable_simple_responses": None,
                "identity_sources": ["route.request.header.clientId"],
            },
            f'{AUTHORIZER}.aws_lambda_permission.websocket["chat"]': {
                "action": "lambda:InvokeFunction",
                "function_name": "revenium-authorizer",
                "principal": "apigateway.amazonaws.com",
                "statement_id": "websocket-chat",
            },
        }
    )


def test_the_authorizer_gets_the_secrets_arn_and_denies_by_default(plan: Plan) -> None:
    """Metering's environment has the queues' URLs in it, which are known after apply: the end-to-end tests read it."""
    [environment] = plan.resources[f"{AUTHORIZER}.module.function.aws_lambda_function.this"]["environment"]
    assert environment["variables"] == {
        "REVENIUM_ALLOW_CACHE_SECONDS": "30",
        "REVENIUM_API_KEY_SECRET_ARN": SECRET,
        "REVENIUM_CLIENT_ID_SOURCE": "header:clientId",
        "REVENIUM_DENY_CACHE_SECONDS": "10",
        "REVENIUM_ENTITLEMENT_PARAMETER": "application",
        "REVENIUM_ENTITLEMENT_TIMEOUT_SECONDS": "3",
        "REVENIUM_MODE": "enforce",
        "REVENIUM_ON_ERROR": "deny",
        "REVENIUM_STALE_SECONDS": "300",
    }


KMS_STATEMENT = {
    "Sid": "DecryptReveniumApiKeyThroughSecretsManager",
    "Effect": "Allow",
    "Action": "kms:Decrypt",
    "Resource": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555",
    "Condition": {"StringEquals": {"kms:ViaService": "secretsmanager.us-east-1.amazonaws.com"}},
}


def allowed(action: str | list[str], resource: str | list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource}


def test_the_roles_may_do_exactly_this(plan: Plan) -> None:
    """The one wildcard stands for the streams of a function's own log group, whose names Lambda makes up."""
    granted = {
        address.removeprefix("module.revenium."): [
            {key: value for key, value in statement.items() if key != "Sid"} for statement in plan.statements(address)
        ]
        for address in plan.resources
        if ".aws_iam_role_policy." in address
    }
    key = [allowed("secretsmanager:GetSecretValue", SECRET), {k: v for k, v in KMS_STATEMENT.items() if k != "Sid"}]
    logs = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/lambda/revenium"
    assert granted == {
        'module.authorizer[0].module.function.aws_iam_role_policy.this["read-api-key"]': key,
        'module.authorizer[0].module.function.aws_iam_role_policy.this["write-logs"]': [
            allowed(["logs:PutLogEvents", "logs:CreateLogStream"], f"{logs}-authorizer:*")
        ],
        'module.metering[0].module.function.aws_iam_role_policy.this["read-api-key"]': key,
        'module.metering[0].module.function.aws_iam_role_policy.this["write-logs"]': [
            allowed(["logs:PutLogEvents", "logs:CreateLogStream"], f"{logs}-metering:*")
        ],
        'module.metering[0].module.function.aws_iam_role_policy.this["use-queues"]': [
            allowed("sqs:SendMessage", [f"{QUEUE}-retry", f"{QUEUE}-dead-letter"]),
            allowed(
                ["sqs:ReceiveMessage", "sqs:GetQueueAttributes", "sqs:DeleteMessage"],
                f"{QUEUE}-retry",
            ),
        ],
    }


def test_the_roles_trust_lambda_in_this_account_alone(plan: Plan) -> None:
    for module in (METERING, AUTHORIZER):
        policy = json.loads(plan.resources[f"{module}.module.function.aws_iam_role.this[0]"]["assume_role_policy"])
        [statement] = policy["Statement"]
        assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}
        assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}


VALUES = {
    "extendedRequestId": "JKJaXmPLvHcESHA=",
    "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
    "status": 200,
    "httpMethod": "GET",
    "resourcePath": "/products/{id}",
    "routeKey": "GET /products/{id}",
    "authorizer.clientId": "acme",
    "identity.sourceIp": "203.0.113.9",
    "responseLatency": 15,
    "integrationLatency": 12,
    "responseLength": 42,
    "requestTimeEpoch": 1_700_000_000_000,
    "eventType": "MESSAGE",
}


@pytest.mark.parametrize(("kind", "name"), [("REST", "rest"), ("HTTP", "http"), ("WEBSOCKET", "websocket")])
def test_a_stage_gets_a_format_that_the_gateway_takes_and_the_function_reads(kind: Any, name: str, plan: Plan) -> None:
    settings = plan.shown["planned_values"]["outputs"]["access_log_settings"]["value"][name]
    assert settings["destination_arn"] == GROUP
    assert format_problem(settings["format"]) is None
    line = fill(settings["format"], kind, VALUES | ({"routeKey": "sendMessage"} if kind == "WEBSOCKET" else {}))
    assert isinstance(json.loads(line), dict)
    record = access_log.parse(line)
    assert (record.status, record.client_id, record.source_ip) == (200, "acme", "203.0.113.9")
    assert record.extended_request_id == "JKJaXmPLvHcESHA="
    assert record.route == ("sendMessage" if kind == "WEBSOCKET" else "/products/{id}")
    if kind != "WEBSOCKET":
        assert (record.response_latency, record.response_length, record.method) == (15, 42, "GET")
    assert record.integration_latency == 12
    empty = json.loads(fill(settings["format"], kind, {}))
    assert set(empty.values()) == {"-"}


@pytest.fixture(scope="module")
def variants(workspace: Workspace) -> Plan:
    return planned(workspace, "tests/plan/terraform/authorizer_alone")


def test_the_authorizer_works_without_metering(variants: Plan) -> None:
    assert {change for change in variants.resources if change.startswith("module.alone.module.metering")} == set()
    variants.check(
        {
            "module.alone.module.authorizer[0].module.function.aws_lambda_function.this": {
                "function_name": "alone-authorizer"
            }
        }
    )


def test_a_key_of_the_authorizers_own_is_the_one_it_reads(variants: Plan) -> None:
    def key(module: str) -> str:
        [statement] = variants.statements(
            f'module.own_key.module.{module}[0].module.function.aws_iam_role_policy.this["read-api-key"]'
        )
        return str(statement["Resource"])

    assert (key("metering"), key("authorizer")) == (SECRET, SECRET.replace("revenium-AbCdEf", "entitlements-GhIjKl"))


def test_the_redeployment_hash_follows_what_a_deployment_has_to_take_up(variants: Plan) -> None:
    """The one instance differs from the other in its name and header."""
    first, second = variants.shown["planned_values"]["outputs"]["redeployment_hashes"]["value"]
    assert first != second


@pytest.fixture(scope="module")
def authorizers(workspace: Workspace) -> Plan:
    return planned(workspace, "tests/plan/terraform/authorizer_variants")


def inside(variant: str) -> str:
    return f'module.variant["{variant}"].module.authorizer[0]'


def environment(plan: Plan, variant: str) -> dict[str, str]:
    [found] = plan.resources[f"{inside(variant)}.module.function.aws_lambda_function.this"]["environment"]
    assert isinstance(found["variables"], dict)
    return found["variables"]


ENFORCED_CACHE_SECONDS = 30


@pytest.mark.parametrize(
    ("variant", "read_by_the_function", "rest", "http", "websocket"),
    [
        (
            "api-key",
            "api_key",
            "method.request.header.x-api-key",
            None,
            ["route.request.header.x-api-key"],
        ),
        (
            "certificate",
            "certificate",
            "context.identity.clientCert.subjectDN",
            ["$context.identity.clientCert.subjectDN"],
            None,
        ),
        (
            "claim",
            "jwt_claim:sub",
            "method.request.header.Authorization",
            ["$request.header.Authorization"],
            ["route.request.header.Authorization"],
        ),
        (
            "query",
            "query:client",
            "method.request.querystring.client",
            ["$request.querystring.client"],
            ["route.request.querystring.client"],
        ),
        (
            "extra",
            "header:X-Consumer",
            "method.request.header.X-Consumer,method.request.header.x-signature,method.request.querystring.expires",
            ["$request.header.X-Consumer", "$request.header.x-signature", "$request.querystring.expires"],
            [
                "route.request.header.X-Consumer",
                "route.request.header.x-signature",
                "route.request.querystring.expires",
            ],
        ),
    ],
)
def test_the_gateway_requires_what_the_function_reads(
    variant: str,
    read_by_the_function: str,
    rest: str,
    http: list[str] | None,
    websocket: list[str] | None,
    authorizers: Plan,
) -> None:
    module = inside(variant)
    assert environment(authorizers, variant)["REVENIUM_CLIENT_ID_SOURCE"] == read_by_the_function
    cached = {"authorizer_result_ttl_in_seconds": ENFORCED_CACHE_SECONDS}
    authorizers.check({f'{module}.aws_api_gateway_authorizer.this["shop"]': {"identity_source": rest, **cached}})
    for name, sources, further in (("this", http, cached), ("websocket", websocket, {})):
        address = f'{module}.aws_apigatewayv2_authorizer.{name}["shop"]'
        assert (address in authorizers.resources) == (sources is not None)
        if sources is not None:
            authorizers.check({address: {"identity_sources": sources, **further}})


def test_the_function_hears_of_extra_identity_sources_and_otherwise_of_none(authorizers: Plan) -> None:
    variables = environment(authorizers, "extra")
    assert variables["REVENIUM_EXTRA_IDENTITY_SOURCES"] == "header:x-signature,query:expires"
    assert "REVENIUM_EXTRA_IDENTITY_SOURCES" not in environment(authorizers, "query")


@pytest.mark.parametrize("mode", ["observe", "identify"])
def test_a_mode_that_lets_everyone_in_requires_nothing_and_has_nothing_repeated(mode: str, authorizers: Plan) -> None:
    """A REST authorizer cannot be without an identity source; the caller's address is always there."""
    assert environment(authorizers, mode)["REVENIUM_MODE"] == mode
    module = inside(mode)
    authorizers.check(
        {
            f'{module}.aws_api_gateway_authorizer.this["shop"]': {
                "authorizer_result_ttl_in_seconds": 0,
                "identity_source": "context.identity.sourceIp",
            },
            f'{module}.aws_apigatewayv2_authorizer.this["shop"]': {
                "authorizer_result_ttl_in_seconds": 0,
                "identity_sources": None,
            },
            f'{module}.aws_apigatewayv2_authorizer.websocket["shop"]': {"identity_sources": None},
        }
    )


def test_each_time_comes_from_its_own_input(authorizers: Plan) -> None:
    variables = environment(authorizers, "times")
    names = ("ALLOW_CACHE_SECONDS", "DENY_CACHE_SECONDS", "ENTITLEMENT_TIMEOUT_SECONDS", "STALE_SECONDS")
    assert [variables[f"REVENIUM_{name}"] for name in names] == ["1", "3", "4", "5"]
    for resource in ("aws_api_gateway_authorizer", "aws_apigatewayv2_authorizer"):
        address = f'{inside("times")}.{resource}.this["shop"]'
        authorizers.check({address: {"authorizer_result_ttl_in_seconds": 2}})


def denials(plan: Plan, variant: str) -> dict[str, dict[str, Any]]:
    prefix = f"{inside(variant)}.aws_api_gateway_gateway_response.denial"
    return {values["response_type"]: values for address, values in plan.resources.items() if address.startswith(prefix)}


def test_rest_apis_say_why_with_the_status_that_is_asked_for(authorizers: Plan) -> None:
    assert denials(authorizers, "query") == {}
    found = denials(authorizers, "responses")
    assert set(found) == {"ACCESS_DENIED", "UNAUTHORIZED"}
    assert {type_: response["status_code"] for type_, response in found.items()} == {
        "ACCESS_DENIED": "402",
        "UNAUTHORIZED": "401",
    }
    bodies = {
        type_: json.loads(response["response_templates"]["application/json"]) for type_, response in found.items()
    }
    assert {type_: body["reason"] for type_, body in bodies.items()} == {
        "ACCESS_DENIED": "$context.authorizer.reason",
        "UNAUTHORIZED": "no_client_id",
    }
    assert {response["rest_api_id"] for response in found.values()} == {"abcdef1234"}
    assert denials(authorizers, "responses-plain")["ACCESS_DENIED"]["status_code"] == "403"


@pytest.mark.parametrize(
    ("variant", "headers"),
    [
        (
            "responses",
            {
                "gatewayresponse.header.Access-Control-Allow-Origin": "'https://app.example'",
                "gatewayresponse.header.Access-Control-Allow-Credentials": "'true'",
            },
        ),
        ("responses-to-any", {"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"}),
        ("responses-plain", None),
    ],
)
def test_a_browser_may_read_a_denial_where_its_origin_is_named(
    variant: str, headers: dict[str, str] | None, authorizers: Plan
) -> None:
    for response in denials(authorizers, variant).values():
        assert (response["response_parameters"] or None) == headers


def test_a_hook_is_announced_and_its_secret_readable(authorizers: Plan) -> None:
    plain, with_secret = environment(authorizers, "hook"), environment(authorizers, "hook-and-secret")
    assert (plain["REVENIUM_AUTHENTICATE"], with_secret["REVENIUM_AUTHENTICATE"]) == ("true", "true")
    assert "REVENIUM_AUTHENTICATE_SECRET_ARN" not in plain
    secret = SECRET.replace("revenium-AbCdEf", "signing-AbCdEf")
    assert with_secret["REVENIUM_AUTHENTICATE_SECRET_ARN"] == secret
    policies = {
        variant: f'{inside(variant)}.module.function.aws_iam_role_policy.this["read-authenticate-secret"]'
        for variant in ("hook", "hook-and-secret")
    }
    assert policies["hook"] not in authorizers.resources
    assert authorizers.statements(policies["hook-and-secret"]) == [
        {"Sid": "ReadSecretOfTheHook", **allowed("secretsmanager:GetSecretValue", secret)},
        {
            **KMS_STATEMENT,
            "Sid": "DecryptSecretOfTheHookThroughSecretsManager",
            "Resource": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/0a1b2c3d",
        },
    ]
    assert not {"REVENIUM_AUTHENTICATE", "REVENIUM_AUTHENTICATE_SECRET_ARN"} & set(environment(authorizers, "query"))


def test_the_redeployment_hash_follows_every_part_of_what_a_deployment_takes_up(authorizers: Plan) -> None:
    hashes = authorizers.shown["planned_values"]["outputs"]["redeployment_hashes"]["value"]
    assert hashes["function"] == hashes["base"], "what the function alone does needs no deployment"
    different = [value for key, value in hashes.items() if key != "function"]
    assert len(set(different)) == len(different)


@pytest.mark.parametrize("example", ["rest-api", "http-api", "signed-clients"])
def test_an_example_plans_and_names_nothing_like_the_other(example: str, workspace: Workspace) -> None:
    directory = f"examples/{example}"
    workspace.init(directory)
    workspace.validate(directory)
    workspace.plan(directory, out="saved.tfplan", variables={"revenium_api_key": "hak_example"})
    plan = Plan(workspace.show_json(directory, "saved.tfplan"))
    names = [
        values["function_name"]
        for values in plan.resources.values()
        if "function_name" in values and "runtime" in values
    ]
    assert len(names) == 3
    assert all(name.startswith(f"revenium-{example.removesuffix('-api')}-") for name in names)


def test_the_key_is_in_no_plan(workspace: Workspace, sandbox: Sandbox) -> None:
    directory = "examples/http-api"
    workspace.init(directory)
    result = sandbox.terraform.run(
        ["plan", "-no-color", "-input=false", "-var=revenium_api_key=hak_seen-nowhere", "-out=key.tfplan"],
        workspace.root / directory,
    )
    assert "hak_seen-nowhere" not in result.output
    assert "hak_seen-nowhere" not in json.dumps(workspace.show_json(directory, "key.tfplan"))


def test_the_example_of_signing_clients_has_what_they_sign_with_in_no_plan(workspace: Workspace) -> None:
    directory = "examples/signed-clients"
    workspace.init(directory)
    workspace.plan(directory, out="secret.tfplan", variables={"revenium_api_key": "hak_example"})
    plan = Plan(workspace.show_json(directory, "secret.tfplan"))
    version = plan.resources["aws_secretsmanager_secret_version.signing"]
    assert {name for name, value in version.items() if value} == {"secret_string_wo_version"}
    authorizer = "module.revenium.module.authorizer[0]"
    plan.check(
        {
            f'{authorizer}.aws_apigatewayv2_authorizer.this["products"]': {
                "identity_sources": [
                    "$request.header.clientId",
                    "$request.header.x-signature",
                    "$request.header.x-timestamp",
                ]
            }
        }
    )
