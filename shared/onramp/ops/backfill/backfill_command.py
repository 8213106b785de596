"""A backfill from the options to the report: confirm, write the audit row, run with a progress bar."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from botocore.exceptions import ClientError

from onramp.domain.decision import Kind
from onramp.ops.backfill.batch_publisher import BatchPublisher
from onramp.ops.backfill.forecast import Forecast
from onramp.ops.backfill.refusals import RefusalsFile, is_refusal
from onramp.ops.backfill.report import BackfillReport
from onramp.ops.backfill.run import Backfill
from onramp.ops.backfill.wiring import BackfillWiring
from onramp.ops.common.audit_log import AuditEntry
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.errors import UsageError
from onramp.ops.common.interruption import deferred_interruption
from onramp.ops.common.output import Output
from onramp.ops.common.queue_room import MOST_IN_QUEUE, WaitingNotice
from onramp.ops.common.shell import onramp_command
from onramp.ops.tables.backfill_checkpoints import BackfillState

DEFAULT_RATE = 15.0  # pages a second: half of Cognito's quota


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
        if self.apply:
            state = self._apply(context, wiring, pools, publisher, refusals)
        else:
            state = self._dry_run(context, wiring.backfill(pools, publisher, refusals, rate=self.rate, apply=False))
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

    def _apply(
        self,
        context: OperatorContext,
        wiring: BackfillWiring,
        pools: Sequence[str],
        publisher: BatchPublisher,
        refusals: RefusalsFile,
    ) -> BackfillState:
        make = partial(wiring.backfill, pools, publisher, refusals, rate=self.rate, apply=True)
        state = make().start(resume=self.resume)
        context.out.confirm(self._plan(context, wiring, pools, state.users), yes=self.yes)
        with (
            context.audited("backfill", pools=",".join(pools), csv="revealed" if self.reveal else "masked") as entry,
            deferred_interruption("Finishing the pages that have begun; Ctrl-C again stops at once.") as is_stopped,
        ):
            room = wiring.queue_room(self.max_queue, WaitingNotice(context.out, "records"), is_stopped)
            return self._run_or_explain(context, make(room=room, is_stopped=is_stopped), state, entry)

    def _plan(self, context: OperatorContext, wiring: BackfillWiring, pools: Sequence[str], done: int) -> str:
        plan = (
            f"Every user of {', '.join(pools)} that the rules admit gets a record, a UserSignedUp event, which every"
            " consumer receives, and a customer with each provider."
        )
        estimate = _estimate(context, pools)
        numbers = "" if self.yes else Forecast.of(context.out, wiring, pools, self.rate).sentence(estimate)
        about = f"Cognito's estimate is {estimate:,} users." if estimate and not numbers else ""
        resumed = f"The interrupted run continues after {done:,} users." if done else ""
        return " ".join(filter(None, (plan, numbers, about, resumed)))

    def _run_or_explain(
        self, context: OperatorContext, backfill: Backfill, state: BackfillState, entry: AuditEntry
    ) -> BackfillState:
        """Raises KeyboardInterrupt where the run was interrupted, also after it has finished the pages begun."""
        try:
            state = _run(context, backfill, state, entry)
        except KeyboardInterrupt:
            self._explain(context.out, entry)
            raise
        if state.pool and backfill.is_stopped():
            self._explain(context.out, entry)
            raise KeyboardInterrupt
        return state

    def _explain(self, out: Output, entry: AuditEntry) -> None:
        users = sum(count for count in entry.outcome.values() if isinstance(count, int))
        out.say(f"Interrupted after {users:,} users; {entry.count:,} of them have got a record.")
        out.say(f"To continue: {self._again()}")

    def _again(self) -> str:
        """Without --anew: the command continues at the checkpoint."""
        words = ["backfill", "--apply"]
        words += ["--pool", self.pool] if self.pool else []
        words += ["--rate", f"{self.rate:g}"] if self.rate != DEFAULT_RATE else []
        words += ["--max-queue", str(self.max_queue)] if self.max_queue != MOST_IN_QUEUE else []
        words += ["--csv", str(self.csv)] if self.csv else []
        return onramp_command(*words, *(["--reveal"] if self.reveal else []))


def _run(context: OperatorContext, backfill: Backfill, state: BackfillState, entry: AuditEntry) -> BackfillState:
    """The last state. `entry` is current after every page, so that an interrupted run is audited too."""
    _count(state, entry)
    with context.out.progress() as bar:
        task = bar.add_task("users", total=_estimate(context, backfill.pools), completed=state.users)
        for reached in backfill.run(state):
            state = reached
            bar.update(task, completed=state.users)
            _count(state, entry)
    if backfill.restarted:
        context.out.say("Cognito no longer accepts the page token of the interrupted run: the run began again.")
    return state


def _count(state: BackfillState, entry: AuditEntry) -> None:
    """Of the whole run, with the parts before an interruption."""
    entry.count = state.found.get(Kind.CREATE, 0) + state.found.get(Kind.LINK, 0)
    entry.outcome = dict(state.found)


def _estimate(context: OperatorContext, pools: Sequence[str]) -> int | None:
    """For the progress bar only: Cognito's estimate is not always up to date."""
    with suppress(ClientError):
        replies = (context.client("cognito-idp").describe_user_pool(UserPoolId=pool) for pool in pools)
        return sum(reply["UserPool"].get("EstimatedNumberOfUsers", 0) for reply in replies) or None
    return None
