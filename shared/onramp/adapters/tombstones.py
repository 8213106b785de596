"""Tombstones of erased users in `Operations`: read before any write that would create such a user again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from onramp.adapters.aws import readable, retryable
from onramp.adapters.items import get_items

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

PREFIX = "FORGOTTEN#"
SORT_KEY = {"S": "tombstone"}


@dataclass(frozen=True, slots=True)
class Tombstones:
    """One row a sub, `FORGOTTEN#sub`; it never expires and holds only the time of the erasure."""

    client: DynamoDBClient
    table: str

    def is_forgotten(self, sub: str) -> bool:
        """Whether this sub was erased. A consistent read."""
        with retryable("operations_get"):
            reply = self.client.get_item(TableName=self.table, Key=tombstone_key(sub), ConsistentRead=True)
        return "Item" in readable("operations_get", reply)

    def among(self, subs: Sequence[str]) -> frozenset[str]:
        """The erased subs among `subs`. Consistent reads."""
        keys = [tombstone_key(sub) for sub in dict.fromkeys(subs)]
        found = get_items(self.client, self.table, keys)
        return frozenset(str(item["pk"]["S"]).removeprefix(PREFIX) for item in found)


def tombstone_key(sub: str) -> dict[str, Any]:
    return {"pk": {"S": f"{PREFIX}{sub}"}, "sk": SORT_KEY}
