"""A tombstone in `Operations`: no late message, sweep or sign-in creates an erased user again."""

from __future__ import annotations

import uuid
from collections import Counter
from typing import Any

import pytest

from onramp.adapters.tombstones import Tombstones, tombstone_key
from onramp.domain.event_data import user_forgotten
from onramp.domain.users import User
from tests.pipeline import EMAIL, OPERATIONS, PROFILES, QUEUE, SUB, USERS, InMemoryPipeline, signup


def erase(pipeline: InMemoryPipeline) -> None:
    pipeline.dynamodb.put_item(TableName=OPERATIONS, Item=tombstone_key(SUB))
    pipeline.dynamodb.delete_item(TableName=USERS, Key={"userId": {"S": EMAIL}})


def outcomes(pipeline: InMemoryPipeline) -> list[str]:
    return [line["message"] for line in pipeline.log_lines() if line.get("sub") == SUB]


class TestTheWorker:
    def test_acknowledges_a_late_message_and_writes_nothing(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, SUB)
        erase(pipeline)
        pipeline.run_worker()
        assert outcomes(pipeline)[-1] == "forgotten"
        assert (pipeline.sqs.messages(QUEUE), pipeline.dead_letters()) == ([], [])
        assert (pipeline.dynamodb.rows(PROFILES), pipeline.stripe.customers()) == ([], [])

    def test_acknowledges_it_even_if_the_address_has_a_new_owner(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, SUB)
        late = pipeline.sqs.messages(QUEUE)[0]
        pipeline.run_worker()
        erase(pipeline)
        pipeline.sign_up(EMAIL, new := str(uuid.uuid4()))
        pipeline.sqs.duplicate(QUEUE, late)
        pipeline.run_worker()
        assert outcomes(pipeline)[-1] == "forgotten"
        assert pipeline.dead_letters() == []
        assert (pipeline.user(EMAIL) or {})["cognitoSub"] == new

    def test_dead_letters_the_message_of_an_unknown_user(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, SUB)
        pipeline.dynamodb.delete_item(TableName=USERS, Key={"userId": {"S": EMAIL}})
        pipeline.run_worker()
        assert [dead_letter["reason"] for dead_letter in pipeline.dead_letters()] == ["unknown_user"]

    def test_reads_one_tombstone_for_a_new_user_and_none_for_a_repetition(self, pipeline: InMemoryPipeline) -> None:
        tables: Counter[str] = Counter()
        real = pipeline.dynamodb.get_item

        def get_item(**request: Any) -> Any:
            tables[request["TableName"]] += 1
            return real(**request)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pipeline.dynamodb, "get_item", get_item)
            pipeline.sign_up(EMAIL, SUB)
            late = pipeline.sqs.messages(QUEUE)[0]
            pipeline.run_worker()
            assert tables[OPERATIONS] == 1
            pipeline.sqs.duplicate(QUEUE, late)
            pipeline.run_worker()
        assert tables[OPERATIONS] == 1

    @pytest.mark.parametrize("fault", ["refused", "throttled", "not_sent", "malformed"])
    def test_retries_if_the_read_fails(self, pipeline: InMemoryPipeline, fault: str) -> None:
        pipeline.sign_up(EMAIL, SUB)
        erase(pipeline)
        calls: list[str] = []

        def fail_second_read(_: int, __: str, name: str) -> str | None:
            calls.append(name)
            return fault if calls == ["get_item", "get_item"] else None

        pipeline.inject_faults("dynamodb", fail_second_read)
        pipeline.run_worker()
        assert (len(pipeline.sqs.messages(QUEUE)), pipeline.dead_letters()) == (1, [])
        pipeline.clock.advance(1000)
        pipeline.run_worker()
        assert pipeline.sqs.messages(QUEUE) == []


