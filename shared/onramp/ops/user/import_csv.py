"""`onramp user import`: pre-creates the users of a CSV file. The whole file is checked before the first write."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from onramp.adapters.items import from_item, get_many
from onramp.domain.identity import canonical_email
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.errors import CommandFailed, UsageError
from onramp.ops.common.private_file import private_file
from onramp.ops.common.text import csv_cell, masked_email
from onramp.ops.tables.users import PreCreatedUser, PreCreation, UserWrites
from onramp.ops.user.pre_create import allowed_roles, parse_name, parse_roles
from onramp.ops.user.wiring import UserWiring
from onramp.usecases.batches import chunks

REQUIRED, OPTIONAL = ("email", "roles"), ("given_name", "family_name")
WRITERS, BATCH = 16, 200
SHOWN = 10  # wrong rows on the screen
EXISTS = "another record exists, and was not changed"


class RowError(NamedTuple):
    """`line` as an editor counts; `email` as given."""

    line: int
    email: str
    error: str


class CsvRow(NamedTuple):
    """`typed`: the address as it stands in the file."""

    line: int
    user: PreCreatedUser
    typed: str


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

    def write(self, rows: Sequence[CsvRow]) -> Iterator[Counter[str]]:
        """Yields `counts` after each batch. An interrupted import has written whole records only."""
        for batch in chunks(rows, BATCH):
            self.write_batch(batch)
            yield self.counts

    def write_batch(self, batch: Sequence[CsvRow]) -> None:
        with self.threads(WRITERS) as writers:
            writes = [writers.submit(self.records.pre_create, row.user, self.now()) for row in batch]
            for row, write in zip(batch, writes, strict=True):
                result = write.result()
                self.counts[result.value] += 1
                if result is PreCreation.IN_THE_WAY:
                    self.errors.append(RowError(row.line, row.typed, EXISTS))


def read_csv(path: Path, allowed: Sequence[str]) -> tuple[list[CsvRow], list[RowError]]:
    """Valid rows and wrong ones. Raises UsageError where the file cannot be read or has other columns."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            _check_columns(path, reader.fieldnames)
            return _parse_rows(((reader.line_num, row) for row in reader), allowed)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8: save it as 'CSV UTF-8'.") from error
    except csv.Error as error:
        raise UsageError(f"{path} is not a CSV file: {error}.") from error


def _check_columns(path: Path, header: Sequence[str] | None) -> None:
    known, columns = (*REQUIRED, *OPTIONAL), header or []
    if missing := [name for name in REQUIRED if name not in columns]:
        raise UsageError(f"{path} has no column {missing[0]}: the first line must name them, {','.join(known)}.")
    if len(set(columns)) < len(columns):
        raise UsageError(f"{path} has a column twice: {','.join(columns)}.")
    if unknown := [name for name in columns if name not in known]:
        raise UsageError(f"{path} has an unknown column '{unknown[0]}': the known ones are {','.join(known)}.")


def _parse_rows(
    rows: Iterable[tuple[int, Mapping[str | None, str | list[str] | None]]], allowed: Sequence[str]
) -> tuple[list[CsvRow], list[RowError]]:
    valid: dict[str, CsvRow] = {}
    bad: list[RowError] = []
    for line, row in rows:
        email = str(row.get("email") or "")
        try:
            user = _parse_user(row, allowed)
        except UsageError as error:
            bad.append(RowError(line, email, str(error).rstrip(".")))
            continue
        if earlier := valid.get(user.user_id):
            bad.append(RowError(line, email, f"the same address as in line {earlier.line}"))
        else:
            valid[user.user_id] = CsvRow(line, user, email)
    return list(valid.values()), bad


def _parse_user(row: Mapping[str | None, str | list[str] | None], allowed: Sequence[str]) -> PreCreatedUser:
    """DictReader puts surplus cells under None, and None where cells are missing."""
    if None in row or None in row.values():
        raise UsageError("the row has more or fewer cells than there are columns")
    cells = {str(name): str(value) for name, value in row.items()}
    email = canonical_email(cells["email"])
    if email is None:
        raise UsageError("no usable e-mail address (ASCII, no spaces, name@domain)")
    roles = [role.strip() for role in cells["roles"].split(";") if role.strip()]
    if not roles:
        raise UsageError("no role; separate several with ;")
    return PreCreatedUser(email, parse_roles(roles, allowed), *(parse_name(cells.get(name, "")) for name in OPTIONAL))


def write_errors(path: Path, errors: Iterable[RowError]) -> Path:
    """Writes `FILE.errors.csv`, mode 0600: line, address as typed and error. Replaces the one of an earlier run."""
    target = path.with_name(f"{path.stem}.errors.csv")
    target.unlink(missing_ok=True)
    with private_file(target) as file:
        writer = csv.writer(file)
        writer.writerow(["line", "email", "error"])
        for error in sorted(errors):
            writer.writerow([error.line, csv_cell(error.email), csv_cell(error.error)])
    return target
