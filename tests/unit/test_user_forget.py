"""Forget: nothing is left, nothing comes back, and a death in the middle leaves enough to go on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from onramp.domain.errors import RetryableError
from onramp.events import UserForgotten
from onramp.local.fakes.faults import Fault
from onramp.ops.user.people import Name
from tests.fakes import Faulty, ProcessKilled, SiteLog
from tests.unit.userdesk import EMAIL, NEW, OLD, UserDesk, before_call, in_pool
from tests.world import DLQ, OPERATIONS, PROFILES, QUEUE, USERS, World

SUB = OLD


def provisioned(world: World) -> None:
    world.join(EMAIL, SUB, given_name="Nia")
    world.work()
    world.clock.advance(3600)


def gone(world: World, *subs: str) -> None:
    """From every table, queue and provider; and the tombstones say nothing but when."""
    world.clock.advance(1000)
    world.work()
    world.reconcile()
    world.work()
    assert world.dynamodb.rows(USERS) == []
    assert world.dynamodb.rows(PROFILES) == []
    assert (world.stripe.customers(), world.revenuecat.customers()) == ([], [])
    assert (world.sqs.messages(QUEUE), world.sqs.messages(DLQ)) == ([], [])
    rows = [row for row in world.dynamodb.rows(OPERATIONS) if row["pk"] != "SWEEP#pool"]
    assert {(row["pk"], *sorted(row)) for row in rows} == {
        (f"FORGOTTEN#{sub}", "forgottenAt", "pk", "sk") for sub in subs or (SUB,)
    }


def announced(world: World) -> list[str]:
    return [event["detail"]["data"]["cognitoSub"] for event in world.published("UserForgotten")]


class TestForget:
    def test_leaves_nothing_and_tells_everybody(self, world: World) -> None:
        provisioned(world)
        erased = UserDesk(world).forget()
        assert erased == {
            "stripe": 1, "revenuecat": 1, "profile": 1, "record": 1, "deadLetters": 0, "announced": 1
        }  # fmt: skip
        gone(world)
        (event,) = world.published("UserForgotten")
        UserForgotten.model_validate_json(json.dumps(event["detail"]))
        assert EMAIL not in json.dumps(event)

    def test_by_sub_as_by_address(self, world: World) -> None:
        provisioned(world)
        UserDesk(world).forget(SUB)
        gone(world)

    def test_asks_only_the_providers_it_is_told_to(self, world: World) -> None:
        provisioned(world)
        UserDesk(world).forget(providers=False)
        assert (len(world.stripe.customers()), len(world.revenuecat.customers())) == (1, 1)
        assert world.dynamodb.rows(PROFILES) == []

    def test_nobody_is_brought_back_by_pool_sign_in_or_message(self, world: World) -> None:
        world.join(EMAIL, SUB)
        (late,) = world.sqs.messages(QUEUE)
        world.work()
        in_pool(world, SUB)
        world.clock.advance(3600)
        UserDesk(world).forget()
        world.sqs.duplicate(QUEUE, late)
        gone(world)

    def test_takes_every_sub_the_record_had(self, world: World) -> None:
        provisioned(world)
        in_pool(world, NEW)
        desk = UserDesk(world)
        desk.relink()
        world.clock.advance(10)
        world.reconcile()
        world.work()
        world.clock.advance(3600)
        desk.forget()
        gone(world, OLD, NEW)
        assert sorted(announced(world)) == [OLD, NEW]

    def test_a_prepared_record_just_goes(self, world: World) -> None:
        world.pre_create(EMAIL, "admin")
        assert (UserDesk(world).forget() or {})["record"] == 1
        assert [world.dynamodb.rows(name) for name in (USERS, OPERATIONS)] == [[], []]
        assert announced(world) == []

    def test_a_sub_without_a_record_is_kept_out(self, world: World) -> None:
        in_pool(world, SUB)
        UserDesk(world).forget(SUB)
        gone(world)

    def test_an_address_nobody_has_means_nobody(self, world: World) -> None:
        assert UserDesk(world).forget("nobody@example.com") is None
        assert world.dynamodb.rows(OPERATIONS) == []

    def test_who_comes_back_with_a_new_sub_is_somebody_new(self, world: World) -> None:
        provisioned(world)
        UserDesk(world).forget()
        world.join(EMAIL, NEW)
        world.work()
        assert (world.profile(NEW) or {})["provisioningStatus"] == "ready"
        assert world.stripe.customers()[0]["metadata"]["cognitoSub"] == NEW


class TestDeadLetters:
    def stuck(self, world: World) -> None:
        world.stripe.faults.add(Fault("refused", operation="create", times=None))
        world.join("other@example.com", NEW)
        world.join(EMAIL, SUB)
        world.work()
        world.stripe.faults.clear()
        assert len(world.dead_letters()) == 2

    def test_theirs_go_and_others_stay_and_can_be_read_at_once(self, world: World) -> None:
        self.stuck(world)
        assert (UserDesk(world).forget() or {})["deadLetters"] == 1
        (letter,) = world.sqs.messages(DLQ)
        assert NEW in letter.body
        assert world.sqs.receive_message(QueueUrl=world.sqs.url(DLQ))["Messages"]

    def test_unreadable_ones_too(self, world: World) -> None:
        provisioned(world)
        world.sqs.put(DLQ, f'{{"half a message about {SUB}')
        assert (UserDesk(world).forget() or {})["deadLetters"] == 1


class TestStripe:
    def test_finds_a_customer_whose_id_never_arrived(self, world: World) -> None:
        world.stripe.faults.add(Fault("timeout", operation="create", times=None, applied=True))
        world.join(EMAIL, SUB)
        world.work()
        world.stripe.faults.clear()
        assert len(world.stripe.customers()) == 1
        UserDesk(world).forget()
        assert world.stripe.customers() == []

    def test_leaves_the_customer_of_somebody_else_alone_whatever_the_profile_says(self, world: World) -> None:
        world.join("victim@example.com", NEW)
        provisioned(world)
        (victims,) = (c["id"] for c in world.stripe.customers() if c["metadata"]["cognitoSub"] == NEW)
        edit(world, SUB, stripeCustomerId=victims, revenueCatId=NEW)
        UserDesk(world).forget()
        assert victims in [customer["id"] for customer in world.stripe.customers()]
        assert [customer["id"] for customer in world.revenuecat.customers()] == [NEW]

    def test_a_profile_cannot_drag_somebody_else_along(self, world: World) -> None:
        world.join("victim@example.com", NEW)
        provisioned(world)
        edit(world, SUB, relinkedFrom=NEW)
        UserDesk(world).forget()
        assert world.profile(NEW) is not None
        assert announced(world) == [SUB]

    def test_what_it_refuses_stops_everything_before_it_is_lost_from_sight(self, world: World) -> None:
        provisioned(world)
        world.stripe.faults.add(Fault("server_error", times=1))
        desk = UserDesk(world)
        with pytest.raises(RetryableError):
            desk.forget()
        assert world.user(EMAIL) is not None
        assert world.profile(SUB) is not None
        desk.forget()
        gone(world)


def edit(world: World, sub: str, **attributes: str) -> None:
    for name, value in attributes.items():
        world.dynamodb.update_item(
            TableName=PROFILES,
            Key={"userId": {"S": sub}},
            UpdateExpression="SET #name = :value",
            ExpressionAttributeNames={"#name": name},
            ExpressionAttributeValues={":value": {"S": value}},
        )


class TestAWorkerAtWork:
    @pytest.mark.parametrize("forgotten_before", range(1, 14))
    def test_leaves_nothing_behind(self, world: World, forgotten_before: int) -> None:
        """The erasure begins just before one call of the worker, and ends after the worker's time is over."""
        world.join(EMAIL, SUB)
        erasure = Erasure(world)
        world.aws["dynamodb"] = Faulty(world.dynamodb, before_call(forgotten_before, erasure.begin), SiteLog())
        world.cold_start()
        world.work()
        world.aws["dynamodb"] = world.dynamodb
        world.cold_start()
        erasure.end()
        gone(world)

    @pytest.mark.parametrize("worked_before", range(1, 14))
    def test_may_begin_at_any_moment(self, world: World, worked_before: int) -> None:
        world.join(EMAIL, SUB)
        clients = {"dynamodb": Faulty(world.dynamodb, before_call(worked_before, world.work), SiteLog())}
        UserDesk(world, clients).forget()
        gone(world)

    def test_is_not_waited_for_where_there_can_be_none(self, world: World) -> None:
        provisioned(world)
        waited: list[float] = []
        UserDesk(world).forget(waited=waited)
        assert waited == []

    def test_is_waited_for_where_something_is_owed_or_has_just_ended(self, world: World) -> None:
        world.join(EMAIL, SUB)
        world.work()
        world.clock.advance(5)
        waited: list[float] = []
        UserDesk(world).forget(waited=waited)
        assert waited == [60.0]


