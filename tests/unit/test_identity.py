"""Who is calling: every source in every event, and callers who lie."""

import json
import re
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from metering import access_log, mapping
from sandbox.access_log import Kind, fill
from unit.authorizing import EVENTS, Revenium, event, stage
from unit.iam import allows

SUBJECT = "CN=acme,O=Acme Inc.,C=US"
RENAMED = {"error.responseType": "errorType"}
FORMATS = Path(__file__).resolve().parents[2] / "modules/metering/access_log_format.tf"


def jwt(claims: object) -> str:
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    return ".".join(urlsafe_b64encode(part).decode().rstrip("=") for part in (b'{"alg":"RS256"}', payload, b"sig"))


def with_header(name: str, header: str, *values: str) -> dict[str, Any]:
    """The event with a header, as each kind of event carries it; a TOKEN event has it as its token."""
    changed = event(name)
    if name == "rest_token":
        return changed | {"authorizationToken": values[-1]}
    changed["headers"][header] = values[-1] if "multiValueHeaders" in changed else ",".join(values)
    if "multiValueHeaders" in changed:
        changed["multiValueHeaders"][header] = list(values)
    return changed


def with_query(name: str, parameter: str, *values: str) -> dict[str, Any]:
    changed = event(name)
    changed["queryStringParameters"] = {parameter: values[-1]}
    if name in ("rest_request", "websocket_connect"):
        changed["multiValueQueryStringParameters"] = {parameter: list(values)}
    return changed


def found(revenium: Revenium, asked: dict[str, Any], source: str) -> str:
    """The client id that the answer names, else its reason in brackets."""
    context = revenium.answer(asked, REVENIUM_CLIENT_ID_SOURCE=source)["context"]
    return str(context["clientId"] or f"({context['reason']})")


@pytest.mark.parametrize("name", EVENTS)
@pytest.mark.parametrize("header", ["x-consumer", "X-Consumer", "X-CONSUMER"])
@pytest.mark.parametrize("setting", ["header:x-consumer", "header:X-Consumer"])
def test_a_header_is_found_in_any_spelling(name: str, header: str, setting: str, revenium: Revenium) -> None:
    assert found(revenium, with_header(name, header, "sub-1"), setting) == "sub-1"


@pytest.mark.parametrize("name", [name for name in EVENTS if name != "rest_token"])
def test_a_query_parameter_is_found_in_its_own_spelling(name: str, revenium: Revenium) -> None:
    assert found(revenium, with_query(name, "key", "sub-1"), "query:key") == "sub-1"
    assert found(revenium, with_query(name, "Key", "sub-1"), "query:key") == "(no_client_id)"
    assert found(revenium, with_header(name, "key", "sub-1"), "query:key") == "(no_client_id)"
    assert found(revenium, with_query(name, "key", "sub-1"), "header:key") == "(no_client_id)"


def test_a_token_event_has_no_query(revenium: Revenium) -> None:
    assert found(revenium, event("rest_token"), "query:key") == "(no_client_id)"


@pytest.mark.parametrize(
    ("name", "client_id"),
    [
        ("rest_request", "k1d2e3y4"),
        ("websocket_connect", "k1d2e3y4"),
        ("rest_token", "(no_client_id)"),
        ("http_1_0", "(no_client_id)"),
        ("http_2_0", "(no_client_id)"),
    ],
)
def test_the_gateways_key_is_known_by_its_id_and_never_by_itself(name: str, client_id: str, revenium: Revenium) -> None:
    assert found(revenium, event(name), "api_key") == client_id


@pytest.mark.parametrize(
    ("name", "client_id"),
    [
        ("rest_request", SUBJECT),
        ("http_1_0", SUBJECT),
        ("http_2_0", SUBJECT),
        ("rest_token", "(no_client_id)"),
        ("websocket_connect", "(no_client_id)"),
    ],
)
def test_a_certificate_is_known_by_its_subject(name: str, client_id: str, revenium: Revenium) -> None:
    assert found(revenium, event(name), "certificate") == client_id


