"""Converts between DynamoDB's typed attributes and plain Python values; reads many items at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from onramp.adapters.aws import readable, retryable
from onramp.domain.errors import RetryableError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

READ_BATCH = 100
READ_ATTEMPTS = 3


def to_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """`{":at": 5}` -> `{":at": {"N": "5"}}`. Raises TypeError for what `from_item` never returns, as a fraction."""
    return {name: _typed(value) for name, value in values.items()}


def from_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers as integers: all in our tables are, and what another program wrote loses its fraction."""
    return {name: _plain(typed) for name, typed in item.items()}


# boto3's TypeSerializer and TypeDeserializer do the same; their import is 8 % of the trigger's cold start.
def _typed(value: Any) -> dict[str, Any]:
    match value:
        case str():
            return {"S": value}
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case int():
            return {"N": str(value)}
        case list() | tuple():
            return {"L": [_typed(inner) for inner in value]}
        case dict():
            return {"M": to_values(value)}
        case bytes():
            return {"B": value}
        case set() if value:
            return _typed_set(value)
    raise TypeError(f"no DynamoDB type for a {type(value).__name__}")


def _typed_set(values: set[Any]) -> dict[str, Any]:
    """Raises TypeError for a set of different types."""
    kinds = {kind for value in values for kind in _typed(value)}
    if len(kinds) > 1 or not kinds <= {"S", "N", "B"}:
        raise TypeError("no DynamoDB type for a set of different types")
    kind = kinds.pop()
    return {f"{kind}S": [_typed(value)[kind] for value in values]}


def _plain(typed: Mapping[str, Any]) -> Any:
    ((kind, value),) = typed.items()
    match kind:
        case "N":
            return int(Decimal(value))
        case "NULL":
            return None
        case "L":
            return [_plain(inner) for inner in value]
        case "M":
            return from_item(value)
        case "SS" | "BS":
            return set(value)
        case "NS":
            return {int(Decimal(number)) for number in value}
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
