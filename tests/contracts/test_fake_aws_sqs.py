"""SQS: receiving, receipts, visibility, redrive, attributes and batches, over the fake, moto and the emulator."""

import time
import uuid
from dataclasses import dataclass
from typing import Any

import pytest

from tests.contracts.backends import LENIENT, Backend, deviates, error_code
from tests.fakes import QueueSpec


@dataclass
class Queues:
    """Two empty queues for one test."""

    client: Any
    work: str
    dead: str


@pytest.fixture
def queues(backend: Backend) -> Queues:
    work, dead = f"work-{uuid.uuid4().hex}", f"dead-{uuid.uuid4().hex}"
    redriven = QueueSpec(visibility_timeout=600, dead_letter_queue=dead, max_receive_count=3)
    client = backend.queues({dead: QueueSpec(), work: redriven})
    urls = (client.get_queue_url(QueueName=name)["QueueUrl"] for name in (work, dead))
    return Queues(client, *urls)


@pytest.fixture
def sqs(queues: Queues) -> Any:
    return queues.client


@pytest.fixture
def work(queues: Queues) -> str:
    return queues.work


def receive(sqs: Any, url: str, visibility: int = 600) -> Any:
    """One message with all its attributes; None if there is none."""
    reply = sqs.receive_message(
        QueueUrl=url,
        VisibilityTimeout=visibility,
        MessageSystemAttributeNames=["All"],
        MessageAttributeNames=["All"],
    )
    return next(iter(reply.get("Messages", [])), None)


def counts(sqs: Any, url: str) -> tuple[int, int, int]:
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    names = ("", "NotVisible", "Delayed")
    visible, hidden, delayed = (int(attributes[f"ApproximateNumberOfMessages{name}"]) for name in names)
    return visible, hidden, delayed


def test_a_message_is_received_as_it_was_sent(sqs: Any, work: str) -> None:
    attributes = {"reason": {"DataType": "String", "StringValue": "why"}}
    sent = sqs.send_message(QueueUrl=work, MessageBody="body", MessageAttributes=attributes)
    message = receive(sqs, work)
    assert (message["Body"], message["MessageId"]) == ("body", sent["MessageId"])
    assert message["MD5OfBody"] == sent["MD5OfMessageBody"] == "841a2d689ad86bd1611447453c22c6fc"
    assert message["MessageAttributes"] == attributes
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    assert abs(int(message["Attributes"]["SentTimestamp"]) / 1000 - time.time()) < 60
    assert {"SenderId", "ApproximateFirstReceiveTimestamp"} <= message["Attributes"].keys()


def test_only_the_requested_attributes(sqs: Any, work: str) -> None:
    attributes = {name: {"DataType": "String", "StringValue": "x"} for name in ("a.one", "a.two", "b")}
    sqs.send_message(QueueUrl=work, MessageBody="body", MessageAttributes=attributes)
    plain = sqs.receive_message(QueueUrl=work, VisibilityTimeout=0)["Messages"][0]
    assert plain.keys() & {"Attributes", "MessageAttributes"} == set()
    selected = sqs.receive_message(QueueUrl=work, MessageAttributeNames=["a.*"])["Messages"][0]
    assert selected["MessageAttributes"].keys() == {"a.one", "a.two"}


def test_a_received_message_is_hidden_until_its_timeout(sqs: Any, work: str) -> None:
    sqs.send_message(QueueUrl=work, MessageBody="body")
    first = receive(sqs, work)
    assert receive(sqs, work) is None
    assert counts(sqs, work) == (0, 1, 0)
    sqs.change_message_visibility(QueueUrl=work, ReceiptHandle=first["ReceiptHandle"], VisibilityTimeout=0)
    second = receive(sqs, work)
    assert second["MessageId"] == first["MessageId"]
    assert second["ReceiptHandle"] != first["ReceiptHandle"]
    assert second["Attributes"]["ApproximateReceiveCount"] == "2"
    for name in ("SentTimestamp", "ApproximateFirstReceiveTimestamp"):
        assert second["Attributes"][name] == first["Attributes"][name]


