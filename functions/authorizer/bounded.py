"""A bound on the time of what has none of its own, such as looking up a host's name."""

import threading
from collections.abc import Callable
from typing import TypeVar

_Result = TypeVar("_Result")


def within(seconds: float, call: Callable[[], _Result]) -> _Result:
    """What `call()` returns or raises; raises TimeoutError after `seconds`, and whatever comes later is dropped.

    TimeoutError too where no thread can be started, since calls that never came back hold them all.
    """
    done: list[tuple[_Result | None, BaseException | None]] = []

    def run() -> None:
        try:
            done.append((call(), None))
        except BaseException as error:  # noqa: BLE001 - handed on to the waiting thread
            done.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    try:
        thread.start()
    except RuntimeError as refusal:
        raise TimeoutError from refusal
    thread.join(max(0.0, seconds))
    if not done:
        raise TimeoutError
    result, error = done[0]
    if error is not None:
        raise error
    return result  # type: ignore[return-value]
