"""The trigger with the inputs of Cognito, of an attacker, or of a later version of the event."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from onramp.adapters.reply import encodable
from onramp.domain.identity import MAX_NAME, canonical_email
from onramp.events import UserSignedUp
from tests.fakes.attributes import item_size
from tests.fakes.sqs_rules import check_message
from tests.fuzz.strategies import ANY_TEXT, FUZZ, JSON, ODD_TEXT, with_changes
from tests.pipeline import EMAIL, PROFILES, SUB, USERS, InMemoryPipeline, signup

SENTENCE = re.compile(
    r"SignUpFailed: We could not complete your sign-up\. Please contact support and quote "
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\."
)
GOOGLE = json.dumps([{"userId": "1", "providerName": "Google", "providerType": "Google", "primary": "true"}])
FEDERATED = signup(EMAIL, SUB, cognito__user_status="EXTERNAL_PROVIDER", identities=GOOGLE)
KILOBYTE = 1024


def refusal(pipeline: InMemoryPipeline, event: Any) -> str | None:
    """The text that Cognito would show to the user; None if the event is returned unchanged."""
    before = copy.deepcopy(event)
    try:
        answer = pipeline.invoke_trigger(event)
    except Exception as error:  # noqa: BLE001  # Cognito would show any of them
        return f"{type(error).__name__}: {error}"
    assert answer == encodable(event)
    assert event == before
    return None


def assert_refused_or_valid(event: Any) -> None:
    """The trigger refuses any event with the sentence, or writes and publishes valid data."""
    with InMemoryPipeline() as pipeline:
        shown = refusal(pipeline, event)
        users, published = pipeline.dynamodb.rows(USERS), pipeline.published("UserSignedUp")
        if shown is not None:
            assert SENTENCE.fullmatch(shown)
            assert (users, published) == ([], [])
        elif users or published:
            (user,), (envelope,) = users, published
            assert_valid(pipeline, user, envelope, event["request"]["userAttributes"])
        pipeline.log_lines()  # one JSON object a line


def assert_valid(
    pipeline: InMemoryPipeline, user: dict[str, Any], envelope: dict[str, Any], attributes: dict[str, Any]
) -> None:
    assert user["userId"] == canonical_email(attributes["email"])
    assert user["cognitoSub"] == attributes["sub"]
    assert user["roles"] == ["team_member"]
    assert all(0 < len(user.get(name, "x")) <= MAX_NAME for name in ("givenName", "familyName", "name"))
    item = pipeline.dynamodb.get_item(TableName=USERS, Key={"userId": {"S": user["userId"]}})["Item"]
    assert item_size(item) < 8 * KILOBYTE
    UserSignedUp.model_validate_json(json.dumps(envelope["detail"]))
    body = json.dumps(envelope)
    assert len(body) < 32 * KILOBYTE
    check_message({"MessageBody": json.dumps(envelope, ensure_ascii=False)})  # as EventBridge sends it to the queue
    pipeline.run_worker()
    assert (pipeline.profile(attributes["sub"]) or {})["provisioningStatus"] == "ready"


@FUZZ
@given(JSON)
def test_any_json_is_refused_with_the_sentence_or_is_not_a_signup(event: Any) -> None:
    with InMemoryPipeline() as pipeline:
        shown = refusal(pipeline, event)
        is_another_trigger = isinstance(event, dict) and isinstance(event.get("triggerSource"), str)
        assert (shown is None) == is_another_trigger
        assert shown is None or SENTENCE.fullmatch(shown)
        assert (pipeline.dynamodb.rows(USERS), pipeline.events.events) == ([], [])
        pipeline.log_lines()


@FUZZ
@given(with_changes(signup(EMAIL, SUB, given_name="Nia", name="Nia New")))
def test_a_nearly_right_event_is_refused_or_stored_sound(event: Any) -> None:
    assert_refused_or_valid(event)


@FUZZ
@given(with_changes(FEDERATED))
def test_a_nearly_right_federated_event_is_refused_or_stored_sound(event: Any) -> None:
    assert_refused_or_valid(event)


@FUZZ
@given(with_changes(json.loads(GOOGLE)).map(json.dumps) | ANY_TEXT | JSON)
@example("[" * 100_000)
@example(f"[{'9' * 5000}]")
def test_any_identities_are_refused_or_stored_sound(identities: Any) -> None:
    assert_refused_or_valid(signup(EMAIL, SUB, cognito__user_status="EXTERNAL_PROVIDER", identities=identities))


@FUZZ
@given(*(st.none() | ODD_TEXT | ANY_TEXT for _ in range(3)))
@example("G" * 10_000, "F" * 10_000, None)
@example("👩‍🚀" * 3_333, "\u202e" * 10_000, None)
@example(None, None, "\ufffe\uffff")
def test_no_name_blocks_a_signup_or_exceeds_a_limit(given: Any, family: Any, full: Any) -> None:
    with InMemoryPipeline() as pipeline:
        assert refusal(pipeline, signup(EMAIL, SUB, given_name=given, family_name=family, name=full)) is None
        (user,), (envelope,) = pipeline.dynamodb.rows(USERS), pipeline.published("UserSignedUp")
        assert_valid(pipeline, user, envelope, {"email": EMAIL, "sub": SUB})
        sent = [(pipeline.profile(SUB) or {})["displayName"]]
        sent += [customer["name"] for customer in pipeline.stripe.customers() if customer.get("name")]
        assert all(0 < len(name) <= MAX_NAME for name in sent), "the providers' limit"
        item = pipeline.dynamodb.get_item(TableName=PROFILES, Key={"userId": {"S": SUB}})["Item"]
        assert item_size(item) < 32 * KILOBYTE


@FUZZ
@given(with_changes(signup(EMAIL, SUB, given_name="Nia")) | JSON.filter(lambda event: isinstance(event, dict)))
def test_no_sign_in_is_ever_blocked(event: Any) -> None:
    with InMemoryPipeline() as pipeline:
        assert refusal(pipeline, event | {"triggerSource": "PostAuthentication_Authentication"}) is None
        for user, envelope in zip(pipeline.dynamodb.rows(USERS), pipeline.published("UserSignedUp"), strict=True):
            assert_valid(pipeline, user, envelope, event["request"]["userAttributes"])
        pipeline.log_lines()