@pytest.mark.parametrize("name", EVENTS)
@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER  {} ", "{}"])
def test_a_claim_is_read_from_the_token_with_and_without_its_scheme(name: str, form: str, revenium: Revenium) -> None:
    asked = with_header(name, "Authorization", form.format(jwt({"sub": "acme-7", "aud": "x"})))
    assert found(revenium, asked, "jwt_claim:sub") == "acme-7"


def test_a_claim_may_have_the_name_of_a_url(revenium: Revenium) -> None:
    asked = with_header("http_2_0", "authorization", f"Bearer {jwt({'https://acme.example/id': 'acme-7'})}")
    assert found(revenium, asked, "jwt_claim:https://acme.example/id") == "acme-7"


EXTRA = {"REVENIUM_EXTRA_IDENTITY_SOURCES": "header:X-Signature"}


@pytest.mark.parametrize("given", ["sig-1", "", None])
@pytest.mark.parametrize("name", [name for name in EVENTS if name != "rest_token"])
def test_a_call_that_lacks_an_extra_header_is_denied(name: str, given: str | None, revenium: Revenium) -> None:
    asked = event(name) if given is None else with_header(name, "x-signature", given)
    answer = revenium.answer(asked, **EXTRA)
    if given:
        assert answer["context"] == {"clientId": "acme", "decision": "allow", "reason": "entitled"}
    else:
        assert answer["context"] == {"clientId": "", "decision": "deny", "reason": "missing_identity_source"}
        assert not allows(answer["policyDocument"], f"{stage(name)}/GET/products")
        assert not revenium.asked


@pytest.mark.parametrize("name", [name for name in EVENTS if name != "rest_token"])
def test_a_call_that_lacks_an_extra_parameter_is_denied(name: str, revenium: Revenium) -> None:
    sources = {"REVENIUM_EXTRA_IDENTITY_SOURCES": "header:clientId,query:key"}
    given = revenium.answer(with_query(name, "key", "k"), **sources)
    assert given["context"]["reason"] == "entitled"
    for asked in (event(name), with_query(name, "Key", "k"), with_query(name, "key", "")):
        answer = revenium.answer(asked, **sources)
        assert answer["context"] == {"clientId": "", "decision": "deny", "reason": "missing_identity_source"}


def test_a_token_stands_for_every_extra_header_and_for_no_parameter(revenium: Revenium) -> None:
    assert revenium.answer(event("rest_token"), **EXTRA)["context"]["reason"] == "entitled"
    sources = {"REVENIUM_EXTRA_IDENTITY_SOURCES": "query:key"}
    assert revenium.answer(event("rest_token"), **sources)["context"]["reason"] == "missing_identity_source"


@pytest.mark.parametrize("name", ["rest_request", "websocket_connect"])
def test_an_extra_source_that_says_two_things_is_denied(name: str, revenium: Revenium) -> None:
    answer = revenium.answer(with_header(name, "X-Signature", "one", "two"), **EXTRA)
    assert answer["context"] == {"clientId": "", "decision": "deny", "reason": "invalid_client_id"}


@pytest.mark.parametrize(("mode", "reason"), [("observe", "entitled"), ("identify", "not_checked")])
def test_where_everybody_is_let_in_an_extra_source_may_be_missing(mode: str, reason: str, revenium: Revenium) -> None:
    answer = revenium.answer(event("rest_request"), REVENIUM_MODE=mode, **EXTRA)
    assert answer["context"] == {"clientId": "acme", "decision": "allow", "reason": reason}


