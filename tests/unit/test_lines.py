import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from metering.delivery import Deliverer, Verdict
from metering.lines import Ended, Lines
from revenium.http11 import Answer
from revenium.transport import NotSent, Transport, Unanswered
from unit.fakes import FakeKey, settings, usage
from unit.test_transport import (
    Server,
    Talk,
    answering,
    babbling,
    closing,
    drip,
    half,
    hanging_up,
    not_tls,
    request,
    resetting,
    silent,
)

OK = b"HTTP/1.1 200 OK\r\nX-Thing: 7\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def serve() -> Iterator[Callable[[Talk], Server]]:
    servers: list[Server] = []

    def start(talk: Talk) -> Server:
        servers.append(Server(talk))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def lines_to(url: str) -> Lines:
    return Lines(url, Transport(1))


def ended(lines: Lines, count: int = 1, within: float = 10) -> list[Ended]:
    found: list[Ended] = []
    deadline = time.monotonic() + within
    while len(found) < count:
        assert time.monotonic() < deadline, found
        found += lines.poll(0.2)
    return found


def one(lines: Lines, timeout: float = 5, body: bytes = b"{}") -> Answer | NotSent | Unanswered:
    lines.begin("it", "/x", {"x-api-key": "k"}, body, timeout)
    [(token, result)] = ended(lines)
    assert token == "it"
    return result


def status(result: Answer | NotSent | Unanswered) -> int:
    assert isinstance(result, Answer), result
    return result.status


def test_one_connection_serves_many_exchanges(serve: Callable[[Talk], Server]) -> None:
    server = serve(answering(OK))
    lines = lines_to(server.url + "/base/")
    for _ in range(5):
        answer = one(lines)
        assert isinstance(answer, Answer)
        assert (answer.status, answer.body) == (200, "ok")
        assert answer.headers == {"x-thing": "7", "content-length": "2"}
    assert server.connections == 1


def test_each_exchange_is_noted_with_its_status_and_its_time(serve: Callable[[Talk], Server]) -> None:
    noted: list[tuple[int, float]] = []

    def lines(url: str) -> Lines:
        return Lines(url, Transport(1), lambda *each: noted.append(each))

    assert status(one(lines(serve(answering(OK)).url))) == 200
    assert isinstance(one(lines(serve(silent).url), 0.3), Unanswered)
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    assert isinstance(one(lines(f"http://127.0.0.1:{port}")), NotSent)
    lines("http://127.0.0.1:1").begin("it", "/x", {"x": "a\nb"}, b"", 1)
    assert [each for each, _ in noted] == [200, 0, 0, 0]
    assert 0 <= noted[0][1] < 5 and 0.3 <= noted[1][1] < 5


def test_exchanges_run_side_by_side_and_end_in_any_order(serve: Callable[[Talk], Server]) -> None:
    first_waits = threading.Event()

    def talk(connection: socket.socket) -> None:
        asked = request(connection)
        assert asked.startswith(b"POST /base/0 ") or asked.startswith(b"POST /base/1 ")
        if b"/base/0 " in asked:
            first_waits.wait(10)
        connection.sendall(OK)

    lines = lines_to(serve(talk).url + "/base")
    for number in range(2):
        lines.begin(number, f"/{number}", {}, b"{}", 10)
    [(token, _)] = ended(lines)
    assert token == 1
    first_waits.set()
    assert [token for token, _ in ended(lines)] == [0]


def test_a_connection_that_idled_through_a_freeze_is_not_used_again(
    serve: Callable[[Talk], Server], clock: list[float]
) -> None:
    server = serve(answering(OK))
    lines = lines_to(server.url)
    one(lines)
    clock[0] += 31
    one(lines)
    assert server.connections == 2


