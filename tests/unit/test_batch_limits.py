"""More users at once than one AWS call takes: full batches, none larger. The fakes refuse what AWS refuses."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from onramp.adapters.items import to_values
from onramp.adapters.users import UserTable
from onramp.local.fakes.faults import Fault
from tests.pipeline import PROFILES, QUEUE, USERS, InMemoryPipeline

HOUR = 3600.0


def sign_up(pipeline: InMemoryPipeline, count: int) -> None:
    for number in range(count):
        pipeline.sign_up(f"user{number}@example.com", str(uuid.UUID(int=number)))


def owing_emit(pipeline: InMemoryPipeline, count: int) -> None:
    """Users whose event the bus refused, due now."""
    pipeline.inject_faults("events", "partial")
    sign_up(pipeline, count)
    pipeline.stop_faults("events")
    pipeline.clock.advance(HOUR)


def lose_messages(pipeline: InMemoryPipeline) -> None:
    while (batch := pipeline.sqs.lambda_batch(QUEUE))["Records"]:
        pipeline.sqs.settle(batch, None)


def due_again(pipeline: InMemoryPipeline, count: int) -> None:
    """Users who owe `enrich`, due now, and whose messages are lost."""
    pipeline.stripe.faults.add(Fault("server_error", times=None))
    sign_up(pipeline, count)
    pipeline.run_worker()
    pipeline.clock.advance(HOUR)
    lose_messages(pipeline)
    pipeline.clock.advance(12 * HOUR)


def change(pipeline: InMemoryPipeline, table: str, key: str, **values: Any) -> None:
    """As an operator edits a row by hand."""
    ((name, value),) = values.items()
    pipeline.dynamodb.update_item(
        TableName=table,
        Key={"userId": {"S": key}},
        UpdateExpression="SET #n = :v",
        ExpressionAttributeNames={"#n": name},
        ExpressionAttributeValues=to_values({":v": value}),
    )


def owed(pipeline: InMemoryPipeline) -> dict[str, int]:
    kinds = [str(row.get("owed", "nothing#")).partition("#")[0] for row in pipeline.dynamodb.rows(USERS)]
    return {kind: kinds.count(kind) for kind in sorted(set(kinds))}


def bodies(pipeline: InMemoryPipeline) -> set[str]:
    return {message.body for message in pipeline.sqs.messages(QUEUE)}


def test_thirty_owed_events_are_three_calls(pipeline: InMemoryPipeline) -> None:
    owing_emit(pipeline, 30)
    pipeline.events.calls.clear()
    pipeline.reconcile()
    assert pipeline.events.calls["put_events"] == 3
    assert owed(pipeline) == {"enrich": 30}
    assert pipeline.metric("EmittedAgain") == 30


def test_thirty_due_users_are_queued_in_three_calls(pipeline: InMemoryPipeline) -> None:
    due_again(pipeline, 30)
    pipeline.reconcile()
    assert pipeline.sqs.calls["send_message_batch"] == 3
    assert len(bodies(pipeline)) == 30
    assert pipeline.metric("QueuedAgain") == 30


def test_thirty_ready_users_owed_to_the_operator_are_queued_in_three_calls(pipeline: InMemoryPipeline) -> None:
    pipeline.stripe.faults.add(Fault("refused", operation="create", times=None))
    sign_up(pipeline, 30)
    pipeline.run_worker()
    assert owed(pipeline) == {"operator": 30}
    for row in pipeline.dynamodb.rows(PROFILES):
        change(pipeline, PROFILES, row["userId"], provisioningStatus="ready")
    pipeline.reconcile()
    assert pipeline.sqs.calls["send_message_batch"] == 3
    assert (owed(pipeline), len(bodies(pipeline))) == ({"enrich": 30}, 30)


def test_two_hundred_users_owed_to_the_operator_are_read_in_two_batches(pipeline: InMemoryPipeline) -> None:
    sign_up(pipeline, 200)
    for row in pipeline.dynamodb.rows(USERS):
        change(pipeline, USERS, row["userId"], owed="operator#1")
    pipeline.dynamodb.calls.clear()
    pipeline.reconcile()
    assert pipeline.dynamodb.calls["batch_get_item"] == 2 * len(("users", "tombstones", "profiles"))


class TestTooLarge:
    """A record of DynamoDB's size may be an event that is larger than AWS takes."""

    def too_large(self, pipeline: InMemoryPipeline, number: int) -> str:
        """Makes the event of a user larger than 1 MiB. Returns the sub."""
        change(pipeline, USERS, f"user{number}@example.com", roles=["é" * 180_000])
        return str(uuid.UUID(int=number))

    def refused(self, pipeline: InMemoryPipeline) -> dict[str, str]:
        (line,) = [line for line in pipeline.log_lines() if line.get("message") == "events refused"]
        assert pipeline.metric("RepeatRefused") == len(line["users"])
        users: dict[str, str] = line["users"]
        return users

    @pytest.mark.parametrize("count", [1, 12])
    def test_one_owed_event_does_not_hold_back_the_others(self, pipeline: InMemoryPipeline, count: int) -> None:
        owing_emit(pipeline, count)
        sub = self.too_large(pipeline, 0)
        pipeline.reconcile()
        assert owed(pipeline) == ({"emit": 1, "enrich": count - 1} if count > 1 else {"emit": 1})
        assert self.refused(pipeline) == {sub: "ValidationException"}

    @pytest.mark.parametrize("count", [1, 12])
    def test_one_message_does_not_hold_back_the_others(self, pipeline: InMemoryPipeline, count: int) -> None:
        due_again(pipeline, count)
        sub = self.too_large(pipeline, 0)
        pipeline.reconcile()
        assert len(bodies(pipeline)) == count - 1
        assert pipeline.metric("QueuedAgain") == (count - 1 or None)
        assert self.refused(pipeline) == {sub: "AWS.SimpleQueueService.BatchRequestTooLong"}

    def test_messages_that_are_too_large_together_are_all_sent(self, pipeline: InMemoryPipeline) -> None:
        due_again(pipeline, 3)
        for number in range(3):
            change(pipeline, USERS, f"user{number}@example.com", roles=["é" * 80_000])
        pipeline.reconcile()
        assert len(bodies(pipeline)) == pipeline.metric("QueuedAgain") == 3


@pytest.mark.parametrize("count", [100, 101, 250])
def test_any_number_of_records_is_read_by_hundreds(pipeline: InMemoryPipeline, count: int) -> None:
    sign_up(pipeline, count)
    emails = [f"user{number}@example.com" for number in range(count)]
    client: Any = pipeline.dynamodb
    found = UserTable(client, USERS).get_many([*emails, *emails])
    assert sorted(found) == sorted(emails)
    assert pipeline.dynamodb.calls["batch_get_item"] == -(-count // 100)
