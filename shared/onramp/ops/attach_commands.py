"""`onramp attach` and `onramp detach`: an existing user pool calls our trigger, or no longer does."""

from __future__ import annotations

from typing import Annotated

import typer

from onramp.ops.deployment import Deployed
from onramp.ops.desk import Desk
from onramp.ops.doctor.pool import invocable, permit, trigger_policy
from onramp.ops.errors import DeskError
from onramp.ops.policies import Grant
from onramp.ops.pools.compare import Change
from onramp.ops.pools.rewiring import TRIGGERS, Rewiring, UserPool
from onramp.ops.pools.wiring import Replaced, Wires

Pool = Annotated[str, typer.Option("--user-pool", help="Its id.", show_default="the stack's own")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def attach(
    context: typer.Context,
    user_pool: Pool = "",
    heal_on_sign_in: Annotated[
        bool, typer.Option("--heal-on-sign-in", help="Call it at every sign-in, too: who has no record is healed.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Take the place of another function; detach puts it back.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Let a user pool call the trigger at every confirmation, and change nothing else of the pool.

    Cognito sets back what an update leaves out, so every setting is said again and compared
    afterwards; the pool is returned to what it was should any other one have moved.

    Example: onramp attach --user-pool eu-west-1_Ab12Cd34
    """
    desk: Desk = context.obj
    stack = Deployed.of(desk)
    pool = UserPool(desk.client("cognito-idp"), user_pool or desk.output("UserPoolId"))
    before, wires, memory = pool.described(), Wires(stack.trigger.arn), _memory(desk)
    _check(stack, pool.id, heal_on_sign_in=heal_on_sign_in)
    triggers = before.get(TRIGGERS) or {}
    rewiring = Rewiring(pool, before, wires.attached(triggers, heal_on_sign_in=heal_on_sign_in, replace=replace))
    if not rewiring.changes:
        _report(desk, pool.id, [], 0, "already attached")
        return
    _confirm(desk, pool.id, rewiring.changes, yes=yes)
    with desk.audited("attach", pool=pool.id) as entry:
        memory.save(pool.id, wires.replaced(triggers, memory.load(pool.id)))
        compared = rewiring.apply()
        entry.count = len(rewiring.changes)
    _report(desk, pool.id, rewiring.changes, compared, "attached")


def detach(context: typer.Context, user_pool: Pool = "", yes: Yes = False) -> None:
    """Let a user pool no longer call the trigger; a function that attach replaced is put back.

    Nothing else of the pool changes. Who confirms from then on is found by the sweep,
    as long as the stack knows the pool.

    Example: onramp detach --user-pool eu-west-1_Ab12Cd34
    """
    desk: Desk = context.obj
    stack = Deployed.of(desk)
    pool = UserPool(desk.client("cognito-idp"), user_pool or desk.output("UserPoolId"))
    before, memory = pool.described(), _memory(desk)
    triggers = Wires(stack.trigger.arn).detached(before.get(TRIGGERS) or {}, memory.load(pool.id))
    rewiring = Rewiring(pool, before, triggers)
    if not rewiring.changes:
        _report(desk, pool.id, [], 0, "not attached")
        return
    _confirm(desk, pool.id, rewiring.changes, yes=yes)
    with desk.audited("detach", pool=pool.id) as entry:
        compared = rewiring.apply()
        memory.forget(pool.id)
        entry.count = len(rewiring.changes)
    _report(desk, pool.id, rewiring.changes, compared, "detached")


def _check(stack: Deployed, pool: str, *, heal_on_sign_in: bool) -> None:
    """An attached pool that the trigger does not know, or may not be called by, would fail every confirmation."""
    arn = stack.pool_arn(pool)
    accepted = stack.settings("PostConfirmationFunctionName").get("USER_POOL_IDS", "").split(",")
    if pool not in {entry.strip().rpartition("/")[2] for entry in accepted}:
        more = ",".join(filter(None, (stack.parameters.get("AdditionalUserPoolArns", ""), arn)))
        raise DeskError(
            f"the stack does not know {pool} and would refuse its users:"
            f" {stack.deploy_with(AdditionalUserPoolArns=more)}"
            f" (or deploy a stack of its own with ExistingUserPoolId={pool})."
        )
    function = stack.outputs["PostConfirmationFunctionName"]
    if invocable(trigger_policy(stack.client("lambda"), function), arn, stack.trigger.account) is Grant.NONE:
        raise DeskError(
            f"Cognito may not invoke the trigger for {pool}. A stack deployed with ExistingUserPoolId={pool} lets it;"
            f" for a further pool say: {permit(function, arn, stack.trigger.account)}"
        )
    if heal_on_sign_in and stack.parameters.get("HealOnSignIn") != "true":
        raise DeskError(f"the trigger may not look users up at sign-in yet: {stack.deploy_with(HealOnSignIn='true')}")


def _memory(desk: Desk) -> Replaced:
    return Replaced(desk.client("dynamodb"), desk.output("OperationsTableName"))


def _confirm(desk: Desk, pool: str, changes: list[Change], *, yes: bool) -> None:
    for change in changes:
        desk.out.say(f"  {change.setting}: {change.before or 'nothing'} -> {change.after or 'nothing'}")
    desk.out.confirm(f"{pool} is to change in this, and in no other setting.", yes=yes)


def _report(desk: Desk, pool: str, changes: list[Change], compared: int, outcome: str) -> None:
    data = {
        "userPool": pool,
        "outcome": outcome,
        "changed": [{"setting": one.setting, "before": one.before, "after": one.after} for one in changes],
        "compared": compared,
    }

    def show() -> None:
        desk.out.line(f"{pool}: {outcome}.")
        if changes:
            desk.out.line(f"{compared} settings were compared afterwards; no other one has changed.")

    desk.out.result(data, show)
