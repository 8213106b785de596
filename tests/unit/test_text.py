"""A hostile name cannot forge terminal output or a CSV cell, and personal data is masked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onramp.ops.common.text import csv_cell, masked, masked_email, masked_text, visible


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Nia Ñandú 🚀", "Nia Ñandú 🚀"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("abc\u202edef", "abc\\u202edef"),
        ("a\u200bb", "a\\u200bb"),
        ("\ud800", "\\ud800"),
        (7, "7"),
    ],
)
def test_visible(value: object, shown: str) -> None:
    assert visible(value) == shown


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_visible_text_stays_on_its_line(text: str) -> None:
    assert len(visible(text).splitlines()) <= 1
    assert "\x1b" not in visible(text)


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_csv_cell_is_no_formula(text: str) -> None:
    assert not csv_cell(text).startswith(("=", "+", "-", "@", "\t", "\r"))


def test_masks() -> None:
    assert masked_email("nia@example.com") == "n***@example.com"
    assert masked_email("nonsense") == "***"
    assert masked_text("nia@example.com") == "n***@example.com"
    assert (masked_text("Nia"), masked_text("")) == ("N***", "")


@pytest.mark.parametrize(
    "text",
    [
        "call Nia @ 5 Secret Street",
        "nia@example.com, Nia Newcomer",
        "x@y, born 1990-01-01",
        "@Nia",
        "nia@Ñandú.example",
    ],
)
def test_text_with_an_at_sign_that_is_no_address_is_masked_as_a_whole(text: str) -> None:
    assert masked_text(text) == masked_email(text) == "***"
    assert (masked("Nia"), masked(None), masked("")) == ("N***", None, "")
