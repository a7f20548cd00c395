import pytest
from hypothesis import given
from hypothesis import strategies as st

from revenium.http11 import BODY_LIMIT, Answer, request

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Thing:  7 \r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n7;name=x\r\n, world\r\n0\r\nX-Trailer: 1"
CHUNKED += b"\r\n\r\n"


def fed(*parts: bytes) -> tuple[Answer, bool]:
    answer = Answer()
    whole = False
    for part in parts:
        assert not whole, "fed on after its end"
        whole = answer.feed(part)
    return answer, whole


def test_a_request_is_what_http_says() -> None:
    sent = request("POST", "/meter?a=b", "host:1", {"x-api-key": "k", "Content-Type": "application/json"}, b"{}")
    assert sent == (
        b"POST /meter?a=b HTTP/1.1\r\nHost: host:1\r\nAccept-Encoding: identity\r\n"
        b"x-api-key: k\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    )
    assert request("GET", "/", "host", {"Host": "other"}, None) == (
        b"GET / HTTP/1.1\r\nAccept-Encoding: identity\r\nHost: other\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/a b", {}),
        ("/a\r\nX: y", {}),
        ("", {}),
        ("/ä", {}),
        ("/", {"x": "a\r\nEvil: 1"}),
        ("/", {"x": "a\nEvil: 1"}),
        ("/", {"x": "a\0"}),
        ("/", {"x": "日"}),
        ("/", {"x y": "a"}),
        ("/", {"x:": "a"}),
        ("/", {"": "a"}),
    ],
)
def test_what_would_be_another_request_is_refused_without_its_text(target: str, headers: dict[str, str]) -> None:
    with pytest.raises(ValueError) as error:
        request("GET", target, "host", headers, None)
    assert "Evil" not in str(error.value)


@pytest.mark.parametrize(("raw", "body"), [(OK, "ok"), (CHUNKED, "hello, world")])
def test_an_answer_is_the_same_however_it_is_cut(raw: bytes, body: str) -> None:
    for size in range(1, len(raw) + 1):
        answer, whole = fed(*(raw[at : at + size] for at in range(0, len(raw), size)))
        assert (whole, answer.status, answer.body, answer.reusable) == (True, 200, body, True)
    assert fed(OK)[0].headers == {"content-type": "application/json", "x-thing": "7", "content-length": "2"}


@given(st.binary(max_size=300), st.lists(st.integers(1, 60), max_size=10))
def test_whatever_a_server_says_ends_in_an_answer_or_in_none(raw: bytes, cuts: list[int]) -> None:
    for start in (b"", b"HTTP/1.1 200 OK\r\n", OK[:-4], CHUNKED[:60]):
        answer, rest = Answer(), start + raw
        try:
            for cut in [*cuts, len(rest)]:
                if answer.feed(rest[:cut] or b"x"):
                    break
                rest = rest[cut:]
            else:
                assert answer.feed(b"")
        except ValueError:
            assert not answer.status
        else:
            assert 100 < answer.status < 1000


def test_headers_are_told_by_name_in_either_case_and_of_one_that_stands_twice_both_values() -> None:
    answer, whole = fed(
        b"HTTP/1.1 200 OK\r\nCONTENT-length:2\r\nX-Thing: a\r\nconnection: Keep-Alive\r\nx-thing: b\r\n\r\nok"
    )
    assert (whole, answer.body, answer.reusable) == (True, "ok", True)
    assert answer.headers == {"content-length": "2", "x-thing": "a, b", "connection": "Keep-Alive"}


def test_interim_answers_are_passed_over() -> None:
    answer, whole = fed(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK)
    assert (whole, answer.status, "link" in answer.headers) == (True, 200, False)


@pytest.mark.parametrize("status", [204, 304])
def test_some_answers_have_no_body(status: int) -> None:
    for header in (b"", b"Transfer-Encoding: chunked\r\n", b"Content-Length: 7\r\n"):
        answer, whole = fed(b"HTTP/1.1 %d X\r\n%b\r\n" % (status, header))
        assert (whole, answer.reusable) == (True, True)


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\n\r\nall there is",
        b"HTTP/1.0 200 OK\r\nContent-Length: 12\r\n\r\nall there is",
        b"HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 12\r\n\r\nall there is",
        b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nContent-Length: 13\r\n\r\nall there is",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nall there is",
        b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\r\n\r\nall there is",
        b"HTTP/1.1 200 OK\r\nContent-Length: 00000000000000000012\r\n\r\nall there is",
        b"HTTP/1.1 200 OK\r\nX-Content-Length: 12\r\n\r\nall there is",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nContent-Length: 12\r\n\r\nall there is",
    ],
)
def test_a_connection_whose_answer_has_no_certain_end_is_not_used_again(raw: bytes) -> None:
    answer = Answer()
    assert answer.feed(raw) or answer.feed(b"")
    assert (answer.status, answer.body, answer.reusable) == (200, "all there is", False)


@pytest.mark.parametrize(("raw", "body"), [(OK, "ok"), (CHUNKED, "hello, world")])
def test_a_connection_with_more_than_its_answer_on_it_is_not_used_again(raw: bytes, body: str) -> None:
    answer, whole = fed(raw + b"HTTP/1.1 200 OK\r\n")
    assert (whole, answer.body, answer.reusable) == (True, body, False)


@pytest.mark.parametrize(
    "raw",
    [
        OK[:-1],
        CHUNKED[:-1],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 5000,
    ],
)
def test_a_body_that_breaks_off_leaves_the_status(raw: bytes) -> None:
    answer = Answer()
    assert answer.feed(raw) or answer.feed(b"")
    assert (answer.status, answer.body, answer.reusable) == (200, "", False)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.1 20",
        b"what?\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 099 X\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200\rX\r\n\r\n",
        b"HTTP/1.1 200 a\nb\r\n\r\n",
    ],
)
def test_without_a_status_there_is_no_answer(raw: bytes) -> None:
    answer = Answer()
    with pytest.raises(ValueError):
        _ = raw and answer.feed(raw)
        answer.feed(b"")


def test_headers_without_an_end_are_not_waited_for() -> None:
    answer = Answer()
    with pytest.raises(ValueError):
        for _ in range(100):
            answer.feed(b"x" * 1000)


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n" + b"x" * 70_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n11170\r\n" + b"x" * 70_000,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 70_000,
    ],
)
def test_of_a_long_body_no_more_is_read_than_is_kept(raw: bytes) -> None:
    answer, whole = fed(raw)
    assert (whole, len(answer.body), answer.reusable) == (True, BODY_LIMIT, False)
