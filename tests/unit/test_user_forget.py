"""Forget: no data is left, no record is created again, and a killed erasure continues where it stopped."""

from __future__ import annotations

import json
from typing import Any

import pytest

from onramp.events import UserForgotten
from onramp.local.fakes.faults import Fault
from onramp.ops.common.errors import CommandFailed
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
    """From every table, queue and provider; a tombstone contains the time of the erasure only."""
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
    def test_leaves_no_data_and_publishes_the_event(self, pipeline: InMemoryPipeline) -> None:
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

    def test_calls_only_the_named_providers(self, pipeline: InMemoryPipeline) -> None:
        provisioned(pipeline)
        UserScenario(pipeline).forget(providers=())
        assert (len(pipeline.stripe.customers()), len(pipeline.revenuecat.customers())) == (1, 1)
        assert pipeline.dynamodb.rows(PROFILES) == []

    def test_no_sweep_or_message_creates_the_user_again(self, pipeline: InMemoryPipeline) -> None:
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
        scenario = UserScenario(pipeline)
        scenario.relink()
        pipeline.clock.advance(10)
        pipeline.reconcile()
        pipeline.run_worker()
        pipeline.clock.advance(3600)
        scenario.forget()
        gone(pipeline, OLD, NEW)
        assert sorted(announced(pipeline)) == [OLD, NEW]

    def test_a_pre_created_record_leaves_no_tombstone(self, pipeline: InMemoryPipeline) -> None:
        pipeline.pre_create(EMAIL, "admin")
        assert (UserScenario(pipeline).forget() or {})["record"] == 1
        assert [pipeline.dynamodb.rows(name) for name in (USERS, OPERATIONS)] == [[], []]
        assert announced(pipeline) == []

    def test_a_sub_without_a_record_gets_a_tombstone(self, pipeline: InMemoryPipeline) -> None:
        in_pool(pipeline, SUB)
        UserScenario(pipeline).forget(SUB)
        gone(pipeline)

    def test_an_address_without_a_record_is_no_target(self, pipeline: InMemoryPipeline) -> None:
        assert UserScenario(pipeline).forget("unknown@example.com") is None
        assert pipeline.dynamodb.rows(OPERATIONS) == []

    def test_a_signup_with_a_new_sub_is_a_new_user(self, pipeline: InMemoryPipeline) -> None:
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

    def test_of_the_user_are_deleted_and_others_stay_visible(self, pipeline: InMemoryPipeline) -> None:
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

    def test_leaves_the_customer_of_another_user_whose_id_is_in_the_profile(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up("victim@example.com", NEW)
        provisioned(pipeline)
        (victims,) = (c["id"] for c in pipeline.stripe.customers() if c["metadata"]["cognitoSub"] == NEW)
        edit(pipeline, SUB, stripeCustomerId=victims, revenueCatId=NEW)
        UserScenario(pipeline).forget()
        assert victims in [customer["id"] for customer in pipeline.stripe.customers()]
        assert [customer["id"] for customer in pipeline.revenuecat.customers()] == [NEW]

    def test_an_edited_profile_cannot_name_another_user(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up("victim@example.com", NEW)
        provisioned(pipeline)
        edit(pipeline, SUB, relinkedFrom=NEW)
        UserScenario(pipeline).forget()
        assert pipeline.profile(NEW) is not None
        assert announced(pipeline) == [SUB]

    def test_an_error_of_stripe_stops_the_erasure_before_the_id_is_lost(self, pipeline: InMemoryPipeline) -> None:
        provisioned(pipeline)
        pipeline.stripe.faults.add(Fault("server_error", times=1))
        scenario = UserScenario(pipeline)
        with pytest.raises(CommandFailed, match="Stripe did not delete"):
            scenario.forget()
        assert pipeline.user(EMAIL) is not None
        assert pipeline.profile(SUB) is not None
        scenario.forget()
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


class TestARunningWorker:
    @pytest.mark.parametrize("forgotten_before", range(1, 14))
    def test_leaves_nothing_behind(self, pipeline: InMemoryPipeline, forgotten_before: int) -> None:
        """The erasure begins just before one call of the worker, and ends after the worker's timeout."""
        pipeline.sign_up(EMAIL, SUB)
        erasure = InterruptedErasure(pipeline)
        pipeline.aws["dynamodb"] = Faulty(pipeline.dynamodb, before_call(forgotten_before, erasure.begin), SiteLog())
        pipeline.cold_start()
        pipeline.run_worker()
        pipeline.aws["dynamodb"] = pipeline.dynamodb
        pipeline.cold_start()
        erasure.end()
        gone(pipeline)

    @pytest.mark.parametrize("worked_before", range(1, 14))
    def test_may_start_at_any_call(self, pipeline: InMemoryPipeline, worked_before: int) -> None:
        pipeline.sign_up(EMAIL, SUB)
        clients = {"dynamodb": Faulty(pipeline.dynamodb, before_call(worked_before, pipeline.run_worker), SiteLog())}
        UserScenario(pipeline, clients).forget()
        gone(pipeline)

    def test_is_not_waited_for_where_none_can_run(self, pipeline: InMemoryPipeline) -> None:
        provisioned(pipeline)
        waits: list[float] = []
        UserScenario(pipeline).forget(waits=waits)
        assert waits == []

    def test_is_waited_for_where_the_user_is_owed_or_was_just_provisioned(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, SUB)
        pipeline.run_worker()
        pipeline.clock.advance(5)
        waits: list[float] = []
        UserScenario(pipeline).forget(waits=waits)
        assert waits == [60.0]


class InterruptedErasure:
    """Stops where an erasure waits for the worker, and continues after it."""

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
@pytest.mark.parametrize("identifier", [EMAIL, SUB])
def test_killed_at_any_call_and_run_again(service: str, fault: str, identifier: str) -> None:
    interruptions = 0
    for call in range(1, 60):
        with InMemoryPipeline() as pipeline:
            TestDeadLetters().stuck(pipeline)
            pipeline.dynamodb.delete_item(TableName=USERS, Key={"userId": {"S": "other@example.com"}})
            pipeline.clock.advance(3600)
            plan: Any = lambda index, *_, at=call: fault if index == at else None  # noqa: E731
            try:
                UserScenario(pipeline, {service: Faulty(pipeline.aws[service], plan, SiteLog())}).forget()
            except ProcessKilled:
                interruptions += 1
            else:
                break
            pipeline.clock.advance(200)
            UserScenario(pipeline).forget(identifier)
            assert pipeline.user(EMAIL) is None
            assert pipeline.profile(SUB) is None
            assert [customer["id"] for customer in pipeline.revenuecat.customers()] == [NEW]
            assert not [message for message in pipeline.sqs.messages(DLQ) if SUB in message.body]
            assert not [row for row in pipeline.dynamodb.rows(OPERATIONS) if row["pk"] == "FORGETTING"]
            ids = {event["detail"]["metadata"]["eventId"] for event in pipeline.published("UserForgotten")}
            times = {event["detail"]["metadata"]["occurredAt"] for event in pipeline.published("UserForgotten")}
            assert (len(ids), len(times), set(announced(pipeline))) == (1, 1, {SUB})
    assert interruptions >= 1


def test_a_new_owner_of_the_address_is_not_erased(pipeline: InMemoryPipeline) -> None:
    """Killed after the record was deleted; before it continues, another user signs up with the address."""
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
    scenario = UserScenario(pipeline)
    targets = scenario.wiring.erasure_targets
    target = targets.find(UserIdentifier.of(EMAIL))
    assert target is not None
    targets.journal.open(target)
    assert [targets.journal.unfinished(name) for name in (EMAIL, SUB, NEW)] == [target, target, None]
