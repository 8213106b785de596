"""The reconciler: what is due is done once, what is not due is left alone, and who has no record gets one."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from onramp.domain.claims import Admission, PoolUser
from onramp.domain.users import Claim
from onramp.local.fakes.faults import Fault
from onramp.reconcile import window
from tests.fakes import Faulty, ProcessKilled, SiteLog
from tests.world import POOL, PROFILES, QUEUE, USERS, World, signup

SUB = "7d1f3a52-90b1-70c4-5e0f-2b8c1a6d4e01"
EMAIL = "nia@example.com"
MINUTE, HOUR = 60.0, 3600.0


def owed(world: World) -> str:
    return str((world.user(EMAIL) or {}).get("owed", "nothing"))


def in_pool(world: World, email: str = EMAIL, sub: str = SUB, status: str = "CONFIRMED", **attributes: str) -> None:
    """A user as the pool knows them, whom the trigger never saw."""
    standard = {"sub": sub, "email": email, "email_verified": "true"}
    world.cognito.add_user(sub, standard | attributes, status)


def with_bus_refusing(world: World, act: Callable[[], object]) -> None:
    world.aws["events"] = Faulty(world.events, lambda *_: "partial", SiteLog())
    world.cold_start()
    act()
    world.aws["events"] = world.events
    world.cold_start()


def unheard(world: World) -> None:
    """A signup whose event the bus refused."""
    with_bus_refusing(world, lambda: world.join(EMAIL, SUB))


def metric(world: World, name: str) -> Any:
    return next((line[name][0] for line in reversed(world.lines()) if name in line), None)


class TestEmit:
    def test_is_not_due_before_five_minutes(self, world: World) -> None:
        unheard(world)
        world.clock.advance(4 * MINUTE)
        world.reconcile()
        assert world.published("UserSignedUp") == []

    def test_is_emitted_again_with_the_same_id_then_flipped(self, world: World) -> None:
        world.join("first@example.com", str(uuid.uuid4()))
        unheard(world)
        world.clock.advance(6 * MINUTE)
        world.reconcile()
        event = world.published("UserSignedUp")[-1]
        assert event["detail"]["metadata"]["origin"] == "reconcile"
        user = world.user(EMAIL)
        assert user is not None
        assert (owed(world)[:7], user["dueAt"]) == ("enrich#", round(world.clock() * 1000) + 12 * 3600 * 1000)
        assert user["owedSince"] < user["dueAt"] - 12 * 3600 * 1000
        world.work()
        assert owed(world) == "nothing"

    def test_stays_owed_where_the_bus_refuses_again(self, world: World) -> None:
        unheard(world)
        world.clock.advance(6 * MINUTE)
        world.aws["events"] = Faulty(world.events, lambda *_: "partial", SiteLog())
        world.cold_start()
        world.reconcile()
        assert owed(world).startswith("emit#")
        assert metric(world, "ReconcileCompleted") == 1

    def test_of_a_batch_only_what_the_bus_took_is_flipped(self, world: World) -> None:
        world.aws["events"] = Faulty(world.events, lambda *_: "partial", SiteLog())
        for number in range(4):
            world.join(f"user{number}@example.com", str(uuid.UUID(int=number)))
        world.clock.advance(6 * MINUTE)
        world.reconcile()
        kinds = [str(row["owed"])[:4] for row in world.dynamodb.rows(USERS)]
        assert (kinds.count("emit"), kinds.count("enri")) == (2, 2)
        assert len(world.published("UserSignedUp")) == 2

    def test_killed_between_emission_and_flip_it_emits_once_more(self, world: World) -> None:
        unheard(world)
        world.clock.advance(6 * MINUTE)
        world.aws["dynamodb"] = Faulty(
            world.dynamodb, lambda _, __, name: "killed_before" if name == "update_item" else None, SiteLog()
        )
        world.cold_start()
        with pytest.raises(ProcessKilled):
            world.reconcile()
        world.aws["dynamodb"] = world.dynamodb
        world.cold_start()
        world.reconcile()
        ids = {event["detail"]["metadata"]["eventId"] for event in world.published("UserSignedUp")}
        assert (len(world.published("UserSignedUp")), len(ids)) == (2, 1)


class TestAnAdminsOwnEdit:
    """Whatever stands in one record, the others are not kept waiting for it."""

    @pytest.mark.parametrize(
        "broken",
        [
            {"linkedAt": None},
            {"linkedAt": {"S": "yesterday"}},
            {"linkedAt": {"N": "1e30"}},
            {"userPoolId": {"SS": ["a", "b"]}},
            {"identityProvider": {"SS": ["a", "b"]}},
            {"emailVouchedBy": {"B": b"\xff"}},
            {"owedSince": {"S": "yesterday"}},
        ],
    )
    def test_stops_nobody(self, world: World, broken: dict[str, Any]) -> None:
        with_bus_refusing(
            world, lambda: [world.join(email, str(uuid.uuid4())) for email in ("first@example.com", EMAIL)]
        )
        ((name, value),) = broken.items()
        change: dict[str, Any] = {"UpdateExpression": f"REMOVE {name}"}
        if value:
            change = {"UpdateExpression": f"SET {name} = :v", "ExpressionAttributeValues": {":v": value}}
        world.dynamodb.update_item(TableName=USERS, Key={"userId": {"S": "first@example.com"}}, **change)
        world.clock.advance(6 * MINUTE)
        world.reconcile()
        assert owed(world).startswith("enrich#")
        assert metric(world, "OwedEmit") == 2

    def test_does_not_stop_the_signup_that_cognito_repeats(self, world: World) -> None:
        unheard(world)
        world.dynamodb.update_item(TableName=USERS, Key={"userId": {"S": EMAIL}}, UpdateExpression="REMOVE linkedAt")
        assert world.join(EMAIL, SUB) == signup(EMAIL, SUB)


class TestEnrich:
    def lost(self, world: World) -> None:
        """A user whose message is gone: retried, and then the queue forgot it."""
        world.stripe.faults.add(Fault("server_error", times=None))
        world.join(EMAIL, SUB)
        world.work()
        world.stripe.faults.clear()
        world.clock.advance(60)
        world.sqs.settle(world.sqs.lambda_batch(QUEUE), None)

    def test_is_not_due_before_half_a_day(self, world: World) -> None:
        self.lost(world)
        world.clock.advance(11 * HOUR)
        world.reconcile()
        assert world.sqs.messages(QUEUE) == []

    def test_is_queued_again_and_completes(self, world: World) -> None:
        self.lost(world)
        world.clock.advance(13 * HOUR)
        world.reconcile()
        assert len(world.sqs.messages(QUEUE)) == 1
        world.work()
        assert owed(world) == "nothing"
        assert len(world.published("UserSignedUp")) == 1, "the other teams have heard of it already"

    def test_is_claimed_for_a_day(self, world: World) -> None:
        self.lost(world)
        world.clock.advance(13 * HOUR)
        for _ in range(3):
            world.reconcile()
        assert len(world.sqs.messages(QUEUE)) == 1
        world.clock.advance(25 * HOUR)
        world.reconcile()
        assert len(world.sqs.messages(QUEUE)) == 2

    def test_two_runs_at_once_send_it_once(self, world: World) -> None:
        """Both have read the record before either claims it."""
        self.lost(world)
        world.clock.advance(13 * HOUR)
        work = world.function("reconcile").reconciler.reconcile
        users = work.users.get_many([EMAIL])
        how = {"correlation_id": "c", "may_go_on": lambda: True}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(work.users), "get_many", lambda *_: users)
            assert [work.queue_again([EMAIL], **how) for _ in range(2)] == [1, 0]
        assert len(world.sqs.messages(QUEUE)) == 1


class TestBacklog:
    def test_holds_both_back_but_the_news_six_hours_at_most(self, world: World) -> None:
        unheard(world)
        for number in range(1000):
            world.sqs.put(QUEUE, f"waiting {number}")
        world.clock.advance(HOUR)
        world.reconcile()
        assert world.published("UserSignedUp") == []
        world.clock.advance(5.1 * HOUR)
        world.reconcile()
        assert len(world.published("UserSignedUp")) == 1


class TestOperator:
    def refused(self, world: World) -> None:
        world.stripe.faults.add(Fault("refused", operation="create"))
        world.join(EMAIL, SUB)
        world.work()
        assert owed(world).startswith("operator#")

    def test_is_never_due(self, world: World) -> None:
        self.refused(world)
        world.clock.advance(30 * 24 * HOUR)
        world.reconcile()
        assert (owed(world)[:9], world.sqs.messages(QUEUE)) == ("operator#", [])
        assert metric(world, "OwedOperator") == 1
        assert metric(world, "OldestOwedSeconds") == pytest.approx(30 * 24 * HOUR, abs=1)

    def test_is_healed_where_the_profile_is_ready(self, world: World) -> None:
        """A worker stored ready and died before UserProvisioned, while another was refused."""
        self.refused(world)
        key = {"userId": {"S": SUB}}
        ready = {":ready": {"S": "ready"}}
        world.dynamodb.update_item(
            TableName=PROFILES,
            Key=key,
            UpdateExpression="SET provisioningStatus = :ready",
            ExpressionAttributeValues=ready,
        )
        world.reconcile()
        assert owed(world).startswith("enrich#")
        world.work()
        assert owed(world) == "nothing"
        assert len(world.published("UserProvisioned")) == 1


class TestSweep:
    def test_heals_a_confirmed_user_without_a_record(self, world: World) -> None:
        in_pool(world, given_name="Nia")
        in_pool(world, "gita@example.com", str(uuid.uuid4()), "UNCONFIRMED")
        world.clock.advance(6 * MINUTE)
        world.reconcile()
        assert [row["userId"] for row in world.dynamodb.rows(USERS)] == [EMAIL]
        world.work()
        assert owed(world) == "nothing"
        assert metric(world, "Healed") == 1
        world.reconcile()
        assert len(world.published("UserSignedUp")) == 1

    def test_links_what_an_admin_prepared(self, world: World) -> None:
        world.pre_create(EMAIL, "manager")
        in_pool(world)
        world.clock.advance(6 * MINUTE)
        world.reconcile()
        assert ((world.user(EMAIL) or {})["roles"], (world.user(EMAIL) or {})["cognitoSub"]) == (["manager"], SUB)

    def test_leaves_a_user_of_a_moment_ago_to_the_trigger(self, world: World) -> None:
        in_pool(world)
        world.reconcile()
        assert world.dynamodb.rows(USERS) == []

    def test_applies_the_triggers_own_rules(self, world: World) -> None:
        prepared = world.pre_create(EMAIL, "admin")
        in_pool(world, email_verified="false")
        in_pool(world, "x@example.com", str(uuid.uuid4()), "EXTERNAL_PROVIDER", identities="[]")
        world.clock.advance(6 * MINUTE)
        world.reconcile()
        item = world.dynamodb.get_item(TableName=USERS, Key={"userId": {"S": EMAIL}})["Item"]
        assert item == prepared
        assert len(world.dynamodb.rows(USERS)) == 1
        assert metric(world, "RefusedInPool") == 2
        assert metric(world, "SignupRejected") is None, "the alarm counts each refusal once, in the trigger"

    def test_a_changed_email_is_reported_and_nothing_is_written(self, world: World) -> None:
        world.join(EMAIL, SUB)
        world.work()
        in_pool(world, "nia.new@example.com")
        world.clock.advance(6 * MINUTE)
        before = world.dynamodb.rows(USERS)
        world.reconcile()
        assert world.dynamodb.rows(USERS) == before
        assert metric(world, "EmailChangedInPool") == 1

    def test_walks_a_large_pool_in_bounded_runs(self, world: World) -> None:
        world.configure(SWEEP_PAGES="2")
        for number in range(300):
            in_pool(world, f"user{number}@example.com", str(uuid.UUID(int=number)))
        world.clock.advance(6 * MINUTE)
        records = []
        for _ in range(3):
            world.reconcile()
            records.append(len(world.dynamodb.rows(USERS)))
        assert records == [120, 240, 300]

    def test_starts_again_where_its_page_token_has_expired(self, world: World) -> None:
        world.configure(SWEEP_PAGES="1")
        for number in range(100):
            in_pool(world, f"user{number}@example.com", str(uuid.UUID(int=number)))
        world.clock.advance(6 * MINUTE)
        world.reconcile()
        world.clock.advance(2 * HOUR)
        for _ in range(3):
            world.reconcile()
        assert len(world.dynamodb.rows(USERS)) == 100

    def test_an_empty_page_is_not_the_last(self, world: World) -> None:
        world.cognito.empty_page = lambda number: number == 1
        in_pool(world)
        world.clock.advance(6 * MINUTE)
        world.reconcile()
        assert len(world.dynamodb.rows(USERS)) == 1

    def test_one_stuck_user_does_not_stop_the_walk(self, world: World) -> None:
        for number in range(3):
            in_pool(world, f"user{number}@example.com", str(uuid.UUID(int=number)))
        world.clock.advance(6 * MINUTE)

        def stuck(index: int, _: str, name: str, seen: list[int] = []) -> str | None:  # noqa: B006
            if name != "update_item":
                return None
            seen.append(index)
            return "throttled" if len(seen) == 1 else None

        world.aws["dynamodb"] = Faulty(world.dynamodb, stuck, SiteLog())
        world.cold_start()
        world.reconcile()
        assert len(world.dynamodb.rows(USERS)) == 2
        world.reconcile()
        assert len(world.dynamodb.rows(USERS)) == 3

    def test_an_error_nobody_foresaw_at_one_user_does_not_stop_it_either(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(3):
            in_pool(world, f"user{number}@example.com", str(uuid.UUID(int=number)))
        world.clock.advance(6 * MINUTE)
        claim = Admission.claim

        def buggy(self: Admission, person: PoolUser, now: int) -> Claim:
            return claim(self, person, now) if person.email != "user1@example.com" else [][0]

        monkeypatch.setattr(Admission, "claim", buggy)
        world.reconcile()
        assert {row["userId"] for row in world.dynamodb.rows(USERS)} == {"user0@example.com", "user2@example.com"}
        assert metric(world, "ReconcileCompleted") is None, "an alarm stays until it is mended"
        assert [line["place"].split(":")[0] for line in world.lines() if line.get("message") == "bug"] == [
            "IndexError at test_reconcile.py"
        ]


class TestEveryRun:
    def test_an_idle_run_makes_twelve_queries_and_one_list_users(self, world: World) -> None:
        world.join(EMAIL, SUB)
        world.work()
        in_pool(world)
        world.clock.advance(HOUR)
        world.dynamodb.calls.clear()
        world.reconcile()
        assert dict(world.dynamodb.calls) == {"query": 12, "batch_get_item": 1, "get_item": 1, "put_item": 1}
        assert dict(world.cognito.calls) == {"list_users": 1}
        assert world.sqs.calls["get_queue_attributes"] == 0

    @pytest.mark.parametrize("service", ["dynamodb", "events", "sqs", "cognito-idp"])
    def test_what_fails_is_said_and_the_rest_is_done(self, world: World, service: str) -> None:
        unheard(world)
        in_pool(world, "other@example.com", str(uuid.uuid4()))
        world.clock.advance(6 * MINUTE)
        real = world.aws[service]
        world.aws[service] = Faulty(real, lambda *_: "refused", SiteLog())
        world.cold_start()
        world.reconcile()
        assert metric(world, "ReconcileFailed") == 1
        assert metric(world, "ReconcileCompleted") is None
        world.aws[service] = real
        world.cold_start()
        world.clock.advance(6 * MINUTE)
        world.reconcile()
        world.work()
        assert owed(world) == "nothing"
        assert (world.user("other@example.com") or {}).get("owed") is None

    def test_no_new_work_is_started_with_half_a_minute_left(self, world: World) -> None:
        unheard(world)
        in_pool(world, "other@example.com", str(uuid.uuid4()))
        world.clock.advance(6 * MINUTE)
        world.reconcile(timeout=29.0)
        assert (owed(world)[:5], len(world.dynamodb.rows(USERS))) == ("emit#", 1)


class TestSignIn:
    def sign_in(self, world: World, **more: Any) -> dict[str, Any]:
        event = signup(EMAIL, SUB, **more) | {"triggerSource": "PostAuthentication_Authentication"}
        assert world.confirm(event) == event
        return event

    def test_costs_one_read_for_a_user_who_has_a_record(self, world: World) -> None:
        world.join(EMAIL, SUB)
        world.dynamodb.calls.clear()
        self.sign_in(world)
        assert dict(world.dynamodb.calls) == {"get_item": 1}

    def test_heals_a_user_who_has_none(self, world: World) -> None:
        self.sign_in(world)
        assert owed(world).startswith("emit#")
        world.work()
        assert owed(world) == "nothing"

    def test_leaves_a_changed_email_alone(self, world: World) -> None:
        world.join("old@example.com", SUB)
        self.sign_in(world)
        assert world.user(EMAIL) is None

    def test_never_blocks_whoever_is_refused(self, world: World) -> None:
        self.sign_in(world, email_verified="false")
        assert world.dynamodb.rows(USERS) == []
        assert metric(world, "SignupRejected") is None

    @pytest.mark.parametrize("fault", ["refused", "throttled", "not_sent", "lost_reply", "malformed"])
    def test_never_blocks_when_aws_fails(self, world: World, fault: str) -> None:
        world.aws["dynamodb"] = Faulty(world.dynamodb, lambda *_: fault, SiteLog(), world.clock.advance)
        self.sign_in(world)

    def test_starts_no_write_it_has_no_time_for(self, world: World) -> None:
        world.aws["dynamodb"] = Faulty(
            world.dynamodb, lambda *_: "slow", SiteLog(), world.clock.advance, slow_seconds=0.5
        )
        self.sign_in(world)
        assert world.dynamodb.rows(USERS) == []


@pytest.mark.parametrize(("count", "size"), [(0, 3), (3, 3), (10, 3), (7, 2)])
def test_a_long_list_is_looked_at_in_turn(count: int, size: int) -> None:
    seen = [item for run in range(20) for item in window(range(count), size, run * 300_000)]
    assert set(seen) == set(range(count))
    assert all(len(window(range(count), size, run * 300_000)) == min(count, size) for run in range(20))


def test_the_pool_is_the_stacks(world: World) -> None:
    assert world.function("reconcile").reconciler.pools == [POOL]
