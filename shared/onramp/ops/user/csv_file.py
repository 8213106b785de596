"""The CSV file of `onramp user import`: its valid rows, its wrong rows, and the file of errors beside it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from onramp.domain.identity import canonical_email
from onramp.ops.common.errors import UsageError
from onramp.ops.common.private_file import private_file
from onramp.ops.common.text import csv_cell
from onramp.ops.tables.users import PreCreatedUser
from onramp.ops.user.pre_create import parse_name, parse_roles

REQUIRED, OPTIONAL = ("email", "roles"), ("given_name", "family_name")


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
