"""`onramp audit`: the rows of the audit log."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Any

import typer

from onramp.ops.common.context import OperatorContext
from onramp.ops.common.errors import UsageError
from onramp.ops.common.output import Output
from onramp.ops.tables.audit import AuditRow, AuditTable


def audit(
    ctx: typer.Context,
    month: Annotated[str, typer.Option(help="Year and month, as 2026-11.", show_default="this month")] = "",
    most: Annotated[int, typer.Option(min=1, help="Show at most this many rows.")] = 50,
) -> None:
    """Show the commands that changed or revealed something: who ran them, when, how many they changed, the result."""
    context: OperatorContext = ctx.obj
    wanted = month or f"{datetime.now(UTC):%Y-%m}"
    try:
        datetime.strptime(wanted, "%Y-%m").replace(tzinfo=UTC)
    except ValueError:
        raise UsageError(f"'{month}' is not a month: write it as 2026-11.") from None
    table = AuditTable(context.client("dynamodb"), context.output("OperationsTableName"))
    rows = list(islice(table.of_month(wanted), most))
    context.out.result([_data(row) for row in rows], lambda: _show(context.out, rows, wanted))


def _data(row: AuditRow) -> dict[str, Any]:
    return {
        "when": row.at,
        "who": row.who,
        "what": row.what,
        "details": row.details,
        "count": row.count,
        "outcome": row.outcome,
        "result": row.result,
    }


def _show(out: Output, rows: list[AuditRow], month: str) -> None:
    """Two or three lines for each row: a table of seven columns does not fit on most screens."""
    if not rows:
        out.line(f"Nothing was changed or revealed in {month}.")
    for row in rows:
        user = row.who.rpartition(":")[2]
        out.line(f"{row.at[:19]}Z  {user}  {row.what}  {row.result}, {row.count}", "bold")
        for pairs in (row.details, row.outcome):
            if pairs:
                out.line(f"  {' '.join(f'{name}={value}' for name, value in pairs.items())}")
