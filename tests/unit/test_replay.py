"""Re-emitting from the table: which users match, the rate, who was erased, and that a crash skips no user."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from rich.console import Console

from onramp.adapters.items import to_values
from onramp.adapters.tombstones import tombstone_key
from onramp.domain.event_data import Kind, event_id, user_forgotten
from onramp.domain.users import Owed, Status
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.errors import CommandFailed, UsageError
from onramp.ops.common.output import Output
from onramp.ops.common.when import parse_time
from onramp.ops.replay import records as paging
from onramp.ops.replay.archive import MINUTE, ReplayPlan, Window
from onramp.ops.replay.commands import replay
from onramp.ops.replay.records import Query
from onramp.ops.replay.table_command import TableReplayCommand, TableReplayReport
from onramp.ops.replay.wiring import ReplayWiring
from onramp.ops.tables.replay_checkpoints import ReplayCheckpoint
from tests.fakes import FakeDynamoDB, FakeEventBridge, Faulty, ProcessKilled, SiteLog, TableSpec, VirtualClock
from tests.template import tables

POOL, BUS = "eu-west-1_Pool", "onramp"
DAY = Query(1_000, 2_000)


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "PAGE", 4)


class Stack:
    """Tables with users, an event bus, and a virtual clock."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.dynamodb = FakeDynamoDB({name: TableSpec.of(table) for name, table in tables().items()}, self.clock)
        self.events = FakeEventBridge(self.clock, buses=(BUS,))

    def user(self, number: int, **more: Any) -> str:
        """Stores a user who was linked within the day. Returns the sub."""
        sub = f"00000000-0000-4000-8000-{number:012}"
        linked = {"cognitoSub": sub, "userPoolId": POOL, "linkedAt": 1_500, "roles": ["team_member"]}
        item = to_values({"userId": f"u{number}@example.com", **linked, **more})
        self.dynamodb.put_item(TableName="UsersTable", Item={n: v for n, v in item.items() if v != {"NULL": True}})
        return sub

    def profile(self, sub: str, status: str) -> None:
        item = to_values({"userId": sub, "provisioningStatus": status})
        self.dynamodb.put_item(TableName="UserProfilesTable", Item=item)

    def wiring(self, **clients: Any) -> ReplayWiring:
        return ReplayWiring.of(self.context(Output(as_json=False), **clients))

    def context(self, out: Output, **clients: Any) -> OperatorContext:
        sts = SimpleNamespace(get_caller_identity=lambda: {"Arn": "arn:aws:iam::123456789012:user/olu"})
        context = OperatorContext(
            out,
            now=lambda: round(self.clock() * 1000),
            monotonic=self.clock,
            sleep=self.clock.advance,
            clients={"dynamodb": self.dynamodb, "events": self.events, "sqs": SimpleNamespace(), "sts": sts} | clients,
        )
        context.outputs = {
            "UsersTableName": "UsersTable",
            "UserProfilesTableName": "UserProfilesTable",
            "OperationsTableName": "OperationsTable",
            "EventBusName": BUS,
            "ProvisioningQueueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/Provisioning",
        }
        return context

    def matching(self, query: Query) -> set[str]:
        return {str(user.cognito_sub) for users in self.wiring().records.pages(query) for user in users}

    def run(self, query: Query = DAY, *, rate: float = 1000.0, **clients: Any) -> int:
        """One run of the command. Returns how many events were emitted by it and the runs before."""
        wiring = self.wiring(**clients)
        start = wiring.checkpoints.load(query.digest)
        matching = sum(map(len, wiring.records.pages(query)))
        return max(wiring.emission(rate, 0).run(query, start, matching), default=start.emitted)

    def command(
        self, *, query: Query = DAY, again: bool = False, **clients: Any
    ) -> tuple[str, TableReplayReport | None]:
        """One run of the command as the CLI makes it: what it prints, and its report; None where it was interrupted."""
        out = Output(as_json=False)
        out.talk = Console(file=(text := io.StringIO()), width=400, highlight=False)
        context = self.context(out, **clients)
        report = None
        with contextlib.suppress(KeyboardInterrupt):
            command = TableReplayCommand(query, 1000.0, 0, again, yes=True)
            report = command.run(context, ReplayWiring.of(context))
        return text.getvalue(), report

    def rows(self, pk: str) -> list[dict[str, Any]]:
        return [row for row in self.dynamodb.rows("OperationsTable") if row["pk"].startswith(pk)]

    def forget(self, number: int, sub: str) -> None:
        """As an erasure leaves the tables, and UserForgotten."""
        self.dynamodb.put_item(TableName="OperationsTable", Item=tombstone_key(sub))
        self.dynamodb.delete_item(TableName="UsersTable", Key={"userId": {"S": f"u{number}@example.com"}})
        self.wiring().bus.publish(user_forgotten(sub, POOL, at=1, correlation_id="forget"))

    def emitted(self) -> list[str]:
        return [event["detail"]["data"]["cognitoSub"] for event in self.events.events]


