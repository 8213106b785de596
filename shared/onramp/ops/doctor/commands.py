"""`onramp doctor`: what is wrong with the deployment, why it matters, and the command that cures it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from onramp.ops.common.context import OperatorContext
from onramp.ops.common.deployment import Deployment
from onramp.ops.common.errors import UsageError
from onramp.ops.doctor.canary_run import run_canary
from onramp.ops.doctor.checks import CHECKS, Examined, examine
from onramp.ops.doctor.findings import Level

STYLES = {Level.TROUBLE: "bold red", Level.WARNING: "yellow", Level.OK: "green"}
ORDER = tuple(STYLES)


def doctor(
    ctx: typer.Context,
    only: Annotated[
        list[str] | None, typer.Option(help=f"Only these checks: {', '.join(CHECKS)}. May be repeated.")
    ] = None,
    canary: Annotated[
        bool, typer.Option("--canary", help="Send one synthetic signup to the end and erase it, instead of the checks.")
    ] = False,
    patience: Annotated[float, typer.Option(min=1, help="Seconds that the canary may take.")] = 90.0,
    yes: Annotated[bool, typer.Option("--yes", help="Let the canary fly without asking.")] = False,
) -> None:
    """Examine the deployment: what is wrong, why it matters, and the command that cures it.

    The checks change nothing; one that these credentials may not make is a warning.
    Exits with 1 where trouble was found.
    """
    context: OperatorContext = ctx.obj
    groups = only or ([] if canary else list(CHECKS))
    if unknown := [name for name in groups if name not in CHECKS]:
        raise UsageError(f"there is no check '{unknown[0]}': choose from {', '.join(CHECKS)}.")
    stack = Deployment.of(context)
    found = [Examined("canary", finding) for finding in run_canary(context, stack, patience, yes=yes)] if canary else []
    with context.out.progress() as bar:
        task = bar.add_task("examining", total=len(groups))
        for group in groups:
            found += examine(stack, (group,))
            bar.advance(task)
    show(context, found)


def show(context: OperatorContext, found: Sequence[Examined]) -> None:
    """Prints the findings, the worst first. Exits with 1 where there is trouble."""
    worst_first = sorted(found, key=lambda examined: ORDER.index(examined.finding.level))
    levels = Counter(examined.finding.level for examined in found)
    data = {
        "trouble": levels[Level.TROUBLE],
        "warnings": levels[Level.WARNING],
        "findings": [_row(examined) for examined in worst_first],
    }

    def render() -> None:
        for examined in worst_first:
            _render(context, examined)
        warnings = f"{levels[Level.WARNING]} warning{'s' * (levels[Level.WARNING] != 1)}"
        context.out.line(f"{levels[Level.TROUBLE]} trouble, {warnings}, {levels[Level.OK]} well.")

    context.out.result(data, render)
    if levels[Level.TROUBLE]:
        raise typer.Exit(1)


def _row(examined: Examined) -> dict[str, Any]:
    finding = examined.finding
    return {
        "check": examined.group,
        "level": finding.level.value,
        "what": finding.what,
        "why": finding.why or None,
        "cure": finding.cure or None,
    }


def _render(context: OperatorContext, examined: Examined) -> None:
    finding = examined.finding
    context.out.line(f"{finding.level:<8} {examined.group:<11} {finding.what}", STYLES[finding.level])
    if finding.level is Level.OK:
        return
    context.out.line(f"{'':<20} why   {finding.why}")
    context.out.line(f"{'':<20} cure  {finding.cure}")