def test_an_idle_connection_that_the_server_closed_is_not_used_again(serve: Callable[[Talk], Server]) -> None:
    """Else a v1 call would go out on it, be unanswered and be set aside."""
    closed = threading.Event()

    def once(connection: socket.socket) -> None:
        request(connection)
        connection.sendall(OK)
        connection.shutdown(socket.SHUT_RDWR)
        closed.set()

    server = serve(once)
    lines = lines_to(server.url)
    assert status(one(lines)) == 200
    assert closed.wait(10)
    deadline = time.monotonic() + 10
    while lines._idle and time.monotonic() < deadline:
        lines.poll(0.05)
    assert status(one(lines)) == 200
    assert server.connections == 2


def test_a_v1_call_does_not_go_out_on_a_connection_that_was_closed_between_two_batches(
    serve: Callable[[Talk], Server],
) -> None:
    closed = threading.Event()

    def once(connection: socket.socket) -> None:
        request(connection)
        connection.sendall(OK)
        connection.close()
        closed.set()

    server = serve(once)
    sender = Deliverer(settings(api="v1", url=server.url), lines_to(server.url), FakeKey())  # type: ignore[arg-type]
    for number in range(3):
        closed.clear()
        [outcome] = sender.deliver([usage(number, api="v1")], time.monotonic() + 20)
        assert outcome.verdict is Verdict.DELIVERED
        assert closed.wait(10)
    assert server.connections == 3


def test_a_kept_connection_that_breaks_may_have_taken_the_request(serve: Callable[[Talk], Server]) -> None:
    def once(connection: socket.socket) -> None:
        request(connection)
        connection.sendall(OK)
        request(connection)
        connection.shutdown(socket.SHUT_RDWR)

    server = serve(once)
    lines = lines_to(server.url)
    one(lines)
    assert isinstance(one(lines), Unanswered)
    assert server.connections == 1


