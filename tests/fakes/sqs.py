"""An in-memory SQS (standard queues) behind the boto3 client's interface.

    sqs = FakeSqs({"Work": QueueSpec(dead_letter_queue="Dead", max_receive_count=3), "Dead": QueueSpec()}, clock)
    sqs.send_message(QueueUrl=sqs.url("Work"), MessageBody="{}")
    event = sqs.lambda_batch("Work")            # the event that the Lambda function receives
    sqs.settle(event, handler(event, context))  # the event source mapping deletes the messages that did not fail

No call waits: long polling answers at once, and visibility, delay and retention follow the injected clock. With `rng`,
messages are received in any order, as AWS may deliver them.
"""

import json
import random
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.fakes.client import Clock, FakeClient, Reply, Request, operation
from tests.fakes.lambda_events import failed_ids, lambda_record, system_attributes
from tests.fakes.queues import Message, Queue, QueueSpec
from tests.fakes.sqs_rules import SqsRefused, check_batch, check_message, check_range, md5

MAX_VISIBILITY = 12 * 3600
MAX_IN_FLIGHT = 120_000


class FakeSqs(FakeClient):
    service = "sqs"

    def __init__(
        self,
        queues: Mapping[str, QueueSpec],
        clock: Clock,
        *,
        rng: random.Random | None = None,
        validate: bool = True,
    ) -> None:
        super().__init__(clock, validate=validate)
        self.queues = {name: Queue(name, spec, clock, rng) for name, spec in queues.items()}
        self._sent = 0

    def url(self, queue: str) -> str:
        return self.queues[queue].url

    def arn(self, queue: str) -> str:
        return self.queues[queue].arn

    def messages(self, queue: str) -> list[Message]:
        """All messages of the queue, in flight or not, for assertions."""
        with self._lock:
            return list(self.queues[queue].messages())

    def put(self, queue: str, body: str, attributes: Mapping[str, Any] | None = None, delay: float = 0) -> Message:
        """Enqueues without a client call, as EventBridge does."""
        with self._lock:
            self._sent += 1
            identity = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{queue}/{self._sent}"))
            message = Message(identity, body, self.clock(), self.clock() + delay, attributes or {})
            self.queues[queue].add(message)
            return message

    def duplicate(self, queue: str, message: Message) -> None:
        """Delivers a message again, even if it is in flight or deleted: standard queues may do that."""
        with self._lock:
            now = self.clock()
            copy = Message(message.id, message.body, message.sent, now, message.attributes, message.receive_count)
            self.queues[queue].add(copy)

    def sink(self, queue: str) -> Callable[[Mapping[str, Any]], None]:
        """A target for FakeEventBridge."""

        def deliver(envelope: Mapping[str, Any]) -> None:
            self.put(queue, json.dumps(envelope, separators=(",", ":")))

        return deliver

    def lambda_batch(self, queue: str, max: int = 10) -> dict[str, Any]:  # noqa: A002 - a batch has its maximum
        """The event of one invocation. Without records no message is visible, and the function is not invoked."""
        with self._lock:
            source = self.queues[queue]
            taken = self._take(source, max, source.spec.visibility_timeout)
            return {"Records": [lambda_record(message, source.handle(message), source.arn) for message in taken]}

    def settle(self, event: Mapping[str, Any], response: Any) -> None:
        """Deletes the messages that the function did not report as failed. An exception fails the whole batch."""
        failed = failed_ids(event, response)
        with self._lock:
            for record in event["Records"]:
                if record["messageId"] not in failed:
                    self.queues[record["eventSourceARN"].split(":")[-1]].delete_by(record["receiptHandle"])

    @contextmanager
    def _on(self, name: str, request: Request) -> Iterator[Queue]:
        """The queue of a request; an SqsRefused becomes the client's error."""
        queue = self.queues.get(request["QueueUrl"].rsplit("/", 1)[-1])
        if queue is None:
            older = "AWS.SimpleQueueService.NonExistentQueue"
            raise self.error(name, "QueueDoesNotExist", "The specified queue does not exist.", query_code=older)
        try:
            yield queue
        except SqsRefused as refused:
            code = f"AWS.SimpleQueueService.{refused.code}" if refused.older else refused.code
            raise self.error(name, refused.code, refused.message, query_code=code) from None

    def _take(self, queue: Queue, limit: int, visibility: float) -> list[Message]:
        def move(message: Message) -> None:
            message.visible_at = self.clock()
            self.queues[queue.spec.dead_letter_queue].add(message)

        taken: list[Message] = []
        while len(taken) < limit and (message := queue.take(move)):
            queue.hide_until(message, self.clock() + visibility)
            taken.append(message)
        return taken

    def _send(self, queue: Queue, request: Request) -> Reply:
        check_message(request)
        delay = request.get("DelaySeconds", queue.spec.delay)
        check_range("DelaySeconds", delay, 0, 900)
        message = self.put(queue.name, request["MessageBody"], request.get("MessageAttributes"), delay)
        return {"MessageId": message.id, "MD5OfMessageBody": md5(message.body)}

    def _change(self, queue: Queue, request: Request) -> Reply:
        timeout = request["VisibilityTimeout"]
        check_range("VisibilityTimeout", timeout, 0, MAX_VISIBILITY)
        message = queue.find(request["ReceiptHandle"])
        if message is None:
            message_gone = "Reason: Message does not exist or is not available for visibility timeout change."
            raise SqsRefused("InvalidParameterValue", f"Value for parameter ReceiptHandle is invalid. {message_gone}")
        if message.visible_at <= self.clock():
            raise SqsRefused("MessageNotInflight", "The message referred to is not in flight.", older=True)
        if self.clock() + timeout > message.received + MAX_VISIBILITY:
            limit = f"Total VisibilityTimeout for the message is beyond the limit [{MAX_VISIBILITY} seconds]"
            raise SqsRefused("InvalidParameterValue", limit)
        queue.hide_until(message, self.clock() + timeout)
        return {}

    def _batch(self, name: str, request: Request, one: Callable[[Queue, Request], Reply]) -> Reply:
        successful, failed = [], []
        with self._on(name, request) as queue:
            check_batch(request["Entries"])
            for entry in request["Entries"]:
                try:
                    successful.append({"Id": entry["Id"], **one(queue, entry)})
                except SqsRefused as refused:
                    why = {"SenderFault": True, "Code": refused.code, "Message": refused.message}
                    failed.append({"Id": entry["Id"], **why})
        return {"Successful": successful} | ({"Failed": failed} if failed else {})

    @operation("QueueUrl MessageBody MessageAttributes DelaySeconds")
    def send_message(self, request: Request) -> Reply:
        with self._on("send_message", request) as queue:
            return self._send(queue, request)

    @operation("QueueUrl Entries")
    def send_message_batch(self, request: Request) -> Reply:
        return self._batch("send_message_batch", request, self._send)

    @operation("QueueUrl ReceiptHandle")
    def delete_message(self, request: Request) -> Reply:
        with self._on("delete_message", request) as queue:
            queue.delete_by(request["ReceiptHandle"])
        return {}

    @operation("QueueUrl Entries")
    def delete_message_batch(self, request: Request) -> Reply:
        return self._batch(
            "delete_message_batch", request, lambda queue, entry: queue.delete_by(entry["ReceiptHandle"])
        )

    @operation("QueueUrl ReceiptHandle VisibilityTimeout")
    def change_message_visibility(self, request: Request) -> Reply:
        with self._on("change_message_visibility", request) as queue:
            return self._change(queue, request)

    @operation("QueueUrl Entries")
    def change_message_visibility_batch(self, request: Request) -> Reply:
        return self._batch("change_message_visibility_batch", request, self._change)

    @operation(
        "QueueUrl MaxNumberOfMessages VisibilityTimeout WaitTimeSeconds "
        "AttributeNames MessageSystemAttributeNames MessageAttributeNames"
    )
    def receive_message(self, request: Request) -> Reply:
        with self._on("receive_message", request) as queue:
            most = request.get("MaxNumberOfMessages", 1)
            check_range("MaxNumberOfMessages", most, 1, 10)
            check_range("VisibilityTimeout", request.get("VisibilityTimeout", 0), 0, MAX_VISIBILITY)
            check_range("WaitTimeSeconds", request.get("WaitTimeSeconds", 0), 0, 20)
            if queue.in_flight_at_least(MAX_IN_FLIGHT):
                raise SqsRefused("OverLimit", "Too many messages in flight.")
            taken = self._take(queue, most, request.get("VisibilityTimeout", queue.spec.visibility_timeout))
            messages = [_received(queue, message, request) for message in taken]
        return {"Messages": messages} if messages else {}

    @operation("QueueUrl AttributeNames")
    def get_queue_attributes(self, request: Request) -> Reply:
        with self._on("get_queue_attributes", request) as queue:
            wanted, attributes = request.get("AttributeNames", []), queue.attributes()
            if spec := self.queues.get(queue.spec.dead_letter_queue):
                policy = {"deadLetterTargetArn": spec.arn, "maxReceiveCount": queue.spec.max_receive_count}
                attributes["RedrivePolicy"] = json.dumps(policy)
        requested = {name: value for name, value in attributes.items() if name in wanted or "All" in wanted}
        return {"Attributes": requested} if requested else {}

    @operation("QueueName QueueOwnerAWSAccountId")
    def get_queue_url(self, request: Request) -> Reply:
        with self._on("get_queue_url", {"QueueUrl": request["QueueName"]}) as queue:
            return {"QueueUrl": queue.url}


def _received(queue: Queue, message: Message, request: Request) -> Reply:
    reply: Reply = {"MessageId": message.id, "ReceiptHandle": queue.handle(message), "Body": message.body}
    reply["MD5OfBody"] = md5(message.body)
    names = [*request.get("AttributeNames", []), *request.get("MessageSystemAttributeNames", [])]
    system = {name: value for name, value in system_attributes(message).items() if name in names or "All" in names}
    wanted = request.get("MessageAttributeNames", [])
    own = {name: dict(value) for name, value in message.attributes.items() if _requested(name, wanted)}
    return reply | ({"Attributes": system} if system else {}) | ({"MessageAttributes": own} if own else {})


def _requested(name: str, wanted: list[str]) -> bool:
    prefixes = [pattern[:-1] for pattern in wanted if pattern.endswith(".*")]
    return "All" in wanted or name in wanted or any(name.startswith(prefix) for prefix in prefixes)
