"""`onramp attach` and `onramp detach`: an existing user pool calls our trigger, or stops calling it."""

from __future__ import annotations

from typing import Annotated

import typer

from onramp.ops.attach.pool_update import TRIGGERS, PoolUpdate, SettingChange
from onramp.ops.attach.triggers import require_attachable
from onramp.ops.attach.wiring import AttachWiring
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.options import Yes
from onramp.ops.common.output import Output

Pool = Annotated[str, typer.Option("--user-pool", help="Its id.", show_default="the stack's own")]


def attach(
    ctx: typer.Context,
    user_pool: Pool = "",
    heal_on_sign_in: Annotated[
        bool, typer.Option("--heal-on-sign-in", help="Call it at every sign-in, too: it heals users without a record.")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Replace another function; detach restores it.")] = False,
    yes: Yes = False,
) -> None:
    """Let a user pool call the trigger at every confirmation, and change no other setting of the pool.

    Cognito resets every setting that an update leaves out. This update repeats all settings and
    compares them afterwards; if another one changed, it is rolled back.

    Example: onramp attach --user-pool eu-west-1_Ab12Cd34
    """
    context: OperatorContext = ctx.obj
    wiring = AttachWiring.of(context)
    pool = wiring.pool(user_pool)
    before = pool.describe()
    require_attachable(wiring.stack, pool.id, heal_on_sign_in=heal_on_sign_in)
    triggers = before.get(TRIGGERS) or {}
    wanted = wiring.plan.attach(triggers, heal_on_sign_in=heal_on_sign_in, replace=replace)
    update = PoolUpdate(pool, before, wanted)
    if not update.changes:
        _report(context.out, pool.id, [], 0, "already attached")
        return
    _confirm(context.out, pool.id, update.changes, yes=yes)
    with context.audited("attach", pool=pool.id) as entry:
        wiring.replaced.save(pool.id, wiring.plan.replaced(triggers, wiring.replaced.load(pool.id)))
        compared = update.apply()
        entry.count = len(update.changes)
    _report(context.out, pool.id, update.changes, compared, "attached")


def detach(ctx: typer.Context, user_pool: Pool = "", yes: Yes = False) -> None:
    """Stop a user pool from calling the trigger, and restore a function that attach replaced.

    No other setting of the pool changes. The sweep finds users who confirm afterwards,
    as long as the stack accepts the pool.

    Example: onramp detach --user-pool eu-west-1_Ab12Cd34
    """
    context: OperatorContext = ctx.obj
    wiring = AttachWiring.of(context)
    pool = wiring.pool(user_pool)
    before = pool.describe()
    wanted = wiring.plan.detach(before.get(TRIGGERS) or {}, wiring.replaced.load(pool.id))
    update = PoolUpdate(pool, before, wanted)
    if not update.changes:
        _report(context.out, pool.id, [], 0, "not attached")
        return
    _confirm(context.out, pool.id, update.changes, yes=yes)
    with context.audited("detach", pool=pool.id) as entry:
        compared = update.apply()
        wiring.replaced.remove(pool.id)
        entry.count = len(update.changes)
    _report(context.out, pool.id, update.changes, compared, "detached")


def _confirm(out: Output, pool: str, changes: list[SettingChange], *, yes: bool) -> None:
    for change in changes:
        out.say(f"  {change.setting}: {change.before or 'nothing'} -> {change.after or 'nothing'}")
    out.confirm(f"Changes this in {pool}, and no other setting.", yes=yes)


def _report(out: Output, pool: str, changes: list[SettingChange], compared: int, outcome: str) -> None:
    data = {
        "userPool": pool,
        "outcome": outcome,
        "changed": [{"setting": one.setting, "before": one.before, "after": one.after} for one in changes],
        "compared": compared,
    }

    def show() -> None:
        out.line(f"{pool}: {outcome}.")
        if changes:
            out.line(f"{compared} settings were compared afterwards: no other setting changed.")

    out.result(data, show)
