"""`onramp audit`: who did what."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from onramp.ops.common.audit_log import AuditLog
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.errors import UsageError
from onramp.ops.common.output import Output


def audit(
    ctx: typer.Context,
    month: Annotated[str, typer.Option(help="Year and month, as 2026-11.", show_default="this month")] = "",
    most: Annotated[int, typer.Option(min=1, help="Rows at the most.")] = 50,
) -> None:
    """Who changed or revealed what, when, how many, and how it ended."""
    context: OperatorContext = ctx.obj
    wanted = month or f"{datetime.now(UTC):%Y-%m}"
    try:
        datetime.strptime(wanted, "%Y-%m").replace(tzinfo=UTC)
    except ValueError:
        raise UsageError(f"'{month}' is no month: write it as 2026-11.") from None
    log = AuditLog(context.client("dynamodb"), context.output("OperationsTableName"), who="")
    rows = [row for row, _ in zip(log.of_month(wanted), range(most), strict=False)]
    data = [
        {
            "when": row["sk"].partition("#")[0],
            "who": row["who"],
            "what": row["what"],
            "details": row.get("details", {}),
            "count": row.get("count", 0),
            "outcome": row.get("outcome", {}),
            "result": row["result"],
        }
        for row in rows
    ]

    def show() -> None:
        if not data:
            context.out.line(f"Nothing was changed or revealed in {wanted}.")
            return
        for row in data:
            _show(context.out, row)

    context.out.result(data, show)


def _show(out: Output, row: dict[str, Any]) -> None:
    """Two or three lines: a table of so many columns breaks what was asked for on every screen."""
    who = row["who"].rpartition(":")[2]
    out.line(f"{row['when'][:19]}  {who}  {row['what']}  {row['result']}, {row['count']}", "bold")
    for words in (row["details"], row["outcome"]):
        if words:
            out.line(f"  {' '.join(f'{name}={value}' for name, value in words.items())}")
