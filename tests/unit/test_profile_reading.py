"""Profiles that another writer changed: one unreadable row stops no other user, and an id proves nothing by itself."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from onramp.access import user_of_token
from tests.pipeline import EMAIL, OTHER_SUB, PROFILES, QUEUE, SUB, USERS, InMemoryPipeline

BROKEN = {
    "provisioning is NULL": {"provisioning": {"NULL": True}},
    "provisioning is text": {"provisioning": {"S": "broken"}},
    "a step is no map": {"provisioning": {"M": {"stripe": {"S": "done"}, "revenuecat": {"N": "1"}}}},
    "attempts are text": {
        "provisioning": {"M": {"stripe": {"M": {"state": {"S": "retrying"}, "attempts": {"S": "x"}}}}}
    },
    "the status is a number": {"provisioningStatus": {"N": "7"}},
}
HALF_INTENT = {"provisioning": {"M": {"stripeIntent": {"M": {"epoch": {"N": "1"}}}}}}


def put_profile(pipeline: InMemoryPipeline, **attributes: Any) -> None:
    pipeline.dynamodb.put_item(TableName=PROFILES, Item={"userId": {"S": SUB}} | attributes)


def state(pipeline: InMemoryPipeline, sub: str = SUB, email: str = EMAIL) -> tuple[Any, bool]:
    profile, user = pipeline.profile(sub) or {}, pipeline.user(email) or {}
    return profile.get("provisioningStatus"), "owed" in user


class TestUnreadable:
    @pytest.mark.parametrize("row", BROKEN.values(), ids=BROKEN)
    def test_a_broken_profile_is_provisioned_all_the_same(
        self, pipeline: InMemoryPipeline, row: dict[str, Any]
    ) -> None:
        put_profile(pipeline, **row)
        pipeline.sign_up(EMAIL, SUB)
        pipeline.run_worker()
        assert state(pipeline) == ("ready", False)
        assert len(pipeline.stripe.customers()) == 1
        assert not [line for line in pipeline.log_lines() if line.get("message") == "bug"]

    def test_half_an_intent_waits_for_the_operator_and_calls_no_provider(self, pipeline: InMemoryPipeline) -> None:
        """Its request may have been sent under a key that is lost."""
        put_profile(pipeline, **HALF_INTENT)
        pipeline.sign_up(EMAIL, SUB)
        pipeline.run_worker()
        assert [letter["reason"] for letter in pipeline.dead_letters()] == ["unreadable_intent"]
        assert pipeline.stripe.calls == []
        assert state(pipeline) == ("failed", True)

    @pytest.mark.parametrize("row", [*BROKEN.values(), HALF_INTENT], ids=[*BROKEN, "half an intent"])
    def test_the_reconciler_heals_the_others(self, pipeline: InMemoryPipeline, row: dict[str, Any]) -> None:
        """Both are owed to the operator; the other one's profile is ready."""
        other = "other@example.com"
        for email, sub in ((EMAIL, SUB), (other, OTHER_SUB)):
            pipeline.sign_up(email, sub)
        pipeline.run_worker()
        for email in (EMAIL, other):
            owe_operator(pipeline, email)
        put_profile(pipeline, **row)
        pipeline.reconcile()
        assert [other in message.body for message in pipeline.sqs.messages(QUEUE)] == [True]
        assert not [line for line in pipeline.log_lines() if line.get("message") == "bug"]


def owe_operator(pipeline: InMemoryPipeline, email: str) -> None:
    now = {"N": str(round(pipeline.clock() * 1000))}
    pipeline.dynamodb.update_item(
        TableName=USERS,
        Key={"userId": {"S": email}},
        UpdateExpression="SET owed = :o, owedSince = :n, dueAt = :n",
        ExpressionAttributeValues={":o": {"S": "operator#1"}, ":n": now},
    )


class TestIdWithoutItsStep:
    def test_of_another_user_is_replaced_and_never_published(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up("victim@example.com", OTHER_SUB)
        pipeline.run_worker()
        victim = str((pipeline.profile(OTHER_SUB) or {})["stripeCustomerId"])
        put_profile(pipeline, stripeCustomerId={"S": victim}, revenueCatId={"S": OTHER_SUB})
        pipeline.sign_up(EMAIL, SUB)
        pipeline.run_worker()
        profile = pipeline.profile(SUB) or {}
        assert profile["stripeCustomerId"] not in ("", victim)
        assert profile["revenueCatId"] == SUB
        published = {event["detail"]["data"]["cognitoSub"]: event for event in pipeline.published("UserProvisioned")}
        assert victim not in json.dumps(published[SUB])

    @pytest.mark.parametrize("customer_id", ["cus_unknown", "../customers", "x" * 300])
    def test_that_stripe_does_not_know_is_ignored(self, pipeline: InMemoryPipeline, customer_id: str) -> None:
        put_profile(pipeline, stripeCustomerId={"S": customer_id})
        pipeline.sign_up(EMAIL, SUB)
        pipeline.run_worker()
        assert state(pipeline) == ("ready", False)
        assert (pipeline.profile(SUB) or {})["stripeCustomerId"] == pipeline.stripe.customers()[0]["id"]

    def test_counts_where_stripes_metadata_names_the_user(self, pipeline: InMemoryPipeline) -> None:
        """A restored or migrated profile."""
        pipeline.sign_up(EMAIL, SUB)
        pipeline.run_worker()
        customer = str((pipeline.profile(SUB) or {})["stripeCustomerId"])
        put_profile(pipeline, stripeCustomerId={"S": customer})
        owe_operator(pipeline, EMAIL)
        pipeline.sqs.put(QUEUE, json.dumps(pipeline.published("UserSignedUp")[0]))
        pipeline.run_worker()
        assert (pipeline.profile(SUB) or {})["stripeCustomerId"] == customer
        assert len(pipeline.stripe.customers()) == 1


class TestAccess:
    def user(self, pipeline: InMemoryPipeline, sub: str) -> Any:
        return user_of_token(pipeline.aws["dynamodb"], USERS, sub)

    def test_the_record_with_its_roles(self, pipeline: InMemoryPipeline) -> None:
        pipeline.pre_create(EMAIL, "manager")
        pipeline.sign_up(EMAIL, SUB)
        assert self.user(pipeline, SUB).roles == ("manager",)

    def test_none_without_a_record(self, pipeline: InMemoryPipeline) -> None:
        assert self.user(pipeline, str(uuid.uuid4())) is None

    def test_none_for_a_sub_that_the_lagging_index_still_shows(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, SUB)
        pipeline.dynamodb.read_lag = 60.0
        pipeline.dynamodb.update_item(
            TableName=USERS,
            Key={"userId": {"S": EMAIL}},
            UpdateExpression="SET cognitoSub = :new",
            ExpressionAttributeValues={":new": {"S": OTHER_SUB}},
        )
        assert self.user(pipeline, SUB) is None