@pytest.fixture
def stack() -> Stack:
    return Stack()


class TestTheQuery:
    def test_matches_the_time_of_linking(self, stack: Stack) -> None:
        inside = {stack.user(1, linkedAt=1_000), stack.user(2, linkedAt=2_000)}
        stack.user(3, linkedAt=999)
        stack.user(4, linkedAt=2_001)
        assert stack.matching(DAY) == inside

    def test_matches_linked_users_only(self, stack: Stack) -> None:
        stack.user(1, cognitoSub=None)
        stack.user(2, userPoolId=None)
        stack.user(3, linkedAt=None)
        stack.user(4, linkedAt="yesterday")
        stack.user(5, userPoolId=["a", "b"])
        assert stack.matching(DAY) == set()

    def test_matches_what_is_owed(self, stack: Stack) -> None:
        owed = stack.user(1, owed="emit#1")
        stack.user(2, owed="enrich#1")
        stack.user(3)
        assert stack.matching(Query(1_000, 2_000, owed=Owed.EMIT)) == {owed}

    def test_matches_the_status_and_a_user_without_a_profile_is_pending(self, stack: Stack) -> None:
        subs = [stack.user(number) for number in range(4)]
        for sub, status in zip(subs, ("ready", "failed", "pending"), strict=False):
            stack.profile(sub, status)
        assert stack.matching(Query(1_000, 2_000, Status.READY)) == {subs[0]}
        assert stack.matching(Query(1_000, 2_000, Status.FAILED)) == {subs[1]}
        assert stack.matching(Query(1_000, 2_000, Status.PENDING)) == {subs[2], subs[3]}


class TestEmitting:
    def test_emits_each_user_once_with_the_event_id_of_the_signup(self, stack: Stack) -> None:
        subs = {stack.user(number) for number in range(23)}
        assert stack.run() == 23
        assert sorted(stack.emitted()) == sorted(subs)
        for event in stack.events.events:
            metadata, sub = event["detail"]["metadata"], event["detail"]["data"]["cognitoSub"]
            assert metadata["eventId"] == event_id(POOL, sub, Kind.USER_SIGNED_UP)
            assert metadata["origin"] == "replay"
        assert stack.run() == 23, "a finished replay is not repeated"
        assert len(stack.events.events) == 23

    def test_keeps_to_the_rate(self, stack: Stack) -> None:
        for number in range(40):
            stack.user(number)
        before = stack.clock()
        stack.run(rate=10)
        assert stack.clock() - before >= (40 - 10) / 10 - 0.001, "a burst of one call, then ten a second"

    @pytest.mark.parametrize("fault", ["killed_before", "killed_after"])
    def test_a_crash_at_any_call_skips_no_user_and_repeats_at_most_a_segment(self, stack: Stack, fault: str) -> None:
        subs = [stack.user(number) for number in range(14)]
        reached, place = True, 0
        while reached:
            place += 1
            stack.events.events.clear()
            stack.dynamodb.tables["OperationsTable"].items.clear()
            log, count = SiteLog(), itertools.count(1)

            def plan(*_: object, place: int = place, count: Any = count) -> str | None:
                return fault if next(count) == place else None

            with contextlib.suppress(ProcessKilled):
                stack.run(dynamodb=Faulty(stack.dynamodb, plan, log), events=Faulty(stack.events, plan, log))
            reached = sum(log.faulted.values()) > 0
            if reached:
                stack.run()
            emitted = stack.emitted()
            assert set(emitted) == set(subs), f"killed at call {place}"
            assert len(emitted) - len(subs) <= largest_segment(stack)
        assert place > 8

    def test_events_that_the_bus_refuses_are_published_again_and_the_others_are_not(self, stack: Stack) -> None:
        for number in range(3):
            stack.user(number)
        log, count = SiteLog(), itertools.count(1)
        events = Faulty(stack.events, lambda *_: "partial" if next(count) == 1 else None, log)
        assert stack.run(events=events) == 3
        assert len(stack.emitted()) == len(set(stack.emitted())) == 3

    def test_stops_where_the_bus_keeps_refusing(self, stack: Stack) -> None:
        stack.user(1)
        events = Faulty(stack.events, lambda *_: "throttled", SiteLog())
        with pytest.raises(CommandFailed, match="PutEvents keeps failing"):
            stack.run(events=events)


