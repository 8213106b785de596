"""A subscription to the event bus: a queue and a rule, as another team has them. The demo reads events from it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from onramp.domain.event_data import SOURCE
from onramp.local.demo.users import Signup
from onramp.local.stack import LocalStack

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_sqs import SQSClient

NAME = "onramp-demo-listener"


class EventListener:
    def __init__(self, stack: LocalStack) -> None:
        self._sqs: SQSClient = stack.client("sqs")
        self._queue = self._sqs.create_queue(QueueName=NAME)["QueueUrl"]
        self._received: list[dict[str, Any]] = []
        _subscribe(stack, self._queue)

    def events(self, signup: Signup) -> dict[str, dict[str, Any]]:
        """The events received so far for this user, by detail-type, in EventBridge's envelope."""
        self._receive()
        return {event["detail-type"]: event for event in self._received if _sub_of(event) == signup.sub}

    def event_ids(self) -> set[str]:
        """The ids of all events received so far. Delivery is at least once: copies have the same id."""
        self._receive()
        return {event["detail"]["metadata"]["eventId"] for event in self._received}

    def _receive(self) -> None:
        for message in self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages", []):
            self._received.append(json.loads(message["Body"]))
            self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])


def _sub_of(event: dict[str, Any]) -> str:
    return str(event["detail"]["data"]["cognitoSub"])


def _subscribe(stack: LocalStack, queue: str) -> None:
    sqs: SQSClient = stack.client("sqs")
    events: EventBridgeClient = stack.client("events")
    bus = stack.outputs["EventBusName"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = json.dumps({"source": [SOURCE]})
    rule = events.put_rule(Name=NAME, EventBusName=bus, EventPattern=pattern)["RuleArn"]
    allow = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    events.put_targets(Rule=NAME, EventBusName=bus, Targets=[{"Id": "listener", "Arn": arn}])
