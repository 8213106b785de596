"""`replay --from-table` from the options to the report: count, confirm, write the audit row, emit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from onramp.domain.users import User
from onramp.ops.common.audit_log import AuditEntry
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.errors import UsageError
from onramp.ops.common.output import Output
from onramp.ops.common.queue_room import MOST_IN_QUEUE, WaitingNotice
from onramp.ops.common.shell import command, onramp_command
from onramp.ops.common.text import masked_email
from onramp.ops.replay.records import Query
from onramp.ops.replay.wiring import ReplayWiring
from onramp.ops.tables.replay_checkpoints import ReplayCheckpoint

DEFAULT_RATE = 50.0


@dataclass(frozen=True, slots=True)
class TableReplayReport:
    """`emitted` by this run; `rules`: all rules of the event bus, by name; `left_out`: subs of too large events."""

    query: Query
    emitted: int
    left_out: list[str]
    rules: list[str]

    @property
    def needs_attention(self) -> bool:
        return bool(self.left_out)

    def data(self) -> dict[str, Any]:
        counts = {"emitted": self.emitted, "leftOut": self.left_out}
        return {**self.query.options(), **counts, "rules": self.rules}

    def show(self, out: Output) -> None:
        out.line(f"Re-emitted UserSignedUp of {self.emitted:,} users, to {len(self.rules)} rules.")
        if self.left_out:
            out.line(f"{len(self.left_out):,} users were left out, because their event is too large.")


@dataclass(frozen=True, slots=True)
class TableReplayCommand:
    """`rate` in events a second; `max_queue` as in the backfill; `again`: from the start, even after a complete run."""

    query: Query
    rate: float
    max_queue: int
    again: bool
    yes: bool

    def run(self, context: OperatorContext, wiring: ReplayWiring) -> TableReplayReport:
        """Raises UsageError, RetryableError, and CommandFailed where PutEvents keeps failing."""
        start = ReplayCheckpoint() if self.again else wiring.checkpoints.load(self.query.digest)
        if start.done:
            raise UsageError(f"these {start.emitted:,} users were re-emitted before: add --again to do it once more.")
        matching = self._count(context.out, wiring)
        remaining = max(matching - start.emitted, 0)
        rules = sorted(rule["Name"] for rule in wiring.replays.rules(wiring.bus_name))
        if start.emitted:
            context.out.say(f"Continues after {start.emitted:,} that were emitted before; --again starts over.")
        context.out.say(f"PutEvents reaches every rule of {wiring.bus_name}: {', '.join(rules)}.")
        context.out.confirm(f"Re-emits UserSignedUp of {remaining:,} users, {self.rate:g} a second.", yes=self.yes)
        return TableReplayReport(self.query, *self._emit(context, wiring, start, matching), rules)

    def _emit(
        self, context: OperatorContext, wiring: ReplayWiring, start: ReplayCheckpoint, matching: int
    ) -> tuple[int, list[str]]:
        """How many events were emitted, and the subs of the users who were left out."""
        left_out: list[str] = []

        def leave_out(user: User) -> None:
            left_out.append(str(user.cognito_sub))
            entry.outcome["leftOut"] = len(left_out)
            context.out.say(_advice(user))

        emission = wiring.emission(self.rate, self.max_queue, WaitingNotice(context.out, "events"), leave_out)
        with (
            context.audited("replay --from-table", **self.query.options()) as entry,
            self._explain_interruption(context.out, start, matching, entry),
            context.out.progress() as bar,
        ):
            task = bar.add_task("emitting", total=max(matching - start.emitted, 0))
            for emitted in emission.run(self.query, start, matching):
                entry.count = emitted - start.emitted
                bar.update(task, completed=entry.count)
        return entry.count, left_out

    def _count(self, out: Output, wiring: ReplayWiring) -> int:
        with out.progress() as bar:
            task, count = bar.add_task("counting", total=None), 0
            for users in wiring.records.pages(self.query):
                count += len(users)
                bar.update(task, completed=count)
        return count

    @contextmanager
    def _explain_interruption(
        self, out: Output, start: ReplayCheckpoint, matching: int, entry: AuditEntry
    ) -> Iterator[None]:
        """Times given as `2h` mean another query later: the command to continue names them in full."""
        try:
            yield
        except BaseException:
            emitted = start.emitted + entry.count
            options = [word for name, value in self.query.options().items() for word in (f"--{name}", value)]
            options += ["--rate", f"{self.rate:g}"] if self.rate != DEFAULT_RATE else []
            options += ["--max-queue", str(self.max_queue)] if self.max_queue != MOST_IN_QUEUE else []
            out.say(f"Re-emitted {emitted:,} of {matching:,} users; the next run continues there.")
            out.say(f"To continue: {onramp_command('replay', '--from-table', *options)}")
            raise


def _advice(user: User) -> str:
    at = user.linked_at or 0
    this_user = Query(at, at).options()
    again = command("onramp replay --from-table --from {} --to {}", this_user["from"], this_user["to"])
    return (
        f"Left out {masked_email(user.user_id)} ({user.cognito_sub}): the event is too large for the bus."
        f" Shorten the roles or names of the record, then: {again}"
    )
