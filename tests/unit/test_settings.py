import pytest

from authorizer.settings import Settings as AuthorizerSettings
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