class Erasure:
    """One that is interrupted by a worker's turn where it would wait: the process stands still meanwhile."""

    def __init__(self, world: World) -> None:
        self.world = world

    def begin(self) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(self.world.clock, "advance", self._stop)
            with pytest.raises(ProcessKilled):
                UserDesk(self.world).forget()

    def _stop(self, _: float) -> None:
        raise ProcessKilled

    def end(self) -> None:
        UserDesk(self.world).forget()


@pytest.mark.parametrize("service", ["dynamodb", "events", "sqs"])
@pytest.mark.parametrize("fault", ["killed_before", "killed_after"])
@pytest.mark.parametrize("again_by", [EMAIL, SUB])
def test_a_death_anywhere_and_the_same_again(service: str, fault: str, again_by: str) -> None:
    deaths = 0
    for call in range(1, 60):
        with World() as world:
            TestDeadLetters().stuck(world)
            world.dynamodb.delete_item(TableName=USERS, Key={"userId": {"S": "other@example.com"}})
            world.clock.advance(3600)
            plan: Any = lambda index, *_, at=call: fault if index == at else None  # noqa: E731
            try:
                UserDesk(world, {service: Faulty(world.aws[service], plan, SiteLog())}).forget()
            except ProcessKilled:
                deaths += 1
            else:
                break
            world.clock.advance(200)
            UserDesk(world).forget(again_by)
            assert world.user(EMAIL) is None
            assert world.profile(SUB) is None
            assert [customer["id"] for customer in world.revenuecat.customers()] == [NEW]
            assert not [message for message in world.sqs.messages(DLQ) if SUB in message.body]
            assert not [row for row in world.dynamodb.rows(OPERATIONS) if row["pk"] == "FORGETTING"]
            ids = {event["detail"]["metadata"]["eventId"] for event in world.published("UserForgotten")}
            times = {event["detail"]["metadata"]["occurredAt"] for event in world.published("UserForgotten")}
            assert (len(ids), len(times), set(announced(world))) == (1, 1, {SUB})
    assert deaths >= 1


def test_a_new_owner_of_the_address_is_left_alone(world: World) -> None:
    """The erasure died after the record was gone; before it goes on, somebody signs up with the address."""
    provisioned(world)
    plan: Any = lambda index, *_: "killed_before" if index == 1 else None  # noqa: E731
    with pytest.raises(ProcessKilled):
        UserDesk(world, {"events": Faulty(world.events, plan, SiteLog())}).forget()
    world.join(EMAIL, NEW)
    world.work()
    UserDesk(world).forget()
    assert (world.user(EMAIL) or {})["cognitoSub"] == NEW
    assert (world.profile(NEW) or {})["provisioningStatus"] == "ready"
    assert [customer["metadata"]["cognitoSub"] for customer in world.stripe.customers()] == [NEW]


def test_the_journal_is_found_by_address_and_by_every_sub(world: World) -> None:
    provisioned(world)
    desk = UserDesk(world)
    target = desk.whom.find(Name.of(EMAIL))
    assert target is not None
    desk.journal.open(target)
    assert [desk.journal.under_way(name) for name in (EMAIL, SUB, NEW)] == [target, target, None]
