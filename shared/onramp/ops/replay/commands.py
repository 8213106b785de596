"""`onramp replay`: tell one consumer again from the archive, or every consumer from the table."""

from __future__ import annotations

import time
import uuid
from typing import Annotated

import typer

from onramp.adapters.eventbridge import EventBus
from onramp.adapters.pacing import TokenBucket
from onramp.domain.users import Owed, Status
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.deployment import SIGNED_UP_RULE, Deployment
from onramp.ops.common.errors import CommandFailed, UsageError
from onramp.ops.common.when import clock, moment
from onramp.ops.replay.archive import DONE, UNDER_WAY, ReplayPlan, ReplayProgress, Replays, Window
from onramp.ops.replay.records import Query, Records
from onramp.ops.replay.table import Emission, ReplayCheckpoint, ReplayCheckpoints
from onramp.usecases.batches import PUT_EVENTS

POLL_SECONDS = 1.0
ARCHIVED = "10m"  # the youngest that is sure to be in the archive


def replay(
    ctx: typer.Context,
    start: Annotated[str, typer.Option("--from", help="2026-11-20T09:00Z, or 2h for two hours ago.")],
    end: Annotated[
        str, typer.Option("--to", help="Likewise.", show_default="ten minutes ago; with --from-table: now")
    ] = "",
    consumer: Annotated[
        str | None, typer.Option(help="The rule to replay to.", show_default="the one of our own queue")
    ] = None,
    archive: Annotated[str | None, typer.Option(help="Where the bus has several.", show_default="its only one")] = None,
    again: Annotated[bool, typer.Option("--again", help="Even what was replayed before; from the start.")] = False,
    from_table: Annotated[
        bool, typer.Option("--from-table", help="Re-emit from the records: to EVERY rule, by the time of linking.")
    ] = False,
    status: Annotated[Status | None, typer.Option(help="With --from-table: only profiles in this state.")] = None,
    owed: Annotated[Owed | None, typer.Option(help="With --from-table: only who is owed this.")] = None,
    rate: Annotated[float, typer.Option(min=0.1, help="With --from-table: events a second.")] = 50.0,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Deliver UserSignedUp again, to one rule from the archive, or from the table to all.

    The eventId is the same as ever: consumers dedup on it, and our own worker acknowledges
    who is provisioned.

    Example: onramp replay --from 3h --to 1h --consumer billing-signups
    """
    context: OperatorContext = ctx.obj
    now = context.now()
    window = Window(moment(start, now), moment(end or ("0s" if from_table else ARCHIVED), now))
    if not from_table:
        if status or owed:
            raise UsageError("the archive knows neither status nor what is owed: add --from-table.")
        _from_archive(context, window, consumer, archive, again=again, yes=yes)
    elif consumer or archive:
        raise UsageError("--from-table reaches every rule of the bus: leave --consumer and --archive out.")
    else:
        _from_table(context, Query(window.start, window.end, status, owed), rate, again=again, yes=yes)


def _from_archive(
    context: OperatorContext, window: Window, consumer: str | None, archive: str | None, *, again: bool, yes: bool
) -> None:
    now, replays = context.now(), Replays(context.client("events"))
    window.check(now)
    rule = consumer or Deployment.of(context).physical_id(SIGNED_UP_RULE)
    plan = replays.plan(context.output("EventBusName"), rule, window, archive, now)
    attempt, found = replays.find(plan)
    if found and found.state == DONE and not again:
        raise UsageError(f"this window was replayed to {plan.rule} before: say --again to do it once more.")
    if window.start < plan.kept_since:
        context.out.say(
            f"The archive keeps nothing older than {clock(plan.kept_since)}: before that, use --from-table."
        )
    under_way = found is not None and found.state in UNDER_WAY
    name = plan.name(attempt if under_way or not found else attempt + 1)
    if under_way:
        context.out.say(f"{name} is under way already.")
    else:
        between = f"{clock(window.start)} to {clock(window.end)}"
        context.out.confirm(f"Replays {between} of {plan.archive} to the rule {plan.rule} alone.", yes=yes)
    details = {"rule": plan.rule, "archive": plan.archive, "from": clock(window.start), "to": clock(window.end)}
    with context.audited("replay", **details) as entry:
        if not under_way:
            replays.start(plan, name)
        entry.outcome["replay"] = name
        last = _followed(context, replays, plan, name)
        entry.outcome["state"] = last.state
        if last.state != DONE:
            raise CommandFailed(
                f"the replay {name} ended as {last.state}: {last.reason or 'EventBridge does not say why'}."
            )
    data = {**details, "replay": name, "state": last.state}
    context.out.result(data, lambda: context.out.line(f"{name}: the window was replayed to {plan.rule}."))


def _followed(context: OperatorContext, replays: Replays, plan: ReplayPlan, name: str) -> ReplayProgress:
    """Until it ends. Ctrl-C ends the looking only."""
    try:
        with context.out.progress() as bar:
            task = bar.add_task("minutes replayed", total=(plan.window.end - plan.window.start) // 60_000)
            while True:
                found = replays.progress(plan, name) or ReplayProgress("STARTING", 0.0)
                bar.update(task, completed=round(found.fraction * (plan.window.end - plan.window.start) / 60_000))
                if found.state not in UNDER_WAY:
                    return found
                time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        context.out.say(f"It goes on by itself. To stop it: aws events cancel-replay --replay-name {name}")
        raise


def _from_table(context: OperatorContext, query: Query, rate: float, *, again: bool, yes: bool) -> None:
    bus, dynamodb = context.output("EventBusName"), context.client("dynamodb")
    records = Records(dynamodb, context.output("UsersTableName"), context.profiles)
    checkpoints = ReplayCheckpoints(dynamodb, context.output("OperationsTableName"))
    start = ReplayCheckpoint() if again else checkpoints.load(query)
    if start.done:
        raise UsageError(f"these {start.emitted:,} were re-emitted before: say --again to do it once more.")
    left = _counted(context, records, query, start)
    rules = sorted(rule["Name"] for rule in Replays(context.client("events")).rules(bus))
    if start.emitted:
        context.out.say(f"Goes on after {start.emitted:,} that were emitted before; --again begins at the start.")
    context.out.say(f"PutEvents reaches every rule of {bus}: {', '.join(rules)}.")
    context.out.confirm(f"Re-emits UserSignedUp of {left:,} users, {rate:g} a second.", yes=yes)
    pace = TokenBucket(rate, PUT_EVENTS, float("inf"), time.monotonic, time.sleep).take
    publisher = EventBus(context.client("events"), bus)
    emission = Emission(records, checkpoints, publisher, pace, time.sleep, f"replay-{uuid.uuid4()}")
    said = _said(query)
    try:
        with context.audited("replay --from-table", **said) as entry, context.out.progress() as bar:
            task = bar.add_task("emitting", total=left)
            for emitted in emission.run(query, start):
                entry.count = emitted - start.emitted
                bar.update(task, completed=entry.count)
    except BaseException:
        options = " ".join(f"--{name} {value}" for name, value in said.items())
        context.out.say(f"To go on from here: onramp replay --from-table {options}")
        raise
    data = {**said, "emitted": entry.count, "rules": rules}
    context.out.result(
        data, lambda: context.out.line(f"{entry.count:,} users were told of again, to {len(rules)} rules.")
    )


def _counted(context: OperatorContext, records: Records, query: Query, start: ReplayCheckpoint) -> int:
    with context.out.progress() as bar:
        task, found = bar.add_task("counting", total=None), 0
        for users, _ in records.pages(query, start.key):
            found += len(users)
            bar.update(task, completed=found)
    return found


def _said(query: Query) -> dict[str, str]:
    """The query as options."""
    filters = {"status": query.status, "owed": query.owed}
    window = {"from": clock(query.since), "to": clock(query.until)}
    return window | {name: str(value) for name, value in filters.items() if value}
