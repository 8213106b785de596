"""`onramp attach` and `onramp detach`: an existing user pool calls our trigger, or no longer does."""

from __future__ import annotations

from typing import Annotated

import typer

from onramp.ops.attach.differences import SettingChange
from onramp.ops.attach.pool_update import TRIGGERS, PoolUpdate, UserPool
from onramp.ops.attach.triggers import ReplacedTriggers, TriggerPlan
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.deployment import Deployment
from onramp.ops.common.errors import UsageError
from onramp.ops.common.policies import Grant
from onramp.ops.doctor.pool import invocable, permit, trigger_policy

Pool = Annotated[str, typer.Option("--user-pool", help="Its id.", show_default="the stack's own")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def attach(
    ctx: typer.Context,
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
    context: OperatorContext = ctx.obj
    stack = Deployment.of(context)
    pool = UserPool(context.client("cognito-idp"), user_pool or context.output("UserPoolId"))
    before, wires, memory = pool.described(), TriggerPlan(stack.trigger.arn), _memory(context)
    _check(stack, pool.id, heal_on_sign_in=heal_on_sign_in)
    triggers = before.get(TRIGGERS) or {}
    rewiring = PoolUpdate(pool, before, wires.attached(triggers, heal_on_sign_in=heal_on_sign_in, replace=replace))
    if not rewiring.changes:
        _report(context, pool.id, [], 0, "already attached")
        return
    _confirm(context, pool.id, rewiring.changes, yes=yes)
    with context.audited("attach", pool=pool.id) as entry:
        memory.save(pool.id, wires.replaced(triggers, memory.load(pool.id)))
        compared = rewiring.apply()
        entry.count = len(rewiring.changes)
    _report(context, pool.id, rewiring.changes, compared, "attached")


def detach(ctx: typer.Context, user_pool: Pool = "", yes: Yes = False) -> None:
    """Let a user pool no longer call the trigger; a function that attach replaced is put back.

    Nothing else of the pool changes. Who confirms from then on is found by the sweep,
    as long as the stack knows the pool.

    Example: onramp detach --user-pool eu-west-1_Ab12Cd34
    """
    context: OperatorContext = ctx.obj
    stack = Deployment.of(context)
    pool = UserPool(context.client("cognito-idp"), user_pool or context.output("UserPoolId"))
    before, memory = pool.described(), _memory(context)
    triggers = TriggerPlan(stack.trigger.arn).detached(before.get(TRIGGERS) or {}, memory.load(pool.id))
    rewiring = PoolUpdate(pool, before, triggers)
    if not rewiring.changes:
        _report(context, pool.id, [], 0, "not attached")
        return
    _confirm(context, pool.id, rewiring.changes, yes=yes)
    with context.audited("detach", pool=pool.id) as entry:
        compared = rewiring.apply()
        memory.forget(pool.id)
        entry.count = len(rewiring.changes)
    _report(context, pool.id, rewiring.changes, compared, "detached")


def _check(stack: Deployment, pool: str, *, heal_on_sign_in: bool) -> None:
    """An attached pool that the trigger does not know, or may not be called by, would fail every confirmation."""
    arn = stack.pool_arn(pool)
    accepted = stack.settings("PostConfirmationFunctionName").get("USER_POOL_IDS", "").split(",")
    if pool not in {entry.strip().rpartition("/")[2] for entry in accepted}:
        more = ",".join(filter(None, (stack.parameters.get("AdditionalUserPoolArns", ""), arn)))
        raise UsageError(
            f"the stack does not know {pool} and would refuse its users:"
            f" {stack.deploy_with(AdditionalUserPoolArns=more)}"
            f" (or deploy a stack of its own with ExistingUserPoolId={pool})."
        )
    function = stack.outputs["PostConfirmationFunctionName"]
    if invocable(trigger_policy(stack.client("lambda"), function), arn, stack.trigger.account) is Grant.NONE:
        raise UsageError(
            f"Cognito may not invoke the trigger for {pool}. A stack deployed with ExistingUserPoolId={pool} lets it;"
            f" for a further pool say: {permit(function, arn, stack.trigger.account)}"
        )
    if heal_on_sign_in and stack.parameters.get("HealOnSignIn") != "true":
        raise UsageError(f"the trigger may not look users up at sign-in yet: {stack.deploy_with(HealOnSignIn='true')}")


def _memory(context: OperatorContext) -> ReplacedTriggers:
    return ReplacedTriggers(context.client("dynamodb"), context.output("OperationsTableName"))


def _confirm(context: OperatorContext, pool: str, changes: list[SettingChange], *, yes: bool) -> None:
    for change in changes:
        context.out.say(f"  {change.setting}: {change.before or 'nothing'} -> {change.after or 'nothing'}")
    context.out.confirm(f"{pool} is to change in this, and in no other setting.", yes=yes)


def _report(context: OperatorContext, pool: str, changes: list[SettingChange], compared: int, outcome: str) -> None:
    data = {
        "userPool": pool,
        "outcome": outcome,
        "changed": [{"setting": one.setting, "before": one.before, "after": one.after} for one in changes],
        "compared": compared,
    }

    def show() -> None:
        context.out.line(f"{pool}: {outcome}.")
        if changes:
            context.out.line(f"{compared} settings were compared afterwards; no other one has changed.")

    context.out.result(data, show)
