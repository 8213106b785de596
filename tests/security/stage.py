"""A stack whose event source mapping is disabled: the test invokes each function."""

from __future__ import annotations

import base64
import json
import uuid
from collections import Counter
from dataclasses import replace
from typing import Any

from onramp.adapters.tombstones import tombstone_key
from onramp.adapters.users import UserTable
from onramp.domain.event_data import delivery, user_signed_up
from onramp.domain.users import Claim, Names, Owed, User, shard_of
from onramp.local.parameters import SECRETS
from onramp.local.stack import LocalStack
from tests.deployed import DeployedPipeline, disable_mappings, unique_email

LONG_AGO = 1  # Unix milliseconds: due since then
LISTENER = "listener"


class Stage:
    def __init__(self, stack: LocalStack) -> None:
        self.deployed = DeployedPipeline(stack)
        self.pool = self.deployed.outputs["UserPoolId"]
        self.queue = self.deployed.outputs["ProvisioningQueueUrl"]
        self.dead_letter_queue = self.deployed.outputs["ProvisioningDlqUrl"]
        self._lambda = stack.client("lambda")
        self._ssm = stack.client("ssm")
        self._listener = self._add_listener()
        disable_mappings(stack)

    def invoke(self, function: str, event: Any) -> tuple[Any, str]:
        """The function's answer, and its log."""
        name = self.deployed.outputs[f"{function}FunctionName"]
        reply = self._lambda.invoke(FunctionName=name, Qualifier="live", LogType="Tail", Payload=json.dumps(event))
        return json.loads(reply["Payload"].read()), base64.b64decode(reply.get("LogResult", "")).decode()

    def reconcile(self) -> str:
        """Runs the reconciler. Returns its whole log: an answer has the last 4 KB only."""
        before = Counter(self.deployed.stack.logs())
        self.invoke("Reconcile", {})
        return "\n".join(Counter(self.deployed.stack.logs()) - before)

    def run_worker(self, user: User, handle: str = "none") -> Any:
        """The worker's answer to the message of one user."""
        return self.invoke("EnrichProfile", {"Records": [sqs_record(message(user), handle=handle)]})[0]

    def heal_signup(self, pool: str, sub: str) -> tuple[Any, str]:
        """The answer to one SignupNotRecorded, and the log."""
        body = json.dumps({"detail": {"data": {"userPoolId": pool, "cognitoSub": sub}}})
        return self.invoke("HealSignup", {"Records": [sqs_record(body)]})

    def new_user(self, owed: Owed = Owed.EMIT) -> User:
        """A user who signed up long ago; what is owed is due."""
        user = new_user(self.deployed)
        self.deployed.dynamodb.update_item(
            TableName=self.deployed.outputs["UsersTableName"],
            Key={"userId": {"S": user.user_id}},
            UpdateExpression="SET owed = :owed",
            ExpressionAttributeValues={":owed": {"S": owed.on(shard_of(str(user.cognito_sub)))}},
        )
        return user

    def lose_record(self, email: str) -> None:
        self.deployed.dynamodb.delete_item(
            TableName=self.deployed.outputs["UsersTableName"], Key={"userId": {"S": email}}
        )

    def relink(self, user: User) -> User:
        """The record under a new sub, as `onramp user relink` leaves it."""
        new = str(uuid.uuid4())
        self.deployed.dynamodb.update_item(
            TableName=self.deployed.outputs["UsersTableName"],
            Key={"userId": {"S": user.user_id}},
            UpdateExpression="SET cognitoSub = :new, linkedBefore = :before",
            ExpressionAttributeValues={":new": {"S": new}, ":before": {"L": [{"S": str(user.cognito_sub)}]}},
        )
        return replace(user, cognito_sub=new)

    def forget(self, sub: str, email: str) -> None:
        """The state after `onramp user forget`, as far as the functions read it."""
        self.bury(sub)
        self.lose_record(email)

    def bury(self, sub: str) -> None:
        self.deployed.dynamodb.put_item(TableName=self.deployed.outputs["OperationsTableName"], Item=tombstone_key(sub))

    def mark_ready(self, user: User) -> None:
        item = {"userId": {"S": str(user.cognito_sub)}, "provisioningStatus": {"S": "ready"}}
        self.deployed.dynamodb.put_item(TableName=self.deployed.outputs["UserProfilesTableName"], Item=item)

    def rotate_keys(self) -> None:
        """Changes both keys, so that a worker must read the parameters again."""
        for name, provider in zip(SECRETS, (self.deployed.stripe, self.deployed.revenuecat), strict=True):
            provider.accept_key(key := f"rotated-{uuid.uuid4()}")
            self._ssm.put_parameter(Name=name, Value=key, Type="SecureString", Overwrite=True)

    def queued(self) -> set[str]:
        """The subs of the visible messages, which are removed from the queue."""
        return {event["detail"]["data"]["cognitoSub"] for event in self.drain(self.queue)}

    def published(self) -> set[tuple[str, str]]:
        """Kind and sub of the events on the bus since the last call."""
        return {(event["detail-type"], event["detail"]["data"]["cognitoSub"]) for event in self.drain(self._listener)}

    def drain(self, url: str) -> list[Any]:
        bodies = []
        while messages := self.deployed.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self.deployed.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                bodies.append(json.loads(message["Body"]))
        return bodies

    def _add_listener(self) -> str:
        """A queue that receives every event of the bus."""
        sqs, events, bus = self.deployed.sqs, self.deployed.events, self.deployed.outputs["EventBusName"]
        url = str(sqs.create_queue(QueueName=LISTENER)["QueueUrl"])
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        events.put_rule(Name=LISTENER, EventBusName=bus, EventPattern=json.dumps({"source": ["onramp.signup"]}))
        events.put_targets(Rule=LISTENER, EventBusName=bus, Targets=[{"Id": LISTENER, "Arn": arn}])
        return url


def new_user(deployed: DeployedPipeline, names: Names | None = None, at: int = LONG_AGO) -> User:
    """A record as the trigger writes it `at` this time in Unix milliseconds, without its event."""
    email, sub, pool = unique_email("new"), str(uuid.uuid4()), deployed.outputs["UserPoolId"]
    claim = Claim(email, sub, pool, "Cognito", "cognito", names or Names(), True, at, at, "team_member")
    UserTable(deployed.dynamodb, deployed.outputs["UsersTableName"]).claim(claim)
    return claim.as_new_user()


def sqs_record(body: str, *, name: str = "one", handle: str = "none", received_at: int = 1_790_000_000_000) -> Any:
    """A record of a Lambda event of SQS: a message that was received once."""
    attributes = {"ApproximateReceiveCount": "1", "ApproximateFirstReceiveTimestamp": str(received_at)}
    return {"messageId": name, "receiptHandle": handle, "body": body, "attributes": attributes}


def message(user: User) -> str:
    """The message of a signup, as in the queue."""
    return json.dumps(delivery(user_signed_up(user, correlation_id="test")))
