"""What the trigger, the bus or the queue lost comes back: the deployed reconciler, called when its time has come."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.people import Town, eventually, somebody


def reconcile(town: Town) -> None:
    """One tick of the schedule."""
    reply = town.stack.client("lambda").invoke(
        FunctionName=town.outputs["ReconcileFunctionName"], Qualifier="live", Payload=b"{}"
    )
    assert "FunctionError" not in reply, reply["Payload"].read()


def make_due(town: Town, email: str) -> None:
    """Time passes for one user: what is owed is due now."""
    town.dynamodb.update_item(
        TableName=town.outputs["UsersTableName"],
        Key={"userId": {"S": email}},
        UpdateExpression="SET dueAt = :past",
        ConditionExpression="attribute_exists(owed)",
        ExpressionAttributeValues={":past": {"N": "1"}},
    )


def owed(town: Town, email: str) -> str:
    return str((town.user(email) or {}).get("owed", "nothing"))


def test_users_whom_the_trigger_failed_are_healed_by_the_sweep(town: Town) -> None:
    town.stack.control.fault("lambda", "Invoke", "refused", times=None, match="PostConfirmation")
    emails = [somebody("lost") for _ in range(5)]
    prepared = town.pre_create(somebody("prepared"), "manager")
    emails.append(prepared["userId"]["S"])
    for email in emails:
        with pytest.raises(ClientError):
            town.join(email)
    assert [town.user(email) for email in emails[:5]] == [None] * 5
    town.stack.control.clear()

    def swept() -> bool:
        reconcile(town)
        return all((town.user(email) or {}).get("cognitoSub") for email in emails)

    eventually(swept, what="all healed")
    for email in emails:
        town.ready(email)
    assert (town.user(emails[5]) or {})["roles"] == ["manager"]


def test_events_the_bus_refused_come_later_once_by_id(town: Town) -> None:
    heard = town.subscribe("UserSignedUp")
    town.stack.control.fault("events", "PutEvents", "partial_failure", times=None)
    emails = [somebody("unheard") for _ in range(3)]
    subs = [town.join(email) for email in emails]
    town.stack.control.clear()
    for email in emails:
        assert owed(town, email).startswith("emit#")
        make_due(town, email)
    reconcile(town)
    for email, sub in zip(emails, subs, strict=True):
        town.ready(email)
        events = eventually(lambda sub=sub: heard(sub), what="UserSignedUp")  # type: ignore[misc]
        assert len({event["detail"]["metadata"]["eventId"] for event in events}) == 1
        assert events[0]["detail"]["metadata"]["origin"] == "reconcile"


def test_users_whose_retries_ran_out_come_back_after_the_dead_letters_are_gone(town: Town) -> None:
    email = somebody("exhausted")
    town.stripe.fault(kind="server_error", operation="create", match=email, times=None)
    sub = town.join(email)
    assert town.dead_letter(email)["reason"] == "retries_exhausted"  # taking it out empties the queue
    town.stripe.clear()
    assert owed(town, email).startswith("enrich#")
    make_due(town, email)
    reconcile(town)
    town.ready(email)
    assert len(town.customers_of(sub)) == 1


def test_a_user_owed_to_the_operator_stays_so(town: Town) -> None:
    email = somebody("operator")
    town.stripe.fault(kind="refused", operation="create", match=email, times=1)
    town.join(email)
    town.dead_letter(email)
    eventually(lambda: owed(town, email).startswith("operator#"), what="owed to the operator")
    make_due(town, email)
    reconcile(town)
    assert owed(town, email).startswith("operator#")
    line = next(line for line in reversed(town.stack.logs()) if '"message":"owed"' in line)
    said: dict[str, Any] = json.loads(line)
    assert said["owed"]["operator"] >= 1


def test_a_refused_user_is_found_again_and_gains_nothing(town: Town) -> None:
    email = somebody("refused")
    prepared = town.pre_create(email, "admin")
    town.sign_up(email)
    with pytest.raises(ClientError):
        town.confirm_by_admin(email)
    reconcile(town)
    assert town.raw_user(email) == prepared
