import json
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from revenium.api_key import ApiKey
from revenium.http11 import Answer
from revenium.secret import MAX_AGE, Secret, SecretUnavailable
from revenium.settings import SettingsError
from revenium.transport import NotSent
from unit.fakes import FakeTransport

ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:revenium-AbCdEf"


class SecretsManager:
    """GetSecretValue with a value that tests may change, or a failure."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.failure: Answer | Exception | None = None
        self.transport = FakeTransport(self._respond)

    def _respond(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if isinstance(self.failure, Exception):
            raise self.failure
        return self.failure or Answer(200, {}, json.dumps({"SecretString": self.secret}))

    def key(self) -> ApiKey:
        return ApiKey({"REVENIUM_API_KEY_SECRET_ARN": ARN}, self.transport)  # type: ignore[arg-type]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1_000_000.0]
    monkeypatch.setattr("time.time", lambda: now[0])
    return now


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-access-key")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "session-token")


@pytest.mark.parametrize("secret", ["hak_1", " hak_1\n", '{"api_key": "hak_1", "note": "x"}'])
def test_the_secret_is_the_bare_key_or_json(secret: str) -> None:
    assert SecretsManager(secret).key().value() == "hak_1"


@pytest.mark.parametrize(
    "secret", ["", "  ", "{}", '{"api_key": 3}', '{"api_key": ""}', "{broken", "a b", "a\nb", "ключ"]
)
def test_a_secret_without_a_key_says_what_to_store_and_not_what_it_holds(secret: str) -> None:
    with pytest.raises(SecretUnavailable, match="bare key") as error:
        SecretsManager(secret).key().value()
    assert not secret.strip("{} \n") or secret not in str(error.value)


def test_the_request_is_signed_for_the_secrets_region_and_partition() -> None:
    manager = SecretsManager("hak_1")
    manager.key().value()
    [(url, headers, body)] = manager.transport.sent
    assert url == "https://secretsmanager.eu-central-1.amazonaws.com/"
    assert manager.transport.methods == ["POST"]
    assert headers["X-Amz-Target"] == "secretsmanager.GetSecretValue"
    assert "/eu-central-1/secretsmanager/aws4_request" in headers["Authorization"]
    assert headers["X-Amz-Security-Token"] == "session-token"
    assert json.loads(body) == {"SecretId": ARN}


@pytest.mark.parametrize("token", ["session-token", ""])
def test_the_signature_is_botocores(token: str, clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    monkeypatch.setenv("AWS_SESSION_TOKEN", token)
    manager = SecretsManager("hak_1")
    manager.key().value()
    [(url, headers, body)] = manager.transport.sent
    given = headers.pop("Authorization")
    request = AWSRequest("POST", url, {name: headers[name] for name in ("Content-Type", "X-Amz-Target")}, body)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: datetime.fromtimestamp(clock[0], UTC))
    credentials = Credentials("AKIDEXAMPLE", "secret-access-key", token or None)
    SigV4Auth(credentials, "secretsmanager", "eu-central-1").add_auth(request)
    assert given == request.headers["Authorization"]
    assert headers["X-Amz-Date"] == request.headers["X-Amz-Date"]


@pytest.mark.parametrize(
    ("partition", "region", "domain"),
    [
        ("aws-cn", "cn-north-1", "amazonaws.com.cn"),
        ("aws-eusc", "eusc-de-east-1", "amazonaws.eu"),
        ("aws-us-gov", "us-gov-west-1", "amazonaws.com"),
    ],
)
def test_some_partitions_have_a_domain_of_their_own(partition: str, region: str, domain: str) -> None:
    manager = SecretsManager("hak_1")
    arn = ARN.replace("arn:aws:", f"arn:{partition}:").replace("eu-central-1", region)
    ApiKey({"REVENIUM_API_KEY_SECRET_ARN": arn}, manager.transport).value()  # type: ignore[arg-type]
    assert manager.transport.sent[0][0] == f"https://secretsmanager.{region}.{domain}/"


def test_the_key_is_kept_for_a_bounded_time(clock: list[float]) -> None:
    manager = SecretsManager("old")
    key = manager.key()
    assert key.value() == "old"
    manager.secret = "new"
    clock[0] += MAX_AGE - 1
    assert key.value() == "old"
    clock[0] += 2
    assert key.value() == "new"
    assert len(manager.transport.sent) == 2


def test_a_refused_key_is_read_again(clock: list[float]) -> None:
    manager = SecretsManager("old")
    key = manager.key()
    key.value()
    clock[0] += 5
    assert not key.refused("old")
    manager.secret = "new"
    clock[0] += 5
    assert key.refused("old")
    assert key.value() == "new"
    assert key.refused("old"), "another thread that was refused with the old key takes the new one"
    assert len(manager.transport.sent) == 3


@pytest.mark.parametrize(
    "failure",
    [
        NotSent("refused"),
        Answer(400, {}, '{"__type":"x#AccessDeniedException"}'),
        Answer(400, {}, '{"__type":"ResourceNotFoundException"}'),
        Answer(200, {}, '{"SecretString": " "}'),
        Answer(200, {}, ""),
    ],
)
def test_the_last_key_stays_in_use_while_the_secret_cannot_be_read(
    failure: Answer | Exception, clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    manager = SecretsManager("hak_1")
    key = manager.key()
    key.value()
    manager.failure = failure
    clock[0] += MAX_AGE + 1
    assert key.value() == "hak_1"
    written = json.loads(capsys.readouterr().out)
    assert (written["level"], written["message"][:35]) == ("WARNING", "The secret could not be read again;")
    asked = len(manager.transport.sent)
    assert [key.value() for _ in range(20)] == ["hak_1"] * 20
    assert len(manager.transport.sent) == asked, "nobody waits for a secret that could not be read a moment ago"
    manager.failure, manager.secret = None, "hak_2"
    clock[0] += 31
    assert key.value() == "hak_2"


def test_a_secret_that_is_gone_when_it_is_doubted_is_no_empty_secret(clock: list[float]) -> None:
    manager = SecretsManager("hook-secret")
    secret = Secret(ARN, "REVENIUM_AUTHENTICATE_SECRET_ARN", manager.transport)  # type: ignore[arg-type]
    assert secret.value() == "hook-secret"
    manager.failure = Answer(400, {}, '{"__type":"ResourceNotFoundException"}')
    clock[0] += 5
    with pytest.raises(SecretUnavailable):
        secret.refused("hook-secret")
    with pytest.raises(SecretUnavailable):
        secret.value()


def test_a_secret_that_may_not_be_read_is_named_with_what_to_check() -> None:
    manager = SecretsManager("hak_1")
    manager.failure = Answer(400, {}, '{"__type":"com.amazonaws#AccessDeniedException"}')
    with pytest.raises(SecretUnavailable, match=r"AccessDeniedException.*role"):
        manager.key().value()


def test_the_variable_with_the_key_itself_needs_no_secret() -> None:
    transport = FakeTransport()
    key = ApiKey({"REVENIUM_API_KEY": "hak_local"}, transport)  # type: ignore[arg-type]
    assert key.value() == "hak_local"
    assert not key.refused("hak_local")
    assert not transport.sent


def test_an_answer_that_is_json_but_no_object_is_no_key() -> None:
    manager = SecretsManager("hak_1")
    manager.failure = Answer(503, {}, '"Service Unavailable"')
    with pytest.raises(SecretUnavailable, match="503"):
        manager.key().value()


def test_reading_the_secret_takes_no_longer_than_the_caller_has() -> None:
    manager = SecretsManager("hak_1")
    manager.key().value(0.7)
    manager.key().value(60.0)
    assert manager.transport.timeouts == [0.7, 2.0]


def test_threads_that_are_refused_together_share_one_look(clock: list[float]) -> None:
    manager = SecretsManager("old")
    key = manager.key()
    key.value()
    clock[0] += 5
    assert [key.refused("old") for _ in range(10)] == [False] * 10
    assert len(manager.transport.sent) == 2


def test_a_key_that_cannot_be_a_header_is_refused_without_being_shown() -> None:
    with pytest.raises(SettingsError, match="REVENIUM_API_KEY must") as error:
        ApiKey({"REVENIUM_API_KEY": "hak_SECRET\nx"}, FakeTransport())  # type: ignore[arg-type]
    assert "SECRET" not in str(error.value)


@pytest.mark.parametrize("environ", [{}, {"REVENIUM_API_KEY_SECRET_ARN": "revenium"}])
def test_neither_key_nor_secret_names_the_variable(environ: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="REVENIUM_API_KEY_SECRET_ARN"):
        ApiKey(environ, FakeTransport())  # type: ignore[arg-type]
