"""Who did what: one row in `Operations` for everything that changes something or reveals somebody.

pk `AUDIT#2026-11`, sk the time and a random part; `who` (ARN), `what`, `details` (masked), `count`, `result`
(`started`, `done`, `failed`, `interrupted`).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from onramp.adapters.items import from_item, to_values


@dataclass
class AuditEntry:
    """What a command fills in while it works: how many, and what is worth knowing of the outcome."""

    count: int = 0
    outcome: dict[str, int | str] = field(default_factory=dict)


@dataclass(frozen=True)
class AuditLog:
    client: Any
    table: str
    who: str

    @contextmanager
    def entry(self, what: str, details: Mapping[str, str]) -> Iterator[AuditEntry]:
        now = datetime.now(UTC)
        row = {
            "pk": f"AUDIT#{now:%Y-%m}",
            "sk": f"{now.isoformat(timespec='milliseconds')}#{uuid.uuid4().hex[:8]}",
            "who": self.who,
            "what": what,
            "details": dict(details),
        }
        entry = AuditEntry()
        self._write(row, entry, "started")
        try:
            yield entry
        except BaseException as error:
            ended = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            self._write(row, entry, ended)
            raise
        self._write(row, entry, "done")

    def of_month(self, month: str) -> Iterator[dict[str, Any]]:
        """The rows of a month, `2026-11`, newest first."""
        pages = self.client.get_paginator("query").paginate(
            TableName=self.table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": f"AUDIT#{month}"}},
            ScanIndexForward=False,
        )
        for page in pages:
            yield from map(from_item, page["Items"])

    def _write(self, row: Mapping[str, Any], entry: AuditEntry, result: str) -> None:
        full = {**row, "count": entry.count, "outcome": entry.outcome, "result": result}
        self.client.put_item(TableName=self.table, Item=to_values(full))
