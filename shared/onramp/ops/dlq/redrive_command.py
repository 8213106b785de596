"""A redrive from the plan to the audit row: plan, confirm, run the stages, report."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from onramp.adapters.pacing import TokenBucket
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.errors import CommandInterrupted
from onramp.ops.common.queue_reader import READ_RATE, WORKING_SECONDS, QueueReader
from onramp.ops.common.shell import onramp_command
from onramp.ops.dlq.canary_stages import ALL_AT_ONCE, CANARY, CanaryStages, StagesResult
from onramp.ops.dlq.filters import LetterFilter
from onramp.ops.dlq.plan import OpenSource, Plan
from onramp.ops.dlq.redrive import BATCH, Pace, Redrive, RedriveCounts
from onramp.ops.dlq.scan import confirm_plan, count_held_by_others, make_plan, with_progress
from onramp.ops.dlq.table_letters import TableLetters
from onramp.ops.dlq.verify import Verifier
from onramp.ops.dlq.wiring import DlqWiring


@dataclass(frozen=True, slots=True)
class RedriveReport:
    """`held_by_others` (approximate) and `owed_without_letter` are counted only where the plan is empty.

    `checked`: the users were verified.
    """

    plan: Plan
    held_by_others: int = 0
    owed_without_letter: int = 0
    counts: RedriveCounts = field(default_factory=RedriveCounts)
    stages: StagesResult = field(default_factory=StagesResult)
    checked: bool = False

    @property
    def needs_attention(self) -> bool:
        verified, counts = self.stages.verified, self.counts
        return bool(verified.failed or verified.on_the_way or self.stages.stopped or counts.kept or counts.undeleted)

    def summary(self) -> dict[str, int | str]:
        """The counts that are not zero, for the screen and the audit log."""
        verified, counts = self.stages.verified, self.counts
        of_users = {
            "repaired": verified.repaired,
            "failed_again": verified.failed.total(),
            "on_the_way": verified.on_the_way.total(),
            "not_verifiable": verified.unverifiable,
        }
        rows = {
            "sent": counts.sent,
            **(of_users if self.checked else {}),
            "ready_already": counts.needless,
            "further_copies": counts.copies,
            "left": counts.kept,
            "not_deleted": counts.undeleted,
        }
        stopped: dict[str, int | str] = {"stopped": self.stages.stopped} if self.stages.stopped else {}
        always = ("sent", "repaired", "failed_again", "on_the_way")
        return {name: count for name, count in rows.items() if count or name in always} | stopped

    def data(self) -> dict[str, Any]:
        verified = self.stages.verified
        causes = {"failedAgain": verified.failed, "stillOnTheWay": verified.on_the_way}
        return {
            "plan": self.plan.groups.rows(),
            "heldByOthers": self.held_by_others,
            "counts": self.summary(),
            **{
                name: [{"step": step, "errorCode": code, "count": n} for (step, code), n in counter.most_common()]
                for name, counter in causes.items()
            },
        }


@dataclass(frozen=True, slots=True)
class RedriveCommand:
    """`rate` in users a second, 0: unlimited. `wait`: seconds to verify each stage, 0: neither verify nor canary."""

    letter_filter: LetterFilter
    queues: Collection[str]
    limit: int | None
    rate: int
    canary: bool
    wait: float
    from_table: bool
    yes: bool

    def run(self, context: OperatorContext, wiring: DlqWiring) -> RedriveReport:
        open_source = self._source(context, wiring)
        plan = make_plan(context, open_source, self.letter_filter, may_be_empty=self._names_a_user)
        if not plan.ids:
            return self._without_letters(context, wiring, plan)
        confirm_plan(context, self._plan_lines(plan, _deployed_code_version(context)), yes=self.yes)
        redrive = Redrive(wiring, plan, self._pace(wiring), self.limit)
        report = RedriveReport(plan, counts=redrive.counts, stages=StagesResult(), checked=bool(self.wait))
        try:
            with context.audited("dlq redrive", **self._audit_details()) as entry:
                try:
                    self._run_stages(context, wiring, redrive, open_source, report.stages)
                finally:  # also of an interrupted run
                    entry.count, entry.outcome = redrive.counts.sent, report.summary()
        except KeyboardInterrupt:
            raise CommandInterrupted(self._how_far(report)) from None
        return report

    @property
    def _names_a_user(self) -> bool:
        """One user and nothing else: without a letter in the queues the message is built from the table."""
        return not self.from_table and self.letter_filter == LetterFilter(user=self.letter_filter.user)

    def _without_letters(self, context: OperatorContext, wiring: DlqWiring, plan: Plan) -> RedriveReport:
        """A letter that another reader holds may be the user's: then the table is not used."""
        held = count_held_by_others(wiring, wiring.dead_letters.urls)
        if self._names_a_user and self.letter_filter.user and not held:
            context.out.say("No dead letter names the user: its message is built again from the table.")
            return replace(self, from_table=True).run(context, wiring)
        owed = 0 if self.from_table or held else wiring.owed_to_operator()
        return RedriveReport(plan, held, owed)

    def _how_far(self, report: RedriveReport) -> str:
        sent, repaired = report.counts.sent, report.stages.verified.repaired
        checked = f", of which {repaired:,} are repaired so far" if self.wait else ""
        return f"interrupted: {sent:,} sent{checked}. The other letters are still there; to go on: {self._again(sent)}"

    def _again(self, sent: int) -> str:
        """The command for the rest."""
        words = ["dlq", "redrive", *self.letter_filter.arguments()]
        if len(self.queues) == 1:
            words += ["--queue", *self.queues]
        if self.limit is not None:
            words += ["--limit", str(max(1, self.limit - sent))]
        words += ["--rate", str(self.rate), "--wait", f"{self.wait:.0f}"]
        words += ["--from-table"] * self.from_table + ["--no-canary"] * (not self.canary)
        return onramp_command(*words)

    def _run_stages(
        self,
        context: OperatorContext,
        wiring: DlqWiring,
        redrive: Redrive,
        open_source: OpenSource,
        result: StagesResult,
    ) -> None:
        total = min(redrive.plan.users, self.limit or redrive.plan.users)
        verifier = Verifier(wiring, self.wait) if self.wait else None
        with context.out.progress() as bar:
            sending = bar.add_task("sent", total=total)
            verifying = bar.add_task("verified", total=total, visible=verifier is not None)
            stages = CANARY if self.canary and verifier else ALL_AT_ONCE
            on_sent, on_decided = partial(bar.advance, sending), partial(bar.advance, verifying)
            CanaryStages(redrive, open_source, stages, verifier, on_sent, on_decided, result).run()

    def _source(self, context: OperatorContext, wiring: DlqWiring) -> OpenSource:
        queues = wiring.dead_letters
        if not self.from_table:
            rate = self.rate or READ_RATE
            return lambda: QueueReader(queues, self.queues, hold_seconds=WORKING_SECONDS, rate=rate)
        with QueueReader(queues, queues.urls) as reader:
            subs_in_queues = {letter.sub for letter in with_progress(context, reader) if letter.sub}
        correlation_id = str(uuid.uuid4())
        return lambda: TableLetters(wiring, subs_in_queues, correlation_id)

    def _pace(self, wiring: DlqWiring) -> Pace:
        if not self.rate:
            return lambda: None
        return TokenBucket(self.rate, BATCH, float("inf"), wiring.monotonic, wiring.sleep).take

    def _audit_details(self) -> dict[str, str]:
        return {**self.letter_filter.options(), "from": "table" if self.from_table else "+".join(self.queues)}

    def _plan_lines(self, plan: Plan, deployed: str | None) -> list[str]:
        what = "users owed to the operator whose letter has expired" if self.from_table else "dead letters"
        most = f", at most {self.limit} of them" if self.limit else ""
        stages = "1 user, then 10, then the rest" if self.canary and self.wait else "all at once"
        pace = f"at most {self.rate} a second" if self.rate else "no rate limit"
        check = f"each stage verified for up to {self.wait:.0f} s" if self.wait else "not verified"
        lines = [f"Redrive {plan.groups.count:,} {what} (users: {plan.users:,}{most}):", *plan.lines()]
        if plan.poison_count:
            lines.append(f"  {plan.poison_count} malformed_event are skipped: they would only fail again.")
        if not plan.complete:
            lines.append("  There are more letters than one run can hold: run this again afterwards.")
        return [*lines, *_version_lines(plan.groups.code_versions, deployed), f"  {stages}; {pace}; {check}."]


def _deployed_code_version(context: OperatorContext) -> str | None:
    """CODE_VERSION of the worker's alias `live`. None where the lookup fails: only a warning depends on it."""
    try:
        function = context.client("lambda").get_function_configuration(
            FunctionName=context.output("EnrichProfileFunctionName"), Qualifier="live"
        )
    except (ClientError, BotoCoreError):
        return None
    version = function.get("Environment", {}).get("Variables", {}).get("CODE_VERSION")
    return str(version) if version else None


def _version_lines(failed: set[str], deployed: str | None) -> list[str]:
    if deployed is None:
        return ["  The deployed code version could not be looked up."]
    if deployed not in failed:
        return []
    return [f"  Warning: the code that failed, {deployed}, is still deployed. It may fail again."]
