"""Reads the tables, queues and function logs of the stack, as an operator can. The demo shows nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from onramp.adapters.items import from_item, to_values
from onramp.local.demo.users import Person, Signup
from onramp.local.parameters import STACK_NAME
from onramp.local.stack import LocalStack
from onramp.ops.tables.users import PreCreatedUser, UserWrites

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_sqs import SQSClient

Item = dict[str, Any]
LOG_FIELDS = ("timestamp", "service", "message", "cause", "code", "emit_error", "place", "reason", "step", "sub")


class Pipeline:
    def __init__(self, stack: LocalStack) -> None:
        self._stack = stack
        self._outputs = stack.outputs
        self._dynamodb: DynamoDBClient = stack.client("dynamodb")
        self._sqs: SQSClient = stack.client("sqs")
        self._logs: CloudWatchLogsClient = stack.client("logs")

    def resource_types(self) -> list[str]:
        """The type of every resource that CloudFormation created."""
        cloudformation: CloudFormationClient = self._stack.client("cloudformation")
        pages = cloudformation.get_paginator("list_stack_resources")
        return list(pages.paginate(StackName=STACK_NAME).search("StackResourceSummaries[].ResourceType"))

    # ── records ───────────────────────────────────────────────────────────────────────────────────────────────────

    def pre_create(self, person: Person, roles: Sequence[str], at: int) -> None:
        """Creates a record as `onramp user pre-create` does."""
        UserWrites(self._dynamodb, self._outputs["UsersTableName"]).pre_create(
            PreCreatedUser(person.email, tuple(roles)), at
        )

    def user(self, person: Person) -> Item:
        """Empty if there is no record."""
        return self._item("UsersTableName", person.email)

    def profile(self, signup: Signup) -> Item:
        """Empty if there is no profile."""
        return self._item("UserProfilesTableName", signup.sub)

    def users(self) -> list[Item]:
        return self._items("UsersTableName")

    def profiles(self) -> list[Item]:
        return self._items("UserProfilesTableName")

    # ── queues ────────────────────────────────────────────────────────────────────────────────────────────────────

    def depth(self, queue: str) -> tuple[int, int]:
        """Visible messages, and messages in flight (with a worker or in backoff). `queue` names a stack output."""
        counts = self._sqs.get_queue_attributes(
            QueueUrl=self._outputs[queue],
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )["Attributes"]
        return int(counts["ApproximateNumberOfMessages"]), int(counts["ApproximateNumberOfMessagesNotVisible"])

    def enqueue(self, body: str) -> None:
        """Sends a message directly to the worker's queue."""
        self._sqs.send_message(QueueUrl=self._outputs["ProvisioningQueueUrl"], MessageBody=body)

    def dead_letters(self) -> list[Item]:
        """The visible dead letters: body and attributes. They stay in the queue, invisible for a while."""
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
        """The structured entries in the functions' logs, without the runtime's own lines."""
        for line in self._stack.logs():
            if line.startswith("{") and "message" in (entry := json.loads(line)):
                yield entry

    def last_log_lines(self, count: int = 5) -> list[str]:
        """The latest entries as text, for a failed check."""
        latest = sorted(self.log(), key=lambda entry: str(entry["timestamp"]))[-count:]
        return [" ".join(str(entry[name]) for name in LOG_FIELDS if entry.get(name)) for entry in latest]

    def trigger_calls(self) -> int:
        """The number of invocations of the trigger."""
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
