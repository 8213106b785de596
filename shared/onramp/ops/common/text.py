"""Makes text written by users safe to print, and masks personal data.

A hostile name or reason must not forge terminal output (ANSI, bidirectional overrides, newlines) and must not become a
formula in a spreadsheet.
"""

from __future__ import annotations

import unicodedata

from onramp.domain.identity import canonical_email

_UNSAFE = ("Cc", "Cf", "Cs", "Zl", "Zp", "Co", "Cn")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")


def visible(value: object) -> str:
    """On one line; characters that could move the cursor or reorder the text are written as an escape, like `\\x1b`."""
    return "".join(
        char.encode("unicode_escape").decode() if unicodedata.category(char) in _UNSAFE else char for char in str(value)
    )


def csv_cell(value: object) -> str:
    """A cell that a spreadsheet reads as text."""
    text = visible(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def masked_email(value: str) -> str:
    """`nia@example.com` -> `n***@example.com`. The domain stays: it shows whether a whole provider is affected.

    Other text is masked as a whole: behind an @ in free text may be anything.
    """
    if canonical_email(value) is None:
        return "***"
    local, _, domain = value.rpartition("@")
    return f"{local[:1]}***@{domain}"


def masked(value: str | None) -> str | None:
    """`Nia Newcomer` -> `N***`."""
    return f"{value[:1]}***" if value else value


def masked_text(value: str) -> str:
    """An address, or any other text."""
    return masked_email(value) if "@" in value else masked(value) or ""
