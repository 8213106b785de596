"""A CSV file of users to prepare: read whole and checked whole before anything is written."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from onramp.domain.identity import canonical_email
from onramp.ops.common.errors import UsageError
from onramp.ops.common.private_file import private_file
from onramp.ops.common.text import csv_cell, masked_email
from onramp.ops.user.prepare import Prepared, checked_name, checked_roles

REQUIRED, OPTIONAL = ("email", "roles"), ("given_name", "family_name")


class RowError(NamedTuple):
    """`line` as an editor counts; `email` as given."""

    line: int
    email: str
    error: str


class Row(NamedTuple):
    line: int
    prepared: Prepared


def read_csv(path: Path, allowed: tuple[str, ...]) -> tuple[list[Row], list[RowError]]:
    """Good rows and bad ones. Raises DeskError where it is no such file at all."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            _check_columns(path, reader.fieldnames)
            return _sorted(((reader.line_num, row) for row in reader), allowed)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8: save it as 'CSV UTF-8'.") from error
    except csv.Error as error:
        raise UsageError(f"{path} is no CSV file: {error}.") from error


def _check_columns(path: Path, columns: Sequence[str] | None) -> None:
    known = (*REQUIRED, *OPTIONAL)
    given = columns or []
    if missing := [name for name in REQUIRED if name not in given]:
        raise UsageError(f"{path} has no column {missing[0]}: its first line names them, {','.join(known)}.")
    if len(set(given)) < len(given):
        raise UsageError(f"{path} has a column twice: {','.join(given)}.")
    if unknown := [name for name in given if name not in known]:
        raise UsageError(f"{path} has a column '{unknown[0]}', which means nothing here: {','.join(known)} do.")


def _sorted(
    rows: Iterable[tuple[int, Mapping[str | None, str | list[str] | None]]], allowed: tuple[str, ...]
) -> tuple[list[Row], list[RowError]]:
    good: dict[str, Row] = {}
    bad: list[RowError] = []
    for line, row in rows:
        email = str(row.get("email") or "")
        try:
            prepared = _prepared(row, allowed)
        except UsageError as error:
            bad.append(RowError(line, email, str(error).rstrip(".")))
            continue
        if earlier := good.get(prepared.user_id):
            bad.append(RowError(line, email, f"the same address as in line {earlier.line}"))
        else:
            good[prepared.user_id] = Row(line, prepared)
    return list(good.values()), bad


def _prepared(row: Mapping[str | None, str | list[str] | None], allowed: tuple[str, ...]) -> Prepared:
    if None in row or None in row.values():
        raise UsageError("not as many cells as columns")
    cells = {str(name): str(value) for name, value in row.items()}
    email = canonical_email(cells["email"])
    if email is None:
        raise UsageError("no usable e-mail address (ASCII, no spaces, name@domain)")
    roles = [role.strip() for role in cells["roles"].split(";") if role.strip()]
    if not roles:
        raise UsageError("no role; several are separated by ;")
    return Prepared(email, checked_roles(roles, allowed), *(checked_name(cells.get(column, "")) for column in OPTIONAL))


def write_errors(path: Path, errors: Iterable[RowError]) -> Path:
    """`FILE.errors.csv`: line, masked address and what is wrong, for its owner only."""
    target = path.with_name(f"{path.stem}.errors.csv")
    target.unlink(missing_ok=True)
    with private_file(target) as file:
        writer = csv.writer(file)
        writer.writerow(["line", "email", "error"])
        for error in sorted(errors):
            writer.writerow([error.line, csv_cell(masked_email(error.email)), csv_cell(error.error)])
    return target
