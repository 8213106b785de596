"""The demo's checks. A check that fails ends the demo with exit code 1 and its sentence."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
WITHIN_SECONDS = 30.0
PAUSE_SECONDS = 0.005


class ExpectationFailed(Exception):
    """A check that failed. The message states what was expected."""


def expect(condition: bool, expectation: str) -> None:
    if not condition:
        raise ExpectationFailed(expectation)


def eventually(read: Callable[[], T | None], expectation: str, within: float = WITHIN_SECONDS) -> T:
    """Repeats `read` until its result is truthy. Raises ExpectationFailed after `within` seconds."""
    deadline = time.monotonic() + within
    while not (result := read()):
        if time.monotonic() > deadline:
            raise ExpectationFailed(f"{expectation} (waited {within:.0f} s)")
        time.sleep(PAUSE_SECONDS)
    return result
