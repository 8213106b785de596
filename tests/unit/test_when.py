"""Times that operators write, and durations for the screen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onramp.ops.common.errors import UsageError
from onramp.ops.common.when import format_duration, format_time, parse_time

NOW = 1_795_000_000_123


@pytest.mark.parametrize(
    ("text", "millis"),
    [
        ("2026-11-20", 1_795_132_800_000),
        ("2026-11-20T09:00", 1_795_165_200_000),
        ("2026-11-20T09:00Z", 1_795_165_200_000),
        (" 2026-11-20T10:00:00+01:00 ", 1_795_165_200_000),
        ("0s", 1_795_000_000_000),
        ("90s", 1_794_999_910_000),
        ("10m", 1_794_999_400_000),
        ("2h", 1_794_992_800_000),
        ("3d", 1_794_740_800_000),
    ],
)
def test_a_moment(text: str, millis: int) -> None:
    assert parse_time(text, NOW) == millis


@pytest.mark.parametrize("text", ["", "yesterday", "2h ago", "-2h", "2w", "1234567s", "2026-13-01", "٣d"])
def test_other_text_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="is not a time"):
        parse_time(text, NOW)


@given(st.integers(0, 4_000_000_000))
def test_a_moment_parses_what_clock_writes(seconds: int) -> None:
    assert parse_time(format_time(seconds * 1000), NOW) == seconds * 1000


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (45, "45 s"),
        (60, "1 min"),
        (3_599, "59 min"),
        (3_600, "1 h"),
        (7_500, "2 h 5 min"),
        (86_400 + 59, "1 d"),
        (90_000, "1 d 1 h"),
    ],
)
def test_a_duration(seconds: int, text: str) -> None:
    assert format_duration(seconds * 1000) == text
