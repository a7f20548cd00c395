"""Structured logs: one JSON object per line, so that no value can forge a line of its own."""

import json
import os
from typing import Literal

Level = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
_ORDER = ("DEBUG", "INFO", "WARNING", "ERROR")


def log(level: Level, message: str, **fields: object) -> None:
    """Write one line: `level`, `message` and `fields` (no key, no log line, no body belongs into them).

    Lines below the level that `LOG_LEVEL` names (default INFO) are left out.
    """
    threshold = os.environ.get("LOG_LEVEL", "INFO").upper()
    if _ORDER.index(level) >= (_ORDER.index(threshold) if threshold in _ORDER else 1):
        print(json.dumps({"level": level, "message": message, **fields}, default=str), flush=True)
