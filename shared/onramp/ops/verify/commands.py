"""`onramp verify`: does a deployed stack keep its promises? Synthetic users, and everything is deleted again."""

from __future__ import annotations

from typing import Annotated

import typer

from onramp.ops.common.context import OperatorContext
from onramp.ops.common.errors import UsageError
from onramp.ops.common.options import Yes
from onramp.ops.verify.promises import PROMISES
from onramp.ops.verify.run import plan_of, verify_stack
from onramp.ops.verify.wiring import VerifyWiring


def verify(
    ctx: typer.Context,
    only: Annotated[
        list[str] | None, typer.Option(help=f"Only these promises: {', '.join(PROMISES)}. May be repeated.")
    ] = None,
    client: Annotated[
        str, typer.Option(help="An app client of the pool, without a secret.", show_default="the stack's own")
    ] = "",
    domain: Annotated[
        str, typer.Option(help="The domain of the synthetic addresses; Cognito sends a code to each.")
    ] = "example.com",
    patience: Annotated[float, typer.Option(min=1, help="Seconds that each stage may take.")] = 120.0,
    yes: Yes = False,
) -> None:
    """Verify a deployed stack with synthetic users: signups, refusals, dead letters, a redrive.

    It also measures what AWS's documentation leaves open. Everything that it creates is deleted, also after Ctrl-C
    or an error. Exits with 1 where a promise is broken or something was not deleted.
    """
    context: OperatorContext = ctx.obj
    chosen = only or list(PROMISES)
    if unknown := [name for name in chosen if name not in PROMISES]:
        raise UsageError(f"there is no promise '{unknown[0]}': choose from {', '.join(PROMISES)}.")
    root = ctx.find_root().command
    wiring = VerifyWiring.of(context, client, domain, patience, lambda words: root.main(words, standalone_mode=False))
    context.out.confirm(plan_of(wiring, chosen), yes=yes)
    report = verify_stack(context, wiring, chosen)
    context.out.result(report.data(), lambda: report.show(context.out))
    if not report.passed:
        raise typer.Exit(1)