class TestNoUserIsCreatedAgain:
    def test_by_the_sweep(self, pipeline: InMemoryPipeline) -> None:
        pipeline.cognito.add_user(SUB, {"sub": SUB, "email": EMAIL, "email_verified": "true"})
        erase(pipeline)
        pipeline.clock.advance(600)
        pipeline.reconcile()
        assert pipeline.dynamodb.rows(USERS) == []
        (swept,) = (line for line in pipeline.log_lines() if line.get("message") == "swept")
        assert swept["found"]["forgotten"] == 1

    def test_by_a_sign_in(self, pipeline: InMemoryPipeline) -> None:
        erase(pipeline)
        event = signup(EMAIL, SUB) | {"triggerSource": "PostAuthentication_Authentication"}
        assert pipeline.invoke_trigger(event) == event
        assert (pipeline.dynamodb.rows(USERS), pipeline.metric("Healed") or 0) == ([], 0)


def test_a_tombstone_is_read_consistently(pipeline: InMemoryPipeline) -> None:
    tombstones = Tombstones(pipeline.dynamodb, OPERATIONS)  # type: ignore[arg-type]  # the fake
    pipeline.dynamodb.read_lag = 60.0
    assert not tombstones.is_forgotten(SUB)
    erase(pipeline)
    assert tombstones.is_forgotten(SUB)
    assert not tombstones.is_forgotten(SUB[::-1])


def test_erased_while_the_reconciler_emits(pipeline: InMemoryPipeline) -> None:
    """The last of 25 owed events: the erasure runs before the second PutEvents."""
    pipeline.inject_faults("events", "throttled")
    for number in range(25):
        pipeline.sign_up(f"user{number}@example.com", str(uuid.UUID(int=number)))
    pipeline.clock.advance(1)
    pipeline.sign_up(EMAIL, SUB)
    pipeline.clock.advance(600)

    def plan(index: int, *_: object) -> None:
        if index == 2:
            erase(pipeline)

    pipeline.inject_faults("events", plan)
    pipeline.reconcile()
    announced = [event["detail"]["data"]["cognitoSub"] for event in pipeline.published("UserSignedUp")]
    assert (len(announced), SUB in announced) == (25, False)


class TestConfirmedAfterTheErasure:
    """The trigger has no time to read a tombstone: it writes the record and emits."""

    def test_no_profile_no_provider_and_the_record_is_removed(self, pipeline: InMemoryPipeline) -> None:
        pipeline.dynamodb.put_item(TableName=OPERATIONS, Item=tombstone_key(SUB))
        pipeline.sign_up(EMAIL, SUB)
        pipeline.run_worker()
        assert (pipeline.dynamodb.rows(PROFILES), pipeline.stripe.calls) == ([], [])
        pipeline.clock.advance(301)
        pipeline.reconcile()
        pipeline.run_worker()
        assert pipeline.user(EMAIL) is None
        assert (pipeline.dynamodb.rows(PROFILES), pipeline.dead_letters()) == ([], [])
        assert len(pipeline.published("UserSignedUp")) == 1
        (again,) = pipeline.published("UserForgotten")
        assert again["detail"]["data"] == {"cognitoSub": SUB}

    def test_the_event_is_not_the_one_that_consumers_dropped_before(self) -> None:
        first = user_forgotten(SUB, "eu-west-1_Pool", at=5, correlation_id="c").detail["metadata"]["eventId"]
        again = user_forgotten(SUB, "eu-west-1_Pool", at=9, correlation_id="c", again=True).detail["metadata"][
            "eventId"
        ]
        repeated = user_forgotten(SUB, "eu-west-1_Pool", at=9, correlation_id="d", again=True)
        assert first != again == repeated.detail["metadata"]["eventId"]

    def test_a_record_that_was_linked_to_another_sub_meanwhile_stays(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, str(uuid.uuid4()))
        users = pipeline.function("reconcile").reconciler.reconcile.users
        assert not users.delete(User(EMAIL, cognito_sub=SUB))
        assert pipeline.user(EMAIL) is not None
