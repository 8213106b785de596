"""What the story promises. Everything shown was read back; whatever does not hold ends the demo by name."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
WITHIN_SECONDS = 30.0
PAUSE_SECONDS = 0.005


class ExpectationFailed(Exception):
    """One promise of the story that did not hold, as a sentence."""


def expect(holds: bool, sentence: str) -> None:
    if not holds:
        raise ExpectationFailed(sentence)


def eventually(look: Callable[[], T | None], sentence: str, within: float = WITHIN_SECONDS) -> T:
    """The first truthy answer of `look`, asked again and again."""
    deadline = time.monotonic() + within
    while not (found := look()):
        if time.monotonic() > deadline:
            raise ExpectationFailed(f"{sentence} (waited {within:.0f} s)")
        time.sleep(PAUSE_SECONDS)
    return found
