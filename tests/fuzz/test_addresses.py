"""No address becomes another one: characters that fold to ASCII are refused, and only A-Z changes, to a-z."""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onramp.domain.identity import MAX_ADDRESS, MAX_LOCAL_PART, canonical_email
from tests.fuzz.strategies import ANY_TEXT, FUZZ, ODD_TEXT

ASCII_PRINTABLE = set(string.ascii_letters + string.digits + string.punctuation)
FOLDS: tuple[Callable[[str], str], ...] = (
    str.casefold,
    str.lower,
    str.upper,
    lambda c: unicodedata.normalize("NFKC", c),
    lambda c: unicodedata.normalize("NFKD", c),
    lambda c: unicodedata.normalize("NFKC", c).casefold(),
    lambda c: unicodedata.normalize("NFD", c)[0],  # without its accents
)
FOLDABLE = [c for c in map(chr, range(0x80, 0x20000)) if any(set(fold(c)) <= ASCII_PRINTABLE for fold in FOLDS)]

_parts = st.text(alphabet=string.ascii_letters + string.digits + ".!#$%&'*+/=?^_`{|}~-", max_size=70)
_almost_addresses = st.tuples(
    _parts, st.sampled_from(["@", "@", "@", "", "@@", " @ ", "＠"]), _parts | ANY_TEXT, ODD_TEXT | st.just("")
)
addresses = _almost_addresses.map("".join) | st.emails() | st.tuples(st.emails(), ODD_TEXT).map("".join) | ANY_TEXT


def test_many_characters_would_fold_to_ascii() -> None:
    assert len(FOLDABLE) > 1_500
    assert {"\u212a", "ı", "ﬁ", "ａ", "𝐚", "é"} <= set(FOLDABLE)


@pytest.mark.parametrize("address", ["n{}a@example.com", "nia@ex{}mple.com", "nia{}example.com", "nia@example{}com"])
def test_none_of_them_is_accepted_in_an_address(address: str) -> None:
    assert [c for c in FOLDABLE if canonical_email(address.format(c)) is not None] == []


@FUZZ
@given(addresses)
def test_an_accepted_address_is_bounded_ascii_and_only_lowercased(address: str) -> None:
    canonical = canonical_email(address)
    if canonical is None:
        return
    local, _, domain = canonical.rpartition("@")
    assert address.isascii()
    assert len(canonical) <= MAX_ADDRESS
    assert 0 < len(local) <= MAX_LOCAL_PART
    assert domain
    assert not set(canonical) - ASCII_PRINTABLE
    assert canonical.count("@") == 1
    # Same length and the same letters in the same positions: nothing is stripped, collapsed or folded.
    assert [a == b or (a.isupper() and a.lower() == b) for a, b in zip(address, canonical, strict=True)] == [
        True
    ] * len(canonical)
    assert canonical_email(canonical) == canonical == canonical_email(address.upper())
