"""Dead letters in a file that only its owner may read: JSON lines, or CSV for a spreadsheet."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from onramp.domain.event_data import rfc3339
from onramp.ops.common.dead_letters import Letter
from onramp.ops.common.errors import UsageError
from onramp.ops.common.text import csv_cell, masked_email
from onramp.ops.dlq.bodies import shown_body

COLUMNS = (
    "queue", "id", "step", "reason", "errorCode", "attempts", "firstFailedAt", "sentAt", "codeVersion", "user", "sub",
    "attributes", "body",
)  # fmt: skip


def row(letter: Letter, *, reveal: bool) -> dict[str, Any]:
    user = letter.user_id
    values = (
        letter.queue,
        letter.id,
        letter.step,
        letter.reason,
        letter.error_code,
        letter.attempts,
        rfc3339(letter.failed_at),
        rfc3339(letter.sent_at),
        letter.code_version,
        masked_email(user) if user and not reveal else user,
        letter.sub,
        dict(letter.attributes),
        shown_body(letter.body, reveal=reveal),
    )
    return dict(zip(COLUMNS, values, strict=True))


@contextmanager
def private_file(path: Path) -> Iterator[TextIO]:
    """A new file of mode 0600. Never over an existing one; left early, nothing half written stays. Raises DeskError."""
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError(f"{path} exists: name a file that does not.") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.") from None
    try:
        with os.fdopen(number, "w", encoding="utf-8", newline="") as file:
            yield file
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def write(file: TextIO, letters: Iterable[Letter], *, as_csv: bool, reveal: bool) -> int:
    """One row at a time. How many."""
    sheet = csv.writer(file)
    if as_csv:
        sheet.writerow(COLUMNS)
    count = 0
    for count, letter in enumerate(letters, start=1):  # noqa: B007  # the last one is the number of rows
        found = row(letter, reveal=reveal)
        if as_csv:
            sheet.writerow("" if value is None else csv_cell(_cell(value)) for value in found.values())
        else:
            file.write(json.dumps(found, separators=(",", ":")) + "\n")
    return count


def _cell(value: Any) -> str:
    return json.dumps(value, separators=(",", ":")) if isinstance(value, dict | list) else str(value)
