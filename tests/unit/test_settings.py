import json
import os
from pathlib import Path

import pytest

import revenium.settings
from authorizer.settings import Settings as AuthorizerSettings
from authorizer.settings import Source
from bench import certificates
from metering.rules import Rules
from metering.settings import Settings as MeteringSettings
from revenium.settings import SettingsError

QUEUES = {"RETRY_QUEUE_URL": "https://sqs.example/r", "DEAD_LETTER_QUEUE_URL": "https://sqs.example/d"}


def test_defaults() -> None:
    metering = MeteringSettings.from_environ(QUEUES)
    assert (metering.api, metering.url) == ("v2", "https://api.revenium.ai/meter")
    assert MeteringSettings.from_environ(QUEUES | {"REVENIUM_METERING_API": "v1"}).url == (
        "https://api.revenium.io/meter/v1/api"
    )
    authorizer = AuthorizerSettings.from_environ({})
    assert authorizer.url == "https://api.revenium.io/meter/v1/api/meter/product-key"
    assert (authorizer.parameter, authorizer.on_error, authorizer.timeout) == ("application", "deny", 3)


def test_an_empty_variable_is_an_unset_one_and_a_trailing_slash_does_not_matter() -> None:
    environ = QUEUES | {"REVENIUM_METERING_API": "", "REVENIUM_METERING_URL": "https://eu.example/meter/"}
    settings = MeteringSettings.from_environ(environ)
    assert (settings.api, settings.url) == ("v2", "https://eu.example/meter")


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/meter", "http://localhost/meter", "https://a.example"])
def test_plain_http_is_for_the_loopback_address(url: str) -> None:
    assert MeteringSettings.from_environ(QUEUES | {"REVENIUM_METERING_URL": url}).url == url


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LOG_LEVEL", "LOUD"),
        ("REVENIUM_METERING_API", "v3"),
        ("REVENIUM_METERING_URL", "http://revenium.example/meter"),
        ("REVENIUM_METERING_URL", "http://127.0.0.1.evil.example/meter"),
        ("REVENIUM_METERING_URL", "revenium.example"),
        ("REVENIUM_METERING_URL", "https://a.example/x?y=1"),
        ("REVENIUM_METERING_URL", "https://[::1"),
        ("REVENIUM_METERING_URL", "https://a.example:99999"),
        ("REVENIUM_METERING_URL", "https://a.example:abc"),
        ("REVENIUM_METERING_URL", "https://:443"),
        ("RETRY_QUEUE_URL", ""),
        ("DEAD_LETTER_QUEUE_URL", ""),
        ("REVENIUM_CONNECTIONS", "0"),
        ("REVENIUM_CONNECTIONS", "many"),
        ("REVENIUM_TIMEOUT_SECONDS", "61"),
        ("REVENIUM_RETRY_FOR_SECONDS", "-1"),
        ("REVENIUM_MAPPING", "no json"),
        ("REVENIUM_MAPPING", "[]"),
        ("REVENIUM_MAPPING", "[" * 100_000),
        ("REVENIUM_MAPPING", '{"surprise": 1}'),
        ("REVENIUM_MAPPING", '{"sources": {"": ""}}'),
        ("REVENIUM_MAPPING", '{"sources": []}'),
        ("REVENIUM_MAPPING", '{"elements": {"out": 3}}'),
        ("REVENIUM_MAPPING", json.dumps({"elements": {f"e{number}": "status" for number in range(21)}})),
        ("REVENIUM_MAPPING", '{"statuses": ["2xx", "6xx"]}'),
        ("REVENIUM_MAPPING", '{"statuses": "2xx"}'),
        ("REVENIUM_MAPPING", '{"routes": [""]}'),
        ("REVENIUM_MAPPING", '{"excluded_routes": [3]}'),
        ("REVENIUM_MAPPING", '{"include_gateway_rejections": "yes"}'),
        ("REVENIUM_MAPPING", '{"websocket_events": ["PING"]}'),
        ("REVENIUM_MAPPING", '{"subscription": 3}'),
        ("REVENIUM_MAPPING", '{"metadata": null}'),
        ("REVENIUM_MAPPING", '{"subscription": "s1"}'),
        ("REVENIUM_MAPPING", '{"metadata": "stage=live"}'),
    ],
)
def test_a_malformed_metering_setting_is_named_and_its_value_is_not(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as error:
        MeteringSettings.from_environ(QUEUES | {name: value})
    assert name in str(error.value)
    assert len(value) < 3 or value not in str(error.value)


BAD_AUTHORIZER = {
    "LOG_LEVEL": ["warning", "loudly"],
    "REVENIUM_ENTITLEMENT_URL": [
        "http://revenium.example",
        "https://a.example/x?key=secret",
        "https://a.example/x#secret",
        "https://secret:x@a.example:99999",
        "a.example/secret",
        "ftp://a.example",
    ],
    "REVENIUM_ENTITLEMENT_PARAMETER": ["client", "Application", "application&x"],
    "REVENIUM_ENTITLEMENT_TIMEOUT_SECONDS": ["0", "9", "-1", "2.5", "3s", "١٢", "1" * 5000],
    "REVENIUM_ON_ERROR": ["shrug", "ALLOW", "true"],
    "REVENIUM_MODE": ["enforcing", "Observe", "off"],
    "REVENIUM_CLIENT_ID_SOURCE": [
        "clientId",
        "header",
        "header:",
        "header: ",
        "header:a b",
        "header:a,header:b",
        "header:ä",
        "header:" + "x" * 129,
        "Header:secret",
        "cookie:secret",
        "api_key:",
        "api_key:secret",
        "certificate:CN",
        "jwt_claim",
        "jwt_claim:",
        "query:",
        ":secret",
    ],
    "REVENIUM_EXTRA_IDENTITY_SOURCES": [
        "api_key",
        "certificate",
        "jwt_claim:secret",
        "header:a,",
        ",header:a",
        "header:a,,header:b",
        "header:a;query:b!,x",
        "x-secret",
    ],
    "REVENIUM_ALLOW_CACHE_SECONDS": ["-1", "3601", "1h", "0.5"],
    "REVENIUM_DENY_CACHE_SECONDS": ["-1", "3601", "1h", "0.5"],
    "REVENIUM_STALE_SECONDS": ["-1", "86401", "1d"],
    "REVENIUM_AUTHENTICATE": ["yes", "1", "True"],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, each) for name, values in BAD_AUTHORIZER.items() for each in values]
)
def test_a_malformed_authorizer_setting_is_named_and_its_value_is_not(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as error:
        AuthorizerSettings.from_environ({name: value})
    message = str(error.value)
    assert message.startswith(f"{name} must be ")
    assert "secret" not in message
    assert value not in message.removeprefix(name).split() or value in ("api_key", "certificate")


@pytest.mark.parametrize(
    ("name", "field", "low", "high"),
    [
        ("REVENIUM_ENTITLEMENT_TIMEOUT_SECONDS", "timeout", 1, 8),
        ("REVENIUM_ALLOW_CACHE_SECONDS", "allow_cache", 0, 3600),
        ("REVENIUM_DENY_CACHE_SECONDS", "deny_cache", 0, 3600),
        ("REVENIUM_STALE_SECONDS", "stale", 0, 86400),
    ],
)
def test_the_bounds_themselves_are_taken(name: str, field: str, low: int, high: int) -> None:
    for value in (low, high):
        assert getattr(AuthorizerSettings.from_environ({name: str(value)}), field) == value


def test_an_authorizer_without_settings_enforces_and_denies() -> None:
    for environ in ({}, dict.fromkeys(BAD_AUTHORIZER, "")):
        assert AuthorizerSettings.from_environ(environ) == AuthorizerSettings(
            url="https://api.revenium.io/meter/v1/api/meter/product-key",
            parameter="application",
            timeout=3,
            on_error="deny",
            mode="enforce",
            client_id_source=Source("header", "clientid"),
            extra_sources=(),
            allow_cache=30,
            deny_cache=10,
            stale=300,
            authenticate=False,
            authenticate_secret_arn="",
            ca_file="",
        )


def test_what_an_authorizers_settings_mean() -> None:
    settings = AuthorizerSettings.from_environ(
        {
            "REVENIUM_ENTITLEMENT_URL": "https://a.example/check/",
            "REVENIUM_ENTITLEMENT_PARAMETER": "productKey",
            "REVENIUM_ON_ERROR": "allow",
            "REVENIUM_MODE": "observe",
            "REVENIUM_EXTRA_IDENTITY_SOURCES": "header:X-Api-Key,query:Key",
            "REVENIUM_AUTHENTICATE": "true",
            "REVENIUM_AUTHENTICATE_SECRET_ARN": " arn ",
        }
    )
    assert (settings.url, settings.parameter) == ("https://a.example/check", "productKey")
    assert (settings.on_error, settings.mode) == ("allow", "observe")
    assert settings.extra_sources == (Source("header", "x-api-key"), Source("query", "Key"))
    assert (settings.authenticate, settings.authenticate_secret_arn) == (True, "arn")


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("header:X-Consumer", Source("header", "x-consumer")),
        ("header:" + "X" * 128, Source("header", "x" * 128)),
        ("query:Key", Source("query", "Key")),
        ("jwt_claim:https://a.example/Id", Source("jwt_claim", "https://a.example/Id")),
        ("api_key", Source("api_key", "")),
        ("certificate", Source("certificate", "")),
    ],
)
def test_a_source_is_a_kind_and_a_name(text: str, source: Source) -> None:
    assert AuthorizerSettings.from_environ({"REVENIUM_CLIENT_ID_SOURCE": text}).client_id_source == source


