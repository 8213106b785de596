"""The pipeline as an operator sees it: tables, queues, function logs. The demo shows nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from onramp.adapters.items import from_item, to_values
from onramp.local.demo.people import Person, Signup
from onramp.local.parameters import STACK_NAME
from onramp.local.stack import LocalStack

Item = dict[str, Any]
WORTH_READING = ("timestamp", "service", "message", "cause", "code", "emit_error", "place", "reason", "step", "sub")


class Pipeline:
    def __init__(self, stack: LocalStack) -> None:
        self._stack = stack
        self._outputs = stack.outputs
        self._dynamodb = stack.client("dynamodb")
        self._sqs = stack.client("sqs")
        self._logs = stack.client("logs")

    def resource_types(self) -> list[str]:
        """The type of every resource that CloudFormation made of the template."""
        pages = self._stack.client("cloudformation").get_paginator("list_stack_resources")
        return list(pages.paginate(StackName=STACK_NAME).search("StackResourceSummaries[].ResourceType"))

    # ── records ───────────────────────────────────────────────────────────────────────────────────────────────────

    def pre_create(self, person: Person, roles: Sequence[str], at: int) -> None:
        """What an admin's tool does: never over a record that is there."""
        record = {"userId": person.email, "roles": list(roles), "onboarding": "pre_created"}
        self._dynamodb.put_item(
            TableName=self._outputs["UsersTableName"],
            Item=to_values({**record, "createdAt": at, "updatedAt": at}),
            ConditionExpression="attribute_not_exists(userId)",
        )

    def user(self, person: Person) -> Item:
        """Empty where there is no record."""
        return self._item("UsersTableName", person.email)

    def profile(self, signup: Signup) -> Item:
        """Empty where there is no profile."""
        return self._item("UserProfilesTableName", signup.sub)

    def users(self) -> list[Item]:
        return self._items("UsersTableName")

    def profiles(self) -> list[Item]:
        return self._items("UserProfilesTableName")

    # ── queues ────────────────────────────────────────────────────────────────────────────────────────────────────

    def depth(self, queue: str) -> tuple[int, int]:
        """Messages that wait in the queue of that output, and those in flight: with a worker, or in backoff."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        reply = self._sqs.get_queue_attributes(QueueUrl=self._outputs[queue], AttributeNames=names)
        waiting, in_flight = (int(reply["Attributes"][name]) for name in names)
        return waiting, in_flight

    def enqueue(self, body: str) -> None:
        """Past Cognito and the bus, straight to the worker."""
        self._sqs.send_message(QueueUrl=self._outputs["ProvisioningQueueUrl"], MessageBody=body)

    def dead_letters(self) -> list[Item]:
        """Those not looked at yet: their bodies, and why they are there. They stay in the queue."""
        reply = self._sqs.receive_message(
            QueueUrl=self._outputs["ProvisioningDlqUrl"], MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        )
        return [
            {"body": message["Body"]}
            | {name: value["StringValue"] for name, value in message.get("MessageAttributes", {}).items()}
            for message in reply.get("Messages", [])
        ]

    # ── logs ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def log(self) -> Iterator[Item]:
        """The entries that both functions wrote. A traceback of the runtime is none."""
        for line in self._stack.logs():
            if line.startswith("{") and "message" in (entry := json.loads(line)):
                yield entry

    def last_words(self, count: int = 5) -> list[str]:
        """The latest entries, when something has gone wrong."""
        latest = sorted(self.log(), key=lambda entry: str(entry["timestamp"]))[-count:]
        return [" ".join(str(entry[name]) for name in WORTH_READING if entry.get(name)) for entry in latest]

    def trigger_calls(self) -> int:
        """How often the trigger has been invoked."""
        group = f"/aws/lambda/{self._outputs['PostConfirmationFunctionName']}"
        pages = self._logs.get_paginator("filter_log_events").paginate(logGroupName=group)
        return sum(message.startswith("START ") for message in pages.search("events[].message"))

    def _item(self, table: str, key: str) -> Item:
        reply = self._dynamodb.get_item(
            TableName=self._outputs[table], Key=to_values({"userId": key}), ConsistentRead=True
        )
        return from_item(reply.get("Item", {}))

    def _items(self, table: str) -> list[Item]:
        pages = self._dynamodb.get_paginator("scan").paginate(TableName=self._outputs[table])
        return [from_item(item) for page in pages for item in page["Items"]]
