"""Relink: a record changes hands, and nobody becomes a second customer, whoever dies or works meanwhile."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from onramp.adapters.tombstones import tombstone_key
from onramp.domain.errors import RetryableError
from onramp.local.fakes.faults import Fault
from onramp.ops.errors import DeskError
from onramp.ops.user.relink import Relink
from tests.fakes import Faulty, ProcessKilled, SiteLog
from tests.unit.userdesk import EMAIL, GOOGLE, NEW, OLD, UserDesk, before_call, in_pool
from tests.world import OPERATIONS, POOL, USERS, World


def returned(world: World, **attributes: str) -> None:
    """Signed up, provisioned, deleted in Cognito, and there again with another sub."""
    world.join(EMAIL, OLD, given_name="Nia")
    world.work()
    in_pool(world, NEW, **attributes)
    world.clock.advance(3600)


def settled(world: World) -> None:
    """The reconciler tells everybody, the worker finishes; a day passes, so that nothing more is on its way."""
    for _ in range(3):
        world.clock.advance(600)
        world.reconcile()
        world.work_for(1, step=600)
    world.work_for(26, step=3600)


def customers(world: World) -> tuple[int, list[str]]:
    return len(world.stripe.customers()), [customer["id"] for customer in world.revenuecat.customers()]


def done(world: World) -> None:
    user, profile = world.user(EMAIL), world.profile(NEW)
    assert user is not None
    assert profile is not None
    assert (user["cognitoSub"], "owed" in user) == (NEW, False)
    assert profile["provisioningStatus"] == "ready"
    (customer,) = world.stripe.customers()
    assert profile["stripeCustomerId"] == customer["id"]
    (subscriber,) = world.revenuecat.customers()
    assert profile["revenueCatId"] == subscriber["id"]


class TestRelink:
    def test_moves_record_and_ids_and_tells_everybody(self, world: World) -> None:
        returned(world)
        calls = len(world.stripe.calls) + len(world.revenuecat.calls)
        assert UserDesk(world).relink()
        world.clock.advance(1)
        world.reconcile()
        world.work()
        done(world)
        assert len(world.stripe.calls) + len(world.revenuecat.calls) == calls, "no provider is asked for anything"
        assert (world.user(EMAIL) or {})["roles"] == ["team_member"]
        first, second = (event["detail"] for event in world.published("UserSignedUp"))
        assert (first["data"]["cognitoSub"], second["data"]["cognitoSub"]) == (OLD, NEW)
        assert first["metadata"]["eventId"] != second["metadata"]["eventId"]
        assert (world.profile(OLD) or {})["relinkedTo"] == NEW

    def test_keeps_what_a_user_edited(self, world: World) -> None:
        returned(world)
        world.dynamodb.update_item(
            TableName="UserProfilesTable",
            Key={"userId": {"S": OLD}},
            UpdateExpression="SET displayName = :n, preferences = :p",
            ExpressionAttributeValues={":n": {"S": "Captain"}, ":p": {"M": {"theme": {"S": "dark"}}}},
        )
        UserDesk(world).relink()
        settled(world)
        profile = world.profile(NEW) or {}
        assert (profile["displayName"], profile["preferences"]) == ("Captain", {"theme": "dark"})

    def test_twice_is_once(self, world: World) -> None:
        returned(world)
        desk = UserDesk(world)
        assert [desk.relink(), desk.relink()] == [True, True]
        settled(world)
        done(world)

    def test_a_message_of_the_old_sub_moves_nothing(self, world: World) -> None:
        world.join(EMAIL, OLD)
        in_pool(world, NEW)
        UserDesk(world).relink()
        settled(world)
        done(world)
        assert {letter["reason"] for letter in world.dead_letters()} == {"linked_to_another_sub"}

    def test_somebody_quicker_wins(self, world: World) -> None:
        returned(world)
        desk = UserDesk(world)
        user = desk.find(EMAIL).user
        assert user is not None
        claim = desk.newcomers.claim(user, NEW, desk.now(), vouch=False)
        assert desk.relink()
        other = "7d1f3a52-90b1-70c4-5e0f-2b8c1a6d4e03"
        late = Relink(world.dynamodb, USERS, desk.profiles, stripe=True, revenuecat=True)
        assert not late(user, replace(claim, sub=other))
        assert (world.user(EMAIL) or {})["cognitoSub"] == NEW


class TestNobodyIsASecondCustomer:
    """The old sub's worker is in the middle of something, or has left something unfinished."""

    @pytest.mark.parametrize("kind", ["server_error", "timeout", "stored_500"])
    @pytest.mark.parametrize("applied", [True, False])
    @pytest.mark.parametrize("hours", [0, 19, 22, 40])
    def test_after_an_answer_that_was_lost(self, world: World, kind: Any, applied: bool, hours: int) -> None:
        world.stripe.faults.add(Fault(kind, operation="create", times=None, applied=applied))
        world.join(EMAIL, OLD)
        world.work()
        world.clock.advance(hours * 3600)
        world.stripe.faults.clear()
        in_pool(world, NEW)
        UserDesk(world).relink()
        settled(world)
        done(world)

    @pytest.mark.parametrize("relinked_before", range(1, 16))
    def test_while_the_worker_is_at_it(self, world: World, relinked_before: int) -> None:
        """The whole relink happens just before one call of the worker on the old sub's message."""
        world.join(EMAIL, OLD)
        in_pool(world, NEW)
        desk = UserDesk(world)
        plan = before_call(relinked_before, desk.relink)
        world.aws["dynamodb"] = Faulty(world.dynamodb, plan, SiteLog())
        world.cold_start()
        world.work()
        world.aws["dynamodb"] = world.dynamodb
        world.cold_start()
        desk.relink()
        settled(world)
        done(world)

    @pytest.mark.parametrize("worked_before", range(1, 16))
    def test_while_the_operator_is_at_it(self, world: World, worked_before: int) -> None:
        """The worker takes the old sub's message just before one call of the relink."""
        world.join(EMAIL, OLD)
        in_pool(world, NEW)
        desk = UserDesk(world, {"dynamodb": Faulty(world.dynamodb, before_call(worked_before, world.work), SiteLog())})
        desk.relink()
        settled(world)
        done(world)

    def test_where_a_table_was_restored_and_the_customer_is_older_than_it(self, world: World) -> None:
        world.join(EMAIL, OLD)
        world.work()
        world.clock.advance(30 * 3600)
        world.dynamodb.delete_item(TableName="UserProfilesTable", Key={"userId": {"S": OLD}})
        in_pool(world, NEW)
        UserDesk(world).relink()
        settled(world)
        assert (world.profile(NEW) or {})["stripeCustomerId"] == world.stripe.customers()[0]["id"]
        assert len(world.stripe.customers()) == 1

    def test_a_new_customer_where_there_never_was_one(self, world: World) -> None:
        world.configure(STRIPE_SECRET_NAME="")
        world.join(EMAIL, OLD)
        world.work()
        world.configure(STRIPE_SECRET_NAME="/stripe")
        in_pool(world, NEW)
        world.clock.advance(3600)
        UserDesk(world).relink()
        settled(world)
        done(world)
        assert world.stripe.customers()[0]["metadata"]["cognitoSub"] == NEW


