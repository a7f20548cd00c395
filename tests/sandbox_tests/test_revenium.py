"""The local Revenium keeps the contract, bills, limits and misbehaves as promised."""

from __future__ import annotations

import concurrent.futures
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from sandbox.revenium import Revenium

REQUEST = {
    "transactionId": "t-1",
    "credential": "c",
    "method": "GET",
    "resource": "/items",
    "sourceType": "AWS",
}
RESPONSE = {"transactionId": "t-1", "responseCode": 200, "totalDuration": 12, "backendLatency": 10.5}
METER: dict[str, Any] = {
    "method": "GET",
    "responseCode": 200,
    "requestHeaders": [],
    "responseHeaders": [],
    "elements": [],
}


@pytest.fixture
def revenium() -> Iterator[Revenium]:
    with Revenium() as server:
        yield server


def post(revenium: Revenium, path: str, body: object, key: str | None = None, **headers: str) -> requests.Response:
    sent = {"x-api-key": revenium.api_key, "Content-Type": "application/json"}
    sent |= {"Idempotency-Key": key} if key else {}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return requests.post(revenium.origin + path, data=content, headers=sent | headers, timeout=10)


def test_bills_a_transaction_when_both_halves_are_there(revenium: Revenium) -> None:
    answer = post(revenium, "/meter/v2/apis/requests", REQUEST)
    assert answer.ok and set(answer.json()) == {"id", "label", "resourceType", "signature"}
    assert revenium.billed() == [] and revenium.incomplete() == ["t-1"]
    assert post(revenium, "/meter/v2/apis/responses", RESPONSE).ok
    (billed,) = revenium.billed()
    assert (billed.transaction_id, billed.credential, billed.resource) == ("t-1", "c", "/items")
    assert (billed.response_code, billed.total_duration, billed.backend_latency) == (200, 12, 10.5)
    assert (billed.request_count, billed.response_count) == (1, 1)
    assert revenium.incomplete() == [] and revenium.duplicates() == []


def test_v1_has_no_deduplication(revenium: Revenium) -> None:
    for _ in range(2):
        answer = post(revenium, "/meter/v1/api/meter", METER | {"application": "c", "correlationId": "x"})
        assert (answer.status_code, answer.json()) == (200, {})
    assert [t.credential for t in revenium.billed()] == ["c", "c"]
    assert revenium.count() == 2
    assert len(revenium.duplicates()) == 2
    event = {"requestId": "r", "currentMillis": 1, "eventType": "REQUEST"}
    assert post(revenium, "/meter/v1/api/event", event).status_code == 201


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("/meter/v2/apis/requests", {}, "transactionId is missing"),
        ("/meter/v2/apis/requests", REQUEST | {"transactionId": ""}, "transactionId must be"),
        ("/meter/v2/apis/requests", REQUEST | {"method": "TRACE"}, "method must be one of"),
        ("/meter/v2/apis/requests", REQUEST | {"sourceType": "aws"}, "sourceType must be one of"),
        ("/meter/v2/apis/requests", REQUEST | {"credential": None}, "credential must be"),
        ("/meter/v2/apis/requests", REQUEST | {"extra": 1}, "unknown: extra"),
        ("/meter/v2/apis/requests", b"{", "not JSON"),
        ("/meter/v2/apis/requests", b"[]", "not an object"),
        ("/meter/v2/apis/requests", b'{"transactionId": "a", "transactionId": "b"}', "given twice"),
        ("/meter/v2/apis/responses", RESPONSE | {"responseCode": "200"}, "responseCode must be an integer"),
        ("/meter/v2/apis/responses", RESPONSE | {"responseCode": True}, "responseCode must be an integer"),
        ("/meter/v2/apis/responses", RESPONSE | {"totalDuration": 1.5}, "totalDuration must be an integer"),
        (
            "/meter/v2/apis/responses",
            RESPONSE | {"gatewayLatency": -1},
            "gatewayLatency must not be negative",
        ),
        ("/meter/v2/apis/responses", b'{"transactionId": "a", "responseCode": NaN}', "NaN is not JSON"),
        ("/meter/v2/events", {"transactionId": "t", "payload": []}, "payload must be an object"),
        *(
            ("/meter/v1/api/meter", {k: v for k, v in METER.items() if k != name}, f"{name} is missing")
            for name in METER
        ),
        ("/meter/v1/api/meter", METER | {"elements": [{"name": "a", "value": 1}]}, "elements must be"),
        ("/meter/v1/api/meter", METER | {"requestHeaders": [1]}, "requestHeaders must be"),
        ("/meter/v1/api/meter", METER | {"platformAPIKey": "k"}, "unknown: platformAPIKey"),
        ("/meter/v1/api/event", {"requestId": "r"}, "currentMillis is missing"),
    ],
)
def test_refuses_what_breaks_the_contract(revenium: Revenium, path: str, body: object, reason: str) -> None:
    assert post(revenium, path, body).status_code == 400
    (violation,) = revenium.violations
    assert reason in violation.reason
    assert revenium.billed() == [] and revenium.incomplete() == [] and revenium.events() == []
    with pytest.raises(AssertionError, match="broke the contract"):
        revenium.check()


