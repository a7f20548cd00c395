"""Unit tests reach the loopback address and nothing else."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import pytest_socket

import authorizer.handler
from unit.authorizing import Revenium


@pytest.fixture(autouse=True)
def only_loopback() -> None:
    pytest_socket.socket_allow_hosts(["127.0.0.1", "::1"])


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REVENIUM_API_KEY", "REVENIUM_API_KEY_SECRET_ARN", "AWS_ENDPOINT_URL", "LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def revenium() -> Iterator[Revenium]:
    yield Revenium()
    authorizer.handler._authorizer = None


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The wall clock, which stands until a test moves it."""
    now = [1_000_000.0]
    monkeypatch.setattr("time.time", lambda: now[0])
    return now


@pytest.fixture
def hook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Packs a text as the user's `authenticate.py`."""
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("authenticate", None)

    def pack(text: str) -> None:
        (tmp_path / "authenticate.py").write_text(text)

    yield pack
    sys.modules.pop("authenticate", None)
