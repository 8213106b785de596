"""Dead letters as rows, and the rows in a file: JSON lines, or CSV for a spreadsheet."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from typing import Any, TextIO

from onramp.domain.event_data import rfc3339
from onramp.ops.common.dead_letters import Letter
from onramp.ops.common.masking import known_paths, mask
from onramp.ops.common.text import csv_cell, masked_email

COLUMNS = (
    "queue", "id", "step", "reason", "errorCode", "attempts", "firstFailedAt", "sentAt", "codeVersion", "user", "sub",
    "attributes", "body",
)  # fmt: skip
# Fields of an event without personal data. Any other field is masked: events gain fields over time.
HARMLESS = known_paths(
    "version", "id", "detail-type", "source", "account", "time", "region", "resources.[]",
    "detail.metadata.eventId", "detail.metadata.schemaVersion", "detail.metadata.occurredAt",
    "detail.metadata.correlationId", "detail.metadata.origin",
    "detail.data.cognitoSub", "detail.data.userPoolId", "detail.data.emailVouchedBy", "detail.data.roles.[]",
    "detail.data.onboarding", "detail.data.identityProvider", "detail.data.signedUpAt",
)  # fmt: skip


def letter_row(letter: Letter, *, reveal: bool) -> dict[str, Any]:
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
        body_data(letter.body, reveal=reveal),
    )
    return dict(zip(COLUMNS, values, strict=True))


def body_data(body: str, *, reveal: bool) -> Any:
    """The event as data. Text that is not JSON cannot be masked: without `reveal` only its length is returned."""
    try:
        event = json.loads(body)
        return event if reveal else mask(event, HARMLESS)
    except (ValueError, RecursionError):
        return body if reveal else f"no JSON, {len(body)} characters: --reveal shows it"


def write_letters(file: TextIO, letters: Iterable[Letter], *, as_csv: bool, reveal: bool) -> int:
    """Writes one row at a time, so that memory does not grow. Returns how many."""
    table = csv.writer(file)
    if as_csv:
        table.writerow(COLUMNS)
    count = 0
    for letter in letters:
        row = letter_row(letter, reveal=reveal)
        if as_csv:
            table.writerow("" if value is None else csv_cell(_cell(value)) for value in row.values())
        else:
            file.write(json.dumps(row, separators=(",", ":")) + "\n")
        count += 1
    return count


def _cell(value: Any) -> str:
    return json.dumps(value, separators=(",", ":")) if isinstance(value, dict | list) else str(value)