HEAD, BODY, SIGNATURE = jwt({"sub": "acme"}).split(".")


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("", "no_client_id"),
        ("Bearer", "invalid_client_id"),
        (f"Basic {HEAD}.{BODY}.{SIGNATURE}", "invalid_client_id"),
        ("Bearer ", "invalid_client_id"),
        ("Bearer acme", "invalid_client_id"),
        (f"Bearer {HEAD}.{BODY}", "invalid_client_id"),
        (f"Bearer {HEAD}.{BODY}.{SIGNATURE}.x", "invalid_client_id"),
        (f"Bearer {HEAD}..{SIGNATURE}", "invalid_client_id"),
        (f"Bearer {HEAD}.e.{SIGNATURE}", "invalid_client_id"),
        (f"Bearer {HEAD}.é.{SIGNATURE}", "invalid_client_id"),
        ("..", "invalid_client_id"),
        (jwt(b"not json"), "invalid_client_id"),
        (jwt(b"\xff\xfe\xff"), "invalid_client_id"),
        (jwt(b"[" * 10_000), "invalid_client_id"),
        (jwt(b'{"sub":' * 10_000), "invalid_client_id"),
        (jwt(b"1" * 10_000), "invalid_client_id"),
        (jwt(["sub"]), "invalid_client_id"),
        (jwt("sub"), "invalid_client_id"),
        (jwt(None), "invalid_client_id"),
        (jwt({}), "no_client_id"),
        (jwt({"Sub": "acme"}), "no_client_id"),
        (jwt({"sub": None}), "no_client_id"),
        (jwt({"sub": ""}), "no_client_id"),
        (jwt({"sub": 7}), "invalid_client_id"),
        (jwt({"sub": 0}), "invalid_client_id"),
        (jwt({"sub": True}), "invalid_client_id"),
        (jwt({"sub": False}), "invalid_client_id"),
        (jwt({"sub": ["acme"]}), "invalid_client_id"),
        (jwt({"sub": []}), "invalid_client_id"),
        (jwt({"sub": {"sub": "acme"}}), "invalid_client_id"),
        (jwt({"sub": "-"}), "invalid_client_id"),
        (jwt({"sub": "acme\n"}), "invalid_client_id"),
        (jwt({"sub": "äcme"}), "invalid_client_id"),
        (jwt({"sub": "x" * 257}), "invalid_client_id"),
    ],
)
@pytest.mark.parametrize("name", ["rest_token", "http_2_0"])
def test_a_token_without_a_usable_claim_names_nobody(name: str, token: str, reason: str, revenium: Revenium) -> None:
    assert found(revenium, with_header(name, "authorization", token), "jwt_claim:sub") == f"({reason})"
    assert not revenium.transport.sent


def test_without_a_token_there_is_no_claim(revenium: Revenium) -> None:
    assert found(revenium, event("http_2_0"), "jwt_claim:sub") == "(no_client_id)"


@pytest.mark.parametrize("name", ["rest_request", "websocket_connect", "http_2_0"])
def test_two_tokens_are_no_token(name: str, revenium: Revenium) -> None:
    tokens = [f"Bearer {jwt({'sub': each})}" for each in ("acme", "victim")]
    assert found(revenium, with_header(name, "Authorization", *tokens), "jwt_claim:sub") == "(invalid_client_id)"


REPEATED: list[tuple[dict[str, Any], str]] = [
    ({"headers": {"clientid": "acme", "CLIENTID": "victim"}}, "(invalid_client_id)"),
    ({"headers": {"clientid": "acme", "CLIENTID": "acme"}}, "acme"),
    ({"headers": {"clientid": "acme", "CLIENTID": "Acme"}}, "(invalid_client_id)"),
    ({"headers": {"clientid": "", "CLIENTID": "acme"}}, "acme"),
    ({"headers": {"clientid": "acme"}, "multiValueHeaders": {"ClientId": ["victim"]}}, "(invalid_client_id)"),
    ({"headers": {"clientid": "acme"}, "multiValueHeaders": {"ClientId": ["acme", "victim"]}}, "(invalid_client_id)"),
    ({"headers": {}, "multiValueHeaders": {"ClientId": ["acme"], "clientid": ["victim"]}}, "(invalid_client_id)"),
    ({"headers": {}, "multiValueHeaders": {"ClientId": ["acme", "acme"]}}, "acme"),
    ({"headers": {"clientid": "acme,victim"}}, "acme,victim"),
]


