"""`onramp doctor`: what is wrong with the deployment, why it matters, and the command that cures it."""

from __future__ import annotations

from typing import Annotated

import typer

from onramp.ops.common.context import OperatorContext
from onramp.ops.common.errors import UsageError
from onramp.ops.common.options import Yes
from onramp.ops.doctor.canary import run_canary
from onramp.ops.doctor.checks import CHECKS, CheckResult, one_for_each_cause, run_checks
from onramp.ops.doctor.findings import Level
from onramp.ops.doctor.report import report
from onramp.ops.doctor.wiring import DoctorWiring


def doctor(
    ctx: typer.Context,
    only: Annotated[
        list[str] | None, typer.Option(help=f"Only these checks: {', '.join(CHECKS)}. May be repeated.")
    ] = None,
    canary: Annotated[
        bool, typer.Option("--canary", help="Send a synthetic signup and erase it, instead of the checks.")
    ] = False,
    patience: Annotated[float, typer.Option(min=1, help="Seconds that the canary may take.")] = 90.0,
    yes: Yes = False,
) -> None:
    """Check the deployment: what is wrong, why it matters, and the command that cures it.

    The checks change nothing; a check that these credentials may not make is a warning.
    Exits with 1 where it finds trouble.
    """
    context: OperatorContext = ctx.obj
    groups = only or ([] if canary else list(CHECKS))
    if unknown := [name for name in groups if name not in CHECKS]:
        raise UsageError(f"there is no check '{unknown[0]}': choose from {', '.join(CHECKS)}.")
    wiring = DoctorWiring.of(context)
    results: list[CheckResult] = []
    if canary:
        context.out.confirm(wiring.canary.plan, yes=yes)
        results += [CheckResult("canary", finding) for finding in run_canary(context, wiring.canary, patience)]
    with context.out.progress() as bar:
        task = bar.add_task("checking", total=len(groups))
        for group in groups:
            results += run_checks(wiring.stack, group)
            bar.advance(task)
    report(context.out, one_for_each_cause(results))
    if any(result.finding.level is Level.TROUBLE for result in results):
        raise typer.Exit(1)
