"""`onramp user import`: pre-creates the users of a CSV file. The whole file is checked before the first write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from onramp.adapters.items import from_item, get_many
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.errors import CommandFailed, UsageError
from onramp.ops.common.text import masked_email
from onramp.ops.tables.users import PreCreation, UserWrites
from onramp.ops.user.csv_file import CsvRow, RowError, read_csv, write_errors
from onramp.ops.user.pre_create import allowed_roles
from onramp.ops.user.wiring import UserWiring
from onramp.usecases.batches import chunks

WRITERS, BATCH = 16, 200
SHOWN = 10  # wrong rows on the screen
EXISTS = "another record exists, and was not changed"


def import_users(context: OperatorContext, file: Path, *, skip_bad: bool, yes: bool) -> None:
    """`skip_bad`: imports the valid rows of a file that has wrong ones, too."""
    rows, bad = read_csv(file, allowed_roles(context))
    if bad:
        _say_errors(context, bad)
    if bad and not skip_bad:
        raise UsageError(
            f"{len(bad):,} rows are wrong and nothing was written: see {write_errors(file, bad)}."
            " Correct them, or import the others with --skip-bad."
        )
    if not rows:
        raise UsageError(f"{file} has no rows." if not bad else f"{file} has no valid row.")
    csv_import = CsvImport(UserWiring.of(context).records, context.now, context.threads)
    context.out.confirm(_plan(csv_import.compare(rows), len(bad)), yes=yes)
    _write_audited(context, csv_import, file, rows)
    errors = [*bad, *csv_import.errors]
    data: dict[str, Any] = {"rows": len(rows), **csv_import.counts, "errors": None}
    if bad:
        data["wrong"] = len(bad)
    if errors:
        data["errors"] = str(write_errors(file, errors))
    context.out.result(data, lambda: context.out.facts({name.replace("_", " "): count for name, count in data.items()}))
    if csv_import.errors:
        _say_errors(context, csv_import.errors)
        raise CommandFailed(
            f"{len(csv_import.errors):,} users have another record, which was not changed: see {data['errors']}."
        )
    if bad:
        raise CommandFailed(f"{len(bad):,} rows are wrong and were left out: see {data['errors']}.")


def _say_errors(context: OperatorContext, errors: Sequence[RowError]) -> None:
    """The first ones, addresses masked."""
    for error in sorted(errors)[:SHOWN]:
        context.out.say(f"line {error.line}: {masked_email(error.email)}: {error.error}")
    if len(errors) > SHOWN:
        context.out.say(f"... and {len(errors) - SHOWN:,} more")


def _write_audited(context: OperatorContext, csv_import: CsvImport, file: Path, rows: Sequence[CsvRow]) -> None:
    """An audit row for each batch names the roles, the lines of the file and the masked addresses that get them."""
    with context.out.progress() as bar:
        task = bar.add_task("records", total=len(rows))
        for batch in chunks(rows, BATCH):
            before = Counter(csv_import.counts)
            with context.audited("user import", file=file.name, **_grants(batch)) as entry:
                try:
                    csv_import.write_batch(batch)
                finally:  # also of an interrupted batch
                    entry.outcome = {name: count - before[name] for name, count in csv_import.counts.items()}
                    entry.count = csv_import.counts[PreCreation.NEW] - before[PreCreation.NEW]
            bar.update(task, completed=csv_import.counts.total())


def _grants(batch: Sequence[CsvRow]) -> dict[str, str]:
    """`{"role admin": "line 2 n***@example.com, ..."}`."""
    grants: dict[str, list[str]] = {}
    for row in batch:
        for role in row.user.roles:
            grants.setdefault(f"role {role}", []).append(f"line {row.line} {masked_email(row.user.user_id)}")
    return {role: ", ".join(users) for role, users in grants.items()}


def _plan(counts: Counter[str], bad: int) -> str:
    labels = {
        PreCreation.NEW: "to create",
        PreCreation.ALREADY: "created already",
        PreCreation.IN_THE_WAY: "with another record, which is not changed",
    }
    parts = [f"{counts[kind]:,} {label}" for kind, label in labels.items() if counts[kind] or kind is PreCreation.NEW]
    if bad:
        parts.append(f"{bad:,} wrong rows, which are left out")
    return f"Records: {'; '.join(parts)}."


@dataclass(slots=True)
class CsvImport:
    """`counts` by PreCreation, and the rows in `errors`, of what was written so far."""

    records: UserWrites
    now: Callable[[], int]
    threads: Callable[[int], Executor]
    counts: Counter[str] = field(default_factory=lambda: Counter({kind.value: 0 for kind in PreCreation}))
    errors: list[RowError] = field(default_factory=list)

    def compare(self, rows: Sequence[CsvRow]) -> Counter[str]:
        """How many writes would have which result. Reads only."""
        emails = [row.user.user_id for row in rows]
        items = get_many(self.records.client, self.records.table, emails)
        stored = {record["userId"]: record for record in map(from_item, items)}
        return Counter(row.user.compared_with(stored.get(row.user.user_id)).value for row in rows)

    def write_batch(self, batch: Sequence[CsvRow]) -> None:
        """Where it is interrupted, it has written whole records only."""
        with self.threads(WRITERS) as writers:
            writes = [writers.submit(self.records.pre_create, row.user, self.now()) for row in batch]
            for row, write in zip(batch, writes, strict=True):
                result = write.result()
                self.counts[result.value] += 1
                if result is PreCreation.IN_THE_WAY:
                    self.errors.append(RowError(row.line, row.typed, EXISTS))
