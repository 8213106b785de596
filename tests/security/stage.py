"""A stack in which nothing happens by itself: the queue's mapping sleeps, and the test calls each function."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any

from onramp.adapters.tombstones import tombstone_key
from onramp.adapters.users import UserTable
from onramp.domain.event_data import delivery, user_signed_up
from onramp.domain.users import Claim, Names, Owed, User, shard_of
from onramp.local.parameters import SECRETS
from onramp.local.stack import LocalStack
from tests.deployed import DeployedPipeline, unique_email

LONG_AGO = 1  # whatever was due then is due now
LISTENER = "listener"


class Stage:
    def __init__(self, stack: LocalStack) -> None:
        self.deployed = DeployedPipeline(stack)
        self.pool = self.deployed.outputs["UserPoolId"]
        self.queue = self.deployed.outputs["ProvisioningQueueUrl"]
        self._lambda = stack.client("lambda")
        self._ssm = stack.client("ssm")
        self._news = self._listen()
        for mapping in self._lambda.list_event_source_mappings()["EventSourceMappings"]:
            self._lambda.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)

    def invoke(self, function: str, event: Any) -> tuple[Any, str]:
        """What the function answered, and what it wrote to its log."""
        name = self.deployed.outputs[f"{function}FunctionName"]
        reply = self._lambda.invoke(FunctionName=name, Qualifier="live", LogType="Tail", Payload=json.dumps(event))
        return json.loads(reply["Payload"].read()), base64.b64decode(reply.get("LogResult", "")).decode()

    def work(self, user: User, handle: str = "none") -> Any:
        """The worker's answer to the message of one user."""
        attributes = {"ApproximateReceiveCount": "1", "ApproximateFirstReceiveTimestamp": "1790000000000"}
        record = {"messageId": "one", "receiptHandle": handle, "body": message(user), "attributes": attributes}
        return self.invoke("EnrichProfile", {"Records": [record]})[0]

    def newcomer(self, owed: Owed = Owed.EMIT) -> User:
        """Signed up long ago; what is owed is due."""
        user = newcomer(self.deployed)
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

    def forget(self, sub: str, email: str) -> None:
        """As `onramp user forget` leaves it, as far as the functions can see."""
        self.deployed.dynamodb.put_item(TableName=self.deployed.outputs["OperationsTableName"], Item=tombstone_key(sub))
        self.lose_record(email)

    def is_ready(self, user: User) -> None:
        """Somebody has finished this user's profile."""
        item = {"userId": {"S": str(user.cognito_sub)}, "provisioningStatus": {"S": "ready"}}
        self.deployed.dynamodb.put_item(TableName=self.deployed.outputs["UserProfilesTableName"], Item=item)

    def rotate_keys(self) -> None:
        """Whoever goes on needs to read the parameters again."""
        for name, provider in zip(SECRETS, (self.deployed.stripe, self.deployed.revenuecat), strict=True):
            provider.accept_key(key := f"rotated-{uuid.uuid4()}")
            self._ssm.put_parameter(Name=name, Value=key, Type="SecureString", Overwrite=True)

    def queued(self) -> set[str]:
        """The subs whose messages are visible in the queue; they are taken out."""
        return {event["detail"]["data"]["cognitoSub"] for event in self.drain(self.queue)}

    def heard(self) -> set[tuple[str, str]]:
        """Kind and sub of what the bus has carried since this was last asked."""
        return {(event["detail-type"], event["detail"]["data"]["cognitoSub"]) for event in self.drain(self._news)}

    def drain(self, url: str) -> list[Any]:
        bodies = []
        while messages := self.deployed.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self.deployed.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                bodies.append(json.loads(message["Body"]))
        return bodies

    def _listen(self) -> str:
        """Another team's queue on the bus."""
        sqs, events, bus = self.deployed.sqs, self.deployed.events, self.deployed.outputs["EventBusName"]
        url = str(sqs.create_queue(QueueName=LISTENER)["QueueUrl"])
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        events.put_rule(Name=LISTENER, EventBusName=bus, EventPattern=json.dumps({"source": ["onramp.signup"]}))
        events.put_targets(Rule=LISTENER, EventBusName=bus, Targets=[{"Id": LISTENER, "Arn": arn}])
        return url


def newcomer(deployed: DeployedPipeline, names: Names | None = None) -> User:
    """A record as the trigger leaves it, and nobody told of it."""
    email, sub, pool = unique_email("newcomer"), str(uuid.uuid4()), deployed.outputs["UserPoolId"]
    claim = Claim(email, sub, pool, "Cognito", "cognito", names or Names(), may_link=True, at=LONG_AGO, due_at=LONG_AGO)
    UserTable(deployed.dynamodb, deployed.outputs["UsersTableName"]).claim(claim)
    return claim.as_new_user()


def message(user: User) -> str:
    """What the queue holds about a signup."""
    return json.dumps(delivery(user_signed_up(user, correlation_id="test")))
