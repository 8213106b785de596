"""Writes an audit row for every command that changes or reveals something."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from onramp.ops.tables.audit import AuditRow, AuditTable


@dataclass
class AuditEntry:
    """What a command adds while it runs: how many it changed, and counts or facts of the outcome."""

    count: int = 0
    outcome: dict[str, int | str] = field(default_factory=dict)


@dataclass(frozen=True)
class AuditLog:
    """`who` is the ARN of the operator's credentials."""

    table: AuditTable
    who: str

    @contextmanager
    def entry(self, what: str, details: Mapping[str, str]) -> Iterator[AuditEntry]:
        """Saves the row as `started`, and again with its result: a process killed in between leaves `started`."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        row = AuditRow(at, uuid.uuid4().hex[:8], self.who, what, details)
        entry = AuditEntry()
        self.table.save(row)
        result = "failed"
        try:
            yield entry
            result = "done"
        except KeyboardInterrupt:
            result = "interrupted"
            raise
        finally:
            self.table.save(replace(row, count=entry.count, outcome=entry.outcome, result=result))
