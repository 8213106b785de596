"""The audit rows in `Operations`: pk `AUDIT#2026-11`, sk the time and a random id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from onramp.adapters.items import from_item, to_values

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One command that changed or revealed something.

    `at` is RFC 3339 in UTC with milliseconds, `who` an ARN. `details` holds no personal data in the clear. `result` is
    `started`, `done`, `failed` or `interrupted`.
    """

    at: str
    id: str
    who: str
    what: str
    details: Mapping[str, str] = field(default_factory=dict)
    count: int = 0
    outcome: Mapping[str, int | str] = field(default_factory=dict)
    result: str = "started"


@dataclass(frozen=True, slots=True)
class AuditTable:
    client: DynamoDBClient
    table: str

    def save(self, row: AuditRow) -> None:
        """Replaces the row with the same `at` and `id`."""
        item = {
            "pk": _partition(row.at[: len("2026-11")]),
            "sk": f"{row.at}#{row.id}",
            "who": row.who,
            "what": row.what,
            "details": dict(row.details),
            "count": row.count,
            "outcome": dict(row.outcome),
            "result": row.result,
        }
        self.client.put_item(TableName=self.table, Item=to_values(item))

    def of_month(self, month: str) -> Iterator[AuditRow]:
        """The rows of a month, `2026-11`, newest first."""
        pages = self.client.get_paginator("query").paginate(
            TableName=self.table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": _partition(month)}},
            ScanIndexForward=False,
        )
        for page in pages:
            yield from map(_row_from, page["Items"])


def _partition(month: str) -> str:
    return f"AUDIT#{month}"


def _row_from(item: Mapping[str, Any]) -> AuditRow:
    row = from_item(item)
    at, _, identity = row["sk"].partition("#")
    return AuditRow(
        at.replace("+00:00", "Z"),  # earlier versions wrote the offset
        identity,
        row["who"],
        row["what"],
        row.get("details", {}),
        row.get("count", 0),
        row.get("outcome", {}),
        row["result"],
    )
