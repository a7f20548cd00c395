"""Access-log lines, and what has to become of each."""

import base64
import gzip
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

_ROUTES = ("/items", "/items/{id}", "/orders/{id}/lines", "/search", "/{proxy+}")
_METHODS = ("GET", "GET", "GET", "POST", "PUT", "DELETE", "PATCH")
_STATUSES = ("200",) * 8 + ("201", "204", "400", "404", "429", "500", "504")
_REJECTIONS = (("403", "ACCESS_DENIED"), ("401", "UNAUTHORIZED"), ("429", "THROTTLED"), ("403", "WAF_FILTERED"))
_AGENTS = ("curl/8.5.0", "python-requests/2.32", "Mozilla/5.0 (X11; Linux)", 'quo"ted', "Ünïcode/1.0 \\u0022")
_LARGEST, _MEAN = 500, 60  # lines of one event

REFUSED_ROUTE = "/refused-by-revenium"  # Revenium answers the request half with 422
REFUSED_ID = "RefusedResponse"  # Revenium answers the response half with 422


@dataclass(frozen=True, slots=True)
class Bill:
    """What Revenium has to bill for a line."""

    credential: str
    resource: str
    method: str
    status: int
    duration: int | None
    host: str


@dataclass
class Traffic:
    """`events` lines in CloudWatch events of 1 to 500.

    Mostly what REST stages write with the module's format, some in the format of Revenium's own template, which has
    no request id; about 3 % were turned away by the gateway, about 1 % can never be billed. `bills` and `hopeless`
    (to the reason that the dead letter must give) are by transaction id, or the event's id where there is none.
    """

    seed: int
    events: int
    bills: dict[str, Bill] = field(default_factory=dict)
    hopeless: dict[str, str] = field(default_factory=dict)
    rejected: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._rng = random.Random(f"traffic {self.seed}")

    def batches(self) -> Iterator[list[dict[str, Any]]]:
        """The log events, in lists that make one event each. Can be used once."""
        number = 0
        while number < self.events:
            size = int(self._rng.expovariate(1 / _MEAN)) + 1
            if self._rng.random() < 0.05:
                size = _LARGEST
            end = min(self.events, number + min(size, _LARGEST))
            yield [self._event(n) for n in range(number, end)]
            number = end

    def _event(self, number: int) -> dict[str, Any]:
        event_id = f"3927{self.seed % 10**9:09d}{number:043d}"
        return {"id": event_id, "timestamp": 1_760_000_000_000 + number, "message": self._line(number, event_id)}

    def _line(self, number: int, event_id: str) -> str:
        rng = self._rng
        identifier = f"X{self.seed % 10**6:06d}-{number:09d}="
        status, error_type, route = rng.choice(_STATUSES), "-", rng.choice(_ROUTES)
        fate, latency = rng.random(), rng.randrange(3, 900)
        if fate < 0.03:
            status, error_type = rng.choice(_REJECTIONS)
            self.rejected.add(identifier)
        elif fate < 0.0325:
            self.hopeless[event_id] = "not_json"
            return rng.choice((f"END RequestId: {identifier}", '["a", "list"]', '{"extendedRequestId":"x", broken', ""))
        elif fate < 0.035:
            status = "-"
            self.hopeless[event_id] = "no_status"
        elif fate < 0.0375:
            route = REFUSED_ROUTE
            self.hopeless[identifier] = "http_422"
        elif fate < 0.04:
            identifier = REFUSED_ID + identifier
            self.hopeless[identifier] = "http_422"
        client, host = f"client-{rng.randrange(40)}", f"203.0.113.{rng.randrange(256)}"
        values = {
            "extendedRequestId": identifier, "apiId": "a1b2c3d4e5", "stage": "prod", "httpMethod": rng.choice(_METHODS),
            "resourcePath": route, "status": status, "errorType": error_type,
            "requestTimeEpoch": str(1_760_000_000_000 + number), "responseLatency": str(latency),
            "integrationLatency": str(rng.randrange(latency)), "responseLength": str(rng.randrange(100_000)),
            "protocol": "HTTP/1.1", "domainName": "api.example.com", "sourceIp": host, "clientId": client,
            "principalId": client, "requestId": f"{number:032x}", "path": "/prod" + route, "userAgent": "",
        }  # fmt: skip
        of_template = fate > 0.95
        if of_template:
            names = ("httpMethod", "path", "principalId", "status", "sourceIp", "integrationLatency", "responseLength")
            values = {name: values[name] for name in names}
        else:
            values["userAgent"] = rng.choice(_AGENTS)
        if fate >= 0.04:
            self.bills[event_id if of_template else identifier] = Bill(
                client, values["path"] if of_template else route, values["httpMethod"], int(status),
                None if of_template else latency, host,
            )  # fmt: skip
        # As the gateway writes: the format filled in, nothing escaped.
        return "{" + ",".join(f'"{name}":"{value}"' for name, value in values.items()) + "}"


def subscription_event(log_events: list[dict[str, Any]]) -> dict[str, Any]:
    """What CloudWatch Logs invokes a function with."""
    payload = {"messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": "g", "logEvents": log_events}
    return {"awslogs": {"data": base64.b64encode(gzip.compress(json.dumps(payload).encode(), 1)).decode()}}


def read(event: dict[str, Any]) -> list[dict[str, Any]]:
    """The log events of a subscription_event()."""
    payload = json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))
    return list(payload["logEvents"])
