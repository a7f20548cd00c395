"""Sends calls to APIs on the sandbox as their callers would, and remembers what came back."""

import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import local

import requests

from sandbox import Sandbox

TIMEOUT = 30.0


@dataclass(frozen=True)
class Answered:
    """One call: its status, when it was sent (s since the epoch), and the extended request id it was answered with."""

    client_id: str | None
    path: str
    status: int
    sent_at: float
    request_id: str
    body: str


def call(
    sandbox: Sandbox,
    invoke_url: str,
    path: str,
    client_id: str | None,
    headers: Mapping[str, str] | None = None,
    session: requests.Session | None = None,
) -> Answered:
    """One GET of `invoke_url` + `path`; `client_id` goes into the header `clientId`, None sends none."""
    address = sandbox.gateway.locate(invoke_url + path)
    sent = {**address.headers, **({} if client_id is None else {"clientId": client_id}), **(headers or {})}
    sent_at = time.time()
    answer = (session or requests).get(address.url, headers=sent, timeout=TIMEOUT)
    request_id = answer.headers.get("x-amz-apigw-id") or answer.headers["apigw-requestid"]
    return Answered(client_id, path, answer.status_code, sent_at, request_id, answer.text)


def call_all(
    sandbox: Sandbox,
    calls: Iterable[tuple[str, str, str | None]],
    concurrency: int = 8,
    headers: Mapping[str, str] | None = None,
) -> Iterator[Answered]:
    """Calls (invoke URL, path, client id), several at a time; gives each as it is answered, in their order."""
    kept = local()

    def one(planned: tuple[str, str, str | None]) -> Answered:
        if not hasattr(kept, "session"):
            kept.session = requests.Session()
        return call(sandbox, *planned, headers, kept.session)

    with ThreadPoolExecutor(concurrency) as executor:
        yield from executor.map(one, calls)
