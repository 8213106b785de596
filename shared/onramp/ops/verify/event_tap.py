"""A temporary rule and queue that receive the events of one synthetic user only."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from onramp.ops.common.errors import CommandFailed

if TYPE_CHECKING:
    from mypy_boto3_events.client import EventBridgeClient
    from mypy_boto3_sqs.client import SQSClient

PROBE = "onramp.verify"
RETENTION_SECONDS = "300"


@dataclass(slots=True)
class EventTap:
    events: EventBridgeClient
    sqs: SQSClient
    bus: str
    name: str
    url: str = ""
    received: list[dict[str, Any]] = field(default_factory=list)

    def open(self, sub: str) -> None:
        """The pattern names the sub: no data of a real user reaches the queue."""
        self.url = self.sqs.create_queue(QueueName=self.name, Attributes={"MessageRetentionPeriod": RETENTION_SECONDS})[
            "QueueUrl"
        ]
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"]
        pattern = {"detail": {"data": {"cognitoSub": [sub]}}}
        rule = self.events.put_rule(Name=self.name, EventBusName=self.bus, EventPattern=json.dumps(pattern))
        policy = _policy(attributes["QueueArn"], rule["RuleArn"])
        self.sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": json.dumps(policy)})
        targets = self.events.put_targets(
            Rule=self.name, EventBusName=self.bus, Targets=[{"Id": "queue", "Arn": attributes["QueueArn"]}]
        )
        if targets["FailedEntryCount"]:
            raise CommandFailed("EventBridge did not accept the target of the temporary rule: run this again.")

    def probe(self, sub: str) -> bool:
        """Whether the rule delivers already: a new rule takes effect only after a while."""
        detail = json.dumps({"data": {"cognitoSub": sub}})
        self.events.put_events(
            Entries=[{"EventBusName": self.bus, "Source": PROBE, "DetailType": "Probe", "Detail": detail}]
        )
        return self.has("Probe")

    def has(self, kind: str) -> bool:
        """Whether an event of that detail-type has arrived."""
        reply = self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in reply.get("Messages", []):
            self.received.append(json.loads(message["Body"]))
            self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return any(event["detail-type"] == kind for event in self.received)

    def delete_rule(self) -> None:
        with suppress(self.events.exceptions.ResourceNotFoundException):
            self.events.remove_targets(Rule=self.name, EventBusName=self.bus, Ids=["queue"])
        with suppress(self.events.exceptions.ResourceNotFoundException):
            self.events.delete_rule(Name=self.name, EventBusName=self.bus)

    def delete_queue(self) -> None:
        with suppress(self.sqs.exceptions.QueueDoesNotExist):
            self.sqs.delete_queue(QueueUrl=self.sqs.get_queue_url(QueueName=self.name)["QueueUrl"])


def _policy(queue: str, rule: str) -> dict[str, Any]:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}
