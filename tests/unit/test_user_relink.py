"""Relink: no provider gets a second customer, whichever process is killed or runs meanwhile."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from onramp.adapters.tombstones import tombstone_key
from onramp.domain.errors import RetryableError
from onramp.local.fakes.faults import Fault
from onramp.ops.common.errors import UsageError
from tests.fakes import Faulty, ProcessKilled, SiteLog
from tests.pipeline import OPERATIONS, POOL, InMemoryPipeline
from tests.unit.user_scenario import EMAIL, GOOGLE, NEW, OLD, UserScenario, before_call, in_pool


def returned(pipeline: InMemoryPipeline, **attributes: str) -> None:
    """Signed up, provisioned, deleted in Cognito, signed up again with another sub."""
    pipeline.sign_up(EMAIL, OLD, given_name="Nia")
    pipeline.run_worker()
    in_pool(pipeline, NEW, **attributes)
    pipeline.clock.advance(3600)


def settled(pipeline: InMemoryPipeline) -> None:
    """The reconciler emits, the worker finishes, and a day passes, so that no message is left."""
    for _ in range(3):
        pipeline.clock.advance(600)
        pipeline.reconcile()
        pipeline.run_worker_for(1, step=600)
    pipeline.run_worker_for(26, step=3600)


def customers(pipeline: InMemoryPipeline) -> tuple[int, list[str]]:
    return len(pipeline.stripe.customers()), [customer["id"] for customer in pipeline.revenuecat.customers()]


def done(pipeline: InMemoryPipeline) -> None:
    user, profile = pipeline.user(EMAIL), pipeline.profile(NEW)
    assert user is not None
    assert profile is not None
    assert (user["cognitoSub"], "owed" in user) == (NEW, False)
    assert profile["provisioningStatus"] == "ready"
    (customer,) = pipeline.stripe.customers()
    assert profile["stripeCustomerId"] == customer["id"]
    (subscriber,) = pipeline.revenuecat.customers()
    assert profile["revenueCatId"] == subscriber["id"]


class TestRelink:
    def test_moves_record_and_ids_and_emits_the_event(self, pipeline: InMemoryPipeline) -> None:
        returned(pipeline)
        calls = len(pipeline.stripe.calls) + len(pipeline.revenuecat.calls)
        assert UserScenario(pipeline).relink()
        pipeline.clock.advance(1)
        pipeline.reconcile()
        pipeline.run_worker()
        done(pipeline)
        assert len(pipeline.stripe.calls) + len(pipeline.revenuecat.calls) == calls, "no provider is called"
        assert (pipeline.user(EMAIL) or {})["roles"] == ["team_member"]
        first, second = (event["detail"] for event in pipeline.published("UserSignedUp"))
        assert (first["data"]["cognitoSub"], second["data"]["cognitoSub"]) == (OLD, NEW)
        assert first["metadata"]["eventId"] != second["metadata"]["eventId"]
        assert (pipeline.user(EMAIL) or {})["linkedBefore"] == [OLD]

    def test_keeps_what_a_user_edited(self, pipeline: InMemoryPipeline) -> None:
        returned(pipeline)
        pipeline.dynamodb.update_item(
            TableName="UserProfilesTable",
            Key={"userId": {"S": OLD}},
            UpdateExpression="SET displayName = :n, preferences = :p",
            ExpressionAttributeValues={":n": {"S": "Captain"}, ":p": {"M": {"theme": {"S": "dark"}}}},
        )
        UserScenario(pipeline).relink()
        settled(pipeline)
        profile = pipeline.profile(NEW) or {}
        assert (profile["displayName"], profile["preferences"]) == ("Captain", {"theme": "dark"})

    def test_twice_is_once(self, pipeline: InMemoryPipeline) -> None:
        returned(pipeline)
        scenario = UserScenario(pipeline)
        assert [scenario.relink(), scenario.relink()] == [True, True]
        settled(pipeline)
        done(pipeline)

    def test_a_message_of_the_old_sub_moves_nothing(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, OLD)
        in_pool(pipeline, NEW)
        UserScenario(pipeline).relink()
        settled(pipeline)
        done(pipeline)
        assert {letter["reason"] for letter in pipeline.dead_letters()} == {"linked_to_another_sub"}

    def test_the_first_of_two_relinks_wins(self, pipeline: InMemoryPipeline) -> None:
        returned(pipeline)
        scenario = UserScenario(pipeline)
        _, user = scenario.wiring.users.find_record(EMAIL)
        claim = scenario.wiring.relink_checks.claim(user, NEW, scenario.now(), vouch=False)
        assert scenario.relink()
        other = "7d1f3a52-90b1-70c4-5e0f-2b8c1a6d4e03"
        assert not scenario.wiring.records.relink(user, replace(claim, sub=other))
        assert (pipeline.user(EMAIL) or {})["cognitoSub"] == NEW


class TestOneCustomer:
    """The old sub's worker is running, or has stopped before its end."""

    @pytest.mark.parametrize("kind", ["server_error", "timeout", "stored_500"])
    @pytest.mark.parametrize("applied", [True, False])
    @pytest.mark.parametrize("hours", [0, 19, 22, 40])
    def test_after_a_lost_reply(self, pipeline: InMemoryPipeline, kind: Any, applied: bool, hours: int) -> None:
        pipeline.stripe.faults.add(Fault(kind, operation="create", times=None, applied=applied))
        pipeline.sign_up(EMAIL, OLD)
        pipeline.run_worker()
        pipeline.clock.advance(hours * 3600)
        pipeline.stripe.faults.clear()
        in_pool(pipeline, NEW)
        UserScenario(pipeline).relink()
        settled(pipeline)
        done(pipeline)

    @pytest.mark.parametrize("relinked_before", range(1, 16))
    def test_while_the_worker_runs(self, pipeline: InMemoryPipeline, relinked_before: int) -> None:
        """The whole relink happens just before one call of the worker on the old sub's message."""
        pipeline.sign_up(EMAIL, OLD)
        in_pool(pipeline, NEW)
        scenario = UserScenario(pipeline)
        plan = before_call(relinked_before, scenario.relink)
        pipeline.aws["dynamodb"] = Faulty(pipeline.dynamodb, plan, SiteLog())
        pipeline.cold_start()
        pipeline.run_worker()
        pipeline.aws["dynamodb"] = pipeline.dynamodb
        pipeline.cold_start()
        scenario.relink()
        settled(pipeline)
        done(pipeline)

    @pytest.mark.parametrize("worked_before", range(1, 16))
    def test_while_the_relink_runs(self, pipeline: InMemoryPipeline, worked_before: int) -> None:
        """The worker takes the old sub's message just before one call of the relink."""
        pipeline.sign_up(EMAIL, OLD)
        in_pool(pipeline, NEW)
        scenario = UserScenario(
            pipeline,
            {"dynamodb": Faulty(pipeline.dynamodb, before_call(worked_before, pipeline.run_worker), SiteLog())},
        )
        scenario.relink()
        settled(pipeline)
        done(pipeline)

    def test_through_a_sub_that_never_had_a_worker(self, pipeline: InMemoryPipeline) -> None:
        """OLD -> between -> NEW: the profile of the sub between does not exist."""
        between = "7d1f3a52-90b1-70c4-5e0f-2b8c1a6d4e03"
        pipeline.stripe.faults.add(Fault("timeout", operation="create", applied=True))
        pipeline.sign_up(EMAIL, OLD)
        pipeline.run_worker()
        for sub in (between, NEW):
            in_pool(pipeline, sub)
            UserScenario(pipeline).relink(new=sub)
        settled(pipeline)
        done(pipeline)

    def test_back_and_forth_in_an_outage(self, pipeline: InMemoryPipeline) -> None:
        pipeline.stripe.faults.add(Fault("server_error", operation="create", times=None))
        pipeline.sign_up(EMAIL, OLD)
        in_pool(pipeline, OLD)
        in_pool(pipeline, NEW)
        for sub in (NEW, OLD, NEW):
            pipeline.run_worker()
            pipeline.clock.advance(11 * 3600)
            UserScenario(pipeline).relink(new=sub)
            pipeline.reconcile()
        pipeline.stripe.faults.clear()
        settled(pipeline)
        done(pipeline)

    def test_where_a_table_was_restored_and_the_customer_is_older(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, OLD)
        pipeline.run_worker()
        pipeline.clock.advance(30 * 3600)
        pipeline.dynamodb.delete_item(TableName="UserProfilesTable", Key={"userId": {"S": OLD}})
        in_pool(pipeline, NEW)
        UserScenario(pipeline).relink()
        settled(pipeline)
        assert (pipeline.profile(NEW) or {})["stripeCustomerId"] == pipeline.stripe.customers()[0]["id"]
        assert len(pipeline.stripe.customers()) == 1

    def test_a_new_customer_where_there_was_none(self, pipeline: InMemoryPipeline) -> None:
        pipeline.configure(STRIPE_SECRET_NAME="")
        pipeline.sign_up(EMAIL, OLD)
        pipeline.run_worker()
        pipeline.configure(STRIPE_SECRET_NAME="/stripe")
        in_pool(pipeline, NEW)
        pipeline.clock.advance(3600)
        UserScenario(pipeline).relink()
        settled(pipeline)
        done(pipeline)
        assert pipeline.stripe.customers()[0]["metadata"]["cognitoSub"] == NEW


