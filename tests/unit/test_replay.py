"""Re-emitting from the table: who matches, how fast, and that a death anywhere skips nobody."""

from __future__ import annotations

import contextlib
import itertools
from typing import Any

import pytest

from onramp.adapters.eventbridge import EventBus
from onramp.adapters.items import to_values
from onramp.adapters.pacing import TokenBucket
from onramp.adapters.profiles import ProfileTable
from onramp.domain.event_data import Kind, event_id
from onramp.domain.users import Owed, Status
from onramp.ops.common.errors import CommandFailed, UsageError
from onramp.ops.replay import records as paging
from onramp.ops.replay.archive import MINUTE, ReplayPlan, Window
from onramp.ops.replay.records import Query, Records
from onramp.ops.replay.table import Emission, ReplayCheckpoint, ReplayCheckpoints
from tests.fakes import FakeDynamoDB, FakeEventBridge, Faulty, ProcessKilled, SiteLog, TableSpec, VirtualClock
from tests.template import tables

POOL, BUS = "eu-west-1_Pool", "onramp"
DAY = Query(1_000, 2_000)


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "PAGE", 4)


class Bench:
    """Tables with users, a bus that remembers, and a clock that stands still until somebody waits."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.dynamodb = FakeDynamoDB({name: TableSpec.of(table) for name, table in tables().items()}, self.clock)
        self.events = FakeEventBridge(self.clock, buses=(BUS,))
        self.correlations = itertools.count()

    def user(self, number: int, **more: Any) -> str:
        """Linked within the day; the sub."""
        sub = f"00000000-0000-4000-8000-{number:012}"
        linked = {"cognitoSub": sub, "userPoolId": POOL, "linkedAt": 1_500, "roles": ["team_member"]}
        item = to_values({"userId": f"u{number}@example.com", **linked, **more})
        self.dynamodb.put_item(TableName="UsersTable", Item={n: v for n, v in item.items() if v != {"NULL": True}})
        return sub

    def profile(self, sub: str, status: str) -> None:
        item = to_values({"userId": sub, "provisioningStatus": status})
        self.dynamodb.put_item(TableName="UserProfilesTable", Item=item)

    def records(self, dynamodb: Any = None) -> Records:
        client: Any = dynamodb or self.dynamodb
        return Records(client, "UsersTable", ProfileTable(client, "UserProfilesTable"))

    def matching(self, query: Query) -> set[str]:
        return {str(user.cognito_sub) for users, _ in self.records().pages(query) for user in users}

    def run(self, query: Query = DAY, *, dynamodb: Any = None, events: Any = None, rate: float = 1000.0) -> int:
        """One run of the command; how many in all."""
        client = dynamodb or self.dynamodb
        checkpoints = ReplayCheckpoints(client, "OperationsTable")
        pace = TokenBucket(rate, 10, float("inf"), self.clock, self.clock.advance).take
        bridge: Any = events or self.events
        bus, correlation = EventBus(bridge, BUS), f"replay-{next(self.correlations)}"
        emission = Emission(self.records(client), checkpoints, bus, pace, self.clock.advance, correlation)
        start = checkpoints.load(query)
        return start.emitted if start.done else max(emission.run(query, start), default=start.emitted)

    def emitted(self) -> list[str]:
        return [event["detail"]["data"]["cognitoSub"] for event in self.events.events]


@pytest.fixture
def bench() -> Bench:
    return Bench()


class TestWhoMatches:
    def test_by_the_time_of_linking(self, bench: Bench) -> None:
        inside = {bench.user(1, linkedAt=1_000), bench.user(2, linkedAt=2_000)}
        bench.user(3, linkedAt=999)
        bench.user(4, linkedAt=2_001)
        assert bench.matching(DAY) == inside

    def test_nobody_who_is_not_linked(self, bench: Bench) -> None:
        bench.user(1, cognitoSub=None)
        bench.user(2, userPoolId=None)
        bench.user(3, linkedAt=None)
        bench.user(4, linkedAt="yesterday")
        bench.user(5, userPoolId=["a", "b"])
        assert bench.matching(DAY) == set()

    def test_by_what_is_owed(self, bench: Bench) -> None:
        news = bench.user(1, owed="emit#1")
        bench.user(2, owed="enrich#1")
        bench.user(3)
        assert bench.matching(Query(1_000, 2_000, owed=Owed.EMIT)) == {news}

    def test_by_status_and_who_has_no_profile_is_pending(self, bench: Bench) -> None:
        subs = [bench.user(number) for number in range(4)]
        for sub, status in zip(subs, ("ready", "failed", "pending"), strict=False):
            bench.profile(sub, status)
        assert bench.matching(Query(1_000, 2_000, Status.READY)) == {subs[0]}
        assert bench.matching(Query(1_000, 2_000, Status.FAILED)) == {subs[1]}
        assert bench.matching(Query(1_000, 2_000, Status.PENDING)) == {subs[2], subs[3]}


class TestEmitting:
    def test_each_once_under_the_same_event_id_as_ever(self, bench: Bench) -> None:
        subs = {bench.user(number) for number in range(23)}
        assert bench.run() == 23
        assert sorted(bench.emitted()) == sorted(subs)
        for event in bench.events.events:
            metadata, sub = event["detail"]["metadata"], event["detail"]["data"]["cognitoSub"]
            assert metadata["eventId"] == event_id(POOL, sub, Kind.USER_SIGNED_UP)
            assert metadata["origin"] == "replay"
        assert bench.run() == 23, "what is done is not done again"
        assert len(bench.events.events) == 23

    def test_no_faster_than_asked(self, bench: Bench) -> None:
        for number in range(40):
            bench.user(number)
        before = bench.clock()
        bench.run(rate=10)
        assert bench.clock() - before >= (40 - 10) / 10 - 0.001, "a burst of one call, then ten a second"

    @pytest.mark.parametrize("fault", ["killed_before", "killed_after"])
    def test_a_death_at_any_call_skips_nobody_and_repeats_a_page_at_most(self, bench: Bench, fault: str) -> None:
        subs = [bench.user(number) for number in range(14)]
        reached, place = True, 0
        while reached:
            place += 1
            bench.events.events.clear()
            bench.dynamodb.tables["OperationsTable"].items.clear()
            log, count = SiteLog(), itertools.count(1)

            def plan(*_: object, place: int = place, count: Any = count) -> str | None:
                return fault if next(count) == place else None

            with contextlib.suppress(ProcessKilled):
                bench.run(dynamodb=Faulty(bench.dynamodb, plan, log), events=Faulty(bench.events, plan, log))
            reached = sum(log.faulted.values()) > 0
            if reached:
                bench.run()
            emitted = bench.emitted()
            assert set(emitted) == set(subs), f"killed at call {place}"
            assert len(emitted) - len(subs) <= paging.PAGE
        assert place > 8

    def test_what_the_bus_refuses_is_tried_again_and_the_rest_is_not_repeated(self, bench: Bench) -> None:
        for number in range(3):
            bench.user(number)
        log, count = SiteLog(), itertools.count(1)
        events = Faulty(bench.events, lambda *_: "partial" if next(count) == 1 else None, log)
        assert bench.run(events=events) == 3
        assert len(bench.emitted()) == len(set(bench.emitted())) == 3

    def test_a_bus_that_goes_on_refusing_stops_it(self, bench: Bench) -> None:
        bench.user(1)
        events = Faulty(bench.events, lambda *_: "throttled", SiteLog())
        with pytest.raises(CommandFailed, match="goes on refusing events"):
            bench.run(events=events)

    def test_another_query_has_a_checkpoint_of_its_own(self, bench: Bench) -> None:
        checkpoints = ReplayCheckpoints(bench.dynamodb, "OperationsTable")
        assert checkpoints.load(DAY) == ReplayCheckpoint()
        checkpoints.save(DAY, ReplayCheckpoint({"userId": {"S": "u5@example.com"}}, 7))
        assert checkpoints.load(DAY) == ReplayCheckpoint({"userId": {"S": "u5@example.com"}}, 7)
        assert checkpoints.load(Query(1_000, 2_000, Status.READY)) == ReplayCheckpoint()


class TestTheArchive:
    NOW = 1_790_000_000_000

    @pytest.mark.parametrize(("start", "end"), [(30, 9), (30, 0), (30, -5), (10, 30), (30, 30)])
    def test_a_window_that_is_too_young_or_no_window(self, start: int, end: int) -> None:
        with pytest.raises(UsageError):
            Window(self.NOW - start * MINUTE, self.NOW - end * MINUTE).check(self.NOW)

    def test_ten_minutes_are_enough(self) -> None:
        Window(self.NOW - 30 * MINUTE, self.NOW - 10 * MINUTE).check(self.NOW)

    def test_a_replay_is_found_again_by_its_window_and_rule(self) -> None:
        def named(rule: str = "arn:rule", start: int = 1, attempt: int = 1) -> str:
            return ReplayPlan("a", "arn:a", "arn:bus", "rule", rule, Window(start, 2), 0).name(attempt)

        assert named() == named()
        assert len({named(), named(rule="arn:other"), named(start=0), named(attempt=2)}) == 4
        assert len(named(attempt=1000)) <= 64
