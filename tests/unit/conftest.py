"""Unit tests reach the loopback address and nothing else."""

import pytest
import pytest_socket


@pytest.fixture(autouse=True)
def only_loopback() -> None:
    pytest_socket.socket_allow_hosts(["127.0.0.1", "::1"])


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REVENIUM_API_KEY", "REVENIUM_API_KEY_SECRET_ARN", "AWS_ENDPOINT_URL", "LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)
