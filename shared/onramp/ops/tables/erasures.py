"""Erasures in `Operations`: a journal of those under way, and the tombstones that they leave.

`FORGETTING`   one row for each erasure that has not ended, keyed by the sub (the address where there is no sub). It
               survives a killed erasure: a second run then knows the target, though the record is gone.
`FORGOTTEN#s`  one tombstone for each erased sub. It stays, and holds the time of the erasure and no other data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from onramp.adapters.items import from_item, to_values
from onramp.adapters.tombstones import tombstone_key
from onramp.domain.users import User

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

JOURNAL = "FORGETTING"


@dataclass(frozen=True, slots=True)
class ErasureTarget:
    """The user to erase: the address, if it is known, and all subs, the present one of the record first.

    `subs`: every sub that the record has or had, and every other that the pools list under the address. `pools`: by
    sub, where it is in another pool than `pool`. `pre_created`: the record has no sub. `busy`: a worker may start on
    this user until the record is deleted. `last_work` in Unix milliseconds.
    """

    user_id: str | None
    subs: tuple[str, ...]
    pool: str
    busy: bool
    last_work: int
    pools: Mapping[str, str] = field(default_factory=dict)
    pre_created: bool = False

    @property
    def key(self) -> str:
        return self.subs[0] if self.subs else str(self.user_id)

    def pool_of(self, sub: str) -> str:
        return self.pools.get(sub, self.pool)

    def owns(self, record: User) -> bool:
        """Whether a record at the address is this user's, also after a relink; False for a new user of the address."""
        if record.cognito_sub is None:
            return self.pre_created
        return bool({record.cognito_sub, *record.linked_before} & set(self.subs))

    def extended_by(self, record: User) -> ErasureTarget:
        """With the subs of a record that was linked or relinked after this target was found; its worker may run."""
        subs = tuple(dict.fromkeys(filter(None, (record.cognito_sub, *record.linked_before, *self.subs))))
        return replace(self, subs=subs, busy=True)


@dataclass(frozen=True, slots=True)
class ErasureJournal:
    client: DynamoDBClient
    table: str

    def open(self, target: ErasureTarget) -> None:
        row = {
            "pk": JOURNAL,
            "sk": target.key,
            "userId": target.user_id,
            "subs": list(target.subs),
            "userPoolId": target.pool,
            "busy": target.busy,
            "lastWork": target.last_work,
            "pools": dict(target.pools),
            "preCreated": target.pre_created,
        }
        self.client.put_item(TableName=self.table, Item=to_values(row))

    def unfinished(self, identifier: str) -> ErasureTarget | None:
        """The erasure of this address or sub, in any case, that was opened and not closed. A consistent read."""
        pages = self.client.get_paginator("query").paginate(
            TableName=self.table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": JOURNAL}},
            ConsistentRead=True,
        )
        rows = (from_item(item) for page in pages for item in page["Items"])
        return next((_target(row) for row in rows if identifier.lower() in _names(row)), None)

    def close(self, target: ErasureTarget) -> None:
        self.client.delete_item(TableName=self.table, Key={"pk": {"S": JOURNAL}, "sk": {"S": target.key}})

    def write_tombstones(self, subs: Sequence[str], now: int) -> dict[str, int]:
        """Returns the time of each tombstone: where one exists already, its own time, for a second run."""
        return {sub: self._write_tombstone(sub, now) for sub in subs}

    def _write_tombstone(self, sub: str, now: int) -> int:
        reply = self.client.update_item(
            TableName=self.table,
            Key=tombstone_key(sub),
            UpdateExpression="SET forgottenAt = if_not_exists(forgottenAt, :now)",
            ExpressionAttributeValues=to_values({":now": now}),
            ReturnValues="ALL_NEW",
        )
        return int(from_item(reply["Attributes"])["forgottenAt"])


def _names(row: Mapping[str, Any]) -> set[str]:
    return {name.lower() for name in (row["userId"], *row["subs"]) if name}


def _target(row: Mapping[str, Any]) -> ErasureTarget:
    return ErasureTarget(
        user_id=row["userId"],
        subs=tuple(row["subs"]),
        pool=row["userPoolId"],
        busy=row["busy"],
        last_work=row["lastWork"],
        pools=row.get("pools", {}),
        pre_created=row.get("preCreated", not row["subs"]),
    )
