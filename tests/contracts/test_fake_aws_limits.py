"""AWS's limits on which the code relies, each with the largest request that is accepted and the next that is refused.

PutEvents, ListUsers and single messages: `test_fake_aws_events` and `test_fake_aws_sqs`.
"""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.contracts.backends import LENIENT, Backend, deviates, error_code
from tests.fakes import QueueSpec

TWELVE_HOURS = 43_200
BATCHES: dict[str, dict[str, Any]] = {
    "send_message_batch": {"MessageBody": "body"},
    "delete_message_batch": {"ReceiptHandle": "handle"},
    "change_message_visibility_batch": {"ReceiptHandle": "handle", "VisibilityTimeout": 0},
}
KNOWN = {
    "delete_message_batch": {"moto": LENIENT},
    "change_message_visibility_batch": {"moto": LENIENT},
    "VisibilityTimeout -1": {"moto": LENIENT, "emulator": LENIENT},
    f"VisibilityTimeout {TWELVE_HOURS + 1}": {"emulator": LENIENT},
    "WaitTimeSeconds -1": {"emulator": LENIENT},
    "WaitTimeSeconds 21": {"emulator": LENIENT},
}
TABLE = {
    "KeySchema": [{"AttributeName": "userId", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "userId", "AttributeType": "S"}],
}


@pytest.fixture
def queue(backend: Backend) -> tuple[Any, str]:
    name = f"limits-{uuid.uuid4().hex}"
    client = backend.queues({name: QueueSpec(visibility_timeout=600)})
    return client, str(client.get_queue_url(QueueName=name)["QueueUrl"])


@pytest.fixture
def sqs(queue: tuple[Any, str]) -> Any:
    return queue[0]


@pytest.fixture
def url(queue: tuple[Any, str]) -> str:
    return queue[1]


@pytest.fixture(scope="module")
def db(backend: Backend) -> Any:
    return backend.tables({"Limits": TABLE})


def receipts(sqs: Any, url: str) -> list[str]:
    """Of ten messages."""
    entries = [{"Id": str(place), "MessageBody": str(place)} for place in range(10)]
    assert len(sqs.send_message_batch(QueueUrl=url, Entries=entries)["Successful"]) == 10
    received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    return [message["ReceiptHandle"] for message in received]


def test_a_batch_of_ten(sqs: Any, url: str) -> None:
    handles = receipts(sqs, url)
    assert len(handles) == 10
    entries = [{"Id": str(place), "ReceiptHandle": handle} for place, handle in enumerate(handles)]
    changes = [entry | {"VisibilityTimeout": TWELVE_HOURS - 60} for entry in entries]
    assert len(sqs.change_message_visibility_batch(QueueUrl=url, Entries=changes)["Successful"]) == 10
    assert len(sqs.delete_message_batch(QueueUrl=url, Entries=entries)["Successful"]) == 10


@pytest.mark.parametrize("operation", [pytest.param(name, marks=deviates(**KNOWN.get(name, {}))) for name in BATCHES])
def test_a_batch_of_eleven(sqs: Any, url: str, operation: str) -> None:
    entries = [{"Id": str(place), **BATCHES[operation]} for place in range(11)]
    refused = error_code(lambda: getattr(sqs, operation)(QueueUrl=url, Entries=entries))
    assert refused == "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"


def test_a_batch_is_at_most_one_mebibyte(sqs: Any, url: str) -> None:
    entries = [{"Id": str(place), "MessageBody": "x" * 524_289} for place in range(2)]
    refused = error_code(lambda: sqs.send_message_batch(QueueUrl=url, Entries=entries))
    assert refused == "AWS.SimpleQueueService.BatchRequestTooLong"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(name, value, marks=deviates(**KNOWN.get(f"{name} {value}", {})))
        for name, value in (
            ("MaxNumberOfMessages", 0),
            ("MaxNumberOfMessages", 11),
            ("VisibilityTimeout", -1),
            ("VisibilityTimeout", TWELVE_HOURS + 1),
            ("WaitTimeSeconds", -1),
            ("WaitTimeSeconds", 21),
        )
    ],
)
def test_a_receive_out_of_range(sqs: Any, url: str, name: str, value: int) -> None:
    sqs.send_message(QueueUrl=url, MessageBody="a backend that accepts the request answers at once")
    assert error_code(lambda: sqs.receive_message(QueueUrl=url, **{name: value})) == "InvalidParameterValue"


@deviates(emulator=LENIENT)
@pytest.mark.parametrize("seconds", [pytest.param(-1, marks=deviates(moto=LENIENT)), TWELVE_HOURS + 1])
def test_a_visibility_out_of_range(sqs: Any, url: str, seconds: int) -> None:
    request = {"QueueUrl": url, "ReceiptHandle": receipts(sqs, url)[0], "VisibilityTimeout": seconds}
    assert error_code(lambda: sqs.change_message_visibility(**request)) == "InvalidParameterValue"


def keys(count: int) -> list[dict[str, Any]]:
    return [{"userId": {"S": f"{place}-{uuid.uuid4().hex}"}} for place in range(count)]


def test_a_batch_get_takes_a_hundred_keys(db: Any) -> None:
    assert db.batch_get_item(RequestItems={"Limits": {"Keys": keys(100)}})["Responses"] == {"Limits": []}
    refused = error_code(lambda: db.batch_get_item(RequestItems={"Limits": {"Keys": keys(101)}}))
    assert refused == "ValidationException"


def test_a_transaction_takes_a_hundred_actions(db: Any) -> None:
    def actions(count: int) -> list[dict[str, Any]]:
        return [{"Put": {"TableName": "Limits", "Item": key}} for key in keys(count)]

    db.transact_write_items(TransactItems=actions(100))
    assert error_code(lambda: db.transact_write_items(TransactItems=actions(101))) == "ValidationException"


@deviates(moto="refuses more than 405,000 bytes")
def test_an_item_is_at_most_400_kibibytes(db: Any) -> None:
    item = {"userId": {"S": "large"}, "a": {"S": "x" * (400 * 1024 - len("userIdlargea"))}}
    db.put_item(TableName="Limits", Item=item)
    item["a"]["S"] += "x"
    assert error_code(lambda: db.put_item(TableName="Limits", Item=item)) == "ValidationException"
