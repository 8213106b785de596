"""The trigger: what it writes, emits, answers and says."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from onramp.domain.errors import ConfigurationError
from tests.fakes import Faulty, SiteLog
from tests.world import USERS, World, signup

SUB = "7d1f3a52-90b1-70c4-5e0f-2b8c1a6d4e01"
OTHER = "a4e8c0d6-1071-70f3-8b2a-6c5d9e3f1b02"
EMAIL = "nia@example.com"
SENTENCE = "We could not complete your sign-up. Please contact support and quote "


def refused(world: World, event: Any) -> str:
    """The cause in the log of a refusal that says nothing to the user and writes nothing."""
    before = world.dynamodb.rows(USERS)
    with pytest.raises(Exception, match=SENTENCE) as caught:
        world.confirm(event)
    assert type(caught.value).__name__ == "SignUpFailed"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert world.dynamodb.rows(USERS) == before
    assert world.events.events == []
    return next(str(line["cause"]) for line in reversed(world.lines()) if "cause" in line and "message" in line)


def test_a_new_user(world: World) -> None:
    event = signup(EMAIL, SUB, given_name="Nia")
    assert world.confirm(copy.deepcopy(event)) == event
    user = world.user(EMAIL)
    assert user is not None
    assert user["roles"] == ["team_member"]
    assert user["owed"].startswith("emit#")
    assert user["dueAt"] == user["owedSince"] + 300_000
    (published,) = world.published("UserSignedUp")
    assert published["detail"]["data"]["roles"] == ["team_member"]


def test_a_pre_created_user_keeps_roles_and_the_event_says_so(world: World) -> None:
    prepared = world.pre_create(EMAIL, "manager", givenName={"S": "Mara"})
    world.join(EMAIL, SUB, given_name="Nia", family_name="New")
    item = world.dynamodb.get_item(TableName=USERS, Key={"userId": {"S": EMAIL}})["Item"]
    assert {name: item[name] for name in prepared} == prepared
    data = world.published("UserSignedUp")[0]["detail"]["data"]
    assert (data["roles"], data["onboarding"], data["givenName"], data["familyName"]) == (
        ["manager"],
        "pre_created",
        "Mara",
        "New",
    )


class TestCalledAgain:
    def test_while_the_event_is_owed_it_is_emitted_again_with_the_same_id(self, world: World) -> None:
        for _ in range(2):
            world.join(EMAIL, SUB)
        first, second = world.published("UserSignedUp")
        assert first["detail"]["metadata"]["eventId"] == second["detail"]["metadata"]["eventId"]

    def test_after_enrichment_it_puts_no_debt_back_and_emits_nothing(self, world: World) -> None:
        world.join(EMAIL, SUB)
        world.work()
        before, events = world.user(EMAIL), len(world.events.events)
        world.join(EMAIL, SUB)
        assert (world.user(EMAIL), len(world.events.events)) == (before, events)

    @pytest.mark.parametrize("fault", ["retried", "lost_reply"])
    def test_a_lost_reply_is_still_one_signup(self, world: World, fault: str) -> None:
        plan = iter([fault])
        world.aws["dynamodb"] = Faulty(world.dynamodb, lambda *_: next(plan, None), SiteLog(), world.clock.advance)
        if fault == "lost_reply":
            with pytest.raises(Exception, match=SENTENCE):
                world.join(EMAIL, SUB)
        world.join(EMAIL, SUB)
        assert len(world.published("UserSignedUp")) == 1


class TestRefused:
    def test_another_sub(self, world: World) -> None:
        world.join(EMAIL, SUB)
        world.events.events.clear()
        assert refused(world, signup(EMAIL, OTHER)) == "linked_to_another_sub"

    def test_a_prepared_record_by_an_address_nobody_verified(self, world: World) -> None:
        world.pre_create(EMAIL, "admin")
        google = [{"providerName": "Google", "providerType": "Google", "primary": True}]
        event = signup(
            EMAIL, SUB, email_verified="false", cognito__user_status="EXTERNAL_PROVIDER", identities=json.dumps(google)
        )
        assert refused(world, event) == "link_needs_verified_email"

    @pytest.mark.parametrize(
        ("event", "cause"),
        [
            (signup(EMAIL, SUB, email_verified="false"), "nobody_vouches"),
            (signup(EMAIL, SUB, email_verified=None), "nobody_vouches"),
            (signup(EMAIL, SUB, cognito__user_status="EXTERNAL_PROVIDER"), "nobody_vouches"),
            (signup(EMAIL, SUB) | {"userPoolId": "eu-west-1_Other"}, "unknown_user_pool"),
            (signup(EMAIL, SUB) | {"userPoolId": ["eu-west-1_Onramp001"]}, "unknown_user_pool"),
            (signup(EMAIL, SUB) | {"triggerSource": 1}, "malformed_event"),
            (signup(EMAIL, "nia"), "unusable_sub"),
            (signup(EMAIL, None), "unusable_sub"),
            (signup("nia at example.com", SUB), "unusable_email"),
            (signup(None, SUB), "unusable_email"),
            (signup("nia@exämple.com", SUB), "unusable_email"),
        ],
    )
    def test_for_its_cause(self, world: World, event: Any, cause: str) -> None:
        assert refused(world, event) == cause


@pytest.mark.parametrize(
    "source",
    ["PostConfirmation_ConfirmForgotPassword", "PreSignUp_SignUp", "TokenGeneration_Authentication", "", "anything"],
)
def test_every_other_source_goes_back_unchanged(world: World, source: str) -> None:
    event = signup(EMAIL, SUB) | {"triggerSource": source}
    assert world.confirm(copy.deepcopy(event)) == event
    assert world.dynamodb.rows(USERS) == []
    assert world.events.events == []


class TestTheEvent:
    @pytest.mark.parametrize("fault", ["partial", "refused", "throttled", "not_sent", "lost_reply", "malformed"])
    def test_that_could_not_be_emitted_is_still_owed(self, world: World, fault: str) -> None:
        world.aws["events"] = Faulty(world.events, lambda *_: fault, SiteLog(), world.clock.advance)
        event = signup(EMAIL, SUB)
        assert world.confirm(event) == event
        user = world.user(EMAIL)
        assert user is not None
        assert user["owed"].startswith("emit#")
        assert any("EmitFailed" in line for line in world.lines())

    def test_is_not_tried_with_too_little_time_left(self, world: World) -> None:
        world.aws["dynamodb"] = Faulty(
            world.dynamodb, lambda *_: "slow", SiteLog(), world.clock.advance, slow_seconds=3.8
        )
        world.join(EMAIL, SUB)
        assert world.events.events == []
        assert world.user(EMAIL) is not None


@pytest.mark.parametrize("fault", ["refused", "throttled", "not_sent", "server_error", "malformed"])
def test_a_failed_write_says_the_same_sentence_and_emits_nothing(world: World, fault: str) -> None:
    world.aws["dynamodb"] = Faulty(world.dynamodb, lambda *_: fault, SiteLog(), world.clock.advance)
    with pytest.raises(Exception, match=SENTENCE):
        world.join(EMAIL, SUB)
    assert world.events.events == []
    assert any("SignupFailed" in line for line in world.lines())


def test_nothing_from_custom_attributes_metadata_or_unknown_keys_is_used(world: World) -> None:
    event = signup(EMAIL, SUB, custom__roles='["canary"]', roles='["canary"]', **{"cognito:groups": "canary"})
    event["request"]["clientMetadata"] = {"roles": "canary"}
    event["request"]["groupConfiguration"] = {"groupsToOverride": ["canary"]}
    event["canary"] = "canary"
    world.confirm(event)
    assert "canary" not in repr((world.dynamodb.rows(USERS), world.events.events)) + world.log.getvalue()


def test_nothing_personal_is_logged(world: World) -> None:
    world.join("canary.mail@example.com", SUB, given_name="Canarygiven", name="Canaryname", phone_number="+4912345")
    with pytest.raises(Exception, match=SENTENCE):
        world.join("canary.mail@example.com", OTHER)
    log = world.log.getvalue().lower()
    assert SUB in log
    assert not any(secret in log for secret in ("canary", "+4912345", "@example.com"))


def test_a_missing_setting_fails_at_init_naming_it() -> None:
    with (
        World(USERS_TABLE_NAME="", EVENT_BUS_NAME="") as world,
        pytest.raises(ConfigurationError, match="USERS_TABLE_NAME, EVENT_BUS_NAME"),
    ):
        world.confirm(signup(EMAIL, SUB))