def largest_segment(stack: Stack) -> int:
    records = stack.wiring().records
    (row,) = stack.rows("REPLAY#table")
    return max(len(records.segment(DAY, number, row["segments"])) for number in range(row["segments"]))


class TestAnInterruption:
    """Ctrl-C at any call of a replay of 60 users in one page."""

    def interrupted(self, stack: Stack, at: int) -> str:
        log, count = SiteLog(), itertools.count(1)

        def plan(*_: object) -> None:
            if next(count) == at:
                raise KeyboardInterrupt

        printed, report = stack.command(events=Faulty(stack.events, plan, log))
        assert report is None
        return printed

    @pytest.fixture(autouse=True)
    def _users(self, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(paging, "PAGE", 500)
        self.subs = [stack.user(number) for number in range(60)]
        monkeypatch.setattr(stack.events, "list_rules", lambda **_: {"Rules": []}, raising=False)

    @pytest.mark.parametrize("at", [1, 3, 5])
    def test_says_how_far_it_came_and_the_next_run_continues_there(self, stack: Stack, at: int) -> None:
        printed = self.interrupted(stack, at + 1)
        emitted = len(stack.emitted())
        assert f"Re-emitted {emitted} of 60 users; the next run continues there." in printed
        assert (
            "To continue: onramp replay --from-table --from 1970-01-01T00:00:01Z --to 1970-01-01T00:00:02Z" in printed
        )
        (audited,) = stack.rows("AUDIT#")
        assert (audited["count"], audited["result"]) == (emitted, "interrupted")
        assert stack.command()[1] is not None
        assert set(stack.emitted()) == set(self.subs)
        assert len(stack.emitted()) - 60 <= largest_segment(stack) < 30

    def test_the_printed_options_name_the_same_query(self) -> None:
        query = Query(1_790_000_000_123, 1_790_000_001_000, Status.READY)
        options = query.options()
        assert parse_time(options["from"], 0) == query.since
        assert parse_time(options["to"], 0) == query.until

    def test_of_a_run_again_continues_too(self, stack: Stack) -> None:
        stack.command()
        stack.events.events.clear()
        events = Faulty(stack.events, lambda index, *_: raise_interrupt() if index == 2 else None, SiteLog())
        assert stack.command(again=True, events=events)[1] is None
        assert stack.command()[1] is not None
        assert set(stack.emitted()) == set(self.subs)

    def test_stores_no_address(self, stack: Stack) -> None:
        self.interrupted(stack, 4)
        assert stack.rows("REPLAY#table")
        assert "@" not in json.dumps(stack.dynamodb.rows("OperationsTable"))


def raise_interrupt() -> None:
    raise KeyboardInterrupt


def once(run: Callable[[], object]) -> Callable[[], None]:
    """Calls `run` at the first call only."""
    remaining = [run]

    def call() -> None:
        if remaining:
            remaining.pop()()

    return call


class TestAnEventThatIsTooLarge:
    """It would stop the run, and each later run at the same place."""

    @pytest.fixture(autouse=True)
    def _rules(self, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(stack.events, "list_rules", lambda **_: {"Rules": []}, raising=False)

    def users(self, stack: Stack, count: int) -> tuple[str, set[str]]:
        """The user whose event is larger than 1 MiB, and the others."""
        large = stack.user(0, roles=["é" * 180_000], linkedAt=1_501)
        return large, {stack.user(number) for number in range(1, count)}

    @pytest.mark.parametrize("count", [1, 23])
    def test_its_user_is_left_out_and_the_run_ends(self, stack: Stack, count: int) -> None:
        large, others = self.users(stack, count)
        printed, report = stack.command()
        assert report is not None
        assert (report.emitted, report.left_out, report.needs_attention) == (count - 1, [large], True)
        assert sorted(stack.emitted()) == sorted(others)
        assert f"Left out u***@example.com ({large})" in printed
        (audited,) = stack.rows("AUDIT#")
        assert (audited["result"], audited["outcome"]) == ("done", {"leftOut": 1})
        with pytest.raises(UsageError, match="re-emitted before"):
            stack.command()

    def test_the_printed_command_replays_this_user_alone(self, stack: Stack) -> None:
        large, _ = self.users(stack, 5)
        printed, _ = stack.command()
        words = shlex.split(printed.partition("then: ")[2])
        since, until = (parse_time(words[words.index(name) + 1], 0) for name in ("--from", "--to"))
        assert stack.matching(Query(since, until)) == {large}

    @pytest.mark.parametrize(("large", "code"), [(True, 1), (False, 0)])
    def test_the_exit_code(self, stack: Stack, large: bool, code: int) -> None:
        stack.user(1, **({"roles": ["é" * 180_000]} if large else {}))
        context: Any = SimpleNamespace(obj=stack.context(Output(as_json=False)))
        with pytest.raises(typer.Exit) as ended:
            replay(context, "1970-01-01T00:00:01Z", "1970-01-01T00:00:02Z", from_table=True, max_queue=0, yes=True)
        assert ended.value.exit_code == code


class TestUsersErasedMeanwhile:
    def test_are_not_announced_after_they_were_forgotten(self, stack: Stack) -> None:
        """The erasure runs after the replay has read its users, before each of its events."""
        subs = {number: stack.user(number) for number in range(12)}
        for number, sub in subs.items():
            other = Stack()
            for each in subs:
                other.user(each)
            emission = replace(other.wiring().emission(1000.0, 0), pace=once(partial(other.forget, number, sub)))
            list(emission.run(DAY, ReplayCheckpoint(), 12))
            kinds = [
                event["detail-type"] for event in other.events.events if event["detail"]["data"]["cognitoSub"] == sub
            ]
            assert kinds == ["UserForgotten"]
            assert len(set(other.emitted())) == 12

    def test_nor_after_a_failed_attempt(self, stack: Stack) -> None:
        sub = stack.user(1)
        log = SiteLog()
        events = Faulty(stack.events, lambda index, *_: "throttled" if index == 1 else None, log)
        emission = replace(stack.wiring(events=events).emission(1000.0, 0), sleep=lambda _: stack.forget(1, sub))
        list(emission.run(DAY, ReplayCheckpoint(), 1))
        assert [event["detail-type"] for event in stack.events.events] == ["UserForgotten"]

    def test_nor_are_relinked_ones_announced_under_the_old_sub(self, stack: Stack) -> None:
        old = stack.user(1)
        new = old[:-3] + "777"
        emission = replace(stack.wiring().emission(1000.0, 0), pace=once(lambda: stack.user(1, cognitoSub=new)))
        assert list(emission.run(DAY, ReplayCheckpoint(), 1)) == [0]
        assert stack.emitted() == []


class TestTheArchive:
    NOW = 1_790_000_000_000

    @pytest.mark.parametrize(("start", "end"), [(30, 9), (30, 0), (30, -5), (10, 30), (30, 30)])
    def test_a_window_that_is_too_recent_or_empty_is_refused(self, start: int, end: int) -> None:
        with pytest.raises(UsageError):
            Window(self.NOW - start * MINUTE, self.NOW - end * MINUTE).check(self.NOW)

    def test_a_window_may_end_ten_minutes_ago(self) -> None:
        Window(self.NOW - 30 * MINUTE, self.NOW - 10 * MINUTE).check(self.NOW)

    def test_a_replay_is_found_again_by_its_window_and_rule(self) -> None:
        def named(rule: str = "arn:rule", start: int = 1, attempt: int = 1) -> str:
            return ReplayPlan("a", "arn:a", "arn:bus", "rule", rule, Window(start, 2), 0).name(attempt)

        assert named() == named()
        assert len({named(), named(rule="arn:other"), named(start=0), named(attempt=2)}) == 4
        assert len(named(attempt=1000)) <= 64
