"""The checkpoints of `replay --from-table`: one row for each query in `Operations`, pk `REPLAY#table`, sk its digest.

A finished replay keeps its row, so that the same query is not emitted twice by mistake.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from onramp.adapters.items import from_item, to_values

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

ScanKey = dict[str, Any]
"""A key of `Users` as a scan's LastEvaluatedKey has it: `{"userId": {"S": "nia@example.com"}}`."""


@dataclass(frozen=True, slots=True)
class ReplayCheckpoint:
    """`emitted` events up to `key`. `key` None: at the start of the table or, with `done`, at its end."""

    key: ScanKey | None = None
    emitted: int = 0
    done: bool = False


@dataclass(frozen=True, slots=True)
class ReplayCheckpoints:
    client: DynamoDBClient
    table: str

    def load(self, digest: str) -> ReplayCheckpoint:
        """The start of the table where the query has no checkpoint."""
        reply = self.client.get_item(TableName=self.table, Key=_key(digest), ConsistentRead=True)
        row = from_item(reply.get("Item", {}))
        if not row:
            return ReplayCheckpoint()
        after = row.get("after")
        return ReplayCheckpoint({"userId": {"S": after}} if after else None, row["emitted"], done=after is None)

    def save(self, digest: str, checkpoint: ReplayCheckpoint) -> None:
        """Without a `key` the query is stored as done."""
        after = {"after": checkpoint.key["userId"]["S"]} if checkpoint.key else {}
        row = to_values({"emitted": checkpoint.emitted, **after})
        self.client.put_item(TableName=self.table, Item={**_key(digest), **row})


def _key(digest: str) -> dict[str, Any]:
    return {"pk": {"S": "REPLAY#table"}, "sk": {"S": digest}}
