"""Re-emitting from the table: which users match, the rate, and that a crash anywhere skips no user."""

from __future__ import annotations

import contextlib
import itertools
from types import SimpleNamespace
from typing import Any

import pytest

from onramp.adapters.items import to_values
from onramp.domain.event_data import Kind, event_id
from onramp.domain.users import Owed, Status
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.errors import CommandFailed, UsageError
from onramp.ops.common.output import Output
from onramp.ops.replay import records as paging
from onramp.ops.replay.archive import MINUTE, ReplayPlan, Window
from onramp.ops.replay.records import Query
from onramp.ops.replay.wiring import ReplayWiring
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
        context = OperatorContext(
            Output(as_json=False),
            now=lambda: round(self.clock() * 1000),
            monotonic=self.clock,
            sleep=self.clock.advance,
            clients={"dynamodb": self.dynamodb, "events": self.events, "sqs": SimpleNamespace()} | clients,
        )
        context.outputs = {
            "UsersTableName": "UsersTable",
            "UserProfilesTableName": "UserProfilesTable",
            "OperationsTableName": "OperationsTable",
            "EventBusName": BUS,
            "ProvisioningQueueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/Provisioning",
        }
        return ReplayWiring.of(context)

    def matching(self, query: Query) -> set[str]:
        return {str(user.cognito_sub) for users, _ in self.wiring().records.pages(query) for user in users}

    def run(self, query: Query = DAY, *, rate: float = 1000.0, **clients: Any) -> int:
        """One run of the command. Returns how many events were emitted by it and the runs before."""
        wiring = self.wiring(**clients)
        start = wiring.checkpoints.load(query.digest)
        return start.emitted if start.done else max(wiring.emission(rate, 0).run(query, start), default=start.emitted)

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
    def test_a_crash_at_any_call_skips_no_user_and_repeats_at_most_a_page(self, stack: Stack, fault: str) -> None:
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
            assert len(emitted) - len(subs) <= paging.PAGE
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