def test_the_mapping_is_read_once_and_its_lists_stay_as_they_are() -> None:
    written = {"sources": {"": "s"}, "statuses": ["2xx", "404"], "metadata": "stage={stage}", "websocket_events": []}
    environ = QUEUES | {"REVENIUM_METERING_API": "v1", "REVENIUM_MAPPING": json.dumps(written)}
    rules = MeteringSettings.from_environ(environ).rules
    assert rules == Rules({"": "s"}, metadata="stage={stage}", statuses=("2xx", "404"), websocket_events=())
    assert MeteringSettings.from_environ(QUEUES).rules == Rules()


def test_a_private_authority_is_read_from_beside_the_code_or_from_anywhere(tmp_path: Path) -> None:
    _, anywhere = certificates.write(tmp_path)
    beside = Path(revenium.settings.__file__).parents[1]
    for given in (str(anywhere), os.path.relpath(anywhere, beside)):
        found = MeteringSettings.from_environ(QUEUES | {"REVENIUM_CA_FILE": given}).ca_file
        assert Path(found).resolve() == anywhere.resolve()
        assert AuthorizerSettings.from_environ({"REVENIUM_CA_FILE": given}).ca_file == found


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_file_without_certificates_is_refused_at_the_start(content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    for read in (AuthorizerSettings.from_environ, MeteringSettings.from_environ):
        with pytest.raises(SettingsError, match="REVENIUM_CA_FILE must name a file") as error:
            read(QUEUES | {"REVENIUM_CA_FILE": str(path)})
        assert str(path) not in str(error.value)
