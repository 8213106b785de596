"""The conversion of DynamoDB's types is boto3's, for all that our tables hold."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import Binary, TypeDeserializer, TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from onramp.adapters.items import from_item, to_values

SCALARS = st.none() | st.booleans() | st.integers(-(10**37), 10**37) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)
SETS: st.SearchStrategy[Any] = (
    st.sets(st.text(), min_size=1) | st.sets(st.integers(0, 10**37), min_size=1) | st.sets(st.binary(), min_size=1)
)


@given(VALUES | SETS | st.binary())
def test_values_are_written_as_boto3_writes_them(value: Any) -> None:
    assert to_values({"a": value}) == {"a": TypeSerializer().serialize(value)}


@given(VALUES | SETS | st.binary())
def test_values_are_read_back(value: Any) -> None:
    assert from_item({"a": TypeSerializer().serialize(value)}) == {"a": value}


@given(VALUES | SETS | st.binary())
def test_values_are_read_as_boto3_reads_them(value: Any) -> None:
    typed = TypeSerializer().serialize(value)
    assert from_item({"a": typed}) == {"a": plain(TypeDeserializer().deserialize(typed))}


def plain(value: Any) -> Any:
    """boto3's own types as Python's."""
    match value:
        case Decimal():
            return int(value)
        case Binary():
            return value.__bytes__()
        case set():
            return set(map(plain, value))
        case list():
            return list(map(plain, value))
        case dict():
            return {name: plain(inner) for name, inner in value.items()}
    return value


def test_a_number_of_another_writer_loses_its_fraction() -> None:
    assert from_item({"a": {"N": "-7.9E1"}, "b": {"NS": ["1.5"]}}) == {"a": -79, "b": {1}}


@pytest.mark.parametrize("value", [1.5, set(), {"a", 1}, {(1,)}, object()])
def test_what_is_never_read_is_not_written(value: object) -> None:
    with pytest.raises(TypeError, match="no DynamoDB type for a"):
        to_values({"a": value})
