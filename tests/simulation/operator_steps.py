"""Steps of operators: redrive, relink, restore.

These are minimal models of the operator tools, exactly rows 8 and 10 of the protocol's first table: the simulator
checks the protocol's transitions. The tools of `onramp.ops` have tests of their own.
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
from onramp.domain.users import SHARDS, Claim, Names, Owed, User, shard_of
from onramp.ops.tables.users import UserWrites
from onramp.wiring import clients
from tests.pipeline import DLQ, POOL, PROFILES, QUEUE, USERS
from tests.simulation.schedules import Person, Step

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

DAY = 86_400_000
QUIET = 900.0


def tool_errors_ignored() -> suppress:
    """A tool that fails ends there; a later step starts it again."""
    return suppress(ClientError, BotoCoreError, OnrampError, KeyError)


# -- row 8 -----------------------------------------------------------------------------------------


def redrive(sim: Simulation, step: Step) -> None:
    """From the dead-letter queue: flip, send, confirm, delete; one send per sub."""
    with tool_errors_ignored():
        tool = Redrive(sim)
        while dead_letters := tool.receive():
            for dead_letter in dead_letters:
                tool.redrive_dead_letter(dead_letter)


def redrive_from_table(sim: Simulation, step: Step) -> None:
    """Where the dead letter has expired: the record still owes `operator`."""
    with tool_errors_ignored():
        tool = Redrive(sim)
        index = OwedIndex(sim.clients["dynamodb"], USERS)
        for entry in [entry for shard in range(SHARDS) for entry in index.of(Owed.OPERATOR, shard)]:
            if (user := tool.users.get(entry.user_id)) and tool.flip(user):
                event = user_signed_up(user, correlation_id=step.label, origin=Origin.REPLAY)
                tool.send(user, json.dumps(delivery(event)))


class Redrive:
    def __init__(self, sim: Simulation) -> None:
        self.sqs, self.dynamodb = sim.clients["sqs"], sim.clients["dynamodb"]
        self.queue, self.dead_letters_url = sim.sqs.url(QUEUE), sim.sqs.url(DLQ)
        self.users = UserTable(self.dynamodb, USERS)
        self.sent: set[str] = set()

    def receive(self) -> list[dict[str, Any]]:
        reply = self.sqs.receive_message(QueueUrl=self.dead_letters_url, MaxNumberOfMessages=10, VisibilityTimeout=600)
        messages: list[dict[str, Any]] = reply.get("Messages", [])
        return messages

    def redrive_dead_letter(self, dead_letter: dict[str, Any]) -> None:
        """A dead letter without a matching record is not redriven: it would fail again."""
        user = self._find_user(dead_letter["Body"])
        if user is None:
            return
        self.flip(user)  # not flipped: a worker or the reconciler moved the record; one more message is harmless
        self.send(user, dead_letter["Body"])
        self.sqs.delete_message(QueueUrl=self.dead_letters_url, ReceiptHandle=dead_letter["ReceiptHandle"])

    def _find_user(self, body: str) -> User | None:
        try:
            data = json.loads(body)["detail"]["data"]
            user = self.users.get(data["userId"])
        except (ValueError, KeyError, TypeError):
            return None
        return user if user and user.cognito_sub == data["cognitoSub"] else None

    def flip(self, user: User) -> bool:
        """`operator` -> `enrich`, due in a day: if the send is lost, the reconciler queues it then."""
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
    """Links the record of an address to another identity of the same person that has no record yet.

    `behind`: seconds that the operator's clock is behind.
    """
    email, new = step.args["email"], step.args["to"]
    with tool_errors_ignored():
        users = UserTable(sim.clients["dynamodb"], USERS)
        user = users.get(email)
        if user is None or user.cognito_sub in (None, new.sub) or new.sub not in sim.observed.confirmed:
            return
        if users.holder_of(new.sub):
            return
        sim.observed.relinked.add((email, new.sub))
        now = clients.now_millis() - round(step.args.get("behind", 0) * 1000)
        claim = Claim(email, new.sub, POOL, "Cognito", "operator", Names(), True, now, now, "team_member")
        UserWrites(sim.clients["dynamodb"], USERS).relink(user, claim)


# -- a table from its backup -----------------------------------------------------------------------


def restore(sim: Simulation, step: Step) -> None:
    """A restored `UserProfiles` table lacks a profile; the runbook marks its user as owed.

    The event source mapping is disabled meanwhile, long enough for the last worker and its last request to end.
    """
    if step.person is None:
        return
    sim.delivery.disabled += 1
    try:
        sim.scheduler.sleep(QUIET)
        lose_profile(sim, step.person)
    finally:
        sim.scheduler.sleep(QUIET)  # every late request has arrived before the workers start again
        sim.delivery.disabled -= 1


def lose_profile(sim: Simulation, person: Person) -> None:
    sub = person.sub
    values = {
        ":sub": {"S": sub},
        ":owed": {"S": Owed.ENRICH.on(shard_of(sub))},
        ":now": {"N": str(clients.now_millis())},
    }
    with tool_errors_ignored():
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
