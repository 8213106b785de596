"""The trigger: its writes, events, answers and log."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from onramp.domain.errors import ConfigurationError
from tests.pipeline import EMAIL, OTHER_SUB, SUB, USERS, InMemoryPipeline, signup

SENTENCE = "We could not complete your sign-up. Please contact support and quote "


def refusal_cause(pipeline: InMemoryPipeline, event: Any) -> str:
    """The logged cause of a refusal, which shows the user only the sentence and writes nothing."""
    before = pipeline.dynamodb.rows(USERS)
    with pytest.raises(Exception, match=SENTENCE) as caught:
        pipeline.invoke_trigger(event)
    assert type(caught.value).__name__ == "SignUpFailed"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert pipeline.dynamodb.rows(USERS) == before
    assert pipeline.events.events == []
    return next(str(line["cause"]) for line in reversed(pipeline.log_lines()) if "cause" in line and "message" in line)


def test_a_new_user(pipeline: InMemoryPipeline) -> None:
    event = signup(EMAIL, SUB, given_name="Nia")
    assert pipeline.invoke_trigger(copy.deepcopy(event)) == event
    user = pipeline.user(EMAIL)
    assert user is not None
    assert user["roles"] == ["team_member"]
    assert user["owed"].startswith("emit#")
    assert user["dueAt"] == user["owedSince"] + 300_000
    (published,) = pipeline.published("UserSignedUp")
    assert published["detail"]["data"]["roles"] == ["team_member"]


def test_a_pre_created_user_keeps_roles_in_record_and_event(pipeline: InMemoryPipeline) -> None:
    prepared = pipeline.pre_create(EMAIL, "manager", givenName={"S": "Mara"})
    pipeline.sign_up(EMAIL, SUB, given_name="Nia", family_name="New")
    item = pipeline.dynamodb.get_item(TableName=USERS, Key={"userId": {"S": EMAIL}})["Item"]
    assert {name: item[name] for name in prepared} == prepared
    data = pipeline.published("UserSignedUp")[0]["detail"]["data"]
    assert (data["roles"], data["onboarding"], data["givenName"], data["familyName"]) == (
        ["manager"],
        "pre_created",
        "Mara",
        "New",
    )


class TestCalledAgain:
    def test_while_the_event_is_owed_it_is_emitted_again_with_the_same_id(self, pipeline: InMemoryPipeline) -> None:
        for _ in range(2):
            pipeline.sign_up(EMAIL, SUB)
        first, second = pipeline.published("UserSignedUp")
        assert first["detail"]["metadata"]["eventId"] == second["detail"]["metadata"]["eventId"]

    def test_after_enrichment_nothing_is_owed_again_and_nothing_emitted(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, SUB)
        pipeline.run_worker()
        before, events = pipeline.user(EMAIL), len(pipeline.events.events)
        pipeline.sign_up(EMAIL, SUB)
        assert (pipeline.user(EMAIL), len(pipeline.events.events)) == (before, events)

    @pytest.mark.parametrize("fault", ["retried", "lost_reply"])
    def test_a_lost_reply_is_still_one_signup(self, pipeline: InMemoryPipeline, fault: str) -> None:
        faults = iter([fault])
        pipeline.inject_faults("dynamodb", lambda *_: next(faults, None))
        if fault == "lost_reply":
            with pytest.raises(Exception, match=SENTENCE):
                pipeline.sign_up(EMAIL, SUB)
        pipeline.sign_up(EMAIL, SUB)
        assert len(pipeline.published("UserSignedUp")) == 1


class TestRefused:
    def test_another_sub(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, SUB)
        pipeline.events.events.clear()
        assert refusal_cause(pipeline, signup(EMAIL, OTHER_SUB)) == "linked_to_another_sub"

    def test_a_pre_created_record_by_an_unverified_address(self, pipeline: InMemoryPipeline) -> None:
        pipeline.pre_create(EMAIL, "admin")
        google = [{"providerName": "Google", "providerType": "Google", "primary": True}]
        event = signup(
            EMAIL, SUB, email_verified="false", cognito__user_status="EXTERNAL_PROVIDER", identities=json.dumps(google)
        )
        assert refusal_cause(pipeline, event) == "link_needs_verified_email"

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
    def test_for_its_cause(self, pipeline: InMemoryPipeline, event: Any, cause: str) -> None:
        assert refusal_cause(pipeline, event) == cause


@pytest.mark.parametrize(
    "source",
    ["PostConfirmation_ConfirmForgotPassword", "PreSignUp_SignUp", "TokenGeneration_Authentication", "", "anything"],
)
def test_an_event_of_another_source_is_returned_unchanged(pipeline: InMemoryPipeline, source: str) -> None:
    event = signup(EMAIL, SUB) | {"triggerSource": source}
    assert pipeline.invoke_trigger(copy.deepcopy(event)) == event
    assert pipeline.dynamodb.rows(USERS) == []
    assert pipeline.events.events == []


class TestTheEvent:
    @pytest.mark.parametrize("fault", ["partial", "refused", "throttled", "not_sent", "lost_reply", "malformed"])
    def test_that_could_not_be_emitted_is_still_owed(self, pipeline: InMemoryPipeline, fault: str) -> None:
        pipeline.inject_faults("events", fault)
        event = signup(EMAIL, SUB)
        assert pipeline.invoke_trigger(event) == event
        user = pipeline.user(EMAIL)
        assert user is not None
        assert user["owed"].startswith("emit#")
        assert any("EmitFailed" in line for line in pipeline.log_lines())

    def test_is_not_tried_with_too_little_time_left(self, pipeline: InMemoryPipeline) -> None:
        pipeline.inject_faults("dynamodb", "slow", slow_seconds=3.8)
        pipeline.sign_up(EMAIL, SUB)
        assert pipeline.events.events == []
        assert pipeline.user(EMAIL) is not None


@pytest.mark.parametrize("fault", ["refused", "throttled", "not_sent", "server_error", "malformed"])
def test_a_failed_write_answers_the_same_sentence_and_tells_consumers_nothing(
    pipeline: InMemoryPipeline, fault: str
) -> None:
    pipeline.inject_faults("dynamodb", fault)
    with pytest.raises(Exception, match=SENTENCE):
        pipeline.sign_up(EMAIL, SUB)
    assert [event["source"] for event in pipeline.events.events] == ["onramp.internal"]
    assert any("SignupFailed" in line for line in pipeline.log_lines())


def test_nothing_from_custom_attributes_metadata_or_unknown_keys_is_used(pipeline: InMemoryPipeline) -> None:
    event = signup(EMAIL, SUB, custom__roles='["canary"]', roles='["canary"]', **{"cognito:groups": "canary"})
    event["request"]["clientMetadata"] = {"roles": "canary"}
    event["request"]["groupConfiguration"] = {"groupsToOverride": ["canary"]}
    event["canary"] = "canary"
    pipeline.invoke_trigger(event)
    assert "canary" not in repr((pipeline.dynamodb.rows(USERS), pipeline.events.events)) + pipeline.log.getvalue()


def test_nothing_personal_is_logged(pipeline: InMemoryPipeline) -> None:
    pipeline.sign_up(
        "canary.mail@example.com", SUB, given_name="Canarygiven", name="Canaryname", phone_number="+4912345"
    )
    with pytest.raises(Exception, match=SENTENCE):
        pipeline.sign_up("canary.mail@example.com", OTHER_SUB)
    log = pipeline.log.getvalue().lower()
    assert SUB in log
    assert not any(secret in log for secret in ("canary", "+4912345", "@example.com"))


def test_a_missing_setting_fails_at_init_naming_it() -> None:
    with (
        InMemoryPipeline(USERS_TABLE_NAME="", EVENT_BUS_NAME="") as pipeline,
        pytest.raises(ConfigurationError, match="USERS_TABLE_NAME, EVENT_BUS_NAME"),
    ):
        pipeline.invoke_trigger(signup(EMAIL, SUB))
