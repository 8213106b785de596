"""The CSV file of the users who were refused, with the reason and what an operator can do."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from onramp.domain.claims import PoolUser
from onramp.domain.decision import Decision, Kind, Listed, kind_of
from onramp.ops.common.errors import UsageError
from onramp.ops.common.private_file import open_private
from onramp.ops.common.reasons import reason_of
from onramp.ops.common.text import csv_cell, masked_text

COLUMNS = ("pool", "sub", "email", "status", "outcome", "why", "cure")
HEADER = ",".join(COLUMNS)


def is_refusal(label: str) -> bool:
    return kind_of(label) in (Kind.REFUSED, Kind.CONFLICT, Kind.EMAIL_CHANGED, Kind.FAILED)


@dataclass(slots=True)
class RefusalsFile:
    """Readable by its owner only. `path` None: nothing is written. `reveal`: e-mail addresses are not masked."""

    path: Path | None
    reveal: bool = False
    _file: TextIO | None = None

    def open(self, length: int, *, resuming: bool) -> bool:
        """Cuts the file to `length` bytes and appends; 0: a new file.

        Returns False where a run is resumed whose earlier rows are not in this file. Raises UsageError.
        """
        if self.path is None:
            return True
        if resuming and not length:
            return False
        if length and not self.path.exists():
            return False
        self.close()
        descriptor = open_private(self.path, os.O_RDWR | os.O_APPEND)
        with ExitStack() as unless_opened:
            unless_opened.callback(os.close, descriptor)
            _check_header(self.path, descriptor)
            if os.fstat(descriptor).st_size < length:
                return False
            os.fchmod(descriptor, 0o600)
            os.ftruncate(descriptor, length)
            unless_opened.pop_all()
        self._file = os.fdopen(descriptor, "a", newline="", encoding="utf-8")
        if not length:
            csv.writer(self._file).writerow(COLUMNS)
        return True

    def write(self, users: Iterable[tuple[Listed, Decision]]) -> int:
        """Appends the refused users among them. Returns the length of the file in bytes, all of them flushed."""
        if self._file is None:
            return 0
        rows = (self._row(listed.user, decision) for listed, decision in users if is_refusal(decision.label))
        csv.writer(self._file).writerows([csv_cell(cell) for cell in row] for row in rows)
        self._file.flush()
        return self._file.tell()

    def _row(self, user: PoolUser, decision: Decision) -> list[object]:
        email = str(user.attributes.get("email", ""))
        if not self.reveal:
            email = masked_text(email)
        reason = reason_of(decision.label, user.sub)
        return [user.user_pool_id, user.sub or "", email, user.status, decision.label, reason.why, reason.cure]

    def close(self) -> None:
        if self._file:
            self._file.close()
            self._file = None


def _check_header(path: Path, descriptor: int) -> None:
    """Raises UsageError where the file has other contents: it is not overwritten."""
    if os.pread(descriptor, len(HEADER), 0) not in (b"", HEADER.encode()):
        raise UsageError(f"{path} exists and is not a file of refused users: name another file.")
