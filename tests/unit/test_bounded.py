"""No answer takes longer than the time for it, whatever hangs."""

import threading
import time

import pytest

from authorizer.bounded import within
from authorizer.entitlement import Entitlement
from unit.authorizing import Revenium, event


@pytest.fixture
def no_more_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)


def test_where_no_thread_can_be_started_there_is_no_time(no_more_threads: None) -> None:
    with pytest.raises(TimeoutError):
        within(1, lambda: 7)


def test_where_no_thread_can_be_started_there_is_still_an_answer(no_more_threads: None, revenium: Revenium) -> None:
    assert revenium.answer(event("http_2_0"))["context"]["reason"] == "no_decision"


def test_a_hook_that_took_all_the_time_is_no_fault_of_reveniums(revenium: Revenium) -> None:
    revenium.start()
    for _ in range(9):
        assert revenium.client.check("acme", time.monotonic() + 0.01) is Entitlement.NO_DECISION
    assert not revenium.client.is_silent()
    assert not revenium.transport.sent
    assert revenium.reason("acme") == "entitled"
