"""Forget: no data is left, no record is created again, and a killed erasure continues where it stopped."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from rich.console import Console

from onramp.domain.event_data import Kind, event_id
from onramp.events import UserForgotten
from onramp.local.fakes.faults import Fault
from onramp.ops.common.errors import CommandFailed, UsageError
from onramp.ops.common.output import Output
from onramp.ops.user.forget import forget_user
from onramp.ops.user.lookup import UserIdentifier
from tests.fakes import FakeCognito, Faulty, ProcessKilled, SiteLog
from tests.operator_context import operator_context
from tests.pipeline import DLQ, OPERATIONS, POOL, PROFILES, QUEUE, USERS, InMemoryPipeline, signup
from tests.unit.user_scenario import EMAIL, NEW, OLD, PROVIDERS, UserScenario, before_call, in_pool

SUB, SECOND_POOL = OLD, "eu-west-1_Onramp002"


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
    rows = [
        row for row in pipeline.dynamodb.rows(OPERATIONS) if row["pk"] != "SWEEP#pool" and row["pk"][:6] != "AUDIT#"
    ]
    assert {(row["pk"], *sorted(row)) for row in rows} == {
        (f"FORGOTTEN#{sub}", "forgottenAt", "pk", "sk") for sub in subs or (SUB,)
    }


class PoolsInOne:
    """One client for several pools: each call goes to the pool that it names."""

    def __init__(self, *pools: FakeCognito) -> None:
        self._pools = {pool.pool_id: pool for pool in pools}

    def list_users(self, **request: Any) -> Any:
        return self._pools[request["UserPoolId"]].list_users(**request)

    def describe_user_pool(self, **request: Any) -> Any:
        return self._pools[request["UserPoolId"]].describe_user_pool(**request)

    def get_paginator(self, name: str) -> Any:
        def paginate(**request: Any) -> Any:
            return self._pools[request["UserPoolId"]].get_paginator(name).paginate(**request)

        return SimpleNamespace(paginate=paginate)


def forgotten_id(pool: str, sub: str) -> str:
    return event_id(pool, sub, Kind.USER_FORGOTTEN)


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
        relink(scenario)
        pipeline.clock.advance(10)
        pipeline.reconcile()
        pipeline.run_worker()
        pipeline.clock.advance(3600)
        scenario.forget()
        gone(pipeline, OLD, NEW)
        assert sorted(announced(pipeline)) == [OLD, NEW]

    def test_by_an_earlier_sub_takes_the_record_that_was_relinked(self, pipeline: InMemoryPipeline) -> None:
        provisioned(pipeline)
        in_pool(pipeline, NEW)
        scenario = UserScenario(pipeline)
        relink(scenario)
        pipeline.run_worker()
        pipeline.clock.advance(3600)
        scenario.forget(OLD)
        gone(pipeline, OLD, NEW)

    def test_an_unrelated_record_stays_where_a_profile_names_its_address(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up("victim@example.com", NEW)
        pipeline.run_worker()
        pipeline.dynamodb.put_item(
            TableName=PROFILES, Item={"userId": {"S": SUB}, "email": {"S": "victim@example.com"}}
        )
        UserScenario(pipeline).forget(SUB)
        assert pipeline.user("victim@example.com") is not None
        assert announced(pipeline) == [SUB]

    def test_a_sub_in_capitals_is_the_same_sub(self, pipeline: InMemoryPipeline) -> None:
        provisioned(pipeline)
        UserScenario(pipeline).forget(SUB.upper())
        gone(pipeline, SUB)

    def test_a_sub_that_is_stored_in_capitals(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, SUB.upper())
        pipeline.run_worker()
        pipeline.clock.advance(3600)
        UserScenario(pipeline).forget(SUB.upper())
        gone(pipeline, SUB.upper())

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


def relink(scenario: UserScenario) -> None:
    """With the list of earlier subs that the record has after a relink."""
    scenario.relink()
    scenario.context.client("dynamodb").update_item(
        TableName=USERS,
        Key={"userId": {"S": EMAIL}},
        UpdateExpression="SET linkedBefore = :subs",
        ExpressionAttributeValues={":subs": {"L": [{"S": OLD}]}},
    )


THIRD = "7d1f3a52-90b1-70c4-5e0f-2b8c1a6d4e03"


class TestOtherIdentitiesOfTheAddress:
    """Every sub that the pools list under the address gets a tombstone: none of them may bring the user back."""

    @pytest.mark.parametrize("spelling", [EMAIL, "Nia@Example.com", "NIA@EXAMPLE.COM", "nIa@example.cOm"])
    def test_no_sweep_or_sign_in_brings_the_user_back(self, pipeline: InMemoryPipeline, spelling: str) -> None:
        provisioned(pipeline)
        in_pool(pipeline, SUB)
        in_pool(pipeline, NEW, spelling)
        pipeline.clock.advance(3600)
        UserScenario(pipeline).forget()
        gone(pipeline, SUB, NEW)
        pipeline.configure(HEAL_ON_SIGN_IN="true")
        sign_in = signup(spelling, NEW) | {"triggerSource": "PostAuthentication_Authentication"}
        pipeline.invoke_trigger(sign_in)
        gone(pipeline, SUB, NEW)
        assert announced(pipeline) == [SUB, NEW]

    def test_in_another_pool_of_the_stack(self, pipeline: InMemoryPipeline) -> None:
        second = FakeCognito(SECOND_POOL, pipeline.clock)
        pipeline.aws["cognito-idp"] = PoolsInOne(pipeline.cognito, second)
        pipeline.configure(USER_POOL_IDS=f"{POOL},{SECOND_POOL}")
        provisioned(pipeline)
        in_pool(pipeline, SUB)
        second.add_user(NEW, {"sub": NEW, "email": "NIA@example.com", "email_verified": "true"})
        pipeline.clock.advance(3600)
        UserScenario(pipeline, parameters={"AdditionalUserPoolArns": second.arn}).forget()
        gone(pipeline, SUB, NEW)
        details = [event["detail"] for event in pipeline.published("UserForgotten")]
        ids = {detail["data"]["cognitoSub"]: detail["metadata"]["eventId"] for detail in details}
        assert ids == {SUB: forgotten_id(POOL, SUB), NEW: forgotten_id(SECOND_POOL, NEW)}

    def test_are_found_in_a_large_pool_by_few_requests(self, pipeline: InMemoryPipeline) -> None:
        provisioned(pipeline)
        for number in range(300):
            in_pool(pipeline, f"00000000-0000-4000-8000-{number:012}", f"ni{number}@example.com")
        in_pool(pipeline, NEW, "NiA@example.com")
        in_pool(pipeline, THIRD, "nia@example.community")
        before = pipeline.cognito.calls["list_users"]
        UserScenario(pipeline).forget()
        assert sorted(announced(pipeline)) == [SUB, NEW]
        assert pipeline.cognito.calls["list_users"] - before < 60

    def test_are_found_where_pages_have_few_users(self, pipeline: InMemoryPipeline) -> None:
        pipeline.cognito.most_listed = 1
        for number, spelling in enumerate(("Nib@example.com", "NIA@example.com", "nic@example.com"), start=5):
            in_pool(pipeline, SUB[:-1] + str(number), spelling)
        UserScenario(pipeline).forget()
        assert announced(pipeline) == [SUB[:-1] + "6"]

    def test_an_address_without_a_record_is_a_target(self, pipeline: InMemoryPipeline) -> None:
        in_pool(pipeline, NEW, email_verified="false")
        UserScenario(pipeline).forget()
        gone(pipeline, NEW)

    def test_a_pre_created_record_goes_with_them(self, pipeline: InMemoryPipeline) -> None:
        pipeline.pre_create(EMAIL, "admin")
        in_pool(pipeline, NEW, email_verified="false")
        UserScenario(pipeline).forget()
        gone(pipeline, NEW)

    def test_one_with_a_record_under_another_address_stays(self, pipeline: InMemoryPipeline) -> None:
        provisioned(pipeline)
        pipeline.sign_up("other@example.com", NEW)
        pipeline.run_worker()
        in_pool(pipeline, NEW, EMAIL)
        found = UserScenario(pipeline).wiring.erasure_targets.look_up(UserIdentifier.of(EMAIL))
        assert found is not None
        assert (found.target.subs, found.elsewhere) == ((SUB,), [NEW])
        UserScenario(pipeline).forget()
        assert (pipeline.user("other@example.com") or {})["cognitoSub"] == NEW

    def test_an_unconfirmed_one_that_confirms_later_gets_nothing(self, pipeline: InMemoryPipeline) -> None:
        provisioned(pipeline)
        in_pool(pipeline, NEW, status="UNCONFIRMED")
        UserScenario(pipeline).forget()
        pipeline.sign_up(EMAIL, NEW)
        assert pipeline.user(EMAIL) is not None, "the trigger has no time to read a tombstone"
        pipeline.run_worker()
        pipeline.clock.advance(600)
        gone(pipeline, SUB, NEW)
        assert announced(pipeline).count(NEW) == 2


class TestTheCommand:
    def run(self, pipeline: InMemoryPipeline, identifier: str) -> tuple[str, int]:
        """What it prints, and its exit code."""
        out = Output(as_json=False)
        out.screen = out.talk = Console(file=(text := io.StringIO()), width=400, highlight=False)
        context = operator_context(pipeline, out=out)
        try:
            forget_user(context, UserIdentifier.of(identifier), PROVIDERS, yes=True)
        except UsageError as error:
            return text.getvalue() + str(error), error.exit_code
        except typer.Exit as left:
            return text.getvalue(), left.exit_code
        return text.getvalue(), 0

    def test_the_plan_shows_every_identity_and_what_a_later_confirmation_does(self, pipeline: InMemoryPipeline) -> None:
        provisioned(pipeline)
        in_pool(pipeline, SUB)
        in_pool(pipeline, NEW, "Nia@example.com")
        in_pool(pipeline, THIRD, status="UNCONFIRMED")
        printed, code = self.run(pipeline, EMAIL)
        assert code == 0
        assert f"Erases n***@example.com ({SUB}, {THIRD}, {NEW}) permanently" in printed
        assert f"without a record: {THIRD} ({POOL}, UNCONFIRMED), {NEW} ({POOL}, CONFIRMED)." in printed
        assert f"Not confirmed: {THIRD}. A later confirmation writes a record again: the worker creates no" in printed
        assert printed.count("aws cognito-idp admin-delete-user") == 3

    @pytest.mark.parametrize("identifier", ["unknown@example.com", THIRD])
    def test_says_that_no_user_was_found(self, pipeline: InMemoryPipeline, identifier: str) -> None:
        provisioned(pipeline)
        printed, code = self.run(pipeline, identifier)
        assert "o user was found" in printed
        assert "nothing was erased" in printed
        assert "Erased." not in printed
        assert code in (1, 2)

    def test_an_unknown_sub_with_a_dead_letter_was_erased(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, SUB)
        pipeline.dynamodb.delete_item(TableName=USERS, Key={"userId": {"S": EMAIL}})
        pipeline.run_worker()
        assert len(pipeline.dead_letters()) == 1
        printed, code = self.run(pipeline, SUB)
        assert ("Erased." in printed, code, pipeline.dead_letters()) == (True, 0, [])

    def test_a_second_run_finds_the_tombstone(self, pipeline: InMemoryPipeline) -> None:
        provisioned(pipeline)
        self.run(pipeline, SUB)
        assert self.run(pipeline, SUB)[1] == 0

    @pytest.mark.parametrize("identifier", [EMAIL, SUB])
    def test_a_resumed_erasure_says_that_the_user_is_back(self, pipeline: InMemoryPipeline, identifier: str) -> None:
        interrupted_before_the_event(pipeline)
        pipeline.sign_up(EMAIL, NEW)
        printed, code = self.run(pipeline, identifier)
        assert "was interrupted and is continued first" in printed
        assert f"n***@example.com has a user again ({NEW})" in printed
        assert code == 1
        assert (pipeline.user(EMAIL) or {})["cognitoSub"] == NEW
        pipeline.run_worker()
        pipeline.clock.advance(3600)
        assert self.run(pipeline, EMAIL)[1] == 0
        gone(pipeline, SUB, NEW)

    def test_a_resumed_erasure_says_nothing_where_the_user_is_gone(self, pipeline: InMemoryPipeline) -> None:
        in_pool(pipeline, SUB)
        interrupted_before_the_event(pipeline)
        assert self.run(pipeline, EMAIL)[1] == 0
        gone(pipeline)


def interrupted_before_the_event(pipeline: InMemoryPipeline) -> None:
    provisioned(pipeline)
    plan: Any = lambda index, *_: "killed_before" if index == 1 else None  # noqa: E731
    with pytest.raises(ProcessKilled):
        UserScenario(pipeline, {"events": Faulty(pipeline.events, plan, SiteLog())}).forget()


class TestDuringARelink:
    @pytest.mark.parametrize("relinked_before", range(1, 16))
    def test_both_subs_are_erased(self, pipeline: InMemoryPipeline, relinked_before: int) -> None:
        """The relink runs just before one call of the erasure, and the new sub's worker after it."""
        provisioned(pipeline)
        in_pool(pipeline, NEW)
        pipeline.clock.advance(3600)

        def relink_now() -> None:
            user = pipeline.user(EMAIL)
            if user and user["cognitoSub"] == OLD:
                pipeline.aws["dynamodb"] = pipeline.dynamodb
                relinked_to_new(pipeline)

        clients = {"dynamodb": Faulty(pipeline.dynamodb, before_call(relinked_before, relink_now), SiteLog())}
        UserScenario(pipeline, clients).forget()
        gone(pipeline, OLD, NEW)

    @pytest.mark.parametrize("relinked_before", range(1, 16))
    def test_of_a_user_whom_the_pool_no_longer_lists(self, pipeline: InMemoryPipeline, relinked_before: int) -> None:
        """Only the record leads from one sub to the other."""
        provisioned(pipeline)

        def relink_now() -> None:
            if pipeline.user(EMAIL):
                relinked_to_new(pipeline)

        clients = {"dynamodb": Faulty(pipeline.dynamodb, before_call(relinked_before, relink_now), SiteLog())}
        UserScenario(pipeline, clients).forget()
        assert pipeline.user(EMAIL) is None
        assert pipeline.dynamodb.rows(PROFILES) == []
        assert OLD in announced(pipeline)


