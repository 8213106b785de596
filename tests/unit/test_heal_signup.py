"""A signup whose record could not be written: handed over by the trigger, healed from a queue, without a sweep."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from onramp.adapters.tombstones import tombstone_key
from onramp.adapters.users import UserTable
from onramp.domain.claims import Admission
from tests.pipeline import EMAIL, HEAL_DLQ, HEAL_QUEUE, OPERATIONS, OTHER_SUB, POOL, SUB, USERS, InMemoryPipeline

MINUTE = 60.0
SENTENCE = "We could not complete your sign-up"


def confirm(pipeline: InMemoryPipeline, email: str = EMAIL, sub: str = SUB, **attributes: str) -> None:
    """The user is confirmed in the pool; then Cognito calls the trigger, which fails."""
    standard = {"sub": sub, "email": email, "email_verified": "true"}
    pipeline.cognito.add_user(sub, standard | attributes)
    with pytest.raises(Exception, match=SENTENCE):
        pipeline.sign_up(email, sub, **attributes)


def lost_signup(pipeline: InMemoryPipeline, **attributes: str) -> None:
    """A confirmed user without a record; the table works again."""
    pipeline.inject_faults("dynamodb", "refused")
    confirm(pipeline, **attributes)
    pipeline.stop_faults("dynamodb")


def handed_over(pipeline: InMemoryPipeline) -> list[dict[str, Any]]:
    return pipeline.published("SignupNotRecorded")


def test_users_have_a_record_minutes_after_an_outage_without_a_sweep(pipeline: InMemoryPipeline) -> None:
    """DynamoDB is down for ten minutes under signups."""
    pipeline.inject_faults("dynamodb", "refused")
    emails = [f"user{number}@example.com" for number in range(20)]
    for email in emails:
        confirm(pipeline, email, str(uuid.uuid4()))
        pipeline.run_heal()
        pipeline.clock.advance(30)
    pipeline.stop_faults("dynamodb")
    for _ in range(7):
        pipeline.clock.advance(MINUTE)
        pipeline.run_heal()
        pipeline.run_worker()
    assert sorted(str(row["userId"]) for row in pipeline.dynamodb.rows(USERS)) == sorted(emails)
    assert not [row for row in pipeline.dynamodb.rows(USERS) if "owed" in row], "all provisioned"
    assert (pipeline.sqs.messages(HEAL_QUEUE), pipeline.sqs.messages(HEAL_DLQ)) == ([], [])


class TestTheTrigger:
    def test_hands_over_the_pool_and_the_sub_and_nothing_personal(self, pipeline: InMemoryPipeline) -> None:
        lost_signup(pipeline, given_name="Nia")
        (event,) = handed_over(pipeline)
        assert event["source"] == "onramp.internal", "consumers of onramp.signup never receive it"
        assert event["detail"]["data"] == {"cognitoSub": SUB, "userPoolId": POOL}
        assert set(event["detail"]["metadata"]) == {
            "eventId",
            "schemaVersion",
            "occurredAt",
            "correlationId",
            "origin",
        }

    def test_hands_over_a_signup_that_a_bug_stopped(
        self, pipeline: InMemoryPipeline, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def buggy(self: Admission, *_: object) -> None:
            raise IndexError

        monkeypatch.setattr(Admission, "claim", buggy)
        confirm(pipeline)
        assert len(handed_over(pipeline)) == 1
        assert pipeline.log_lines()[-1]["message"] == "handed over"

    @pytest.mark.parametrize(
        "attributes", [{"email_verified": "false"}, {"email": "nia at example.com"}, {"sub": "no sub"}]
    )
    def test_hands_over_no_rejected_signup(self, pipeline: InMemoryPipeline, attributes: dict[str, str]) -> None:
        with pytest.raises(Exception, match=SENTENCE):
            pipeline.sign_up(**{"email": EMAIL, "sub": SUB, **attributes})
        assert pipeline.events.events == []

    def test_leaves_the_user_to_the_sweep_where_no_time_is_left(self, pipeline: InMemoryPipeline) -> None:
        def late(*_: object) -> Any:
            pipeline.clock.advance(3.8)
            raise IndexError

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(UserTable, "claim", late)
            confirm(pipeline)
        assert handed_over(pipeline) == []
        assert pipeline.log_lines()[-1]["message"] == "left to the sweep"

    @pytest.mark.parametrize("fault", ["partial", "refused", "not_sent", "lost_reply", "malformed"])
    def test_reports_the_first_failure_where_the_bus_fails_too(self, pipeline: InMemoryPipeline, fault: str) -> None:
        pipeline.inject_faults("dynamodb", "throttled")
        pipeline.inject_faults("events", fault)
        confirm(pipeline)
        codes = [line["code"] for line in pipeline.log_lines() if line.get("message") == "record not written"]
        assert codes == ["users_update_ThrottlingException"]


class TestTheHeal:
    def test_applies_the_triggers_rules(self, pipeline: InMemoryPipeline) -> None:
        lost_signup(pipeline)
        pipeline.cognito.change_user(SUB, email_verified="false")
        pipeline.run_heal()
        assert pipeline.dynamodb.rows(USERS) == []
        assert pipeline.sqs.messages(HEAL_QUEUE) == []
        assert pipeline.log_lines()[-1]["cause"] == "nobody_vouches"

    def test_leaves_a_forgotten_user_alone(self, pipeline: InMemoryPipeline) -> None:
        lost_signup(pipeline)
        pipeline.dynamodb.put_item(TableName=OPERATIONS, Item=tombstone_key(SUB))
        pipeline.run_heal()
        assert (pipeline.dynamodb.rows(USERS), pipeline.sqs.messages(HEAL_QUEUE)) == ([], [])

    def test_changes_nothing_for_a_user_who_has_a_record(self, pipeline: InMemoryPipeline) -> None:
        lost_signup(pipeline)
        pipeline.sign_up(EMAIL, SUB)
        before = pipeline.dynamodb.rows(USERS)
        pipeline.run_heal()
        assert pipeline.dynamodb.rows(USERS) == before
        assert pipeline.metric("Healed") is None

    @pytest.mark.parametrize("status", ["UNCONFIRMED", None])
    def test_waits_for_a_pool_that_is_behind(self, pipeline: InMemoryPipeline, status: str | None) -> None:
        lost_signup(pipeline)
        user = pipeline.cognito.users.pop(SUB)
        if status:
            pipeline.cognito.users[SUB] = user
            user.status = status
        pipeline.run_heal()
        assert len(pipeline.sqs.messages(HEAL_QUEUE)) == 1
        pipeline.cognito.users[SUB] = user
        user.status = "CONFIRMED"
        pipeline.clock.advance(6 * MINUTE)
        pipeline.run_heal()
        assert pipeline.metric("Healed") == 1

    def test_forgets_a_deleted_user_after_half_an_hour(self, pipeline: InMemoryPipeline) -> None:
        lost_signup(pipeline)
        pipeline.cognito.users.clear()
        for _ in range(5):
            assert len(pipeline.sqs.messages(HEAL_QUEUE)) == 1
            pipeline.run_heal()
            pipeline.clock.advance(6 * MINUTE)
        assert (pipeline.sqs.messages(HEAL_QUEUE), pipeline.sqs.messages(HEAL_DLQ)) == ([], [])

    def test_one_failing_user_does_not_stop_the_others(
        self, pipeline: InMemoryPipeline, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pipeline.inject_faults("dynamodb", "refused")
        confirm(pipeline)
        confirm(pipeline, "other@example.com", OTHER_SUB)
        pipeline.stop_faults("dynamodb")
        claim = UserTable.claim

        def buggy(self: UserTable, wanted: Any) -> Any:
            return claim(self, wanted) if wanted.sub == OTHER_SUB else [][0]

        monkeypatch.setattr(UserTable, "claim", buggy)
        pipeline.run_heal()
        assert [row["userId"] for row in pipeline.dynamodb.rows(USERS)] == ["other@example.com"]
        assert pipeline.metric("SignupHealBug") == 1

    def test_starts_no_user_with_half_a_minute_left(self, pipeline: InMemoryPipeline) -> None:
        lost_signup(pipeline)
        batch = pipeline.sqs.lambda_batch(HEAL_QUEUE)
        answer = pipeline.invoke_heal(batch, timeout=29.0)
        assert [item["itemIdentifier"] for item in answer["batchItemFailures"]] == [batch["Records"][0]["messageId"]]
        assert pipeline.dynamodb.rows(USERS) == []

    @pytest.mark.parametrize(
        "body",
        [
            "not JSON",
            "[]",
            json.dumps({"detail": {"data": {"cognitoSub": SUB}}}),
            json.dumps({"detail": {"data": {"cognitoSub": SUB, "userPoolId": "eu-west-1_Other"}}}),
            json.dumps({"detail": {"data": {"cognitoSub": 'a" or sub ^= "', "userPoolId": POOL}}}),
            json.dumps({"detail": {"data": {"cognitoSub": [SUB], "userPoolId": [POOL]}}}),
        ],
    )
    def test_a_message_of_another_kind_ends_as_a_dead_letter(self, pipeline: InMemoryPipeline, body: str) -> None:
        pipeline.sqs.put(HEAL_QUEUE, body)
        for _ in range(241):
            pipeline.run_heal()
            pipeline.clock.advance(6 * MINUTE)
        assert len(pipeline.sqs.messages(HEAL_DLQ)) == 1
        assert pipeline.cognito.calls["list_users"] == 0
