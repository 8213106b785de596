"""The checkpoint of an applied backfill: one row in `Operations`, `BACKFILL#run`. A dry run writes none.

All pages before the checkpoint are done. A lost checkpoint costs only time: a new run finds the users done.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from onramp.adapters.items import from_item, to_values

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

KEY: dict[str, Any] = {"pk": {"S": "BACKFILL#run"}, "sk": {"S": "run"}}


@dataclass(frozen=True, slots=True)
class BackfillState:
    """`pool` is read from `token` on (None: its first page), the pools before it are done; "" = all pools are done.

    `rules` is the fingerprint of the rules and pools of the run, `started_at` its start in Unix milliseconds. `found`
    counts the users so far, by label. The first `csv_bytes` bytes of the refusals file belong to the run.
    """

    rules: str
    started_at: int
    pool: str
    token: str | None = None
    found: Mapping[str, int] = field(default_factory=dict)
    csv_bytes: int = 0

    def after(self, counts: Mapping[str, int], next_token: str | None, next_pool: str, csv_bytes: int) -> BackfillState:
        """The state after one more page; without a `next_token` it was the last page of its pool."""
        found = Counter(self.found) + Counter(counts)
        pool = self.pool if next_token else next_pool
        return replace(self, pool=pool, token=next_token, found=found, csv_bytes=csv_bytes)

    @property
    def users(self) -> int:
        return sum(self.found.values())


@dataclass(frozen=True, slots=True)
class BackfillCheckpoints:
    client: DynamoDBClient
    table: str

    def load(self, rules: str) -> BackfillState | None:
        """None where there is no checkpoint, or its run had other rules: users that it refused may be admitted now."""
        reply = self.client.get_item(TableName=self.table, Key=KEY, ConsistentRead=True)
        row = from_item(reply.get("Item", {}))
        if row.get("rules") != rules:
            return None
        return BackfillState(
            rules, row["startedAt"], row["pool"], row.get("token"), row.get("found", {}), row.get("csvBytes", 0)
        )

    def save(self, state: BackfillState) -> None:
        row = {
            "rules": state.rules,
            "startedAt": state.started_at,
            "pool": state.pool,
            "found": dict(state.found),
            "csvBytes": state.csv_bytes,
        } | ({"token": state.token} if state.token else {})
        self.client.put_item(TableName=self.table, Item={**KEY, **to_values(row)})

    def clear(self) -> None:
        self.client.delete_item(TableName=self.table, Key=KEY)
