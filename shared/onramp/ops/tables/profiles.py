"""The writes that operators make to `UserProfiles`: a relink copies a profile, an erasure deletes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from onramp.adapters.aws import condition_holds
from onramp.adapters.items import from_item, to_values

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

    def fill_in(self, sub: str, attributes: Mapping[str, Any], now: int) -> None:
        """Writes each attribute where the profile has none, so a repetition changes only `updatedAt`."""
        names = {f"#{place}": name for place, name in enumerate(attributes)}
        values = {f":{place}": value for place, value in enumerate(attributes.values())}
        assignments = [f"#{place} = if_not_exists(#{place}, :{place})" for place in range(len(attributes))]
        self.client.update_item(
            TableName=self.table,
            Key=_key(sub),
            UpdateExpression=f"SET {', '.join(assignments)}, updatedAt = :now",
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=to_values({**values, ":now": now}),
        )

    def mark_relinked(self, old: str, new: str) -> bool:
        """Names the new sub in the old sub's profile. False, and nothing is written, where that profile is gone."""
        return condition_holds(
            self.client.update_item,
            TableName=self.table,
            Key=_key(old),
            UpdateExpression="SET relinkedTo = :new",
            ConditionExpression="attribute_exists(userId)",
            ExpressionAttributeValues=to_values({":new": new}),
        )

    def delete(self, sub: str) -> None:
        self.client.delete_item(TableName=self.table, Key=_key(sub))


def _key(sub: str) -> dict[str, Any]:
    return {"userId": {"S": sub}}
