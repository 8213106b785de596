"""What users, admins and operators do with a running stack, through real API calls."""

from __future__ import annotations

import json
import signal
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from boto3.dynamodb.types import TypeDeserializer

from onramp.local.fakes.client import FakeControl
from onramp.local.stack import LocalStack

T = TypeVar("T")
PASSWORD = "Correct-horse-9-battery"
CODE = "123456"
DEADLINE = 30.0


def eventually(read: Callable[[], T | None], *, within: float = DEADLINE, what: str = "") -> T:
    """Repeats `read` until its result is truthy. Fails after `within` seconds with the last result.

    A pause is a tenth of the time waited so far: a stack that answers polls works more slowly.
    """
    start = time.monotonic()
    while not (result := read()):
        waited = time.monotonic() - start
        if waited > within:
            raise AssertionError(f"not within {within} s: {what or read}; last result: {result!r}")
        time.sleep(min(max(0.03, waited / 10), 0.5))
    return result


def disable_mappings(stack: LocalStack) -> None:
    """Stops worker and healer, where they are no part of a test or a bench."""
    client = stack.client("lambda")
    for mapping in client.list_event_source_mappings()["EventSourceMappings"]:
        client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)


@dataclass
class DeployedPipeline:
    """A running stack with the clients of its users, admins and operators."""

    stack: LocalStack

    def __post_init__(self) -> None:
        self.outputs = self.stack.outputs
        self.cognito = self.stack.client("cognito-idp")
        self.dynamodb = self.stack.client("dynamodb")
        self.sqs = self.stack.client("sqs")
        self.events = self.stack.client("events")
        self.stripe = FakeControl(self.stack.fakes["stripe"])
        self.revenuecat = FakeControl(self.stack.fakes["revenuecat"])

    def settings(self, function: str) -> dict[str, str]:
        """The environment variables of `PostConfirmation`, `EnrichProfile`, ... as deployed."""
        name = self.outputs[f"{function}FunctionName"]
        found = self.stack.client("lambda").get_function_configuration(FunctionName=name, Qualifier="live")
        return dict(found["Environment"]["Variables"])

    # -- users and admins -------------------------------------------------------------------------------

    def sign_up(self, email: str, **attributes: str) -> str:
        """Signs up without confirming. Returns the sub."""
        reply = self.cognito.sign_up(
            ClientId=self.outputs["UserPoolClientId"],
            Username=email,
            Password=PASSWORD,
            UserAttributes=[{"Name": name, "Value": value} for name, value in {"email": email, **attributes}.items()],
        )
        return str(reply["UserSub"])

    def confirm(self, email: str, **more: Any) -> None:
        """Confirms with the code: Cognito marks the address as verified."""
        client_id = self.outputs["UserPoolClientId"]
        self.cognito.confirm_sign_up(ClientId=client_id, Username=email, ConfirmationCode=CODE, **more)

    def confirm_by_admin(self, email: str) -> None:
        """Confirms without a code, which verifies nothing."""
        self.cognito.admin_confirm_sign_up(UserPoolId=self.outputs["UserPoolId"], Username=email)

    def join(self, email: str, **attributes: str) -> str:
        """Signs up and confirms. Returns the sub."""
        sub = self.sign_up(email, **attributes)
        self.confirm(email)
        return sub

    def pre_create(self, email: str, *roles: str, **more: Any) -> dict[str, Any]:
        record = {
            "userId": {"S": email},
            "roles": {"L": [{"S": role} for role in roles]},
            "onboarding": {"S": "pre_created"},
            "createdAt": {"N": "1790000000000"},
            **more,
        }
        self.dynamodb.put_item(
            TableName=self.outputs["UsersTableName"], Item=record, ConditionExpression="attribute_not_exists(userId)"
        )
        return record

    # -- reads ------------------------------------------------------------------------------------------

    def raw_user(self, email: str) -> dict[str, Any] | None:
        return self._item("UsersTableName", email)

    def user(self, email: str) -> dict[str, Any] | None:
        return _plain(self.raw_user(email))

    def profile(self, sub: str) -> dict[str, Any] | None:
        return _plain(self._item("UserProfilesTableName", sub))

    def ready(self, email: str, *, within: float = DEADLINE) -> dict[str, Any]:
        """Waits until the profile is ready and nothing is owed. Returns the profile."""

        def ready_profile() -> dict[str, Any] | None:
            user = self.user(email)
            if not user or "owed" in user or not (profile := self.profile(user["cognitoSub"])):
                return None
            return profile if profile["provisioningStatus"] == "ready" else None

        return eventually(ready_profile, within=within, what=f"{email} ready")

    def owes(self, email: str, kind: str) -> bool:
        return str((self.user(email) or {}).get("owed", "")).startswith(f"{kind}#")

    def until_owed(self, kind: str, *emails: str) -> None:
        for email in emails:
            eventually(partial(self.owes, email, kind), what=f"{kind} owed to {email}")

    def depth(self, queue: str, *kinds: str) -> int:
        """The approximate number of messages in the queue of that output: visible and in flight, or these `kinds`."""
        names = [f"ApproximateNumberOfMessages{kind}" for kind in kinds or ("", "NotVisible")]
        counts = self.sqs.get_queue_attributes(QueueUrl=self.outputs[queue], AttributeNames=names)["Attributes"]
        return sum(map(int, counts.values()))

    def customers_of(self, sub: str) -> list[dict[str, Any]]:
        return [customer for customer in self.stripe.customers() if customer["metadata"].get("cognitoSub") == sub]

    def dead_letter(self, marker: str) -> dict[str, Any]:
        """Waits for the dead letter whose body contains `marker` and deletes it. Returns its body and attributes."""

        def receive() -> dict[str, Any] | None:
            url = self.outputs["ProvisioningDlqUrl"]
            reply = self.sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=1, MessageAttributeNames=["All"]
            )
            for message in reply.get("Messages", []):
                if marker in message["Body"]:
                    self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                    attributes = message.get("MessageAttributes", {})
                    return {"body": message["Body"]} | {n: a["StringValue"] for n, a in attributes.items()}
            return None

        return eventually(receive, what=f"a dead letter with {marker}")

    def subscribe(self, *detail_types: str) -> Callable[[str], list[dict[str, Any]]]:
        """Subscribes a queue to the bus. The returned function reads the events received so far for a sub."""
        name = f"listener-{uuid.uuid4().hex[:8]}"
        url = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        bus = self.outputs["EventBusName"]
        pattern = {"source": ["onramp.signup"], "detail-type": list(detail_types)}
        self.events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps(pattern))
        self.events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])
        received: list[dict[str, Any]] = []

        def events_of(sub: str) -> list[dict[str, Any]]:
            reply = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
            for message in reply.get("Messages", []):
                received.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            return [event for event in received if event["detail"]["data"]["cognitoSub"] == sub]

        return events_of

    def _item(self, table: str, key: str) -> dict[str, Any] | None:
        reply = self.dynamodb.get_item(TableName=self.outputs[table], Key={"userId": {"S": key}}, ConsistentRead=True)
        item: dict[str, Any] | None = reply.get("Item")
        return item


def _plain(item: dict[str, Any] | None) -> dict[str, Any] | None:
    return {name: TypeDeserializer().deserialize(value) for name, value in item.items()} if item else None


def restore_sigint() -> None:
    """For a child process that Ctrl-C must end: a test run in the background makes its children ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def unique_email(name: str = "user") -> str:
    """An address that no other test uses."""
    return f"{name}.{uuid.uuid4().hex[:10]}@example.com"
