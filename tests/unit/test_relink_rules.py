"""The worker's rules after a relink, one by one: which intent counts, who may use it, and when a worker stops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from onramp.adapters.items import to_values
from onramp.adapters.profile_rows import INTENT, inheritance, intent_row
from onramp.adapters.profiles import ProfileTable
from onramp.adapters.users import UserTable
from onramp.domain.errors import RetryableError
from onramp.domain.users import Intent, User
from tests.fakes import Faulty, SiteLog
from tests.pipeline import PROFILES, USERS, InMemoryPipeline
from tests.unit.test_stripe_customer import StripeScenario
from tests.unit.user_scenario import EMAIL, NEW, OLD, UserScenario, in_pool

BODY = {"email": EMAIL, "metadata": {}}
LINKED_AT = 7
THIRD = "7d1f3a52-90b1-70c4-5e0f-2b8c1a6d4e03"


def intent(link: int, epoch: int) -> Intent:
    return Intent(epoch, f"key/{link}/{epoch}", 1, BODY, link)


def row(stored: Intent) -> Mapping[str, Any]:
    return {"provisioning": {INTENT: intent_row(stored)}}


class TestOfTwoIntents:
    @pytest.mark.parametrize(
        ("earlier", "later"),
        [
            (intent(link=1, epoch=5), intent(link=2, epoch=1)),
            (intent(link=1, epoch=5), intent(link=2, epoch=9)),
            (intent(link=2, epoch=1), intent(link=2, epoch=2)),
        ],
    )
    def test_the_later_link_wins_then_the_later_epoch(self, earlier: Intent, later: Intent) -> None:
        for rows in ([row(earlier), row(later)], [row(later), row(earlier)]):
            update = inheritance({}, rows, 7)
            assert update is not None
            taken = update.values[":provisioning"][INTENT]
            assert taken == intent_row(replace(later, link=7)), "marked with the present link"

    def test_the_own_one_counts_as_the_others(self) -> None:
        later = intent(link=3, epoch=1)
        assert inheritance(row(later), [row(intent(link=1, epoch=9))], 3) is None
        update = inheritance(row(intent(link=1, epoch=9)), [row(later)], 5)
        assert update is not None
        assert update.values[":t0"] == intent_row(replace(later, link=5))


def test_a_step_that_ends_between_the_read_and_the_write_keeps_its_id(pipeline: InMemoryPipeline) -> None:
    """Two workers of one relinked user: the slower one must not put the earlier sub's id over the new customer's."""
    put_done(pipeline, OLD, "cus_earlier")
    put_done(pipeline, NEW, None)
    ended: list[str] = []

    def end_before_the_first_write(_: int, __: str, operation: str) -> None:
        if operation == "update_item" and not ended:
            ended.append(operation)
            put_done(pipeline, NEW, "cus_own")

    pipeline.inject_faults("dynamodb", end_before_the_first_write)
    ProfileTable(pipeline.aws["dynamodb"], PROFILES).inherit(linked_user(NEW, before=(OLD,)))
    assert ((pipeline.profile(NEW) or {})["stripeCustomerId"], len(ended)) == ("cus_own", 1)


def test_an_inherited_intent_is_marked_with_the_present_link(pipeline: InMemoryPipeline) -> None:
    pipeline.dynamodb.put_item(TableName=PROFILES, Item=to_values({"userId": OLD, **row(intent(link=1, epoch=1))}))
    ProfileTable(pipeline.aws["dynamodb"], PROFILES).inherit(linked_user(NEW, before=(OLD,)))
    assert (pipeline.profile(NEW) or {})["provisioning"][INTENT]["link"] == LINKED_AT


def test_a_profile_that_is_deleted_between_the_read_and_the_write_is_made_anew(pipeline: InMemoryPipeline) -> None:
    """A row without `provisioning` would refuse the write of every step."""
    put_done(pipeline, OLD, None)
    pipeline.dynamodb.put_item(TableName=PROFILES, Item=to_values({"userId": OLD, "displayName": "Nia"}))
    put_done(pipeline, NEW, "cus_own")

    deleted: list[str] = []

    def delete_before_the_first_write(_: int, __: str, operation: str) -> None:
        if operation == "update_item" and not deleted:
            deleted.append(operation)
            pipeline.dynamodb.delete_item(TableName=PROFILES, Key={"userId": {"S": NEW}})

    pipeline.inject_faults("dynamodb", delete_before_the_first_write)
    ProfileTable(pipeline.aws["dynamodb"], PROFILES).inherit(linked_user(NEW, before=(OLD,)))
    assert (pipeline.profile(NEW) or {}).get("provisioning") == {}


def put_done(pipeline: InMemoryPipeline, sub: str, customer: str | None) -> None:
    """A profile whose Stripe step is done with this id, or has failed."""
    state = {"state": "done" if customer else "retrying", "at": 1}
    row = {"userId": sub, "provisioning": {"stripe": state}} | ({"stripeCustomerId": customer} if customer else {})
    pipeline.dynamodb.put_item(TableName=PROFILES, Item=to_values(row))


def linked_user(sub: str, before: tuple[str, ...]) -> User:
    return User(EMAIL, cognito_sub=sub, linked_before=before, linked_at=LINKED_AT)


class TestTheLinkOfAnIntent:
    def stored(self, scenario: StripeScenario, link: int) -> Intent:
        """Stores an intent of this link that was not sent."""
        scenario.profile()
        stored = replace(intent(link, 1), created_at=scenario.now(), body={"email": EMAIL, "metadata": {"by": "first"}})
        scenario.profiles.store_first_intent(str(scenario.user.cognito_sub), stored)
        return stored

    def test_an_earlier_one_is_marked_and_then_used(self) -> None:
        scenario = StripeScenario()
        link = scenario.user.linked_at or 0
        stored = self.stored(scenario, link - 1)
        scenario.attempt()
        assert scenario.profile().intent == replace(stored, link=link)
        assert scenario.keys() == [stored.key]

    def test_a_later_one_is_of_a_record_that_was_deleted_and_created_again(self) -> None:
        scenario = StripeScenario()
        link = scenario.user.linked_at or 0
        stored = self.stored(scenario, link + 1)
        scenario.attempt()
        assert scenario.profile().intent == replace(stored, link=link)
        assert scenario.keys() == [stored.key]

    def test_a_worker_that_read_it_before_it_was_marked_does_not_mark_it_back(self) -> None:
        scenario = StripeScenario()
        link = scenario.user.linked_at or 0
        stored = self.stored(scenario, link - 1)
        stale = scenario.profile()
        scenario.profiles.store_next_intent(stale.sub, stored, replace(stored, epoch=2, link=link + 1))
        linked = iter([True, False])  # the relink happens between the two reads of the record
        scenario.enricher = replace(scenario.enricher, still_linked=lambda user: next(linked))
        with pytest.raises(RetryableError, match="relinked"):
            scenario.attempt(stale)
        assert scenario.stripe.calls == []


def test_a_record_that_was_relinked_and_back_is_not_still_linked(pipeline: InMemoryPipeline) -> None:
    pipeline.sign_up(EMAIL, OLD)
    users = UserTable(pipeline.dynamodb, USERS)  # type: ignore[arg-type]  # the fake
    user = users.get(EMAIL)
    assert user is not None
    assert users.still_linked(user)
    for sub in (NEW, OLD):
        in_pool(pipeline, sub)
        UserScenario(pipeline).relink(new=sub)
        assert not users.still_linked(user)


def test_a_relink_after_the_worker_has_inherited_stops_it(pipeline: InMemoryPipeline) -> None:
    """Also where nothing is left to be done: UserProvisioned would name a sub that the record no longer has."""
    pipeline.sign_up(EMAIL, OLD)
    pipeline.run_worker()
    in_pool(pipeline, NEW)
    in_pool(pipeline, THIRD)
    scenario = UserScenario(pipeline)
    scenario.relink()
    pipeline.clock.advance(1)
    pipeline.reconcile()

    def relink_after_inheriting(_: int, __: str, name: str) -> None:
        if pipeline.profile(NEW) and name == "get_item":
            scenario.relink(new=THIRD)

    pipeline.aws["dynamodb"] = Faulty(pipeline.dynamodb, relink_after_inheriting, SiteLog())
    pipeline.cold_start()
    pipeline.run_worker()
    assert (pipeline.user(EMAIL) or {})["cognitoSub"] == THIRD
    assert [event["detail"]["data"]["cognitoSub"] for event in pipeline.published("UserProvisioned")] == [OLD]
    assert "provisioningStatus" not in (pipeline.profile(NEW) or {})
