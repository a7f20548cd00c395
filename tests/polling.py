"""Waits for a condition with a deadline."""

import threading
import time
from collections.abc import Callable

_PAUSE = 0.2


def until(condition: Callable[[], bool], what: str, seconds: float = 90.0) -> None:
    """Returns once `condition()` holds; raises AssertionError naming `what` when `seconds` are over."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"After {seconds:.0f} s still not so: {what}"
        pause.wait(_PAUSE)
