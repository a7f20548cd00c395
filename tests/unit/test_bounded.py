"""No answer takes longer than the time for it, whatever hangs."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping

import pytest

from authorizer.bounded import within
from authorizer.entitlement import Entitlement
from revenium.api_key import ApiKey
from revenium.http11 import Answer
from revenium.transport import Transport, Unanswered
from unit.authorizing import SECRET_ARN, Revenium, event


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


class Hanging:
    """Something that does not come back before the test is over."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.release = threading.Event()
        self.ended = threading.Event()
        self.thread = threading.main_thread()

    def __call__(self, *_: object) -> Answer:
        self.thread = threading.current_thread()
        self.begun.set()
        self.release.wait(60)
        self.ended.set()
        return Answer(200, {}, '{"SecretString": "hak_late"}')


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    hangs = Hanging()
    yield hangs
    hangs.release.set()


A_SECOND = {"REVENIUM_ENTITLEMENT_TIMEOUT_SECONDS": "1"}


def test_a_revenium_that_hangs_does_not_hold_the_answer(hanging: Hanging, revenium: Revenium) -> None:
    revenium.transport.respond = hanging
    revenium.start(**A_SECOND)
    assert revenium.reason("acme") == "no_decision"
    assert hanging.begun.is_set() and not hanging.ended.is_set()


def test_a_name_that_is_looked_up_for_ever_does_not_hold_the_answer(
    hanging: Hanging, revenium: Revenium, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.getaddrinfo", hanging)
    revenium.transport = Transport(1)  # type: ignore[assignment]
    revenium.start(**A_SECOND)
    assert revenium.reason("acme") == "no_decision"
    assert hanging.begun.is_set() and not hanging.ended.is_set()


def test_a_secret_that_hangs_does_not_hold_the_answer(hanging: Hanging, revenium: Revenium) -> None:
    revenium.transport.respond = hanging
    revenium.key = ApiKey({"REVENIUM_API_KEY_SECRET_ARN": SECRET_ARN}, revenium.transport)  # type: ignore[arg-type, assignment]
    revenium.start(**A_SECOND)
    assert revenium.reason("acme") == "no_decision"
    assert hanging.begun.is_set() and not hanging.ended.is_set()
    assert not revenium.asked


@pytest.mark.parametrize(
    "text",
    [
        "def authenticate(request):\n    hang()\n    return 'acme'\n",
        "hang()\ndef authenticate(request):\n    return 'acme'\n",
        "def authenticate(request):\n    return request.secret and 'acme'\n",
    ],
)
def test_a_hook_that_hangs_does_not_hold_the_answer(
    text: str,
    hanging: Hanging,
    hook: Callable[[str], None],
    revenium: Revenium,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("builtins.hang", hanging, raising=False)
    hook(text)
    revenium.transport.respond = hanging
    environ = {"REVENIUM_AUTHENTICATE": "true", "REVENIUM_AUTHENTICATE_SECRET_ARN": SECRET_ARN}
    answer = revenium.answer(event("http_2_0"), REVENIUM_ON_ERROR="allow", **A_SECOND, **environ)
    assert answer["context"] == {"clientId": "", "decision": "deny", "reason": "authentication_failed"}
    assert hanging.begun.is_set() and not hanging.ended.is_set()
    assert not revenium.asked
    assert '"error": "TimeoutError"' in capsys.readouterr().out


def test_checks_that_hang_open_the_breaker(hanging: Hanging, revenium: Revenium) -> None:
    revenium.transport.respond = hanging
    revenium.start()
    for number in range(3):
        assert not revenium.client.is_silent()
        revenium.client.check(f"client-{number}", time.monotonic() + 0.15)
    assert revenium.client.is_silent()


def test_the_answer_of_a_check_that_came_too_late_is_dropped(hanging: Hanging, revenium: Revenium) -> None:
    revenium.transport.respond = hanging
    decisions = revenium.start()._decisions
    assert revenium.client.check("acme", time.monotonic() + 0.6) is Entitlement.NO_DECISION
    hanging.release.set()
    assert hanging.ended.wait(10)
    assert not any(decisions._known.values())


def test_what_is_quick_comes_back_as_it_is() -> None:
    assert within(10, lambda: 7) == 7
    assert within(10, lambda: None) is None


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(3), KeyboardInterrupt()])
def test_what_is_raised_comes_back_as_it_is(error: BaseException) -> None:
    def call() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        within(10, call)
    assert raised.value is error


