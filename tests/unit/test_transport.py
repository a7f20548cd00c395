import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bench import certificates
from revenium.transport import NotSent, Transport, Unanswered

Talk = Callable[[socket.socket], None]


class Server:
    """Accepts connections on a free port and gives each to `talk`, numbering them."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.connections = 0
        self._open: list[socket.socket] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):  # `close` ends a talk in its middle
            self.talk(connection)

    def close(self) -> None:
        for each in [self._socket, *self._open]:
            each.close()


def request(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(65536)
        if not part:
            break
        received += part
    return received


def answering(answer: bytes) -> Talk:
    def talk(connection: socket.socket) -> None:
        while request(connection):
            connection.sendall(answer)

    return talk


@pytest.fixture
def serve() -> Iterator[Callable[[Talk], Server]]:
    servers: list[Server] = []

    def start(talk: Talk) -> Server:
        servers.append(Server(talk))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def test_one_connection_serves_many_exchanges(serve: Callable[[Talk], Server]) -> None:
    server = serve(answering(b"HTTP/1.1 200 OK\r\nX-Thing: 7\r\nContent-Length: 2\r\n\r\nok"))
    transport = Transport(4)
    for _ in range(5):
        answer = transport.send("GET", server.url, {}, None, 5)
        assert (answer.status, answer.headers["x-thing"], answer.body) == (200, "7", "ok")
    assert server.connections == 1


def test_a_connection_that_idled_through_a_freeze_is_not_used_again(
    serve: Callable[[Talk], Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
    clock = [1000.0]
    monkeypatch.setattr("time.time", lambda: clock[0])
    transport = Transport(4)
    transport.send("GET", server.url, {}, None, 5)
    clock[0] += 31
    transport.send("GET", server.url, {}, None, 5)
    assert server.connections == 2


def test_a_refused_connection_was_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(NotSent):
        Transport(1).send("POST", f"http://127.0.0.1:{port}", {}, b"{}", 5)


def silent(connection: socket.socket) -> None:
    request(connection)


def resetting(connection: socket.socket) -> None:
    request(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def closing(connection: socket.socket) -> None:
    request(connection)
    connection.shutdown(socket.SHUT_RDWR)


def babbling(connection: socket.socket) -> None:
    request(connection)
    connection.sendall(b"what?\r\n\r\n")
    connection.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("talk", [silent, resetting, closing, babbling])
def test_without_a_status_the_request_is_unanswered_and_the_message_holds_no_url(
    talk: Talk, serve: Callable[[Talk], Server]
) -> None:
    with pytest.raises(Unanswered) as error:
        Transport(1).send("POST", serve(talk).url + "/?application=acme", {}, b"{}", 0.3)
    assert "acme" not in str(error.value)


def not_tls(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    connection.close()


def hanging_up(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.close()


@pytest.mark.parametrize("talk", [silent, not_tls, hanging_up])
def test_a_handshake_that_fails_has_sent_nothing(talk: Talk, serve: Callable[[Talk], Server]) -> None:
    url = serve(talk).url.replace("http://127.0.0.1", "https://localhost")
    with pytest.raises(NotSent):
        Transport(1).send("POST", url, {}, b"{}", 0.5)


@pytest.mark.parametrize("url", ["http://[::1", "http://127.0.0.1:99999/", "ftp://127.0.0.1/", "https:///meter"])
def test_an_impossible_url_has_sent_nothing(url: str) -> None:
    with pytest.raises(NotSent):
        Transport(1).send("POST", url, {}, b"{}", 0.5)


def test_an_impossible_header_is_not_repeated_in_the_error(serve: Callable[[Talk], Server]) -> None:
    with pytest.raises(NotSent) as error:
        Transport(1).send("POST", serve(silent).url, {"x-api-key": "hak_SECRET\nx"}, b"{}", 0.5)
    assert "hak_SECRET" not in str(error.value)


@pytest.mark.parametrize(("scheme", "port"), [("http", 80), ("https", 443)])
def test_a_url_without_a_port_means_the_schemes(scheme: str, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def create_connection(address: tuple[str, int], *_: object) -> socket.socket:
        asked.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr("socket.create_connection", create_connection)
    with pytest.raises(NotSent):
        Transport(1).send("POST", f"{scheme}://api.revenium.example/meter", {}, b"{}", 5)
    assert asked == [("api.revenium.example", port)]


def test_a_request_that_nobody_takes_ends_with_the_time(serve: Callable[[Talk], Server]) -> None:
    never = threading.Event()

    def talk(connection: socket.socket) -> None:
        never.wait(60)
        connection.close()

    with ThreadPoolExecutor(1) as executor:
        try:
            sending = executor.submit(Transport(1).send, "POST", serve(talk).url, {}, b"x" * 50_000_000, 0.3)
            with pytest.raises(Unanswered):
                sending.result(timeout=20)
        finally:
            never.set()


def test_a_kept_connection_has_no_more_time_to_take_a_request_than_the_request(serve: Callable[[Talk], Server]) -> None:
    never = threading.Event()

    def talk(connection: socket.socket) -> None:
        request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        never.wait(60)

    transport = Transport(1)
    url = serve(talk).url
    with ThreadPoolExecutor(1) as executor:
        try:
            transport.send("POST", url, {}, b"{}", 120)
            sending = executor.submit(transport.send, "POST", url, {}, b"x" * 50_000_000, 0.3)
            with pytest.raises(Unanswered):
                sending.result(timeout=20)
        finally:
            never.set()


def test_a_kept_connection_that_breaks_may_have_taken_the_request(serve: Callable[[Talk], Server]) -> None:
    def once(connection: socket.socket) -> None:
        request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        request(connection)
        connection.shutdown(socket.SHUT_RDWR)

    server = serve(once)
    transport = Transport(1)
    transport.send("POST", server.url, {}, b"{}", 5)
    with pytest.raises(Unanswered):
        transport.send("POST", server.url, {}, b"{}", 5)
    assert server.connections == 1


def drip(connection: socket.socket, text: bytes) -> None:
    """A byte at a time, each well within the timeout of 0.3 s, all of them together ten times as long."""
    pause = threading.Event()
    for byte in text:
        try:
            connection.sendall(bytes([byte]))
        except OSError:
            return
        pause.wait(0.03)


def test_an_answer_that_drips_ends_with_the_time(serve: Callable[[Talk], Server]) -> None:
    def talk(connection: socket.socket) -> None:
        request(connection)
        drip(connection, b"HTTP/1.1 200 OK\r\nX-Slow: " + b"y" * 100 + b"\r\nContent-Length: 0\r\n\r\n")

    with pytest.raises(Unanswered):
        Transport(1).send("GET", serve(talk).url, {}, None, 0.3)


def test_a_body_that_drips_ends_with_the_time_and_with_its_connection(serve: Callable[[Talk], Server]) -> None:
    def talk(connection: socket.socket) -> None:
        request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        drip(connection, b"x" * 100)

    server = serve(talk)
    transport = Transport(1)
    assert transport.send("GET", server.url, {}, None, 0.3).body == ""
    server.talk = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    assert transport.send("GET", server.url, {}, None, 5).body == "ok"
    assert server.connections == 2


def test_what_is_left_of_a_long_body_is_not_taken_for_the_next_answer(serve: Callable[[Talk], Server]) -> None:
    long = b"x" * 70_000
    server = serve(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n" + long))
    transport = Transport(1)
    assert [len(transport.send("GET", server.url, {}, None, 5).body) for _ in range(2)] == [65_536] * 2


def test_no_more_connections_are_kept_than_asked_for(serve: Callable[[Talk], Server]) -> None:
    together = threading.Barrier(3)

    def talk(connection: socket.socket) -> None:
        while request(connection):
            if server.connections <= 3:
                together.wait(10)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    server = serve(talk)
    transport = Transport(2)

    def send() -> None:
        transport.send("GET", server.url, {}, None, 10)

    threads = [threading.Thread(target=send) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(len(idle) for idle in transport._idle.values()) == 2


def half(connection: socket.socket) -> None:
    request(connection)
    connection.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\nbroken")
    connection.shutdown(socket.SHUT_RDWR)


def test_a_status_counts_even_if_the_body_breaks_off(serve: Callable[[Talk], Server]) -> None:
    assert Transport(1).send("POST", serve(half).url, {}, b"{}", 5).status == 201


def test_a_redirect_is_not_followed_and_the_key_stays_home(serve: Callable[[Talk], Server]) -> None:
    other = serve(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
    location = f"Location: {other.url}/".encode()
    server = serve(answering(b"HTTP/1.1 307 Temporary Redirect\r\n" + location + b"\r\nContent-Length: 0\r\n\r\n"))
    assert Transport(1).send("POST", server.url, {"x-api-key": "k"}, b"{}", 5).status == 307
    assert other.connections == 0


def test_no_server_is_told_the_key_but_one_whose_certificate_is_trusted(
    serve: Callable[[Talk], Server], tmp_path: Path
) -> None:
    served, trusted = certificates.write(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(served)
    seen: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        try:
            encrypted = context.wrap_socket(connection, server_side=True)
        except OSError:
            return
        if received := request(encrypted):  # with TLS 1.3 the client turns away once the server is through
            seen.append(received)
        encrypted.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    url = serve(talk).url.replace("http://", "https://")
    with pytest.raises(NotSent):
        Transport(1).send("POST", url, {"x-api-key": "k"}, b"{}", 5)
    with pytest.raises(NotSent):  # the certificate is for the address alone
        Transport(1, str(trusted)).send("POST", url.replace("127.0.0.1", "localhost"), {"x-api-key": "k"}, b"{}", 5)
    assert not seen
    assert Transport(1, str(trusted)).send("POST", url, {"x-api-key": "k"}, b"{}", 5).status == 200
    assert b"x-api-key: k" in seen[0]


def test_tls_below_1_2_is_not_spoken(tmp_path: Path) -> None:
    _, trusted = certificates.write(tmp_path)
    for transport in (Transport(1), Transport(1, str(trusted))):
        context = transport.trusting()
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
