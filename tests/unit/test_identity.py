"""The canonical e-mail, usable subs and names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onramp.domain.identity import MAX_NAME, canonical_email, usable_name, usable_sub


@pytest.mark.parametrize(
    ("given_address", "canonical"),
    [
        ("Nia@Example.COM", "nia@example.com"),
        ("o'brien+tag@sub.example.co", "o'brien+tag@sub.example.co"),
        ("a@xn--bcher-kva.example", "a@xn--bcher-kva.example"),
        ("a" * 64 + "@example.com", "a" * 64 + "@example.com"),
        ("a" * 65 + "@example.com", None),
        ("a@" + "b" * 63 + ".example", "a@" + "b" * 63 + ".example"),
        ("a@" + "b" * 64 + ".example", None),
        ("a@" + ".".join(["b" * 50] * 5), None),  # 256 characters
        (" nia@example.com", None),
        ("nia@example.com\n", None),
        ("nia@@example.com", None),
        ("nia.@example.com", None),
        ("ni..a@example.com", None),
        ('"quoted local"@example.com', None),
        ("nia@-example.com", None),
        ("nia@example.com.", None),
        ("nia@[127.0.0.1]", None),
        ("nia@bücher.example", None),
        ("\u212aevin@example.com", None),  # KELVIN SIGN, which casefold maps to k
        ("ıvan@example.com", None),
        ("ﬁona@example.com", None),
        ("", None),
        ("@", None),
        (None, None),
        (7, None),
        (["nia@example.com"], None),
    ],
)
def test_canonical_email(given_address: object, canonical: str | None) -> None:
    assert canonical_email(given_address) == canonical


@given(st.text() | st.emails() | st.emails().map(str.upper))
def test_canonical_email_is_idempotent_and_never_folds_onto_ascii(text: str) -> None:
    canonical = canonical_email(text)
    if canonical is not None:
        assert text.isascii()
        assert canonical_email(canonical) == canonical == text.lower()


@pytest.mark.parametrize(
    ("value", "usable"),
    [
        ("7d1f3a52-90b1-70c4-5e0f-2b8c1a6d4e01", True),
        ("7D1F3A52-90B1-00C4-5E0F-2B8C1A6D4E01", True),
        ("7d1f3a5290b170c45e0f2b8c1a6d4e01", False),
        ("7d1f3a52-90b1-70c4-5e0f-2b8c1a6d4e01\n", False),
        ("7d1f3a52-90b1-70c4-5e0f-2b8c1a6d4eg1", False),
        ("７d1f3a52-90b1-70c4-5e0f-2b8c1a6d4e01", False),
        ("", False),
        (None, False),
        ({}, False),
    ],
)
def test_usable_sub(value: object, usable: bool) -> None:
    assert usable_sub(value) == (value if usable else None)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("Nia", "Nia"),
        ("  Nia\n", "Nia"),
        ("N\x00i\x1ba", "Nia"),
        ("\ud83d", None),
        ("👩‍🚀 Ñandú", "👩‍🚀 Ñandú"),
        ("", None),
        ("\t", None),
        (None, None),
        (["Nia"], None),
        ("x" * 10_000, "x" * MAX_NAME),
    ],
)
def test_usable_name(value: object, kept: str | None) -> None:
    assert usable_name(value) == kept


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_a_usable_name_can_be_stored_anywhere(text: str) -> None:
    name = usable_name(text)
    assert name is None or (0 < len(name) <= MAX_NAME and name.encode("utf-8") and usable_name(name) == name)
