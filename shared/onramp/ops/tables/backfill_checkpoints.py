"""Where an applied backfill stands: one row in `Operations`, `BACKFILL#run`. A dry run writes nothing, not even this.

Everything before the checkpoint is done; what comes again is found done. Lost, it only costs the progress.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from onramp.adapters.items import from_item, to_values

KEY = {"pk": {"S": "BACKFILL#run"}, "sk": {"S": "run"}}


@dataclass(frozen=True, slots=True)
class BackfillState:
    """`pool` is under way from `token` on (None: its first page), those before it are finished; "" = all are.

    `rules` tells runs under other rules apart; `csv_bytes` is how much of the file of refusals belongs to it.
    """

    rules: str
    started_at: int
    pool: str
    token: str | None = None
    found: Mapping[str, int] = field(default_factory=dict)
    csv_bytes: int = 0

    def after(self, counts: Mapping[str, int], next_token: str | None, next_pool: str, csv_bytes: int) -> BackfillState:
        """After one more page; without a `next_token` it was the last of its pool."""
        found = Counter(self.found) + Counter(counts)
        pool = self.pool if next_token else next_pool
        return replace(self, pool=pool, token=next_token, found=found, csv_bytes=csv_bytes)

    @property
    def users(self) -> int:
        return sum(self.found.values())


@dataclass(frozen=True, slots=True)
class BackfillCheckpoints:
    client: Any
    table: str

    def load(self, rules: str) -> BackfillState | None:
        """None where there is none, or one of a run under other rules: whom those refused, these may admit."""
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
