"""A redrive from the first look to the audit row: plan, ask, work, report."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from onramp.adapters.pacing import TokenBucket
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.queue_reader import WORKING_SECONDS, QueueReader
from onramp.ops.dlq.canary_stages import AT_ONCE, CANARY, CanaryStages, StagesResult
from onramp.ops.dlq.deployed import deployed_code_version
from onramp.ops.dlq.filters import Filter
from onramp.ops.dlq.plan import Plan, Sources
from onramp.ops.dlq.redrive import BATCH, Pace, Redrive, RedriveCounts
from onramp.ops.dlq.scan import confirm_plan, held_by_others, make_plan, with_progress
from onramp.ops.dlq.table_letters import TableLetters
from onramp.ops.dlq.verify import Verify
from onramp.ops.dlq.wiring import DlqWiring


@dataclass(frozen=True, slots=True)
class RedriveReport:
    """What was done of a plan; `held`: letters that somebody else had in hand, about."""

    plan: Plan
    held: int = 0
    tally: RedriveCounts = field(default_factory=RedriveCounts)
    outcome: StagesResult = field(default_factory=StagesResult)
    verified: bool = False

    @property
    def trouble(self) -> bool:
        """Whether somebody has to look again."""
        verdict, tally = self.outcome.verdict, self.tally
        return bool(verdict.failed or verdict.waiting or self.outcome.stopped or tally.left or tally.undeleted)

    def counts(self) -> dict[str, int | str]:
        """What is not zero; for the audit too."""
        verdict, tally = self.outcome.verdict, self.tally
        verified = {
            "repaired": verdict.repaired,
            "failed_again": verdict.failed.total(),
            "on_the_way": verdict.waiting.total(),
            "not_verifiable": verdict.unseen,
        }
        counts = {
            "sent": tally.sent,
            **(verified if self.verified else {}),
            "ready_already": tally.settled,
            "further_copies": tally.copies,
            "left": tally.left,
            "not_deleted": tally.undeleted,
        }
        stopped: dict[str, int | str] = {"stopped": self.outcome.stopped} if self.outcome.stopped else {}
        always = ("sent", "repaired", "failed_again", "on_the_way")
        return {name: count for name, count in counts.items() if count or name in always} | stopped

    def data(self) -> dict[str, Any]:
        verdict = self.outcome.verdict
        causes = {"failedAgain": verdict.failed, "stillOnTheWay": verdict.waiting}
        return {
            "plan": self.plan.groups.rows(),
            "heldByOthers": self.held,
            "counts": self.counts(),
            **{
                name: [{"step": step, "errorCode": code, "count": count} for (step, code), count in found.most_common()]
                for name, found in causes.items()
            },
        }


@dataclass(frozen=True, slots=True)
class RedriveCommand:
    """`rate` users a second, 0 as fast as it goes; `wait` seconds of looking after each stage, 0 without."""

    wanted: Filter
    queues: Collection[str]
    limit: int | None
    rate: int
    canary: bool
    wait: float
    from_table: bool
    yes: bool

    def carry_out(self, context: OperatorContext, parts: DlqWiring) -> RedriveReport:
        sources = self._sources(context, parts)
        plan = make_plan(context, sources, self.wanted)
        if not plan.ids:
            return RedriveReport(plan, held_by_others(parts, self.queues))
        confirm_plan(context, self._words(plan, deployed_code_version(context)), yes=self.yes)
        redrive = Redrive(parts, plan, self._pace(parts), self.limit)
        with context.audited("dlq redrive", **self._details()) as entry:
            try:
                outcome = self._run(context, parts, redrive, sources)
            finally:
                entry.count = redrive.tally.sent  # of an interrupted one too
            report = RedriveReport(plan, tally=redrive.tally, outcome=outcome, verified=bool(self.wait))
            entry.outcome = report.counts()
        return report

    def _run(self, context: OperatorContext, parts: DlqWiring, redrive: Redrive, sources: Sources) -> StagesResult:
        total = min(redrive.plan.users, self.limit or redrive.plan.users)
        verify = Verify(parts, self.wait) if self.wait else None
        with context.out.progress() as bar:
            sending = bar.add_task("sent", total=total)
            watching = bar.add_task("looked after", total=total, visible=verify is not None)
            stages = CANARY if self.canary and verify else AT_ONCE
            on_sent, on_settled = partial(bar.advance, sending), partial(bar.advance, watching)
            return CanaryStages(redrive, sources, stages, verify, on_sent, on_settled).run()

    def _sources(self, context: OperatorContext, parts: DlqWiring) -> Sources:
        if not self.from_table:
            return lambda: QueueReader(parts, self.queues, hold=WORKING_SECONDS)
        with QueueReader(parts, parts.dead) as walk:
            in_queues = {letter.sub for letter in with_progress(context, walk) if letter.sub}
        correlation_id = str(uuid.uuid4())
        return lambda: TableLetters(parts, in_queues, correlation_id)

    def _pace(self, parts: DlqWiring) -> Pace:
        if not self.rate:
            return lambda: None
        return TokenBucket(self.rate, BATCH, float("inf"), parts.monotonic, parts.sleep).take

    def _details(self) -> dict[str, str]:
        return {**self.wanted.words(), "from": "table" if self.from_table else "+".join(self.queues)}

    def _words(self, plan: Plan, deployed: str | None) -> list[str]:
        what = "users owed to the operator whose copy has expired" if self.from_table else "dead letters"
        most = f", at most {self.limit} of them" if self.limit else ""
        stages = "1 user, then 10, then the rest" if self.canary and self.wait else "all at once"
        pace = f"at most {self.rate} a second" if self.rate else "as fast as it goes"
        after = f"each looked after for up to {self.wait:.0f} s" if self.wait else "nobody looked after"
        lines = [f"Redrive {plan.groups.count:,} {what} (users: {plan.users:,}{most}):", *plan.words()]
        if plan.poison:
            lines.append(f"  {plan.poison} malformed_event are left alone: they can only come back.")
        if not plan.complete:
            lines.append("  There are more than one look can hold: run this again afterwards.")
        return [*lines, *_warning(plan.groups.code_versions, deployed), f"  {stages}; {pace}; {after}."]


def _warning(failed: set[str], deployed: str | None) -> list[str]:
    if deployed is None:
        return ["  The deployed code version could not be looked up."]
    if deployed not in failed:
        return []
    return [f"  Warning: the code that failed, {deployed}, is still deployed. It may fail again."]
