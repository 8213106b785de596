"""The `Operations` table: the checkpoints of the pool sweep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from onramp.adapters.aws import readable, retryable
from onramp.adapters.items import from_item, to_values
from onramp.usecases.sweep import SweepCheckpoint

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient


@dataclass(frozen=True, slots=True)
class SweepCheckpoints:
    """One row a pool: `SWEEP#pool` and the pool's id. A lost or overwritten row only costs a sweep its progress."""

    client: DynamoDBClient
    table: str

    def load(self, user_pool_id: str) -> SweepCheckpoint:
        with retryable("operations_get"):
            reply = self.client.get_item(TableName=self.table, Key=self._key(user_pool_id), ConsistentRead=True)
        row = from_item(readable("operations_get", reply).get("Item", {}))
        found, times = row.get("found", {}), (row.get("startedAt", 0), row.get("sweptAt", 0))
        return SweepCheckpoint(row.get("token"), found, *times)

    def save(self, user_pool_id: str, checkpoint: SweepCheckpoint) -> None:
        row: dict[str, Any] = {"found": dict(checkpoint.found)}
        row |= {"startedAt": checkpoint.started_at, "sweptAt": checkpoint.swept_at}
        if checkpoint.token:
            row["token"] = checkpoint.token
        with retryable("operations_put"):
            self.client.put_item(TableName=self.table, Item={**self._key(user_pool_id), **to_values(row)})

    @staticmethod
    def _key(user_pool_id: str) -> dict[str, Any]:
        return {"pk": {"S": "SWEEP#pool"}, "sk": {"S": user_pool_id}}