def test_wants_json_by_content_type(revenium: Revenium) -> None:
    answer = post(revenium, "/meter/v2/apis/requests", REQUEST, **{"Content-Type": "text/plain"})
    assert answer.status_code == 400 and revenium.violations


def test_wants_a_valid_key(revenium: Revenium) -> None:
    assert post(revenium, "/meter/v2/apis/requests", REQUEST, **{"x-api-key": "wrong"}).status_code == 401
    old = revenium.api_key
    revenium.set_api_keys("rotated")
    assert post(revenium, "/meter/v2/apis/requests", REQUEST, **{"x-api-key": old}).status_code == 401
    assert revenium.incomplete() == []
    assert post(revenium, "/meter/v2/apis/requests", REQUEST).ok


def test_unknown_endpoint(revenium: Revenium) -> None:
    assert post(revenium, "/v2/apis/requests", REQUEST).status_code == 404


def test_same_key_and_body_is_replayed(revenium: Revenium) -> None:
    answers = [post(revenium, "/meter/v2/apis/requests", REQUEST, key="k") for _ in range(2)]
    assert answers[0].content == answers[1].content and answers[1].ok
    post(revenium, "/meter/v2/apis/responses", RESPONSE, key="k2")
    assert revenium.billed()[0].request_count == 1


def test_without_a_key_a_repeat_shows(revenium: Revenium) -> None:
    for _ in range(2):
        post(revenium, "/meter/v2/apis/requests", REQUEST)
    post(revenium, "/meter/v2/apis/responses", RESPONSE)
    assert [t.request_count for t in revenium.duplicates()] == [2]


def test_same_key_and_other_body_is_a_mismatch(revenium: Revenium) -> None:
    post(revenium, "/meter/v2/apis/requests", REQUEST, key="k")
    answer = post(revenium, "/meter/v2/apis/requests", REQUEST | {"credential": "d"}, key="k")
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_mismatch")
    assert "Retry-After" not in answer.headers


def test_key_in_progress(revenium: Revenium) -> None:
    slow = revenium.fail("slow", seconds=30, times=1)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        first = pool.submit(post, revenium, "/meter/v2/apis/requests", REQUEST, "k")
        deadline = time.monotonic() + 5
        while not revenium._idempotent and time.monotonic() < deadline:
            time.sleep(0.005)
        assert slow.hits == 1
        answer = post(revenium, "/meter/v2/apis/requests", REQUEST, key="k")
        assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_in_progress")
        assert answer.headers["Retry-After"] == "1"
        revenium._stopping.set()  # ends the wait of the first
        assert first.result().ok


@pytest.mark.parametrize("key", ["with space", "x" * 256, "é"])
def test_malformed_key(revenium: Revenium, key: str) -> None:
    assert post(revenium, "/meter/v2/apis/requests", REQUEST, key=key).status_code == 400
    assert revenium.violations and revenium.incomplete() == []


def test_rate_limit(revenium: Revenium) -> None:
    revenium.set_rate_limit(2)
    answers = [post(revenium, "/meter/v2/apis/requests", REQUEST | {"transactionId": str(i)}) for i in range(4)]
    assert [a.status_code for a in answers][:3] == [201, 201, 429]
    assert answers[2].headers["Retry-After"] == "1"
    assert answers[2].headers["X-RateLimit-Limited-Reason"] == "bucket-rate"
    assert answers[0].headers["X-RateLimit-Limit"] == "2" and answers[0].headers["X-RateLimit-Remaining"] == "1"
    assert len(revenium.incomplete()) == 2