@deviates(emulator="calls the receipt of a deleted message invalid")
def test_a_deleted_message_is_gone(sqs: Any, work: str) -> None:
    sqs.send_message(QueueUrl=work, MessageBody="body")
    handle = receive(sqs, work, visibility=0)["ReceiptHandle"]
    sqs.delete_message(QueueUrl=work, ReceiptHandle=handle)
    assert receive(sqs, work) is None
    sqs.delete_message(QueueUrl=work, ReceiptHandle=handle)  # deleting again is not an error


@deviates(moto="deletes by any receipt of the message", emulator="calls an older receipt invalid")
def test_an_older_receipt_deletes_nothing(sqs: Any, work: str) -> None:
    sqs.send_message(QueueUrl=work, MessageBody="body")
    older = receive(sqs, work, visibility=0)["ReceiptHandle"]
    receive(sqs, work, visibility=600)
    sqs.delete_message(QueueUrl=work, ReceiptHandle=older)
    assert counts(sqs, work) == (0, 1, 0)


def test_an_invalid_receipt(sqs: Any, work: str) -> None:
    with pytest.raises(sqs.exceptions.ReceiptHandleIsInvalid):
        sqs.delete_message(QueueUrl=work, ReceiptHandle="nonsense")


@deviates(moto=LENIENT, emulator=LENIENT)
def test_the_visibility_of_a_message_that_is_not_in_flight(sqs: Any, work: str) -> None:
    sqs.send_message(QueueUrl=work, MessageBody="body")
    handle = receive(sqs, work, visibility=0)["ReceiptHandle"]
    with pytest.raises(sqs.exceptions.MessageNotInflight):
        sqs.change_message_visibility(QueueUrl=work, ReceiptHandle=handle, VisibilityTimeout=60)


@deviates(emulator=LENIENT)
def test_visibility_has_a_maximum_of_twelve_hours(sqs: Any, work: str) -> None:
    sqs.send_message(QueueUrl=work, MessageBody="body")
    request = {"QueueUrl": work, "ReceiptHandle": receive(sqs, work)["ReceiptHandle"]}
    refused = error_code(lambda: sqs.change_message_visibility(**request, VisibilityTimeout=43_201))
    assert refused == "InvalidParameterValue"


@deviates(moto="omits the source of a dead letter")
def test_a_message_received_too_often_goes_to_the_dead_letter_queue(sqs: Any, queues: Queues) -> None:
    work = queues.work
    attributes = {"step": {"DataType": "String", "StringValue": "stripe"}}
    sqs.send_message(QueueUrl=work, MessageBody="poison", MessageAttributes=attributes)
    received = [receive(sqs, work, visibility=0) for _ in range(3)]
    assert receive(sqs, work) is None
    dead = receive(sqs, queues.dead)
    assert (dead["Body"], dead["MessageAttributes"]) == ("poison", attributes)
    assert dead["MessageId"] == received[0]["MessageId"]
    assert dead["Attributes"]["SentTimestamp"] == received[0]["Attributes"]["SentTimestamp"]
    assert dead["Attributes"]["DeadLetterQueueSourceArn"].endswith(work.rsplit("/", 1)[-1])


def test_a_delayed_message_waits(sqs: Any, work: str) -> None:
    sqs.send_message(QueueUrl=work, MessageBody="later", DelaySeconds=2)
    assert receive(sqs, work) is None
    assert counts(sqs, work) == (0, 0, 1)


def too_many() -> dict[str, Any]:
    return {f"a{place}": {"DataType": "String", "StringValue": "x"} for place in range(11)}