@pytest.mark.parametrize("fault", ["killed_before", "killed_after", "lost_reply"])
@pytest.mark.parametrize("work_between", [False, True])
def test_a_death_anywhere_and_the_same_again(fault: str, work_between: bool) -> None:
    deaths = 0
    for call in range(1, 30):
        with World() as world:
            returned(world)
            plan = lambda index, *_, at=call: fault if index == at else None  # noqa: E731
            try:
                UserDesk(world, {"dynamodb": Faulty(world.dynamodb, plan, SiteLog())}).relink()
            except (ProcessKilled, ReadTimeoutError, RetryableError):
                deaths += 1
            else:
                break
            if work_between:
                settled(world)
            UserDesk(world).relink()
            settled(world)
            done(world)
    assert deaths >= 4


class TestRefused:
    def test_nobody_by_that_sub(self, world: World) -> None:
        world.join(EMAIL, OLD)
        with pytest.raises(DeskError, match="no pool of this stack knows"):
            UserDesk(world).relink()

    def test_another_address(self, world: World) -> None:
        world.join(EMAIL, OLD)
        in_pool(world, NEW, "somebody.else@example.com")
        with pytest.raises(DeskError, match="another address"):
            UserDesk(world).relink()

    def test_somebody_who_has_a_record(self, world: World) -> None:
        world.join("other@example.com", NEW)
        returned(world)
        with pytest.raises(DeskError, match="record of their own"):
            UserDesk(world).relink()

    def test_an_unconfirmed_user(self, world: World) -> None:
        world.join(EMAIL, OLD)
        in_pool(world, NEW, status="UNCONFIRMED")
        with pytest.raises(DeskError, match="must confirm"):
            UserDesk(world).relink()

    def test_an_erased_user(self, world: World) -> None:
        returned(world)
        world.dynamodb.put_item(TableName=OPERATIONS, Item=tombstone_key(NEW))
        with pytest.raises(DeskError, match="erased"):
            UserDesk(world).relink()

    @pytest.mark.parametrize(
        "attributes", [{"email_verified": "false"}, {"identities": GOOGLE, "email_verified": "false"}]
    )
    def test_whose_address_nobody_proved_unless_the_operator_vouches(
        self, world: World, attributes: dict[str, str]
    ) -> None:
        returned(world, **attributes)
        desk = UserDesk(world)
        with pytest.raises(DeskError, match="--vouch"):
            desk.relink()
        assert (world.user(EMAIL) or {})["cognitoSub"] == OLD
        assert desk.relink(vouch=True)
        assert (world.user(EMAIL) or {})["emailVouchedBy"] == "operator"

    def test_writes_nothing(self, world: World) -> None:
        world.join(EMAIL, OLD)
        before = [world.dynamodb.rows(name) for name in world.dynamodb.tables]
        with pytest.raises(DeskError):
            UserDesk(world).relink()
        assert [world.dynamodb.rows(name) for name in world.dynamodb.tables] == before


def test_the_pool_is_the_new_identitys(world: World) -> None:
    returned(world)
    UserDesk(world).relink()
    user = world.user(EMAIL) or {}
    assert (user["userPoolId"], user["linkedAt"]) == (POOL, round(world.clock() * 1000))
    assert user["dueAt"] == user["linkedAt"], "the reconciler's next run tells everybody"
