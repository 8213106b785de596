"""Forget: nothing is left, nothing comes back, and a death in the middle leaves enough to go on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from onramp.domain.errors import RetryableError
from onramp.events import UserForgotten
from onramp.local.fakes.faults import Fault
from onramp.ops.user.lookup import UserIdentifier
from tests.fakes import Faulty, ProcessKilled, SiteLog
from tests.pipeline import DLQ, OPERATIONS, PROFILES, QUEUE, USERS, InMemoryPipeline
from tests.unit.user_scenario import EMAIL, NEW, OLD, UserScenario, before_call, in_pool

SUB = OLD


def provisioned(pipeline: InMemoryPipeline) -> None:
    pipeline.sign_up(EMAIL, SUB, given_name="Nia")
    pipeline.run_worker()
    pipeline.clock.advance(3600)


def gone(pipeline: InMemoryPipeline, *subs: str) -> None:
    """From every table, queue and provider; and the tombstones say nothing but when."""
    pipeline.clock.advance(1000)
    pipeline.run_worker()
    pipeline.reconcile()
    pipeline.run_worker()
    assert pipeline.dynamodb.rows(USERS) == []
    assert pipeline.dynamodb.rows(PROFILES) == []
    assert (pipeline.stripe.customers(), pipeline.revenuecat.customers()) == ([], [])
    assert (pipeline.sqs.messages(QUEUE), pipeline.sqs.messages(DLQ)) == ([], [])
    rows = [row for row in pipeline.dynamodb.rows(OPERATIONS) if row["pk"] != "SWEEP#pool"]
    assert {(row["pk"], *sorted(row)) for row in rows} == {
        (f"FORGOTTEN#{sub}", "forgottenAt", "pk", "sk") for sub in subs or (SUB,)
    }


def announced(pipeline: InMemoryPipeline) -> list[str]:
    return [event["detail"]["data"]["cognitoSub"] for event in pipeline.published("UserForgotten")]


class TestForget:
    def test_leaves_nothing_and_tells_everybody(self, pipeline: InMemoryPipeline) -> None:
        provisioned(pipeline)
        erased = UserScenario(pipeline).forget()
        assert erased == {
            "stripe": 1, "revenuecat": 1, "profile": 1, "record": 1, "deadLetters": 0, "announced": 1
        }  # fmt: skip
        gone(pipeline)
        (event,) = pipeline.published("UserForgotten")
        UserForgotten.model_validate_json(json.dumps(event["detail"]))
        assert EMAIL not in json.dumps(event)

    def test_by_sub_as_by_address(self, pipeline: InMemoryPipeline) -> None:
        provisioned(pipeline)
        UserScenario(pipeline).forget(SUB)
        gone(pipeline)

    def test_asks_only_the_providers_it_is_told_to(self, pipeline: InMemoryPipeline) -> None:
        provisioned(pipeline)
        UserScenario(pipeline).forget(providers=False)
        assert (len(pipeline.stripe.customers()), len(pipeline.revenuecat.customers())) == (1, 1)
        assert pipeline.dynamodb.rows(PROFILES) == []

    def test_nobody_is_brought_back_by_pool_sign_in_or_message(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, SUB)
        (late,) = pipeline.sqs.messages(QUEUE)
        pipeline.run_worker()
        in_pool(pipeline, SUB)
        pipeline.clock.advance(3600)
        UserScenario(pipeline).forget()
        pipeline.sqs.duplicate(QUEUE, late)
        gone(pipeline)

    def test_takes_every_sub_the_record_had(self, pipeline: InMemoryPipeline) -> None:
        provisioned(pipeline)
        in_pool(pipeline, NEW)
        context = UserScenario(pipeline)
        context.relink()
        pipeline.clock.advance(10)
        pipeline.reconcile()
        pipeline.run_worker()
        pipeline.clock.advance(3600)
        context.forget()
        gone(pipeline, OLD, NEW)
        assert sorted(announced(pipeline)) == [OLD, NEW]

    def test_a_prepared_record_just_goes(self, pipeline: InMemoryPipeline) -> None:
        pipeline.pre_create(EMAIL, "admin")
        assert (UserScenario(pipeline).forget() or {})["record"] == 1
        assert [pipeline.dynamodb.rows(name) for name in (USERS, OPERATIONS)] == [[], []]
        assert announced(pipeline) == []

    def test_a_sub_without_a_record_is_kept_out(self, pipeline: InMemoryPipeline) -> None:
        in_pool(pipeline, SUB)
        UserScenario(pipeline).forget(SUB)
        gone(pipeline)

    def test_an_address_nobody_has_means_nobody(self, pipeline: InMemoryPipeline) -> None:
        assert UserScenario(pipeline).forget("nobody@example.com") is None
        assert pipeline.dynamodb.rows(OPERATIONS) == []

    def test_who_comes_back_with_a_new_sub_is_somebody_new(self, pipeline: InMemoryPipeline) -> None:
        provisioned(pipeline)
        UserScenario(pipeline).forget()
        pipeline.sign_up(EMAIL, NEW)
        pipeline.run_worker()
        assert (pipeline.profile(NEW) or {})["provisioningStatus"] == "ready"
        assert pipeline.stripe.customers()[0]["metadata"]["cognitoSub"] == NEW


class TestDeadLetters:
    def stuck(self, pipeline: InMemoryPipeline) -> None:
        pipeline.stripe.faults.add(Fault("refused", operation="create", times=None))
        pipeline.sign_up("other@example.com", NEW)
        pipeline.sign_up(EMAIL, SUB)
        pipeline.run_worker()
        pipeline.stripe.faults.clear()
        assert len(pipeline.dead_letters()) == 2

    def test_theirs_go_and_others_stay_and_can_be_read_at_once(self, pipeline: InMemoryPipeline) -> None:
        self.stuck(pipeline)
        assert (UserScenario(pipeline).forget() or {})["deadLetters"] == 1
        (letter,) = pipeline.sqs.messages(DLQ)
        assert NEW in letter.body
        assert pipeline.sqs.receive_message(QueueUrl=pipeline.sqs.url(DLQ))["Messages"]

    def test_unreadable_ones_too(self, pipeline: InMemoryPipeline) -> None:
        provisioned(pipeline)
        pipeline.sqs.put(DLQ, f'{{"half a message about {SUB}')
        assert (UserScenario(pipeline).forget() or {})["deadLetters"] == 1


class TestStripe:
    def test_finds_a_customer_whose_id_never_arrived(self, pipeline: InMemoryPipeline) -> None:
        pipeline.stripe.faults.add(Fault("timeout", operation="create", times=None, applied=True))
        pipeline.sign_up(EMAIL, SUB)
        pipeline.run_worker()
        pipeline.stripe.faults.clear()
        assert len(pipeline.stripe.customers()) == 1
        UserScenario(pipeline).forget()
        assert pipeline.stripe.customers() == []

    def test_leaves_the_customer_of_somebody_else_alone_whatever_the_profile_says(
        self, pipeline: InMemoryPipeline
    ) -> None:
        pipeline.sign_up("victim@example.com", NEW)
        provisioned(pipeline)
        (victims,) = (c["id"] for c in pipeline.stripe.customers() if c["metadata"]["cognitoSub"] == NEW)
        edit(pipeline, SUB, stripeCustomerId=victims, revenueCatId=NEW)
        UserScenario(pipeline).forget()
        assert victims in [customer["id"] for customer in pipeline.stripe.customers()]
        assert [customer["id"] for customer in pipeline.revenuecat.customers()] == [NEW]

    def test_a_profile_cannot_drag_somebody_else_along(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up("victim@example.com", NEW)
        provisioned(pipeline)
        edit(pipeline, SUB, relinkedFrom=NEW)
        UserScenario(pipeline).forget()
        assert pipeline.profile(NEW) is not None
        assert announced(pipeline) == [SUB]

    def test_what_it_refuses_stops_everything_before_it_is_lost_from_sight(self, pipeline: InMemoryPipeline) -> None:
        provisioned(pipeline)
        pipeline.stripe.faults.add(Fault("server_error", times=1))
        context = UserScenario(pipeline)
        with pytest.raises(RetryableError):
            context.forget()
        assert pipeline.user(EMAIL) is not None
        assert pipeline.profile(SUB) is not None
        context.forget()
        gone(pipeline)


def edit(pipeline: InMemoryPipeline, sub: str, **attributes: str) -> None:
    for name, value in attributes.items():
        pipeline.dynamodb.update_item(
            TableName=PROFILES,
            Key={"userId": {"S": sub}},
            UpdateExpression="SET #name = :value",
            ExpressionAttributeNames={"#name": name},
            ExpressionAttributeValues={":value": {"S": value}},
        )


class TestAWorkerAtWork:
    @pytest.mark.parametrize("forgotten_before", range(1, 14))
    def test_leaves_nothing_behind(self, pipeline: InMemoryPipeline, forgotten_before: int) -> None:
        """The erasure begins just before one call of the worker, and ends after the worker's time is over."""
        pipeline.sign_up(EMAIL, SUB)
        erasure = Erasure(pipeline)
        pipeline.aws["dynamodb"] = Faulty(pipeline.dynamodb, before_call(forgotten_before, erasure.begin), SiteLog())
        pipeline.cold_start()
        pipeline.run_worker()
        pipeline.aws["dynamodb"] = pipeline.dynamodb
        pipeline.cold_start()
        erasure.end()
        gone(pipeline)

    @pytest.mark.parametrize("worked_before", range(1, 14))
    def test_may_begin_at_any_moment(self, pipeline: InMemoryPipeline, worked_before: int) -> None:
        pipeline.sign_up(EMAIL, SUB)
        clients = {"dynamodb": Faulty(pipeline.dynamodb, before_call(worked_before, pipeline.run_worker), SiteLog())}
        UserScenario(pipeline, clients).forget()
        gone(pipeline)

    def test_is_not_waited_for_where_there_can_be_none(self, pipeline: InMemoryPipeline) -> None:
        provisioned(pipeline)
        waited: list[float] = []
        UserScenario(pipeline).forget(waited=waited)
        assert waited == []

    def test_is_waited_for_where_something_is_owed_or_has_just_ended(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, SUB)
        pipeline.run_worker()
        pipeline.clock.advance(5)
        waited: list[float] = []
        UserScenario(pipeline).forget(waited=waited)
        assert waited == [60.0]


