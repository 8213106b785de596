"""Between DynamoDB's typed attributes and plain Python values."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


def to_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """`{":at": 5}` -> `{":at": {"N": "5"}}`."""
    return {name: _serialize(value) for name, value in values.items()}


def from_item(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(_deserialize(value)) for name, value in item.items()}


def _plain(value: Any) -> Any:
    """DynamoDB's numbers arrive as Decimal; every number of ours is an integer."""
    match value:
        case Decimal():
            return int(value)
        case dict():
            return {name: _plain(inner) for name, inner in value.items()}
        case list():
            return [_plain(inner) for inner in value]
    return value
