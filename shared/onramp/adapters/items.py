"""Converts between DynamoDB's typed attributes and plain Python values; reads many items at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import Binary, TypeDeserializer, TypeSerializer

from onramp.adapters.aws import readable, retryable
from onramp.domain.errors import RetryableError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

READ_BATCH = 100
READ_ATTEMPTS = 3
_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


def to_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """`{":at": 5}` -> `{":at": {"N": "5"}}`."""
    return {name: _serialize(value) for name, value in values.items()}


def from_item(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(_deserialize(value)) for name, value in item.items()}


def _plain(value: Any) -> Any:
    """DynamoDB's numbers arrive as Decimal; all numbers in our tables are integers."""
    match value:
        case Decimal():
            return int(value)
        case dict():
            return {name: _plain(inner) for name, inner in value.items()}
        case list():
            return [_plain(inner) for inner in value]
        case set():
            return {_plain(inner) for inner in value}
        case Binary():  # its own str() raises TypeError
            return value.__bytes__()
    return value


def get_many(client: DynamoDBClient, table: str, user_ids: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The items with these `userId`s, read consistently; absent ones are left out. Raises RetryableError."""
    return get_items(client, table, [{"userId": {"S": user_id}} for user_id in dict.fromkeys(user_ids)])


def get_items(client: DynamoDBClient, table: str, keys: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The same by whole keys, without duplicates.

    DynamoDB may leave keys unprocessed, under load or beyond 16 MB: they are requested again.
    """
    for start in range(0, len(keys), READ_BATCH):
        wanted: Any = keys[start : start + READ_BATCH]
        for _ in range(READ_ATTEMPTS):
            with retryable("batch_get"):
                request: Any = {table: {"Keys": wanted, "ConsistentRead": True}}
                reply: Any = readable("batch_get", client.batch_get_item(RequestItems=request))
            if "Responses" not in reply:
                raise RetryableError("batch_get_unreadable")
            yield from reply["Responses"].get(table, [])
            wanted = reply.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
            if not wanted:
                break
        else:
            raise RetryableError("batch_get_unprocessed")
