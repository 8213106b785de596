"""Profiles that another writer changed: one unreadable row stops no other user, and an id proves nothing by itself."""

from __future__ import annotations

import json
import re
import uuid
from pathlib import Path
from typing import Any

import pytest

from onramp.access import user_of_token
from onramp.domain.users import EDITABLE, ID_OF_STEP
from tests.pipeline import EMAIL, OTHER_SUB, PROFILES, QUEUE, SUB, USERS, InMemoryPipeline

PAGE = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text()
HUGE = {"N": "1E+30"}


def step(**attributes: Any) -> dict[str, Any]:
    """Two steps failed, so that their times are compared; the record of one is broken."""
    records = {
        name: {"M": {"state": {"S": "failed"}, "at": {"N": "1790000000000"}} | broken}
        for name, broken in (("stripe", attributes), ("revenuecat", {}))
    }
    return {"provisioning": {"M": records}}


def intent(**attributes: Any) -> dict[str, Any]:
    body = {"M": {"email": {"S": EMAIL}, "metadata": {"M": {}}}}
    stored = {"epoch": {"N": "1"}, "key": {"S": "k"}, "createdAt": {"N": "1"}, "body": body}
    return {"provisioning": {"M": {"stripeIntent": {"M": stored | attributes}}}}


BROKEN: dict[str, tuple[str, dict[str, Any]]] = {
    "provisioning is NULL": ("provisioning", {"provisioning": {"NULL": True}}),
    "provisioning is text": ("provisioning", {"provisioning": {"S": "broken"}}),
    "provisioning is a list": ("provisioning", {"provisioning": {"L": []}}),
    "a step is text": ("provisioning.stripe", {"provisioning": {"M": {"stripe": {"S": "done"}}}}),
    "a step is a number": ("provisioning.revenuecat", {"provisioning": {"M": {"revenuecat": {"N": "1"}}}}),
    "a step without a state": ("provisioning.stripe", {"provisioning": {"M": {"stripe": {"M": {}}}}}),
    "the state is a map": ("provisioning.stripe", step(state={"M": {}})),
    "attempts are text": ("provisioning.stripe.attempts", step(state={"S": "retrying"}, attempts={"S": "x"})),
    "attempts are huge": ("provisioning.stripe.attempts", step(attempts=HUGE)),
    "the code is a map": ("provisioning.stripe.errorCode", step(errorCode={"M": {}})),
    "the reason is a list": ("provisioning.stripe.reason", step(reason={"L": []})),
    "the version is binary": ("provisioning.stripe.codeVersion", step(codeVersion={"B": b"1"})),
    "a time is text": ("provisioning.stripe.at", step(at={"S": "yesterday"})),
    "a time is huge": ("provisioning.stripe.at", step(at=HUGE)),
    "a time is negative": ("provisioning.stripe.at", step(at={"N": "-1"})),
    "the creation is text": ("createdAt", {"createdAt": {"S": "yesterday"}}),
    "the creation is huge": ("createdAt", {"createdAt": HUGE}),
    "the status is a number": ("provisioningStatus", {"provisioningStatus": {"N": "7"}}),
    "the status is a map": ("provisioningStatus", {"provisioningStatus": {"M": {}}}),
    "an id is a number": ("stripeCustomerId", {"stripeCustomerId": {"N": "7"}}),
}
"""By what is broken: the path that cannot be read, and the attributes."""
BROKEN_INTENTS: dict[str, dict[str, Any]] = {
    "half an intent": {"provisioning": {"M": {"stripeIntent": {"M": {"epoch": {"N": "1"}}}}}},
    "the intent is text": {"provisioning": {"M": {"stripeIntent": {"S": "x"}}}},
    "the intent's time is text": intent(createdAt={"S": "yesterday"}),
    "the intent's time is huge": intent(createdAt=HUGE),
}
ALL = {name: row for name, (_, row) in BROKEN.items()} | BROKEN_INTENTS
"""Every broken row by its name."""


def put_profile(pipeline: InMemoryPipeline, **attributes: Any) -> None:
    pipeline.dynamodb.put_item(TableName=PROFILES, Item={"userId": {"S": SUB}} | attributes)


def state(pipeline: InMemoryPipeline, sub: str = SUB, email: str = EMAIL) -> tuple[Any, bool]:
    profile, user = pipeline.profile(sub) or {}, pipeline.user(email) or {}
    return profile.get("provisioningStatus"), "owed" in user


class TestUnreadable:
    @pytest.mark.parametrize("row", [row for _, row in BROKEN.values()], ids=BROKEN)
    def test_a_broken_profile_is_provisioned_all_the_same(
        self, pipeline: InMemoryPipeline, row: dict[str, Any]
    ) -> None:
        put_profile(pipeline, **row)
        pipeline.sign_up(EMAIL, SUB)
        pipeline.run_worker()
        assert state(pipeline) == ("ready", False)
        assert len(pipeline.stripe.customers()) == 1
        assert not [line for line in pipeline.log_lines() if line.get("message") == "bug"]

    @pytest.mark.parametrize("row", BROKEN_INTENTS.values(), ids=BROKEN_INTENTS)
    def test_a_broken_intent_waits_for_the_operator_and_calls_no_provider(
        self, pipeline: InMemoryPipeline, row: dict[str, Any]
    ) -> None:
        """Its request may have been sent under a key that is lost, or at a time that is."""
        put_profile(pipeline, **row)
        pipeline.sign_up(EMAIL, SUB)
        pipeline.run_worker()
        assert [letter["reason"] for letter in pipeline.dead_letters()] == ["unreadable_intent"]
        assert pipeline.stripe.calls == []
        assert state(pipeline) == ("failed", True)

    @pytest.mark.parametrize("row", ALL.values(), ids=ALL)
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
        assert [call.method for call in pipeline.stripe.calls] == ["POST", "GET"], "no second create is sent"


class TestEditable:
    def test_nothing_that_the_worker_relies_on_is_the_users(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, SUB, given_name="Nia", family_name="Newcomer")
        pipeline.run_worker()
        assert set(pipeline.profile(SUB) or {}) - set(EDITABLE) == {
            "userId", "email", "createdAt", "updatedAt", "provisioningStatus", "provisioning", "stripeCustomerId",
            "revenueCatId",
        }  # fmt: skip
        assert not [name for name in EDITABLE if name in ID_OF_STEP.values() or name.startswith("provisioning")]

    def test_the_page_lists_them(self) -> None:
        (sentence,) = re.findall(r"may let its users write (.+?)\s+\(`EDITABLE`", PAGE, re.DOTALL)
        assert re.findall(r"`(\w+)`", sentence) == list(EDITABLE)


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
