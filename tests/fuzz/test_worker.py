"""The worker with any message in its queue: forged, of a later version of the event, or not an event at all."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from tests.fakes.sqs_rules import FORBIDDEN
from tests.fuzz.strategies import ANY_TEXT, FUZZ, JSON, ODD_TEXT, with_changes
from tests.pipeline import EMAIL, OTHER_SUB, PROFILES, QUEUE, SUB, USERS, InMemoryPipeline

BYSTANDER = "bo@example.com"
DEAD_LETTER = {"step", "reason", "errorCode", "attempts", "firstFailedAt", "codeVersion", "body"}


def two_signups(pipeline: InMemoryPipeline) -> tuple[str, str]:
    """The bodies of two messages, which are removed from the queue: the bystander's, and the one to be changed."""
    pipeline.sign_up(BYSTANDER, OTHER_SUB)
    pipeline.sign_up(EMAIL, SUB, given_name="Nia", family_name="New")
    batch = pipeline.sqs.lambda_batch(QUEUE)
    pipeline.sqs.settle(batch, {})
    bystanders, changeable = (record["body"] for record in batch["Records"])
    return bystanders, changeable


def _samples() -> tuple[Any, Any]:
    with InMemoryPipeline() as pipeline:
        bystanders, changeable = two_signups(pipeline)
        pipeline.sqs.put(QUEUE, bystanders)
        pipeline.sqs.put(QUEUE, changeable)
        return json.loads(changeable), pipeline.sqs.lambda_batch(QUEUE)


ENVELOPE, BATCH = _samples()
bodies = st.one_of(
    with_changes(ENVELOPE).map(json.dumps),
    with_changes(ENVELOPE).map(lambda body: json.dumps(body, ensure_ascii=False)),
    JSON.map(json.dumps),
    ANY_TEXT | ODD_TEXT,
).filter(lambda body: body and not FORBIDDEN.search(body))  # SQS refuses all others


def assert_only_the_two_users_exist(pipeline: InMemoryPipeline) -> None:
    assert {row["userId"] for row in pipeline.dynamodb.rows(USERS)} == {BYSTANDER, EMAIL}
    assert all(row["roles"] == ["team_member"] for row in pipeline.dynamodb.rows(USERS))
    assert {row["userId"] for row in pipeline.dynamodb.rows(PROFILES)} <= {SUB, OTHER_SUB}
    owners = [customer["metadata"]["cognitoSub"] for customer in pipeline.stripe.customers()]
    assert len(owners) == len(set(owners))
    assert set(owners) <= {SUB, OTHER_SUB}


@FUZZ
@given(bodies)
@example("[" * 100_000)
@example('{"detail": {"metadata": {"schemaVersion": "' + "9" * 5000 + '.0"}}}')
@example(f'{{"n": {"9" * 5000}}}')
def test_any_message_is_processed_or_dead_lettered_with_a_reason_and_fails_alone(body: str) -> None:
    with InMemoryPipeline() as pipeline:
        bystanders, _ = two_signups(pipeline)
        pipeline.sqs.put(QUEUE, bystanders)
        pipeline.sqs.put(QUEUE, body)
        assert pipeline.invoke_worker(pipeline.sqs.lambda_batch(QUEUE)) == {"batchItemFailures": []}
        assert (pipeline.profile(OTHER_SUB) or {})["provisioningStatus"] == "ready"
        assert_only_the_two_users_exist(pipeline)
        if dead_letters := pipeline.dead_letters():
            (dead_letter,) = dead_letters
            assert dead_letter.keys() == DEAD_LETTER
            assert dead_letter["body"] == body
            assert max(len(value) for name, value in dead_letter.items() if name != "body") < 256
            assert (pipeline.user(EMAIL) or {})["owed"].startswith("emit#"), "a bad message does not change the record"
            assert pipeline.profile(SUB) is None
        else:
            assert (pipeline.profile(SUB) or {})["provisioningStatus"] == "ready"
        pipeline.log_lines()


@FUZZ
@given(
    JSON
    | with_changes(BATCH)
    | with_changes(BATCH["Records"][0]).map(lambda record: {"Records": [BATCH["Records"][1], record]})
)
def test_any_batch_leaves_other_users_unchanged(event: Any) -> None:
    with InMemoryPipeline() as pipeline:
        two_signups(pipeline)
        with suppress(Exception):  # SQS sends no such batch; the mapping would retry it
            pipeline.invoke_worker(event)
        assert_only_the_two_users_exist(pipeline)
        pipeline.log_lines()
