"""The worker and whatever lies in its queue: a forged message, a later version of the event, plain garbage."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from tests.fakes.sqs_rules import FORBIDDEN
from tests.fuzz.strategies import ANY_TEXT, FUZZ, JSON, ODD_TEXT, nearly
from tests.fuzz.test_trigger import EMAIL, SUB
from tests.pipeline import PROFILES, QUEUE, USERS, InMemoryPipeline

BYSTANDER, THEIR_SUB = "bo@example.com", "a4e8c0d6-1071-70f3-8b2a-6c5d9e3f1b02"
DEAD_LETTER = {"step", "reason", "errorCode", "attempts", "firstFailedAt", "codeVersion", "body"}


def two_signups(pipeline: InMemoryPipeline) -> tuple[str, str]:
    """The bodies of two messages that are taken from the queue again: the bystander's, and the one to be changed."""
    pipeline.sign_up(BYSTANDER, THEIR_SUB)
    pipeline.sign_up(EMAIL, SUB, given_name="Nia", family_name="New")
    batch = pipeline.sqs.lambda_batch(QUEUE)
    pipeline.sqs.settle(batch, {})
    theirs, ours = (record["body"] for record in batch["Records"])
    return theirs, ours


def _samples() -> tuple[Any, Any]:
    with InMemoryPipeline() as pipeline:
        theirs, ours = two_signups(pipeline)
        pipeline.sqs.put(QUEUE, theirs)
        pipeline.sqs.put(QUEUE, ours)
        return json.loads(ours), pipeline.sqs.lambda_batch(QUEUE)


ENVELOPE, BATCH = _samples()
bodies = st.one_of(
    nearly(ENVELOPE).map(json.dumps),
    nearly(ENVELOPE).map(lambda body: json.dumps(body, ensure_ascii=False)),
    JSON.map(json.dumps),
    ANY_TEXT | ODD_TEXT,
).filter(lambda body: body and not FORBIDDEN.search(body))  # SQS holds no other


def nobody_else_was_touched(pipeline: InMemoryPipeline) -> None:
    assert {row["userId"] for row in pipeline.dynamodb.rows(USERS)} == {BYSTANDER, EMAIL}
    assert all(row["roles"] == ["team_member"] for row in pipeline.dynamodb.rows(USERS))
    assert {row["userId"] for row in pipeline.dynamodb.rows(PROFILES)} <= {SUB, THEIR_SUB}
    owners = [customer["metadata"]["cognitoSub"] for customer in pipeline.stripe.customers()]
    assert len(owners) == len(set(owners))
    assert set(owners) <= {SUB, THEIR_SUB}


@FUZZ
@given(bodies)
@example("[" * 100_000)
@example('{"detail": {"metadata": {"schemaVersion": "' + "9" * 5000 + '.0"}}}')
@example(f'{{"n": {"9" * 5000}}}')
def test_any_message_is_understood_or_put_away_with_a_reason_and_fails_alone(body: str) -> None:
    with InMemoryPipeline() as pipeline:
        theirs, _ = two_signups(pipeline)
        pipeline.sqs.put(QUEUE, theirs)
        pipeline.sqs.put(QUEUE, body)
        assert pipeline.invoke_worker(pipeline.sqs.lambda_batch(QUEUE)) == {"batchItemFailures": []}
        assert (pipeline.profile(THEIR_SUB) or {})["provisioningStatus"] == "ready"
        nobody_else_was_touched(pipeline)
        if letters := pipeline.dead_letters():
            (letter,) = letters
            assert letter.keys() == DEAD_LETTER
            assert letter["body"] == body
            assert max(len(value) for name, value in letter.items() if name != "body") < 256
            assert (pipeline.user(EMAIL) or {})["owed"].startswith("emit#"), "a message is not the user's fault"
            assert pipeline.profile(SUB) is None
        else:
            assert (pipeline.profile(SUB) or {})["provisioningStatus"] == "ready"
        pipeline.log_lines()


@FUZZ
@given(
    JSON | nearly(BATCH) | nearly(BATCH["Records"][0]).map(lambda record: {"Records": [BATCH["Records"][1], record]})
)
def test_any_batch_at_all_harms_nobody(event: Any) -> None:
    with InMemoryPipeline() as pipeline:
        two_signups(pipeline)
        with suppress(Exception):  # not what SQS sends: the mapping would try it again
            pipeline.invoke_worker(event)
        nobody_else_was_touched(pipeline)
        pipeline.log_lines()
