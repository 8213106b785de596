"""`onramp backfill`: users whom the pool has had since before Onramp, into the pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Annotated

import typer
from botocore.exceptions import ClientError

from onramp.domain.decision import Kind
from onramp.ops.backfill.refusals import Refusals
from onramp.ops.backfill.report import report, show
from onramp.ops.backfill.run import Backfill
from onramp.ops.backfill.wiring import BackfillWiring
from onramp.ops.common.audit_log import AuditEntry
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.deployed_rules import DeployedRules, deployed_rules
from onramp.ops.common.errors import CommandFailed, UsageError
from onramp.ops.tables.backfill_checkpoints import BackfillState

HALF_OF_COGNITOS_QUOTA = 15.0


def backfill(
    ctx: typer.Context,
    apply: Annotated[bool, typer.Option("--apply", help="Write; without it nothing is changed, only said.")] = False,
    pool: Annotated[str, typer.Option(help="Only this user pool.", show_default="every pool of the stack")] = "",
    rate: Annotated[
        float, typer.Option(min=0.01, help="Pages of 60 users a second; Cognito allows the whole account 30.")
    ] = HALF_OF_COGNITOS_QUOTA,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="A file for who is not brought in, and why; masked.", dir_okay=False)
    ] = None,
    reveal: Annotated[bool, typer.Option("--reveal", help="E-mail addresses unmasked in the file; audited.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume/--anew", help="Go on where an interrupted --apply stood, or start again.")
    ] = True,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Bring the pool's existing users in, by the trigger's own rules. Without --apply it only says what it would do.

    Safe to interrupt and to run again: whoever has a record is passed over. First look, then do it:
    `onramp backfill --csv refused.csv`, then `onramp backfill --apply`.
    """
    context: OperatorContext = ctx.obj
    rules, stack = deployed_rules(context), BackfillWiring.of(context)
    pools, outbox = _chosen(rules, pool), stack.outbox()
    work = stack.backfill(rules, pools, outbox, Refusals(csv, reveal), rate=rate, apply=apply)
    if apply:
        state = _apply(context, work, resume=resume, yes=yes, reveal=reveal)
    else:
        with ExitStack() as audited:
            if csv and reveal:
                audited.enter_context(context.audited("reveal backfill", file=csv.name))
            state = _walked(context, work, work.start(resume=False), AuditEntry())
    data = report(pools, state.found, applied=apply, not_taken=outbox.not_taken)
    context.out.result(data, lambda: show(context.out, data))
    if csv:
        context.out.say(f"Who was not brought in, and why: {csv}")
    if failed := state.found.get(Kind.FAILED):
        raise CommandFailed(f"{failed} users could not be written: run it again, the others are passed over.")


def _chosen(rules: DeployedRules, pool: str) -> tuple[str, ...]:
    if pool and pool not in rules.pools:
        raise UsageError(f"'{pool}' is no pool of this stack: it accepts {', '.join(rules.pools)}.")
    return (pool,) if pool else rules.pools


def _apply(context: OperatorContext, work: Backfill, *, resume: bool, yes: bool, reveal: bool) -> BackfillState:
    state = work.start(resume=resume)
    context.out.confirm(
        f"Every user of {', '.join(work.pools)} whom the rules let in gets a record, a UserSignedUp event that all"
        " consumers hear, and a customer with each provider. `onramp backfill` without --apply says who that is."
        + (f" An interrupted run goes on after {state.users:,} users." if state.users else ""),
        yes=yes,
    )
    with context.audited("backfill", pools=",".join(work.pools), csv="revealed" if reveal else "masked") as entry:
        return _walked(context, work, state, entry)


def _walked(context: OperatorContext, work: Backfill, state: BackfillState, entry: AuditEntry) -> BackfillState:
    with context.out.progress() as bar:
        task = bar.add_task("users", total=_estimate(context, work.pools), completed=state.users)
        for reached in work(state):
            bar.update(task, completed=reached.users)
            entry.count = reached.found.get(Kind.CREATE, 0) + reached.found.get(Kind.LINK, 0)
            entry.outcome = dict(reached.found)
    if work.restarted:
        context.out.say(
            "The interrupted run was too long ago for Cognito to go on there: it was walked from the start."
        )
    return reached


def _estimate(context: OperatorContext, pools: Sequence[str]) -> int | None:
    """For the progress bar alone: Cognito counts them now and then."""
    with suppress(ClientError):
        described = (context.client("cognito-idp").describe_user_pool(UserPoolId=pool) for pool in pools)
        return sum(reply["UserPool"].get("EstimatedNumberOfUsers", 0) for reply in described) or None
    return None
