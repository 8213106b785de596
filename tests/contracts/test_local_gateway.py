"""The gateway's additions to the emulator: redrive calls, checks of PutEvents entries, faults on demand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
import urllib3
from botocore.exceptions import ClientError

from onramp.local.stack import LocalStack
from tests.deployed import eventually


@pytest.fixture(autouse=True)
def _clear_faults(toy: LocalStack) -> Iterator[None]:
    yield
    toy.control.clear()


def entry(toy: LocalStack, **changes: Any) -> dict[str, Any]:
    valid = {"Source": "toy", "DetailType": "Played", "Detail": "{}", "EventBusName": toy.outputs["BusName"]}
    return {name: value for name, value in {**valid, **changes}.items() if value is not None}


def receive(toy: LocalStack, url: str = "InboxUrl") -> list[dict[str, Any]]:
    return list(
        toy.client("sqs").receive_message(QueueUrl=toy.outputs[url], MaxNumberOfMessages=10).get("Messages", [])
    )


def drain(toy: LocalStack, url: str = "InboxUrl") -> None:
    for message in receive(toy, url):
        toy.client("sqs").delete_message(QueueUrl=toy.outputs[url], ReceiptHandle=message["ReceiptHandle"])


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Detail": "no json"}, "MalformedDetail"),
        ({"Detail": "[1]"}, "MalformedDetail"),
        ({"Detail": None}, "InvalidArgument"),
        ({"Source": None}, "InvalidArgument"),
        ({"DetailType": ""}, "InvalidArgument"),
        ({"DetailType": "x" * 129}, "InvalidArgument"),
    ],
)
def test_a_malformed_entry_fails_alone(toy: LocalStack, changes: dict[str, Any], code: str) -> None:
    drain(toy)
    answer = toy.client("events").put_events(Entries=[entry(toy, **changes), entry(toy, Detail='{"n": 1}')])
    assert answer["FailedEntryCount"] == 1
    assert [result.get("ErrorCode") for result in answer["Entries"]] == [code, None]
    (message,) = eventually(lambda: receive(toy))
    assert json.loads(message["Body"])["detail"] == {"n": 1}


def test_more_than_ten_entries_are_refused(toy: LocalStack) -> None:
    with pytest.raises(ClientError, match="ValidationException"):
        toy.client("events").put_events(Entries=[entry(toy)] * 11)


def test_a_refused_call_does_nothing_and_the_next_one_works(toy: LocalStack) -> None:
    drain(toy)
    toy.control.fault("events", "PutEvents", "refused", code="ThrottlingException", status=400)
    with pytest.raises(ClientError, match="ThrottlingException"):
        toy.client("events").put_events(Entries=[entry(toy)])
    assert toy.client("events").put_events(Entries=[entry(toy, Detail='{"n": 2}')])["FailedEntryCount"] == 0
    assert [json.loads(m["Body"])["detail"] for m in eventually(lambda: receive(toy))] == [{"n": 2}]


def test_a_lost_reply_has_done_its_work(toy: LocalStack) -> None:
    drain(toy)
    toy.control.fault("events", "PutEvents", "lost_reply")
    with pytest.raises(ClientError, match="InternalFailure"):
        toy.client("events").put_events(Entries=[entry(toy)])
    assert len(eventually(lambda: receive(toy))) == 1


def test_entries_can_fail_in_a_call_with_status_200(toy: LocalStack) -> None:
    toy.control.fault("events", "PutEvents", "partial_failure", match="unlucky")
    entries = [entry(toy), entry(toy, DetailType="unlucky")]
    answer = toy.client("events").put_events(Entries=entries)
    assert answer["FailedEntryCount"] == 1
    assert [result.get("ErrorCode") for result in answer["Entries"]] == [None, "InternalFailure"]


def test_a_fault_without_a_count_lasts_until_cleared_and_affects_no_other_service(toy: LocalStack) -> None:
    toy.control.fault("events", "*", "refused", times=None)
    for _ in range(3):
        with pytest.raises(ClientError):
            toy.client("events").put_events(Entries=[entry(toy)])
    toy.client("sqs").list_queues()
    toy.control.clear()
    toy.client("events").put_events(Entries=[entry(toy)])


def test_a_timeout_fault_leaves_a_call_without_an_answer(toy: LocalStack) -> None:
    toy.control.fault("events", "PutEvents", "timeout")
    headers = {"x-amz-target": "AWSEvents.PutEvents"}
    with urllib3.PoolManager(retries=False, timeout=0.2) as http, pytest.raises(urllib3.exceptions.TimeoutError):
        http.request("POST", toy.endpoint, body=b"{}", headers=headers)


@pytest.mark.parametrize(("method", "control"), [("POST", "faults"), ("GET", "faults"), ("POST", "federated-sign-in")])
def test_an_invalid_control_request_is_rejected(toy: LocalStack, method: str, control: str) -> None:
    with urllib3.PoolManager(retries=False, timeout=5) as http:
        answer = http.request(method, f"{toy.endpoint}/_onramp/{control}", body=b'{"kind": "earthquake"}')
    assert 400 <= answer.status < 500
    assert answer.json()["message"]


@dataclass
class Queues:
    """A queue with maxReceiveCount 1, and its dead-letter queue."""

    toy: LocalStack
    name: str = field(default_factory=lambda: f"moves-{uuid4()}")

    def __post_init__(self) -> None:
        self.dlq = self._create(f"{self.name}-dead")
        policy = {"deadLetterTargetArn": self.arn(self.dlq), "maxReceiveCount": 1}
        self.source = self._create(self.name, VisibilityTimeout="0", RedrivePolicy=json.dumps(policy))

    def _create(self, name: str, **attributes: str) -> str:
        return str(self.toy.client("sqs").create_queue(QueueName=name, Attributes=attributes)["QueueUrl"])

    def _attribute(self, url: str, name: str) -> str:
        answer = self.toy.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=[name])
        return str(answer["Attributes"][name])

    def arn(self, url: str) -> str:
        return self._attribute(url, "QueueArn")

    def length(self, url: str) -> int:
        return int(self._attribute(url, "ApproximateNumberOfMessages"))

    def dead_letter(self, body: str) -> None:
        """Sends a message and receives it until SQS moves it to the dead-letter queue."""
        sqs = self.toy.client("sqs")
        sqs.send_message(QueueUrl=self.source, MessageBody=body)
        while not self.length(self.dlq):
            sqs.receive_message(QueueUrl=self.source)

    def task(self) -> dict[str, Any]:
        """The last message move task; empty while it runs."""
        (task,) = self.toy.client("sqs").list_message_move_tasks(SourceArn=self.arn(self.dlq))["Results"]
        return dict(task) if task["Status"] != "RUNNING" else {}


def test_messages_move_back_to_their_source_queue(toy: LocalStack) -> None:
    queues, sqs = Queues(toy), toy.client("sqs")
    queues.dead_letter("{}")
    assert sqs.list_dead_letter_source_queues(QueueUrl=queues.dlq)["queueUrls"] == [queues.source]
    sqs.start_message_move_task(SourceArn=queues.arn(queues.dlq))
    task = eventually(queues.task)
    assert (task["Status"], task["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", 1)
    assert (queues.length(queues.dlq), queues.length(queues.source)) == (0, 1)


def test_a_message_that_code_sent_to_the_dlq_needs_a_destination(toy: LocalStack) -> None:
    queues, sqs = Queues(toy), toy.client("sqs")
    attributes = {"reason": {"DataType": "String", "StringValue": "unknown_user"}}
    sqs.send_message(QueueUrl=queues.dlq, MessageBody="{}", MessageAttributes=attributes)
    sqs.start_message_move_task(SourceArn=queues.arn(queues.dlq))
    task = eventually(queues.task)
    assert (task["Status"], task["FailureReason"]) == ("FAILED", "CouldNotDetermineMessageSource")
    assert queues.length(queues.dlq) == 1
    sqs.start_message_move_task(SourceArn=queues.arn(queues.dlq), DestinationArn=queues.arn(queues.source))
    assert eventually(queues.task)["Status"] == "COMPLETED"
    (message,) = sqs.receive_message(QueueUrl=queues.source, MessageAttributeNames=["All"])["Messages"]
    assert message["MessageAttributes"] == attributes


def test_only_a_dead_letter_queue_can_be_redriven(toy: LocalStack) -> None:
    with pytest.raises(ClientError, match="Dead Letter Queue"):
        toy.client("sqs").start_message_move_task(SourceArn=toy.outputs["QueueArn"])
