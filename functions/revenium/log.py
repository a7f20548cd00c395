"""Structured logs: one JSON object per line, so that no value can forge a line of its own."""

import json
import os
from typing import Literal

Level = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def log(level: Level, message: str, **fields: object) -> None:
    """Write one line: `level`, `message` and `fields` (no key, no log line, no body belongs into them).

    Lines below the level that `LOG_LEVEL` names (default INFO) are left out.
    """
    threshold = os.environ.get("LOG_LEVEL") or "INFO"
    # The settings have refused another level before; without settings yet, nothing is held back.
    if threshold not in LEVELS or LEVELS.index(level) >= LEVELS.index(threshold):
        print(json.dumps({"level": level, "message": message, **fields}, default=str), flush=True)