@pytest.mark.parametrize(("changes", "client_id"), REPEATED)
def test_a_repeated_header_counts_only_where_it_says_one_thing(
    changes: dict[str, Any], client_id: str, revenium: Revenium
) -> None:
    assert found(revenium, event("http_2_0") | changes, "header:clientId") == client_id


def test_a_repeated_parameter_is_no_id(revenium: Revenium) -> None:
    assert found(revenium, with_query("rest_request", "key", "acme", "victim"), "query:key") == "(invalid_client_id)"
    assert found(revenium, with_query("rest_request", "key", "acme", "acme"), "query:key") == "acme"


NOWHERE: list[Any] = [
    None,
    [],
    "acme",
    7,
    True,
    {},
    {"clientid": None},
    {"clientid": ["acme"]},
    {"clientid": {"clientid": "acme"}},
    {"clientid": 7},
    {"clientid": ""},
    {"client-id": "acme"},
    {"clientid ": "acme"},
]


@pytest.mark.parametrize("holder", ["headers", "queryStringParameters", "requestContext"])
@pytest.mark.parametrize("value", NOWHERE)
def test_what_is_no_header_names_nobody(holder: str, value: Any, revenium: Revenium) -> None:
    asked = event("http_2_0") | {"headers": {}, "requestContext": {}, holder: value}
    for source in ("header:clientId", "query:clientid", "api_key", "certificate", "jwt_claim:sub"):
        assert found(revenium, asked, source) == "(no_client_id)"


@pytest.mark.parametrize("value", [None, [], "acme", 7, {}, {"clientid": "acme"}, {"clientid": [None, 7, {}, ""]}])
def test_what_is_no_list_of_values_names_nobody(value: Any, revenium: Revenium) -> None:
    asked = event("rest_request") | {"headers": {}, "multiValueHeaders": value}
    assert found(revenium, asked, "header:clientId") == "(no_client_id)"


@pytest.mark.parametrize("broken", [None, [], "x", 7])
@pytest.mark.parametrize("path", [("identity",), ("identity", "clientCert"), ("authentication",)])
def test_a_context_without_its_objects_names_nobody(path: tuple[str, ...], broken: Any, revenium: Revenium) -> None:
    asked = event("rest_request")
    holder = asked["requestContext"]
    for each in path[:-1]:
        holder = holder[each]
    holder[path[-1]] = broken
    assert found(revenium, asked, "certificate") == (SUBJECT if path == ("authentication",) else "(no_client_id)")


def test_only_a_token_event_has_a_token(revenium: Revenium) -> None:
    asked = event("http_1_0") | {"headers": {}, "authorizationToken": "acme"}
    assert found(revenium, asked, "header:clientId") == "(no_client_id)"
    assert found(revenium, event("rest_token") | {"authorizationToken": ["acme"]}, "header:x") == "(no_client_id)"
    assert found(revenium, event("rest_token") | {"headers": {"x": "victim"}}, "header:x") == "acme"


IMPOSSIBLE = [
    'acme","status":"500',
    'acme"',
    "acme\\",
    "acme\\u0022",
    "acme\n",
    "\nacme",
    'acme\r\n{"status":"200"}',
    "acme\t",
    "acme\x00",
    "acme\x7f",
    "acme\x85",
    "acme\u2028",
    "acme\ud800",
    "äcme",
    "аcme",  # noqa: RUF001 - a Cyrillic letter
    "ａcme",  # noqa: RUF001 - a wide letter
    " acme",
    "acme ",
    " ",
    "-",
    "x" * 257,
    "x" * 10_000,
]
POSSIBLE = [
    "*",
    "?",
    "**/*",
    "a/b",
    "../prod2/*",
    "arn:aws:execute-api:us-east-1:123456789012:abcdef1234/*",
    "${aws:username}",
    "$context.status",
    "a&application=acme",
    "a&productKey=acme",
    "acme#",
    "acme?application=acme",
    "a%26application%3Dacme",
    "%00",
    "%0a%22",
    "a+b",
    "a b",
    "a;b",
    "a,b",
    "{'status': '200'}",
    "--",
    "- -",
    "null",
    "x",
    "x" * 256,
]


