"""Settings read from environment variables; an error names the variable and what is expected, never the value."""

import os
import re
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?(/|$)")


class SettingsError(Exception):
    """A setting is missing or malformed; the message names the variable and says what to set."""


def text(environ: Mapping[str, str], name: str, default: str) -> str:
    """The variable's value; `default` where it is unset or empty."""
    return environ.get(name, "").strip() or default


def choice(environ: Mapping[str, str], name: str, default: str, allowed: tuple[str, ...]) -> str:
    """One of `allowed`."""
    value = text(environ, name, default)
    if value not in allowed:
        raise SettingsError(f"{name} must be one of {', '.join(allowed)}.")
    return value


def integer(environ: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    """A whole number from `low` to `high`, both included."""
    value = text(environ, name, str(default))
    if not re.fullmatch(r"\d{1,9}", value) or not low <= int(value) <= high:
        raise SettingsError(f"{name} must be a whole number from {low} to {high}.")
    return int(value)


def url(environ: Mapping[str, str], name: str, default: str) -> str:
    """An https URL without a trailing slash; plain http is taken for the loopback address alone.

    With an empty `default` the variable is required.
    """
    value = text(environ, name, default).rstrip("/")
    if not value:
        raise SettingsError(f"{name} is not set. Set it to a URL.")
    if not re.match(r"https://[^\s/?#]", value) and not _LOOPBACK.match(value):
        raise SettingsError(f"{name} must be an https:// URL, since the API key is sent to it.")
    if re.search(r"[\s?#]", value):
        raise SettingsError(f"{name} must be a URL without spaces, query or fragment.")
    try:
        named = urlsplit(value).hostname and (urlsplit(value).port or 1)
    except ValueError:
        named = None
    if not named:
        raise SettingsError(f"{name} must be a URL with a host and, if any, a port from 1 to 65535.")
    return value


def ca_file(environ: Mapping[str, str], name: str) -> str:
    """Path of a PEM file with certificates to trust; a relative one is beside the function's code. Empty for none."""
    value = text(environ, name, "")
    if not value:
        return ""
    path = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), value)
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:
        raise SettingsError(f"{name} must name a file with certificates in PEM: {type(error).__name__}.") from error
    return path
