"""Makes what users wrote safe to show, and personal data unreadable unless asked for.

A hostile name or reason must not forge terminal output (ANSI, bidirectional overrides, newlines) nor become a formula
in a spreadsheet.
"""

from __future__ import annotations

import unicodedata

_UNSAFE = ("Cc", "Cf", "Cs", "Zl", "Zp", "Co", "Cn")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")


def visible(value: object) -> str:
    """On one line, with everything that could move the cursor or reorder the text written out, as `\\x1b`."""
    return "".join(
        char.encode("unicode_escape").decode() if unicodedata.category(char) in _UNSAFE else char for char in str(value)
    )


def csv_cell(value: object) -> str:
    """A cell that a spreadsheet takes for text."""
    text = visible(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def masked_email(value: str) -> str:
    """`nia@example.com` -> `n***@example.com`. The domain stays: it tells a provider's failure from one person's."""
    local, at, domain = value.rpartition("@")
    return f"{local[:1]}***{at}{domain}" if at else "***"


def masked(value: str | None) -> str | None:
    """`Nia Newcomer` -> `N***`."""
    return f"{value[:1]}***" if value else value