@pytest.mark.parametrize("name", EVENTS)
@pytest.mark.parametrize("client_id", IMPOSSIBLE)
def test_an_id_that_cannot_be_one_never_leaves_the_function(
    name: str, client_id: str, revenium: Revenium, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = revenium.answer(event(name, client_id), REVENIUM_ON_ERROR="allow")
    assert answer["context"] == {"clientId": "", "decision": "deny", "reason": "invalid_client_id"}
    assert answer["principalId"] == "-"
    assert not allows(answer["policyDocument"], f"{stage(name)}/GET/products")
    assert not revenium.transport.sent
    [line] = capsys.readouterr().out.splitlines()
    assert "acme" not in line


@pytest.mark.parametrize("name", EVENTS)
@pytest.mark.parametrize("parameter", ["application", "productKey"])
@pytest.mark.parametrize("client_id", POSSIBLE)
def test_an_odd_id_reaches_neither_the_policy_nor_another_parameter(
    name: str, parameter: str, client_id: str, revenium: Revenium
) -> None:
    answer = revenium.answer(event(name, client_id), REVENIUM_ENTITLEMENT_PARAMETER=parameter)
    assert answer["context"] == {"clientId": client_id, "decision": "deny", "reason": "not_entitled"}
    assert answer["policyDocument"]["Statement"][0]["Resource"] == f"{stage(name)}/*"
    [(url, _, _)] = revenium.transport.sent
    parts = urlsplit(url)
    assert (parts.netloc, parts.path, parts.fragment) == ("api.revenium.io", "/meter/v1/api/meter/product-key", "")
    assert parse_qs(parts.query, keep_blank_values=True) == {parameter: [client_id]}


def formats() -> dict[Kind, str]:
    """The formats that the metering module gives the stages, read from where it lists their variables."""
    text = FORMATS.read_text()
    kinds: dict[Kind, str] = {"REST": "rest", "HTTP": "http", "WEBSOCKET": "websocket"}
    made: dict[Kind, str] = {}
    for kind, name in kinds.items():
        listed = re.search(rf"^    {name} = \[(.*?)^    \]", text, re.DOTALL | re.MULTILINE)
        assert listed
        variables = re.findall(r'"([\w.]+)"', listed[1])
        pairs = [f'"{RENAMED.get(each, each.rpartition(".")[2])}":"$context.{each}"' for each in variables]
        made[kind] = "{" + ",".join(pairs) + "}"
    return made


@pytest.mark.parametrize("kind", ["REST", "HTTP", "WEBSOCKET"])
@pytest.mark.parametrize("mode", ["enforce", "observe"])
@pytest.mark.parametrize("client_id", ["acme", *POSSIBLE, *IMPOSSIBLE])
def test_no_id_forges_a_field_of_the_access_log(client_id: str, mode: str, kind: Kind, revenium: Revenium) -> None:
    answer = revenium.answer(event("http_2_0", client_id), REVENIUM_MODE=mode)
    context = {f"authorizer.{name}": value for name, value in answer["context"].items()}
    values: dict[str, object] = {
        "extendedRequestId": "JKJaXmPLvHcESHA=",
        "httpMethod": "GET",
        "routeKey": "GET /products",
        "status": "201",
        "identity.sourceIp": "203.0.113.9",
        "identity.userAgent": "curl/8",
        "path": "/prod/products",
        "authorizer.principalId": answer["principalId"],
    }
    line = fill(formats()[kind], kind, values | context)
    record = access_log.parse(line)
    expected = None if client_id in IMPOSSIBLE else client_id
    assert (record.status, record.client_id, record.source_ip) == (201, expected, "203.0.113.9")
    assert record.principal_id == (None if kind == "HTTP" else expected)
    usage = mapping.to_usage(record, "event-1", "v2")
    assert json.loads(usage.calls[0].body).get("credential") == expected
    if kind != "WEBSOCKET":
        [metered] = mapping.to_usage(record, "event-1", "v1").calls
        assert json.loads(metered.body).get("application") == expected
