"""What an erasure does to `UserProfiles`: it reads and deletes a profile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from onramp.adapters.items import from_item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient


@dataclass(frozen=True, slots=True)
class ProfileWrites:
    client: DynamoDBClient
    table: str

    def row(self, sub: str) -> dict[str, Any] | None:
        """The row as it is stored, by a consistent read."""
        reply = self.client.get_item(TableName=self.table, Key=_key(sub), ConsistentRead=True)
        return from_item(reply["Item"]) if "Item" in reply else None

    def delete(self, sub: str) -> None:
        self.client.delete_item(TableName=self.table, Key=_key(sub))


def _key(sub: str) -> dict[str, Any]:
    return {"userId": {"S": sub}}
