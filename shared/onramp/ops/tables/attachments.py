"""The functions that `onramp attach` replaced, in `Operations` (`ATTACHED#pool`), so that detach can restore them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from onramp.adapters.items import from_item, to_values

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient


@dataclass(frozen=True, slots=True)
class ReplacedTriggers:
    """By user pool: trigger name -> ARN. Without conditions: the last attach of a pool wins."""

    client: DynamoDBClient
    table: str

    def load(self, pool: str) -> dict[str, str]:
        """Empty where nothing was replaced."""
        reply = self.client.get_item(TableName=self.table, Key=_key(pool), ConsistentRead=True)
        return dict(from_item(reply.get("Item", {})).get("replaced", {}))

    def save(self, pool: str, replaced: Mapping[str, str]) -> None:
        """Before the pool is updated: a crash in between leaves a row too many, never a lost ARN."""
        row = to_values({"replaced": dict(replaced)})
        self.client.put_item(TableName=self.table, Item={**_key(pool), **row})

    def remove(self, pool: str) -> None:
        self.client.delete_item(TableName=self.table, Key=_key(pool))


def _key(pool: str) -> dict[str, Any]:
    return {"pk": {"S": "ATTACHED#pool"}, "sk": {"S": pool}}
