"""A tombstone in `Operations`: nothing that comes late, sweeps or signs in brings an erased user back."""

from __future__ import annotations

import uuid
from collections import Counter
from typing import Any

import pytest

from onramp.adapters.tombstones import Tombstones, tombstone_key
from tests.fakes import Faulty, SiteLog
from tests.world import OPERATIONS, PROFILES, QUEUE, USERS, World, signup

SUB = "7d1f3a52-90b1-70c4-5e0f-2b8c1a6d4e01"
EMAIL = "nia@example.com"


def erase(world: World) -> None:
    world.dynamodb.put_item(TableName=OPERATIONS, Item=tombstone_key(SUB))
    world.dynamodb.delete_item(TableName=USERS, Key={"userId": {"S": EMAIL}})


def outcomes(world: World) -> list[str]:
    return [line["message"] for line in world.lines() if line.get("sub") == SUB]


def healed(world: World) -> Any:
    return next((line["Healed"][0] for line in world.lines() if "Healed" in line), 0)


class TestTheWorker:
    def test_acknowledges_what_comes_late_and_writes_nothing(self, world: World) -> None:
        world.join(EMAIL, SUB)
        erase(world)
        world.work()
        assert outcomes(world)[-1] == "forgotten"
        assert (world.sqs.messages(QUEUE), world.dead_letters()) == ([], [])
        assert (world.dynamodb.rows(PROFILES), world.stripe.customers()) == ([], [])

    def test_also_where_the_address_has_a_new_owner(self, world: World) -> None:
        world.join(EMAIL, SUB)
        late = world.sqs.messages(QUEUE)[0]
        world.work()
        erase(world)
        world.join(EMAIL, new := str(uuid.uuid4()))
        world.sqs.duplicate(QUEUE, late)
        world.work()
        assert outcomes(world)[-1] == "forgotten"
        assert world.dead_letters() == []
        assert (world.user(EMAIL) or {})["cognitoSub"] == new

    def test_still_buries_the_message_of_somebody_it_never_knew(self, world: World) -> None:
        world.join(EMAIL, SUB)
        world.dynamodb.delete_item(TableName=USERS, Key={"userId": {"S": EMAIL}})
        world.work()
        assert [letter["reason"] for letter in world.dead_letters()] == ["unknown_user"]

    def test_asks_for_a_tombstone_only_where_there_is_no_record(self, world: World) -> None:
        tables: Counter[str] = Counter()
        real = world.dynamodb.get_item

        def get_item(**request: Any) -> Any:
            tables[request["TableName"]] += 1
            return real(**request)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(world.dynamodb, "get_item", get_item)
            world.join(EMAIL, SUB)
            world.work()
        assert tables[OPERATIONS] == 0

    @pytest.mark.parametrize("fault", ["refused", "throttled", "not_sent", "malformed"])
    def test_waits_where_it_cannot_know(self, world: World, fault: str) -> None:
        world.join(EMAIL, SUB)
        erase(world)
        calls: list[str] = []

        def second_read(_: int, __: str, name: str) -> str | None:
            calls.append(name)
            return fault if calls == ["get_item", "get_item"] else None

        world.aws["dynamodb"] = Faulty(world.dynamodb, second_read, SiteLog())
        world.cold_start()
        world.work()
        assert (len(world.sqs.messages(QUEUE)), world.dead_letters()) == (1, [])
        world.clock.advance(1000)
        world.work()
        assert world.sqs.messages(QUEUE) == []


class TestNobodyIsBroughtBack:
    def test_by_the_sweep(self, world: World) -> None:
        world.cognito.add_user(SUB, {"sub": SUB, "email": EMAIL, "email_verified": "true"})
        erase(world)
        world.clock.advance(600)
        world.reconcile()
        assert world.dynamodb.rows(USERS) == []
        (swept,) = (line for line in world.lines() if line.get("message") == "swept")
        assert swept["found"]["forgotten"] == 1

    def test_by_a_sign_in(self, world: World) -> None:
        erase(world)
        event = signup(EMAIL, SUB) | {"triggerSource": "PostAuthentication_Authentication"}
        assert world.confirm(event) == event
        assert (world.dynamodb.rows(USERS), healed(world)) == ([], 0)


def test_a_tombstone_is_read_consistently(world: World) -> None:
    tombstones = Tombstones(world.dynamodb, OPERATIONS)  # type: ignore[arg-type]  # the fake
    world.dynamodb.read_lag = 60.0
    assert not tombstones.stands_for(SUB)
    erase(world)
    assert tombstones.stands_for(SUB)
    assert not tombstones.stands_for(SUB[::-1])
