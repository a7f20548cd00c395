"""No answer takes longer than the time for it, whatever hangs."""

import threading

import pytest

from authorizer.bounded import within
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
