"""A backfill from the options to the report: confirm, write the audit row, run with a progress bar."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import ClientError

from onramp.domain.decision import Kind
from onramp.ops.backfill.refusals import RefusalsFile, is_refusal
from onramp.ops.backfill.report import BackfillReport
from onramp.ops.backfill.run import Backfill
from onramp.ops.backfill.wiring import BackfillWiring
from onramp.ops.common.audit_log import AuditEntry
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.errors import UsageError
from onramp.ops.common.output import Output
from onramp.ops.common.queue_room import WaitingNotice
from onramp.ops.tables.backfill_checkpoints import BackfillState


@dataclass(frozen=True, slots=True)
class BackfillCommand:
    """`pool` "": every pool of the stack. `rate` in pages a second. `csv` None: no file of refused users.

    `max_queue`: the most messages that the provisioning queue may hold, 0: any number.
    """

    pool: str
    apply: bool
    rate: float
    max_queue: int
    csv: Path | None
    reveal: bool
    resume: bool
    yes: bool

    def run(self, context: OperatorContext, wiring: BackfillWiring) -> BackfillReport:
        """Raises UsageError, RetryableError."""
        pools, publisher = self._pools(wiring), wiring.batch_publisher()
        refusals = RefusalsFile(self.csv, self.reveal)
        room = wiring.queue_room(self.max_queue, WaitingNotice(context.out, "records"))
        backfill = wiring.backfill(pools, publisher, refusals, room, rate=self.rate, apply=self.apply)
        state = self._apply(context, backfill) if self.apply else self._dry_run(context, backfill)
        return BackfillReport(pools, state.found, self.apply, publisher.unpublished)

    def _pools(self, wiring: BackfillWiring) -> tuple[str, ...]:
        pools = wiring.rules.pools
        if self.pool and self.pool not in pools:
            raise UsageError(f"'{self.pool}' is not a pool of this stack: the stack accepts {', '.join(pools)}.")
        return (self.pool,) if self.pool else pools

    def _dry_run(self, context: OperatorContext, backfill: Backfill) -> BackfillState:
        """Leaves an audit row only where it reveals e-mail addresses."""
        reveals = self.csv if self.reveal else None
        audited: AbstractContextManager[AuditEntry] = (
            context.audited("reveal backfill", file=reveals.name) if reveals else nullcontext(AuditEntry())
        )
        with audited as entry:
            state = _run(context, backfill, backfill.start(resume=False), entry)
            entry.count = sum(count for label, count in state.found.items() if is_refusal(label))
            return state

    def _apply(self, context: OperatorContext, backfill: Backfill) -> BackfillState:
        state = backfill.start(resume=self.resume)
        _confirm(context.out, backfill.pools, state.users, yes=self.yes)
        csv = "revealed" if self.reveal else "masked"
        with context.audited("backfill", pools=",".join(backfill.pools), csv=csv) as entry:
            return _run(context, backfill, state, entry)


def _confirm(out: Output, pools: Sequence[str], done: int, *, yes: bool) -> None:
    plan = (
        f"Every user of {', '.join(pools)} that the rules admit gets a record, a UserSignedUp event, which every"
        " consumer receives, and a customer with each provider. `onramp backfill` without --apply counts them."
    )
    out.confirm(plan + (f" The interrupted run continues after {done:,} users." if done else ""), yes=yes)


def _run(context: OperatorContext, backfill: Backfill, state: BackfillState, entry: AuditEntry) -> BackfillState:
    """The last state. `entry` is current after every page, so that an interrupted run is audited too."""
    with context.out.progress() as bar:
        task = bar.add_task("users", total=_estimate(context, backfill.pools), completed=state.users)
        for reached in backfill.run(state):
            state = reached
            bar.update(task, completed=state.users)
            entry.count = state.found.get(Kind.CREATE, 0) + state.found.get(Kind.LINK, 0)
            entry.outcome = dict(state.found)
    if backfill.restarted:
        context.out.say("Cognito no longer accepts the page token of the interrupted run: the run began again.")
    return state


def _estimate(context: OperatorContext, pools: Sequence[str]) -> int | None:
    """For the progress bar only: Cognito's estimate is not always up to date."""
    with suppress(ClientError):
        replies = (context.client("cognito-idp").describe_user_pool(UserPoolId=pool) for pool in pools)
        return sum(reply["UserPool"].get("EstimatedNumberOfUsers", 0) for reply in replies) or None
    return None
