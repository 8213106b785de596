"""The fake event source mapping: the event of an invocation, and the effect of the answer on the queue."""

from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser.models import SqsModel

from tests.fakes import FakeSqs, QueueSpec, VirtualClock


@pytest.fixture
def sqs() -> FakeSqs:
    work = QueueSpec(visibility_timeout=360, dead_letter_queue="Dead", max_receive_count=3)
    return FakeSqs({"Work": work, "Dead": QueueSpec()}, VirtualClock())


def remaining(sqs: FakeSqs) -> list[str]:
    return [message.body for message in sqs.messages("Work")]


def test_the_event_equals_that_of_lambda(sqs: FakeSqs) -> None:
    attributes = {"reason": {"DataType": "String", "StringValue": "why"}}
    sqs.send_message(QueueUrl=sqs.url("Work"), MessageBody='{"a": 1}', MessageAttributes=attributes)
    event = sqs.lambda_batch("Work")
    SqsModel.model_validate(event)
    (record,) = event["Records"]
    assert record["body"] == '{"a": 1}'
    assert record["eventSourceARN"] == "arn:aws:sqs:eu-west-1:123456789012:Work"
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert record["messageAttributes"]["reason"] == {
        "stringValue": "why",
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": "String",
    }


def test_a_batch_has_a_maximum(sqs: FakeSqs) -> None:
    for place in range(12):
        sqs.put("Work", str(place))
    assert [len(sqs.lambda_batch("Work", max=5)["Records"]) for _ in range(4)] == [5, 5, 2, 0]


ANSWERS: dict[str, tuple[Any, list[str]]] = {
    "nothing": (None, []),
    "an empty object": ({}, []),
    "an empty list": ({"batchItemFailures": []}, []),
    "a null list": ({"batchItemFailures": None}, []),
    "one failure": ({"batchItemFailures": [{"itemIdentifier": 1}]}, ["1"]),
    "the same failure twice": ({"batchItemFailures": [{"itemIdentifier": 1}, {"itemIdentifier": 1}]}, ["1"]),
    "all": ({"batchItemFailures": [{"itemIdentifier": place} for place in range(3)]}, ["0", "1", "2"]),
    "an unknown id": ({"batchItemFailures": [{"itemIdentifier": "other"}]}, ["0", "1", "2"]),
    "one known, one unknown": (
        {"batchItemFailures": [{"itemIdentifier": 1}, {"itemIdentifier": "other"}]},
        ["0", "1", "2"],
    ),
    "an empty id": ({"batchItemFailures": [{"itemIdentifier": ""}]}, ["0", "1", "2"]),
    "a null id": ({"batchItemFailures": [{"itemIdentifier": None}]}, ["0", "1", "2"]),
    "another key": ({"batchItemFailures": [{"messageId": 1}]}, ["0", "1", "2"]),
    "another shape": (["0"], ["0", "1", "2"]),
    "an exception": (RuntimeError(), ["0", "1", "2"]),
}


@pytest.mark.parametrize(("answer", "expected"), ANSWERS.values(), ids=ANSWERS.keys())
def test_an_answer_settles_the_batch(sqs: FakeSqs, answer: Any, expected: list[str]) -> None:
    for place in range(3):
        sqs.put("Work", str(place))
    event = sqs.lambda_batch("Work")
    sqs.settle(event, with_ids(answer, event))
    assert remaining(sqs) == expected


def with_ids(answer: Any, event: Any) -> Any:
    """The answer with message ids instead of indexes."""
    if isinstance(answer, dict):
        return {name: with_ids(value, event) for name, value in answer.items()}
    if isinstance(answer, list):
        return [with_ids(value, event) for value in answer]
    return event["Records"][answer]["messageId"] if isinstance(answer, int) else answer


def test_the_answer_of_a_batch_received_again_deletes_nothing(sqs: FakeSqs) -> None:
    sqs.put("Work", "slow")
    first = sqs.lambda_batch("Work")
    clock = sqs.clock
    assert isinstance(clock, VirtualClock)
    clock.advance(360)
    second = sqs.lambda_batch("Work")
    sqs.settle(first, None)
    assert remaining(sqs) == ["slow"]
    sqs.settle(second, None)
    assert remaining(sqs) == []
