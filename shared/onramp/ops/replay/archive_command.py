"""`replay` from the archive, from the options to the report: plan, confirm, write the audit row, start, follow."""

from __future__ import annotations

from dataclasses import dataclass

from onramp.ops.common.context import OperatorContext
from onramp.ops.common.deployment import SIGNED_UP_RULE, Deployment
from onramp.ops.common.errors import CommandFailed, UsageError
from onramp.ops.common.output import Output
from onramp.ops.common.shell import command
from onramp.ops.common.when import format_time
from onramp.ops.replay.archive import DONE, IN_PROGRESS, MINUTE, ReplayPlan, ReplayProgress, Window
from onramp.ops.replay.wiring import ReplayWiring

POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class ArchiveReplayReport:
    """`name` of EventBridge's replay; `state`: its last one."""

    plan: ReplayPlan
    name: str
    state: str
    needs_attention = False

    def data(self) -> dict[str, str]:
        return {**self.plan.details(), "replay": self.name, "state": self.state}

    def show(self, out: Output) -> None:
        out.line(f"{self.name}: the window was replayed to {self.plan.rule}.")


@dataclass(frozen=True, slots=True)
class ArchiveReplayCommand:
    """`consumer`: name of a rule, None: the one of the stack's own queue. `archive` None: the only one of the bus.

    `again`: also where the window was replayed to this rule before.
    """

    window: Window
    consumer: str | None
    archive: str | None
    again: bool
    yes: bool

    def run(self, context: OperatorContext, wiring: ReplayWiring) -> ArchiveReplayReport:
        """Raises UsageError, and CommandFailed where the replay does not complete."""
        plan = self._plan(context, wiring)
        attempt, earlier = wiring.replays.find(plan)
        if earlier and earlier.state == DONE and not self.again:
            raise UsageError(f"this window was replayed to {plan.rule} before: add --again to do it once more.")
        if self.window.start < plan.kept_since:
            context.out.say(
                f"The archive has no events before {format_time(plan.kept_since)}: for those, use --from-table."
            )
        in_progress = earlier is not None and earlier.state in IN_PROGRESS
        name = plan.name(attempt if in_progress or not earlier else attempt + 1)
        if in_progress:
            context.out.say(f"{name} is in progress already.")
        else:
            context.out.confirm(plan.sentence(), yes=self.yes)
        with context.audited("replay", **plan.details()) as entry:
            if not in_progress:
                wiring.replays.start(plan, name)
            entry.outcome["replay"] = name
            last = _follow(context.out, wiring, plan, name)
            entry.outcome["state"] = last.state
            if last.state != DONE:
                reason = last.reason or "EventBridge gives no reason"
                raise CommandFailed(f"the replay {name} ended as {last.state}: {reason}.")
        return ArchiveReplayReport(plan, name, last.state)

    def _plan(self, context: OperatorContext, wiring: ReplayWiring) -> ReplayPlan:
        now = wiring.now()
        self.window.check(now)
        rule = self.consumer or Deployment.of(context).physical_id(SIGNED_UP_RULE)
        return wiring.replays.plan(wiring.bus_name, rule, self.window, self.archive, now)


def _follow(out: Output, wiring: ReplayWiring, plan: ReplayPlan, name: str) -> ReplayProgress:
    """Shows the progress until the replay ends. Ctrl-C ends this command, not the replay."""
    minutes = (plan.window.end - plan.window.start) / MINUTE
    try:
        with out.progress() as bar:
            task = bar.add_task("minutes replayed", total=int(minutes))
            while True:
                progress = wiring.replays.progress(plan, name) or ReplayProgress("STARTING", 0.0)
                bar.update(task, completed=round(progress.fraction * minutes))
                if progress.state not in IN_PROGRESS:
                    return progress
                wiring.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        out.say(
            command("EventBridge continues the replay. To stop it: aws events cancel-replay --replay-name {}", name)
        )
        raise