class Erasure:
    """One that is interrupted by a worker's turn where it would wait: the process stands still meanwhile."""

    def __init__(self, pipeline: InMemoryPipeline) -> None:
        self.pipeline = pipeline

    def begin(self) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(self.pipeline.clock, "advance", self._stop)
            with pytest.raises(ProcessKilled):
                UserScenario(self.pipeline).forget()

    def _stop(self, _: float) -> None:
        raise ProcessKilled

    def end(self) -> None:
        UserScenario(self.pipeline).forget()


@pytest.mark.parametrize("service", ["dynamodb", "events", "sqs"])
@pytest.mark.parametrize("fault", ["killed_before", "killed_after"])
@pytest.mark.parametrize("again_by", [EMAIL, SUB])
def test_a_death_anywhere_and_the_same_again(service: str, fault: str, again_by: str) -> None:
    deaths = 0
    for call in range(1, 60):
        with InMemoryPipeline() as pipeline:
            TestDeadLetters().stuck(pipeline)
            pipeline.dynamodb.delete_item(TableName=USERS, Key={"userId": {"S": "other@example.com"}})
            pipeline.clock.advance(3600)
            plan: Any = lambda index, *_, at=call: fault if index == at else None  # noqa: E731
            try:
                UserScenario(pipeline, {service: Faulty(pipeline.aws[service], plan, SiteLog())}).forget()
            except ProcessKilled:
                deaths += 1
            else:
                break
            pipeline.clock.advance(200)
            UserScenario(pipeline).forget(again_by)
            assert pipeline.user(EMAIL) is None
            assert pipeline.profile(SUB) is None
            assert [customer["id"] for customer in pipeline.revenuecat.customers()] == [NEW]
            assert not [message for message in pipeline.sqs.messages(DLQ) if SUB in message.body]
            assert not [row for row in pipeline.dynamodb.rows(OPERATIONS) if row["pk"] == "FORGETTING"]
            ids = {event["detail"]["metadata"]["eventId"] for event in pipeline.published("UserForgotten")}
            times = {event["detail"]["metadata"]["occurredAt"] for event in pipeline.published("UserForgotten")}
            assert (len(ids), len(times), set(announced(pipeline))) == (1, 1, {SUB})
    assert deaths >= 1


def test_a_new_owner_of_the_address_is_left_alone(pipeline: InMemoryPipeline) -> None:
    """The erasure died after the record was gone; before it goes on, somebody signs up with the address."""
    provisioned(pipeline)
    plan: Any = lambda index, *_: "killed_before" if index == 1 else None  # noqa: E731
    with pytest.raises(ProcessKilled):
        UserScenario(pipeline, {"events": Faulty(pipeline.events, plan, SiteLog())}).forget()
    pipeline.sign_up(EMAIL, NEW)
    pipeline.run_worker()
    UserScenario(pipeline).forget()
    assert (pipeline.user(EMAIL) or {})["cognitoSub"] == NEW
    assert (pipeline.profile(NEW) or {})["provisioningStatus"] == "ready"
    assert [customer["metadata"]["cognitoSub"] for customer in pipeline.stripe.customers()] == [NEW]


def test_the_journal_is_found_by_address_and_by_every_sub(pipeline: InMemoryPipeline) -> None:
    provisioned(pipeline)
    context = UserScenario(pipeline)
    target = context.whom.find(UserIdentifier.of(EMAIL))
    assert target is not None
    context.journal.open(target)
    assert [context.journal.under_way(name) for name in (EMAIL, SUB, NEW)] == [target, target, None]
