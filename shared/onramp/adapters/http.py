"""Reads the headers and error words of the providers' HTTP answers."""

from __future__ import annotations

import re
from collections.abc import Mapping

_WORD = re.compile(r"[\w.-]{1,64}", re.ASCII)


def header(headers: Mapping[str, str], name: str) -> str:
    """A header's value, by name in any case; "" where it is absent."""
    return next((value for key, value in headers.items() if key.lower() == name.lower()), "")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """`Retry-After` in seconds; None for a date or an unreadable value."""
    try:
        seconds = float(header(headers, "Retry-After"))
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None


def word(value: object) -> str | None:
    """A provider's error code, or None where it is a sentence: that might quote personal data into logs and letters."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else None