def test_an_exchange_on_a_kept_connection_ends_with_its_time(
    serve: Callable[[Talk], Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("revenium.transport.CONNECT_TIMEOUT", 0.2)
    never = threading.Event()

    def talk(connection: socket.socket) -> None:
        request(connection)
        connection.sendall(OK)
        request(connection)
        never.wait(60)

    lines = lines_to(serve(talk).url)
    try:
        assert status(one(lines)) == 200
        assert not lines.poll(0.5), "no time is left over from the first"
        lines.begin("it", "/x", {}, b"{}", 0.3)
        [(_, result)] = lines.poll(10)
        assert isinstance(result, Unanswered)
    finally:
        never.set()


def test_a_refused_connection_was_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    assert isinstance(one(lines_to(f"http://127.0.0.1:{port}")), NotSent)


def test_the_next_address_is_tried_where_one_refuses(
    serve: Callable[[Talk], Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(answering(OK))
    port = int(server.url.rpartition(":")[2])
    with socket.create_server(("127.0.0.1", 0)) as unused:
        refusing = unused.getsockname()[1]
    looked_up: list[str] = []

    def getaddrinfo(host: str, *_: object, **__: object) -> list[object]:
        looked_up.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", each)) for each in (refusing, port)]

    monkeypatch.setattr("socket.getaddrinfo", getaddrinfo)
    lines = lines_to("http://revenium.example")
    for number in range(3):
        lines.begin(number, "/x", {}, b"", 5)
    assert [status(result) for _, result in ended(lines, 3)] == [200] * 3
    assert looked_up == ["revenium.example"], "one look-up for all"


def test_a_name_that_nobody_knows_has_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_: object, **__: object) -> list[object]:
        raise socket.gaierror

    monkeypatch.setattr("socket.getaddrinfo", getaddrinfo)
    assert isinstance(one(lines_to("http://revenium.example")), NotSent)


@pytest.mark.parametrize("talk", [silent, resetting, closing, babbling])
def test_without_a_status_the_request_is_unanswered_and_the_message_holds_no_url(
    talk: Talk, serve: Callable[[Talk], Server]
) -> None:
    result = one(lines_to(serve(talk).url + "/acme"), 0.3)
    assert isinstance(result, Unanswered)
    assert "acme" not in str(result)


@pytest.mark.parametrize("talk", [silent, not_tls, hanging_up])
def test_a_handshake_that_fails_has_sent_nothing(talk: Talk, serve: Callable[[Talk], Server]) -> None:
    assert isinstance(one(lines_to(serve(talk).url.replace("http:", "https:")), 0.5), NotSent)


def test_connecting_has_a_time_of_its_own(serve: Callable[[Talk], Server], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("revenium.transport.CONNECT_TIMEOUT", 0.2)
    began = time.monotonic()
    assert isinstance(one(lines_to(serve(silent).url.replace("http:", "https:")), 60), NotSent)
    assert time.monotonic() - began < 5


def test_an_impossible_header_has_sent_nothing_and_is_not_repeated(serve: Callable[[Talk], Server]) -> None:
    lines = lines_to(serve(silent).url)
    lines.begin("it", "/x", {"x-api-key": "hak_SECRET\nx"}, b"{}", 1)
    [(_, result)] = ended(lines)
    assert isinstance(result, NotSent)
    assert "hak_SECRET" not in str(result)


def test_a_request_that_nobody_takes_ends_with_the_time(serve: Callable[[Talk], Server]) -> None:
    never = threading.Event()

    def talk(connection: socket.socket) -> None:
        never.wait(60)
        connection.close()

    try:
        assert isinstance(one(lines_to(serve(talk).url), 0.3, b"x" * 50_000_000), Unanswered)
    finally:
        never.set()


def test_an_answer_that_drips_ends_with_the_time(serve: Callable[[Talk], Server]) -> None:
    def talk(connection: socket.socket) -> None:
        request(connection)
        drip(connection, b"HTTP/1.1 200 OK\r\nX-Slow: " + b"y" * 100 + b"\r\nContent-Length: 0\r\n\r\n")

    assert isinstance(one(lines_to(serve(talk).url), 0.3), Unanswered)


def test_a_body_that_drips_ends_with_the_time_and_with_its_connection(serve: Callable[[Talk], Server]) -> None:
    def talk(connection: socket.socket) -> None:
        request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        drip(connection, b"x" * 100)

    server = serve(talk)
    lines = lines_to(server.url)
    result = one(lines, 0.3)
    assert isinstance(result, Answer)
    assert result.body == ""
    server.talk = answering(OK)
    assert status(one(lines)) == 200
    assert server.connections == 2


def test_a_status_counts_even_if_the_body_breaks_off(serve: Callable[[Talk], Server]) -> None:
    assert status(one(lines_to(serve(half).url))) == 201


def test_a_redirect_is_not_followed_and_the_key_stays_home(serve: Callable[[Talk], Server]) -> None:
    other = serve(answering(OK))
    location = f"Location: {other.url}/".encode()
    server = serve(answering(b"HTTP/1.1 307 Temporary Redirect\r\n" + location + b"\r\nContent-Length: 0\r\n\r\n"))
    assert status(one(lines_to(server.url))) == 307
    assert other.connections == 0


@pytest.mark.parametrize("trusted", [True, False])
def test_nothing_is_sent_to_a_server_whose_certificate_is_not_trusted(
    trusted: bool, serve: Callable[[Talk], Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench import certificates

    served, authorities = certificates.write(tmp_path)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(authorities))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(served)
    seen: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as secured:
            seen.append(request(secured))
            secured.sendall(OK)

    result = one(lines_to(serve(talk).url.replace("http:", "https:")))
    assert isinstance(result, Answer if trusted else NotSent)
    assert bool(seen) is trusted


def test_a_certificate_for_another_name_is_not_accepted(
    serve: Callable[[Talk], Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench import certificates

    served, authorities = certificates.write(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authorities))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(served)

    def talk(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as secured:
            request(secured)
            secured.sendall(OK)

    url = serve(talk).url.replace("http://127.0.0.1", "https://localhost")
    assert isinstance(one(lines_to(url)), NotSent)