def relinked_to_new(pipeline: InMemoryPipeline) -> None:
    """As one conditional write, and then the new sub's worker."""
    pipeline.dynamodb.update_item(
        TableName=USERS,
        Key={"userId": {"S": EMAIL}},
        UpdateExpression="SET cognitoSub = :new, linkedBefore = :subs, owed = :owed, owedSince = :at, dueAt = :at",
        ConditionExpression="cognitoSub = :old",
        ExpressionAttributeValues={
            ":new": {"S": NEW},
            ":old": {"S": OLD},
            ":subs": {"L": [{"S": OLD}]},
            ":owed": {"S": "emit#0"},
            ":at": {"N": str(round(pipeline.clock() * 1000))},
        },
    )
    pipeline.reconcile()
    pipeline.run_worker()


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

    @pytest.mark.parametrize("held_seconds", [30, 110])
    def test_held_by_another_reader_are_waited_for(self, pipeline: InMemoryPipeline, held_seconds: int) -> None:
        self.stuck(pipeline)
        pipeline.clock.advance(3600)
        held = pipeline.sqs.receive_message(
            QueueUrl=pipeline.sqs.url(DLQ), MaxNumberOfMessages=10, VisibilityTimeout=held_seconds
        )
        assert len(held["Messages"]) == 2
        assert (UserScenario(pipeline).forget() or {})["deadLetters"] == 1
        (letter,) = pipeline.sqs.messages(DLQ)
        assert NEW in letter.body

    def test_that_stay_held_end_the_run_and_the_next_run_finishes(self, pipeline: InMemoryPipeline) -> None:
        self.stuck(pipeline)
        pipeline.clock.advance(3600)
        pipeline.sqs.receive_message(QueueUrl=pipeline.sqs.url(DLQ), MaxNumberOfMessages=10, VisibilityTimeout=43_000)
        before = pipeline.clock()
        with pytest.raises(CommandFailed, match="2 dead letters are held by another reader"):
            UserScenario(pipeline).forget()
        assert pipeline.clock() - before < 600
        assert announced(pipeline) == []
        pipeline.clock.advance(43_000)
        assert (UserScenario(pipeline).forget(SUB) or {})["deadLetters"] == 1
        assert announced(pipeline) == [SUB]

    def test_with_the_sub_in_capitals(self, pipeline: InMemoryPipeline) -> None:
        provisioned(pipeline)
        pipeline.sqs.put(DLQ, f'{{"half a message about {SUB.upper()}')
        assert (UserScenario(pipeline).forget() or {})["deadLetters"] == 1

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
        edit(pipeline, NEW, relinkedTo=SUB)
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
