"""What both providers' answers have in common."""

from __future__ import annotations

import re
from collections.abc import Mapping

_WORD = re.compile(r"[\w.-]{1,64}", re.ASCII)


def header(headers: Mapping[str, str], name: str) -> str:
    """A header whatever its case; "" where it is absent."""
    return next((value for key, value in headers.items() if key.lower() == name.lower()), "")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """`Retry-After` in seconds; a date or nonsense is no advice."""
    try:
        seconds = float(header(headers, "Retry-After"))
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None


def word(value: object) -> str | None:
    """A provider's own word for an error, or None: a sentence might quote what was sent, into logs and dead letters."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else None
