"""What the operator does: redrive, relink, restore.

The product has no such tools yet. These are models of them, exactly rows 8 and 10 of the protocol's first table, so
that the protocol is held against what will come; the real tools take their place here.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from onramp.adapters.aws import error_code
from onramp.adapters.owed import OwedIndex
from onramp.adapters.users import UserTable
from onramp.domain.errors import OnrampError
from onramp.domain.event_data import Origin, delivery, user_signed_up
from onramp.domain.users import SHARDS, Owed, User, shard_of
from onramp.wiring import clients
from tests.pipeline import DLQ, PROFILES, QUEUE, USERS
from tests.simulation.schedules import Person, Step

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

DAY = 86_400_000
QUIET = 900.0


def given_up() -> suppress:
    """A tool that fails says so and ends there; the operator starts it again."""
    return suppress(ClientError, BotoCoreError, OnrampError, KeyError)


# -- row 8 -----------------------------------------------------------------------------------------


def redrive(sim: Simulation, step: Step) -> None:
    """From the dead-letter queue: flip, send, confirm, delete; one send per sub."""
    with given_up():
        tool = Redrive(sim)
        while letters := tool.letters():
            for letter in letters:
                tool.redrive_letter(letter)


def redrive_from_table(sim: Simulation, step: Step) -> None:
    """Where the letter has expired, the record still says who waits."""
    with given_up():
        tool = Redrive(sim)
        index = OwedIndex(sim.clients["dynamodb"], USERS)
        for debt in [debt for shard in range(SHARDS) for debt in index.of(Owed.OPERATOR, shard)]:
            if (user := tool.users.get(debt.user_id)) and tool.flip(user):
                event = user_signed_up(user, correlation_id=step.label, origin=Origin.REPLAY)
                tool.send(user, json.dumps(delivery(event)))


class Redrive:
    def __init__(self, sim: Simulation) -> None:
        self.sqs, self.dynamodb = sim.clients["sqs"], sim.clients["dynamodb"]
        self.queue, self.letters_url = sim.sqs.url(QUEUE), sim.sqs.url(DLQ)
        self.users = UserTable(self.dynamodb, USERS)
        self.sent: set[str] = set()

    def letters(self) -> list[dict[str, Any]]:
        reply = self.sqs.receive_message(QueueUrl=self.letters_url, MaxNumberOfMessages=10, VisibilityTimeout=600)
        found: list[dict[str, Any]] = reply.get("Messages", [])
        return found

    def redrive_letter(self, letter: dict[str, Any]) -> None:
        """A letter about nobody we know stays where it is: sending it again would bring it back."""
        user = self._about(letter["Body"])
        if user is None:
            return
        self.flip(user)  # refused: a worker or the reconciler has the user, and one more message does no harm
        self.send(user, letter["Body"])
        self.sqs.delete_message(QueueUrl=self.letters_url, ReceiptHandle=letter["ReceiptHandle"])

    def _about(self, body: str) -> User | None:
        try:
            data = json.loads(body)["detail"]["data"]
            user = self.users.get(data["userId"])
        except (ValueError, KeyError, TypeError):
            return None
        return user if user and user.cognito_sub == data["cognitoSub"] else None

    def flip(self, user: User) -> bool:
        """`operator` -> `enrich`, due a day on: should the send be lost, the reconciler queues it then."""
        values = {
            ":sub": {"S": user.cognito_sub},
            ":operator": {"S": "operator#"},
            ":enrich": {"S": Owed.ENRICH.on(shard_of(str(user.cognito_sub)))},
            ":due": {"N": str(clients.now_millis() + DAY)},
        }
        return write(
            self.dynamodb,
            user.user_id,
            "SET owed = :enrich, dueAt = :due",
            "cognitoSub = :sub AND begins_with(owed, :operator)",
            values,
        )

    def send(self, user: User, body: str) -> None:
        if str(user.cognito_sub) not in self.sent:
            self.sqs.send_message(QueueUrl=self.queue, MessageBody=body)["MessageId"]
            self.sent.add(str(user.cognito_sub))


# -- row 10 ----------------------------------------------------------------------------------------


def relink(sim: Simulation, step: Step) -> None:
    """The record of an address goes over to another identity of the same human, who has none yet."""
    email, new = step.args["email"], step.args["to"]
    with given_up():
        users = UserTable(sim.clients["dynamodb"], USERS)
        user = users.get(email)
        if user is None or user.cognito_sub in (None, new.sub) or new.sub not in sim.history.confirmed:
            return
        if users.holder_of(new.sub):
            return
        sim.history.relinked.add((email, new.sub))
        now = {"N": str(clients.now_millis())}
        values = {
            ":old": {"S": str(user.cognito_sub)},
            ":new": {"S": new.sub},
            ":owed": {"S": Owed.EMIT.on(shard_of(new.sub))},
            ":now": now,
        }
        change = (
            "SET cognitoSub = :new, linkedAt = :now, updatedAt = :now, owed = :owed, owedSince = :now, dueAt = :now"
        )
        write(sim.clients["dynamodb"], email, change, "cognitoSub = :old", values)


# -- a table from its backup -----------------------------------------------------------------------


def restore(sim: Simulation, step: Step) -> None:
    """A profile is lost with its table, and whoever restores the table says what is owed for it.

    The queue's mapping is off meanwhile, long enough for the last worker and its last request to end.
    """
    if step.who is None:
        return
    sim.delivery.off += 1
    try:
        sim.scheduler.sleep(QUIET)
        lose(sim, step.who)
    finally:
        sim.scheduler.sleep(QUIET)  # whatever the loss had under way has landed before anybody works again
        sim.delivery.off -= 1


def lose(sim: Simulation, person: Person) -> None:
    sub = person.sub
    values = {
        ":sub": {"S": sub},
        ":owed": {"S": Owed.ENRICH.on(shard_of(sub))},
        ":now": {"N": str(clients.now_millis())},
    }
    with given_up():
        change = (
            "SET owed = if_not_exists(owed, :owed), owedSince = if_not_exists(owedSince, :now),"
            " dueAt = if_not_exists(dueAt, :now)"
        )
        if write(sim.clients["dynamodb"], person.email.lower(), change, "cognitoSub = :sub", values):
            sim.clients["dynamodb"].delete_item(TableName=PROFILES, Key={"userId": {"S": sub}})


def write(dynamodb: Any, user_id: str, change: str, condition: str, values: dict[str, Any]) -> bool:
    try:
        dynamodb.update_item(
            TableName=USERS,
            Key={"userId": {"S": user_id}},
            UpdateExpression=change,
            ConditionExpression=condition,
            ExpressionAttributeValues=values,
        )
    except ClientError as error:
        if error_code(error) != "ConditionalCheckFailedException":
            raise
        return False
    return True
