"""What the user of the module sets of the mapping: which calls are metered, under which source, with which elements.

One environment variable holds all of it as JSON, for Lambda limits the environment to 4 KB.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from revenium.settings import SettingsError

WEBSOCKET_EVENTS = ("CONNECT", "MESSAGE", "DISCONNECT")
_VALUE_LIMIT = 128  # of what comes from the log: with all elements a record still fits into a queue message
_MOST_ELEMENTS = 20
_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Rules:
    """Without settings: every call that reached the API, and of WebSockets the messages.

    `sources` has the key `<api id> <route>`, `<api id>` or, for all others, the empty one; `elements` an element's name
    and the access-log key of its value. `subscription` and `metadata` are texts in which `{key}` stands for a field.
    """

    sources: Mapping[str, str] = field(default_factory=dict)
    elements: Mapping[str, str] = field(default_factory=dict)
    subscription: str = ""
    metadata: str = ""
    statuses: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    excluded_routes: tuple[str, ...] = ()
    include_gateway_rejections: bool = False
    websocket_events: tuple[str, ...] = ("MESSAGE",)

    @classmethod
    def from_json(cls, name: str, text: str) -> "Rules":
        """Raises SettingsError naming the variable, the field and what is expected."""
        try:
            found = json.loads(text or "{}")
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise SettingsError(f"{name} must be a JSON object.")
        for key, value in found.items():
            if key not in _EXPECTED:
                raise SettingsError(f"{name} must have no other fields than {', '.join(_EXPECTED)}.")
            holds, expected = _EXPECTED[key]
            if not holds(value):
                raise SettingsError(f"{name}: {key} must be {expected}.")
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in found.items()
        }
        return cls(**values)

    def takes_status(self, status: int) -> bool:
        return not self.statuses or str(status) in self.statuses or f"{status // 100}xx" in self.statuses

    def takes_route(self, method: str | None, route: str | None) -> bool:
        """Whether the route is among `routes`, if there are any, and not among `excluded_routes`."""
        if not self.routes and not self.excluded_routes:
            return True
        included = not self.routes or any(_matches(pattern, method, route) for pattern in self.routes)
        return included and not any(_matches(pattern, method, route) for pattern in self.excluded_routes)

    def source(self, api_id: str | None, route: str | None) -> str | None:
        """The source id of the most specific entry."""
        if self.sources:
            for key in (f"{api_id} {route}", str(api_id), ""):
                if key in self.sources:
                    return self.sources[key]
        return None

    def elements_of(self, fields: Mapping[str, str]) -> dict[str, str]:
        return {name: fields[key][:_VALUE_LIMIT] for name, key in self.elements.items() if key in fields}


def filled(template: str, fields: Mapping[str, str]) -> str | None:
    """The template with the fields' values; of its parts between commas, those are left out that lack a value.

    A comma in a value becomes a space: who writes it must not add parts.
    """
    parts = [part for part in template.split(",") if set(_SLOT.findall(part)) <= fields.keys()]
    return _SLOT.sub(lambda slot: fields[slot[1]][:_VALUE_LIMIT].replace(",", " "), ",".join(parts)) or None


def _matches(pattern: str, method: str | None, route: str | None) -> bool:
    """`*` stands for any characters; a pattern with a space names the method too."""
    text = f"{method} {route}" if " " in pattern else str(route)
    return route is not None and re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), text, re.DOTALL) is not None


def _texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) and each for each in value.values())


def _list_of(pattern: str) -> Any:
    def holds(value: Any) -> bool:
        return isinstance(value, list) and all(isinstance(each, str) and re.fullmatch(pattern, each) for each in value)

    return holds


_TEXTS = "an object of texts that are not empty"
_EXPECTED: Mapping[str, tuple[Any, str]] = {
    "sources": (_texts, _TEXTS),
    "elements": (lambda value: _texts(value) and len(value) <= _MOST_ELEMENTS, f"{_TEXTS}, at most {_MOST_ELEMENTS}"),
    "subscription": (lambda value: isinstance(value, str), "a text"),
    "metadata": (lambda value: isinstance(value, str), "a text"),
    "statuses": (_list_of("[1-5](xx|[0-9]{2})"), "a list of codes (404) and classes (2xx)"),
    "routes": (_list_of(r"(?s).+"), "a list of texts"),
    "excluded_routes": (_list_of(r"(?s).+"), "a list of texts"),
    "include_gateway_rejections": (lambda value: isinstance(value, bool), "true or false"),
    "websocket_events": (_list_of("|".join(WEBSOCKET_EVENTS)), f"a list of {', '.join(WEBSOCKET_EVENTS)}"),
}
