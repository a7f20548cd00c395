"""Who is calling: the client id, from where the settings say it stands."""

import json
import re
from base64 import urlsafe_b64decode

from authorizer.gateway import NO_VALUE, Event
from authorizer.settings import Source

# What a caller sends is written into the access log, which API Gateway does not escape: no quote, no backslash.
_CLIENT_ID = re.compile(r"[!#-\[\]-~](?:[ !#-\[\]-~]{0,254}[!#-\[\]-~])?")


class Unidentified(Exception):
    """The caller cannot be told; `reason` is one word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def client_id(event: Event, source: Source) -> str:
    """The client id that the event carries. Raises Unidentified: `no_client_id` or `invalid_client_id`.

    The claim of a JWT is taken as it stands: something in front of the API has verified the token.
    """
    if source.kind == "api_key":
        found: object = event.api_key_id
    elif source.kind == "certificate":
        found = event.certificate_subject
    elif source.kind == "jwt_claim":
        found = _claim(value(event, Source("header", "authorization")), source.name)
    else:
        found = value(event, source)
    return checked(found)


def require(event: Event, sources: tuple[Source, ...]) -> None:
    """Raises Unidentified where the event lacks one of `sources`: `missing_identity_source`.

    API Gateway asks for them too, but not without a cache, nor for an authorizer made by hand that does not name them.
    """
    if any(value(event, source) is None for source in sources):
        raise Unidentified("missing_identity_source")


def checked(found: object) -> str:
    """`found` if it can be a client id: printable ASCII without quotes and backslashes, 256 characters at most."""
    if found is None or (isinstance(found, str) and not found):  # a hook's object may raise where it is compared
        raise Unidentified("no_client_id")
    if not isinstance(found, str) or found == NO_VALUE or not _CLIENT_ID.fullmatch(found):
        raise Unidentified("invalid_client_id")
    return found


def value(event: Event, source: Source) -> str | None:
    """The one value of a header or query parameter, None for none; a TOKEN event has its token as every header.

    Raises Unidentified for several that differ: which of them API Gateway caches the answer under is not known.
    """
    if source.kind == "query":
        values = event.query.get(source.name, [])
    else:
        values = event.headers.get(source.name, []) if event.token is None else [event.token]
    distinct = {each for each in values if each}
    if len(distinct) > 1:
        raise Unidentified("invalid_client_id")
    return distinct.pop() if distinct else None


def _claim(authorization: str | None, name: str) -> object:
    if authorization is None:
        return None
    scheme, _, token = authorization.strip().rpartition(" ")
    parts = token.split(".")
    try:
        if scheme.strip().lower() not in ("", "bearer") or len(parts) != 3:
            raise ValueError("not a signed token")
        claims = json.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return claims.get(name)
    except (ValueError, AttributeError, RecursionError):
        raise Unidentified("invalid_client_id") from None