@pytest.mark.parametrize("seconds", [0.01, 0, -5])
def test_what_does_not_come_back_is_left_alone_and_does_not_keep_the_process(seconds: float, hanging: Hanging) -> None:
    with pytest.raises(TimeoutError):
        within(seconds, hanging)
    assert hanging.begun.wait(10) and not hanging.ended.is_set()
    assert hanging.thread.daemon


def test_the_hook_and_the_check_share_the_time(
    hook: Callable[[str], None], revenium: Revenium, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr("builtins.take", lambda seconds: now.__setitem__(0, now[0] + seconds), raising=False)
    hook("def authenticate(request):\n    take(2.5)\n    return 'acme'\n")
    assert revenium.answer(event("http_2_0"), REVENIUM_AUTHENTICATE="true")["context"]["reason"] == "entitled"
    assert revenium.transport.timeouts == [0.5]


def test_a_key_in_hand_is_not_waited_for_until_the_time_is_over(
    clock: list[float], revenium: Revenium, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    revenium.secret = "hak_1"
    revenium.key = ApiKey({"REVENIUM_API_KEY_SECRET_ARN": SECRET_ARN}, revenium.transport)  # type: ignore[arg-type, assignment]
    revenium.start(**A_SECOND)
    revenium.reason("acme")
    answer = revenium.transport.respond

    def respond(url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if "secretsmanager" not in url:
            return answer(url, headers, body)
        now[0] += revenium.transport.timeouts[-1]
        raise Unanswered("x")

    revenium.transport.respond = respond
    clock[0] += 301
    assert revenium.reason("acme") == "entitled"
    assert revenium.transport.timeouts[2:] == [0.5, 0.5]


@pytest.mark.parametrize(("seconds", "waits"), [("1", [1, 1, 0.5, 0.5]), ("3", [2, 3, 1, 2])])
def test_a_secret_in_hand_is_not_waited_for_until_the_time_is_over(
    seconds: str,
    waits: list[float],
    clock: list[float],
    hook: Callable[[str], None],
    revenium: Revenium,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    hook("def authenticate(request):\n    return request.secret and 'acme'\n")
    environ = {"REVENIUM_AUTHENTICATE": "true", "REVENIUM_AUTHENTICATE_SECRET_ARN": SECRET_ARN}
    revenium.start(REVENIUM_ENTITLEMENT_TIMEOUT_SECONDS=seconds, **environ)
    assert revenium.reason("x") == "entitled"
    answer = revenium.transport.respond

    def respond(url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if "secretsmanager" not in url:
            return answer(url, headers, body)
        now[0] += revenium.transport.timeouts[-1]
        raise Unanswered("x")

    revenium.transport.respond = respond
    clock[0] += 301
    assert revenium.reason("x") == "entitled"
    assert revenium.transport.timeouts == waits


def test_a_secret_that_is_asked_for_late_is_waited_for_as_long_as_there_is_time(
    hook: Callable[[str], None], revenium: Revenium, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr("builtins.take", lambda seconds: now.__setitem__(0, now[0] + seconds), raising=False)
    environ = {"REVENIUM_AUTHENTICATE": "true", "REVENIUM_AUTHENTICATE_SECRET_ARN": SECRET_ARN}
    revenium.start(**environ)
    hook("def authenticate(request):\n    take(2.5)\n    request.secret\n    take(0.75)\n    request.secret\n")
    assert revenium.reason("acme") == "not_authenticated"
    assert revenium.transport.timeouts == [0.5], "and read once"


@pytest.mark.parametrize(("takes", "sent"), [(2.5, 2), (2.875, 2), (2.95, 1), (3.5, 1)])
def test_what_broke_when_the_time_was_over_is_not_tried_again(
    takes: float, sent: int, revenium: Revenium, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])

    def respond(*_: object) -> Answer:
        now[0] += takes
        raise Unanswered("x")

    revenium.transport.respond = respond
    revenium.start()
    for number in range(3):
        assert not revenium.client.is_silent()
        assert revenium.reason(f"client-{number}") == "no_decision"
    assert len(revenium.transport.sent) == 3 * sent
    assert revenium.client.is_silent(), "no answer in time is a failure"