BAD_MESSAGES = [
    pytest.param({"MessageBody": ""}, "MissingParameter", id="empty", marks=deviates(moto=LENIENT)),
    pytest.param(
        {"MessageBody": "\x00"}, "InvalidMessageContents", id="control character", marks=deviates(moto=LENIENT)
    ),
    pytest.param({"MessageBody": "\ufffe"}, "InvalidMessageContents", id="no character", marks=deviates(moto=LENIENT)),
    pytest.param({"MessageBody": "x" * 1_048_577}, "InvalidParameterValue", id="too large"),
    pytest.param(
        {"MessageBody": "x", "DelaySeconds": 901}, "InvalidParameterValue", id="delay", marks=deviates(emulator=LENIENT)
    ),
    pytest.param(
        {"MessageBody": "x", "MessageAttributes": too_many()},
        "InvalidParameterValue",
        id="attributes",
        marks=deviates(moto=LENIENT, emulator=LENIENT),
    ),
    pytest.param(
        {"MessageBody": "x", "MessageAttributes": {"a": {"DataType": "String", "StringValue": ""}}},
        "InvalidParameterValue",
        id="empty attribute",
        marks=deviates(moto=LENIENT, emulator=LENIENT),
    ),
    pytest.param(
        {"MessageBody": "x", "MessageAttributes": {"a": {"DataType": "Text", "StringValue": "x"}}},
        "InvalidParameterValue",
        id="attribute type",
        marks=deviates(emulator=LENIENT),
    ),
]


@pytest.mark.parametrize(("message", "expected"), BAD_MESSAGES)
def test_messages_that_are_refused(sqs: Any, work: str, message: dict[str, Any], expected: str) -> None:
    assert error_code(lambda: sqs.send_message(QueueUrl=work, **message)) == expected
    assert counts(sqs, work) == (0, 0, 0)


@deviates(moto="accepts characters that AWS refuses")
def test_a_batch_fails_by_entry(sqs: Any, work: str) -> None:
    entries = [{"Id": "good", "MessageBody": "body"}, {"Id": "bad", "MessageBody": "\x00"}]
    reply = sqs.send_message_batch(QueueUrl=work, Entries=entries)
    assert [entry["Id"] for entry in reply["Successful"]] == ["good"]
    assert [(entry["Id"], entry["Code"], entry["SenderFault"]) for entry in reply["Failed"]] == [
        ("bad", "InvalidMessageContents", True)
    ]
    handle = receive(sqs, work)["ReceiptHandle"]
    deleted = sqs.delete_message_batch(QueueUrl=work, Entries=[{"Id": "0", "ReceiptHandle": handle}])
    assert [entry["Id"] for entry in deleted["Successful"]] == ["0"]
    assert not deleted.get("Failed")


BAD_BATCHES = [
    pytest.param([], "EmptyBatchRequest", id="empty"),
    pytest.param([{"Id": "a"}, {"Id": "a"}], "BatchEntryIdsNotDistinct", id="same id"),
    pytest.param([{"Id": str(place)} for place in range(11)], "TooManyEntriesInBatchRequest", id="eleven"),
    pytest.param([{"Id": "a b"}], "InvalidBatchEntryId", id="id"),
]


@pytest.mark.parametrize(("entries", "expected"), BAD_BATCHES)
def test_batches_that_are_refused(sqs: Any, work: str, entries: list[Any], expected: str) -> None:
    filled = [entry | {"MessageBody": "body"} for entry in entries]
    refused = error_code(lambda: sqs.send_message_batch(QueueUrl=work, Entries=filled))
    assert refused == f"AWS.SimpleQueueService.{expected}"


def test_an_absent_queue(sqs: Any, work: str) -> None:
    absent = work + "-absent"
    with pytest.raises(sqs.exceptions.QueueDoesNotExist) as raised:
        sqs.send_message(QueueUrl=absent, MessageBody="body")
    assert raised.value.response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"


def test_receiving_takes_one_to_ten(sqs: Any, work: str) -> None:
    refused = error_code(lambda: sqs.receive_message(QueueUrl=work, MaxNumberOfMessages=11))
    assert refused == "InvalidParameterValue"
    assert "Messages" not in sqs.receive_message(QueueUrl=work)