@pytest.mark.parametrize("fault", ["killed_before", "killed_after", "lost_reply"])
@pytest.mark.parametrize("work_between", [False, True])
def test_killed_at_any_call_and_run_again(fault: str, work_between: bool) -> None:
    interruptions = 0
    for call in range(1, 30):
        with InMemoryPipeline() as pipeline:
            returned(pipeline)
            plan = lambda index, *_, at=call: fault if index == at else None  # noqa: E731
            try:
                UserScenario(pipeline, {"dynamodb": Faulty(pipeline.dynamodb, plan, SiteLog())}).relink()
            except (ProcessKilled, ReadTimeoutError, RetryableError):
                interruptions += 1
            else:
                break
            if work_between:
                settled(pipeline)
            UserScenario(pipeline).relink()
            settled(pipeline)
            done(pipeline)
    assert interruptions >= 4


class TestRefused:
    def test_an_unknown_sub(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, OLD)
        with pytest.raises(UsageError, match="in no user pool of this stack"):
            UserScenario(pipeline).relink()

    def test_another_address(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, OLD)
        in_pool(pipeline, NEW, "another@example.com")
        with pytest.raises(UsageError, match="another address"):
            UserScenario(pipeline).relink()

    def test_a_user_who_has_another_record(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up("other@example.com", NEW)
        returned(pipeline)
        with pytest.raises(UsageError, match="has another record"):
            UserScenario(pipeline).relink()

    def test_an_unconfirmed_user(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, OLD)
        in_pool(pipeline, NEW, status="UNCONFIRMED")
        with pytest.raises(UsageError, match="must confirm"):
            UserScenario(pipeline).relink()

    def test_an_erased_user(self, pipeline: InMemoryPipeline) -> None:
        returned(pipeline)
        pipeline.dynamodb.put_item(TableName=OPERATIONS, Item=tombstone_key(NEW))
        with pytest.raises(UsageError, match="erased"):
            UserScenario(pipeline).relink()

    @pytest.mark.parametrize(
        "attributes", [{"email_verified": "false"}, {"identities": GOOGLE, "email_verified": "false"}]
    )
    def test_an_unverified_address_unless_the_operator_vouches(
        self, pipeline: InMemoryPipeline, attributes: dict[str, str]
    ) -> None:
        returned(pipeline, **attributes)
        scenario = UserScenario(pipeline)
        with pytest.raises(UsageError, match="--vouch"):
            scenario.relink()
        assert (pipeline.user(EMAIL) or {})["cognitoSub"] == OLD
        assert scenario.relink(vouch=True)
        assert (pipeline.user(EMAIL) or {})["emailVouchedBy"] == "operator"

    def test_a_refusal_writes_nothing(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, OLD)
        before = [pipeline.dynamodb.rows(name) for name in pipeline.dynamodb.tables]
        with pytest.raises(UsageError):
            UserScenario(pipeline).relink()
        assert [pipeline.dynamodb.rows(name) for name in pipeline.dynamodb.tables] == before


def test_the_pool_is_the_new_identitys(pipeline: InMemoryPipeline) -> None:
    returned(pipeline)
    UserScenario(pipeline).relink()
    user = pipeline.user(EMAIL) or {}
    assert (user["userPoolId"], user["linkedAt"]) == (POOL, round(pipeline.clock() * 1000))
    assert user["dueAt"] == user["linkedAt"], "the reconciler's next run emits it"
