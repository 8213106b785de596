"""Erasures under way, in `Operations`: whoever dies in the middle leaves behind whom it was about.

`FORGETTING`, one row each while it lasts, keyed by the sub (the address, where there is none). Then only the tombstones
are left, which say nothing but that, and when, a sub was erased.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from onramp.adapters.items import from_item, to_values
from onramp.adapters.tombstones import tombstone_key

UNDER_WAY = "FORGETTING"


@dataclass(frozen=True, slots=True)
class ErasureTarget:
    """Whom to erase: the address, if it is known, and every sub they had, the present one first.

    `busy`: a worker may begin with them until the record is gone; `last_work` in Unix milliseconds.
    """

    user_id: str | None
    subs: tuple[str, ...]
    pool: str
    busy: bool
    last_work: int

    @property
    def key(self) -> str:
        return self.subs[0] if self.subs else str(self.user_id)


@dataclass(frozen=True, slots=True)
class ErasureJournal:
    client: Any
    table: str

    def open(self, target: ErasureTarget) -> None:
        row = {
            "pk": UNDER_WAY,
            "sk": target.key,
            "userId": target.user_id,
            "subs": list(target.subs),
            "userPoolId": target.pool,
            "busy": target.busy,
            "lastWork": target.last_work,
        }
        self.client.put_item(TableName=self.table, Item=to_values(row))

    def under_way(self, name: str) -> ErasureTarget | None:
        """The erasure of this address or sub that did not come to its end."""
        pages = self.client.get_paginator("query").paginate(
            TableName=self.table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": UNDER_WAY}},
            ConsistentRead=True,
        )
        rows = (from_item(item) for page in pages for item in page["Items"])
        return next((_target(row) for row in rows if name in (row["userId"], *row["subs"])), None)

    def close(self, target: ErasureTarget) -> None:
        self.client.delete_item(TableName=self.table, Key={"pk": {"S": UNDER_WAY}, "sk": {"S": target.key}})

    def bury(self, subs: Sequence[str], now: int) -> dict[str, int]:
        """A tombstone each, and since when it stands: an erasure that goes on keeps the time of its beginning."""
        return {sub: self._bury(sub, now) for sub in subs}

    def _bury(self, sub: str, now: int) -> int:
        reply = self.client.update_item(
            TableName=self.table,
            Key=tombstone_key(sub),
            UpdateExpression="SET forgottenAt = if_not_exists(forgottenAt, :now)",
            ExpressionAttributeValues=to_values({":now": now}),
            ReturnValues="ALL_NEW",
        )
        return int(from_item(reply["Attributes"])["forgottenAt"])


def _target(row: dict[str, Any]) -> ErasureTarget:
    return ErasureTarget(row["userId"], tuple(row["subs"]), row["userPoolId"], row["busy"], row["lastWork"])
