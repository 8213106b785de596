"""Another team's subscription to the bus: a queue and a rule of its own. That is how the demo sees events."""

from __future__ import annotations

import json
from typing import Any

from onramp.domain.event_data import SOURCE
from onramp.local.demo.people import Signup
from onramp.local.stack import LocalStack

NAME = "onramp-demo-witness"


class Witness:
    def __init__(self, stack: LocalStack) -> None:
        self._sqs = stack.client("sqs")
        self._queue = self._sqs.create_queue(QueueName=NAME)["QueueUrl"]
        self._seen: list[dict[str, Any]] = []
        _subscribe(stack, self._queue)

    def events(self, signup: Signup) -> dict[str, dict[str, Any]]:
        """What has arrived about that user, by detail-type, in EventBridge's envelope."""
        self._receive()
        return {event["detail-type"]: event for event in self._seen if _sub_in(event) == signup.sub}

    def event_ids(self) -> set[str]:
        """Of every event so far. Delivery is at least once: the id tells an event from its copy."""
        self._receive()
        return {event["detail"]["metadata"]["eventId"] for event in self._seen}

    def _receive(self) -> None:
        for message in self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages", []):
            self._seen.append(json.loads(message["Body"]))
            self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])


def _sub_in(event: dict[str, Any]) -> str:
    return str(event["detail"]["data"]["cognitoSub"])


def _subscribe(stack: LocalStack, queue: str) -> None:
    sqs, events, bus = stack.client("sqs"), stack.client("events"), stack.outputs["EventBusName"]
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
    events.put_targets(Rule=NAME, EventBusName=bus, Targets=[{"Id": "witness", "Arn": arn}])
