"""Parses the times that operators write, and formats times and durations for the screen."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from onramp.ops.common.errors import UsageError

_AGO = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def parse_time(text: str, now: int) -> int:
    """Unix milliseconds of `2026-11-20`, `2026-11-20T09:00Z` (UTC where no offset is given) or `2h`, two hours ago.

    The second form is rounded down to a whole second, so that `clock` writes it without loss. Raises UsageError.
    """
    if ago := _AGO.fullmatch(text.strip()):
        return (now // 1000 - int(ago[1]) * _SECONDS[ago[2]]) * 1000
    try:
        parsed = datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(
            f"'{text}' is not a time: write 2026-11-20T09:00Z, or 2h for two hours ago (s, m, h, d)."
        ) from None
    return round((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp() * 1000)


def format_duration(millis: float) -> str:
    """`4 d 2 h`, `2 h 5 min`, `3 min`, `45 s`: the largest unit, and the rest in the next one."""
    seconds = max(0, round(millis / 1000))
    for size, unit, smaller, name in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 0, "")):
        count, rest = divmod(seconds, size)
        if count:
            more = f" {rest // smaller} {name}" if smaller and rest >= smaller else ""
            return f"{count} {unit}{more}"
    return f"{seconds} s"


def format_time(millis: int) -> str:
    """`2026-11-20T09:00:00Z`: `moment` parses it back."""
    return f"{datetime.fromtimestamp(millis / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
