import json

import pytest

from authorizer.settings import Settings as AuthorizerSettings
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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LOG_LEVEL", "warning"),
        ("REVENIUM_ENTITLEMENT_URL", "http://revenium.example"),
        ("REVENIUM_ENTITLEMENT_PARAMETER", "client"),
        ("REVENIUM_ENTITLEMENT_TIMEOUT_SECONDS", "9"),
        ("REVENIUM_ON_ERROR", "shrug"),
    ],
)
def test_a_malformed_authorizer_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        AuthorizerSettings.from_environ({name: value})


def test_the_mapping_is_read_once_and_its_lists_stay_as_they_are() -> None:
    written = {"sources": {"": "s"}, "statuses": ["2xx", "404"], "metadata": "stage={stage}", "websocket_events": []}
    environ = QUEUES | {"REVENIUM_METERING_API": "v1", "REVENIUM_MAPPING": json.dumps(written)}
    rules = MeteringSettings.from_environ(environ).rules
    assert rules == Rules({"": "s"}, metadata="stage={stage}", statuses=("2xx", "404"), websocket_events=())
    assert MeteringSettings.from_environ(QUEUES).rules == Rules()