def test_entitlement(revenium: Revenium) -> None:
    def ask(**parameters: str) -> int:
        headers = {"x-api-key": revenium.api_key}
        return requests.get(revenium.entitlement_url, params=parameters, headers=headers, timeout=5).status_code

    revenium.entitle("a b&c")
    assert [ask(application="a b&c"), ask(productKey="a b&c"), ask(application="other")] == [200, 200, 404]
    revenium.revoke("a b&c")
    assert ask(application="a b&c") == 404
    assert (revenium.checks("a b&c"), revenium.checks()) == (3, 4)
    assert [ask(), ask(client="a"), ask(application="")] == [400, 400, 400]
    assert requests.get(revenium.entitlement_url, params={"application": "x"}, timeout=5).status_code == 401


def test_status_fault_records_nothing(revenium: Revenium) -> None:
    fault = revenium.fail(503, "/v2/apis/requests$", times=1, headers={"Retry-After": "7"})
    answer = post(revenium, "/meter/v2/apis/requests", REQUEST)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")
    assert revenium.incomplete() == []
    assert post(revenium, "/meter/v2/apis/requests", REQUEST).ok
    assert fault.hits == 1


@pytest.mark.parametrize(("kind", "stored"), [("reset", 0), ("close", 0), ("lost_answer", 1)])
def test_faults_that_end_the_connection(revenium: Revenium, kind: Any, stored: int) -> None:
    revenium.fail(kind, times=1)
    with pytest.raises(requests.ConnectionError) as caught:
        post(revenium, "/meter/v2/apis/requests", REQUEST)
    assert len(revenium.incomplete()) == stored
    assert ("reset" in str(caught.value).lower()) == (kind == "reset")


def test_half_answer_is_stored_and_cut(revenium: Revenium) -> None:
    revenium.fail("half_answer", times=1)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        post(revenium, "/meter/v2/apis/requests", REQUEST)
    assert len(revenium.incomplete()) == 1


def test_malformed_answer(revenium: Revenium) -> None:
    revenium.fail("malformed", lambda method, target, body: b"t-1" in body)
    answer = post(revenium, "/meter/v2/apis/requests", REQUEST)
    assert answer.status_code == 201
    with pytest.raises(ValueError):
        answer.json()
    revenium.clear_faults()
    assert post(revenium, "/meter/v2/apis/requests", REQUEST).json()


def test_delay(revenium: Revenium) -> None:
    revenium.fail("delay", seconds=0.2, times=1)
    started = time.monotonic()
    assert post(revenium, "/meter/v2/apis/requests", REQUEST).ok
    assert time.monotonic() - started >= 0.2


def test_probability(revenium: Revenium) -> None:
    fault = revenium.fail(500, probability=0.5)
    codes = [post(revenium, "/meter/v2/apis/requests", REQUEST).status_code for _ in range(60)]
    assert 10 < codes.count(500) == fault.hits < 50


def test_down_and_up_on_the_same_port(revenium: Revenium) -> None:
    port = revenium.port
    session = requests.Session()
    headers = {"x-api-key": revenium.api_key}
    url = revenium.entitlement_url + "?application=a"
    assert session.get(url, headers=headers, timeout=5).status_code == 404
    revenium.down()
    with pytest.raises(requests.ConnectionError, match="refused"):
        session.get(url, headers=headers, timeout=5)
    revenium.up()
    assert revenium.port == port
    assert session.get(url, headers=headers, timeout=5).status_code == 404


def test_wait_for(revenium: Revenium) -> None:
    timer = threading.Timer(0.1, post, (revenium, "/meter/v2/events", {"transactionId": "t", "payload": {}}))
    timer.start()
    revenium.wait_for(lambda r: len(r.events()) == 1, 5)
    timer.join()
    with pytest.raises(TimeoutError, match=r"two events within 0.05 s.*\n.*POST /meter/v2/events -> 201"):
        revenium.wait_for(lambda r: len(r.events()) == 2, 0.05, "two events")


def test_many_at_once(revenium: Revenium) -> None:
    def send(i: int) -> None:
        post(revenium, "/meter/v2/apis/requests", REQUEST | {"transactionId": f"t{i}"}, key=f"{i}:request")
        post(revenium, "/meter/v2/apis/responses", RESPONSE | {"transactionId": f"t{i}"}, key=f"{i}:response")

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(send, range(100)))
    assert len(revenium.billed()) == revenium.count() == 100 and revenium.duplicates() == []
    assert [r.status for r in revenium.requests] == [201] * 200
