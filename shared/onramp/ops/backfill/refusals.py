"""The file of who was not brought in, and why: for a person and their spreadsheet."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from onramp.domain.claims import PoolUser
from onramp.domain.decision import Decision, Kind, Listed, kind_of
from onramp.ops.common.errors import UsageError
from onramp.ops.common.reasons import reason_of
from onramp.ops.common.text import csv_cell, masked, masked_email

COLUMNS = ("pool", "sub", "email", "status", "outcome", "why", "cure")
HEADER = ",".join(COLUMNS)


def is_refusal(label: str) -> bool:
    return kind_of(label) in (Kind.REFUSED, Kind.CONFLICT, Kind.EMAIL_CHANGED, Kind.FAILED)


@dataclass(slots=True)
class Refusals:
    """Readable by its owner only. `path` None: no file, nothing is kept."""

    path: Path | None
    reveal: bool = False
    _file: TextIO | None = None

    def open(self, length: int, *, begun: bool) -> bool:
        """Goes on after `length` bytes, 0 for a new file. False where it is not that of the run that has begun."""
        if self.path is None:
            return True
        try:
            return not (begun and not length) and self._opened(self.path, length)
        except OSError as error:
            raise UsageError(f"{self.path} cannot be written: {error.strerror}.") from error

    def _opened(self, path: Path, length: int) -> bool:
        if length and (not path.is_file() or path.stat().st_size < length):
            return False
        self._must_be_ours(path)
        self.close()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.fchmod(descriptor, 0o600)
        os.truncate(descriptor, length)
        self._file = os.fdopen(descriptor, "a", newline="", encoding="utf-8")
        if not length:
            csv.writer(self._file).writerow(COLUMNS)
        return True

    @staticmethod
    def _must_be_ours(path: Path) -> None:
        if path.is_file() and path.stat().st_size and not _begins_with(path, HEADER):
            raise UsageError(f"{path} exists and is no such file: name another one.")

    def write(self, users: Iterable[tuple[Listed, Decision]]) -> int:
        """Bytes in the file now, all of them with the operating system."""
        if self._file is None:
            return 0
        rows = (self._row(listed.user, decision) for listed, decision in users if is_refusal(decision.label))
        csv.writer(self._file).writerows([csv_cell(cell) for cell in row] for row in rows)
        self._file.flush()
        return self._file.tell()

    def _row(self, user: PoolUser, decision: Decision) -> list[object]:
        email = str(user.attributes.get("email", ""))
        shown = email if self.reveal else masked_email(email) if "@" in email else masked(email)
        reason = reason_of(decision.label)
        sub = user.sub or ""
        return [user.user_pool_id, sub, shown, user.status, decision.label, reason.why, reason.cure]

    def close(self) -> None:
        if self._file:
            self._file.close()
            self._file = None


def _begins_with(path: Path, text: str) -> bool:
    with path.open("rb") as file:
        return file.read(len(text)) == text.encode()
