"""The checkpoints of `replay --from-table`: one row for each query in `Operations`, pk `REPLAY#table`, sk its digest.

The position is the number of a segment of a parallel scan, and no key of `Users`: that would be an e-mail address,
which would outlive an erasure. For a given number of segments DynamoDB assigns a key always to the same segment. A
finished replay keeps its row, so that the same query is not emitted twice by mistake.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from onramp.adapters.items import from_item, to_values

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient


@dataclass(frozen=True, slots=True)
class ReplayCheckpoint:
    """`emitted` events so far. The segments before `segment` are done, of `segments` in all; 0: not known yet."""

    segment: int = 0
    segments: int = 0
    emitted: int = 0

    @property
    def done(self) -> bool:
        return 0 < self.segments <= self.segment

    def after_segment(self, emitted: int) -> ReplayCheckpoint:
        return replace(self, segment=self.segment + 1, emitted=emitted)


@dataclass(frozen=True, slots=True)
class ReplayCheckpoints:
    client: DynamoDBClient
    table: str

    def load(self, digest: str) -> ReplayCheckpoint:
        """The start of the table where the query has no checkpoint, or one of an earlier version, by address."""
        reply = self.client.get_item(TableName=self.table, Key=_key(digest), ConsistentRead=True)
        row = from_item(reply.get("Item", {}))
        if "segments" not in row:
            return ReplayCheckpoint()
        return ReplayCheckpoint(row["segment"], row["segments"], row["emitted"])

    def save(self, digest: str, checkpoint: ReplayCheckpoint) -> None:
        row = {"segment": checkpoint.segment, "segments": checkpoint.segments, "emitted": checkpoint.emitted}
        self.client.put_item(TableName=self.table, Item={**_key(digest), **to_values(row)})


def _key(digest: str) -> dict[str, Any]:
    return {"pk": {"S": "REPLAY#table"}, "sk": {"S": digest}}
