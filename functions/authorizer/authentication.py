"""The user's own check of who is calling: `authenticate(request)` in a file of his, packed as `authenticate.py`."""

import time
from collections.abc import Mapping

from authorizer.bounded import within
from authorizer.gateway import Event
from authorizer.identity import Unidentified, checked, client_id, value
from authorizer.settings import Settings
from revenium.log import log
from revenium.secret import READ_TIMEOUT, Secret, SecretUnavailable
from revenium.settings import SettingsError
from revenium.transport import Transport

_MODULE = "authenticate"
_SHORTEST_READ = 0.001


class Request:
    """What `authenticate` is given: the identity sources and nothing else.

    API Gateway repeats an answer for the same identity sources without asking again. What a hook made of anything
    else would be repeated to callers who do not have it.

    `client_id` as the client id's source has it, None for none; `headers` (names in lower case) and `query` hold the
    identity sources that came with the call.
    """

    def __init__(
        self,
        client_id: str | None,
        headers: Mapping[str, str],
        query: Mapping[str, str],
        secret: Secret | None,
        deadline: float,
    ) -> None:
        self.client_id = client_id
        self.headers = headers
        self.query = query
        self._secret = secret
        self._deadline = deadline

    @property
    def secret(self) -> str:
        """The secret of the `authenticate` setting, at most 5 minutes old while Secrets Manager answers.

        Raises where it was never read, and where it is gone: nobody but the hook refuses what it was good for.
        """
        if self._secret is None:
            raise SettingsError("REVENIUM_AUTHENTICATE_SECRET_ARN is not set: name the secret beside the hook's file.")
        # Half of it is for what comes after: the hook's own work, and Revenium's check.
        return self._secret.value(min(READ_TIMEOUT, max(_SHORTEST_READ, self._deadline - time.monotonic())))


class Hook:
    """Calls `authenticate(request) -> client id or None`. Whatever else it does turns the caller away."""

    def __init__(self, settings: Settings, transport: Transport) -> None:
        self._settings = settings
        arn = settings.authenticate_secret_arn
        self._secret = Secret(arn, "REVENIUM_AUTHENTICATE_SECRET_ARN", transport) if arn else None

    def client_id(self, event: Event, deadline: float) -> str:
        """The id that the hook vouches for, until `deadline` (time.monotonic).

        Raises Unidentified: `not_authenticated` where it vouches for none, `authentication_failed` where it fails.
        """
        request = self._request(event, deadline)
        try:
            found = within(deadline - time.monotonic(), lambda: _authenticate(request))
        except BaseException as error:  # asyncio.CancelledError and SystemExit are no Exception
            # The text of others' errors may hold anything, a secret among it.
            told = error if isinstance(error, SecretUnavailable | SettingsError) else type(error).__name__
            log("ERROR", "The authenticate hook failed", error=told, line=_line(error))
            raise Unidentified("authentication_failed") from error
        if found is None:
            raise Unidentified("not_authenticated")
        return checked(found)

    def _request(self, event: Event, deadline: float) -> Request:
        source = self._settings.client_id_source
        try:
            own: str | None = client_id(event, source)
        except Unidentified as error:
            if error.reason != "no_client_id":
                raise
            own = None
        headers: dict[str, str] = {}
        query: dict[str, str] = {}
        carriers = (source._replace(kind="header", name="authorization"),) if source.kind == "jwt_claim" else (source,)
        for each in (*carriers, *self._settings.extra_sources):
            if each.kind in ("header", "query") and (found := value(event, each)) is not None:
                (headers if each.kind == "header" else query)[each.name] = found
        return Request(own, headers, query, self._secret, deadline)


def _authenticate(request: Request) -> object:
    import importlib

    # Here and not at the start: what fails in the file denies, and is told, like what fails in the function.
    return importlib.import_module(_MODULE).authenticate(request)


def _line(error: BaseException) -> int | None:
    """Where in the user's file it went wrong."""
    line, trace = error.lineno if isinstance(error, SyntaxError) else None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.endswith(f"{_MODULE}.py"):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
