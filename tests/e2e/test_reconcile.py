"""What the trigger, the bus or the queue lost comes back: the deployed reconciler, called when its time has come."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.deployed import DeployedPipeline, eventually, unique_email


def reconcile(deployed: DeployedPipeline) -> None:
    """One tick of the schedule."""
    reply = deployed.stack.client("lambda").invoke(
        FunctionName=deployed.outputs["ReconcileFunctionName"], Qualifier="live", Payload=b"{}"
    )
    assert "FunctionError" not in reply, reply["Payload"].read()


def make_due(deployed: DeployedPipeline, email: str) -> None:
    """Time passes for one user: what is owed is due now."""
    deployed.dynamodb.update_item(
        TableName=deployed.outputs["UsersTableName"],
        Key={"userId": {"S": email}},
        UpdateExpression="SET dueAt = :past",
        ConditionExpression="attribute_exists(owed)",
        ExpressionAttributeValues={":past": {"N": "1"}},
    )


def owed(deployed: DeployedPipeline, email: str) -> str:
    return str((deployed.user(email) or {}).get("owed", "nothing"))


def test_users_whom_the_trigger_failed_are_healed_by_the_sweep(deployed: DeployedPipeline) -> None:
    deployed.stack.control.fault("lambda", "Invoke", "refused", times=None, match="PostConfirmation")
    emails = [unique_email("lost") for _ in range(5)]
    prepared = deployed.pre_create(unique_email("prepared"), "manager")
    emails.append(prepared["userId"]["S"])
    for email in emails:
        with pytest.raises(ClientError):
            deployed.join(email)
    assert [deployed.user(email) for email in emails[:5]] == [None] * 5
    deployed.stack.control.clear()

    def swept() -> bool:
        reconcile(deployed)
        return all((deployed.user(email) or {}).get("cognitoSub") for email in emails)

    eventually(swept, what="all healed")
    for email in emails:
        deployed.ready(email)
    assert (deployed.user(emails[5]) or {})["roles"] == ["manager"]


def test_events_the_bus_refused_come_later_once_by_id(deployed: DeployedPipeline) -> None:
    heard = deployed.subscribe("UserSignedUp")
    deployed.stack.control.fault("events", "PutEvents", "partial_failure", times=None)
    emails = [unique_email("unheard") for _ in range(3)]
    subs = [deployed.join(email) for email in emails]
    deployed.stack.control.clear()
    for email in emails:
        assert owed(deployed, email).startswith("emit#")
        make_due(deployed, email)
    reconcile(deployed)
    for email, sub in zip(emails, subs, strict=True):
        deployed.ready(email)
        events = eventually(lambda sub=sub: heard(sub), what="UserSignedUp")  # type: ignore[misc]
        assert len({event["detail"]["metadata"]["eventId"] for event in events}) == 1
        assert events[0]["detail"]["metadata"]["origin"] == "reconcile"


def test_users_whose_retries_ran_out_come_back_after_the_dead_letters_are_gone(deployed: DeployedPipeline) -> None:
    email = unique_email("exhausted")
    deployed.stripe.fault(kind="server_error", operation="create", match=email, times=None)
    sub = deployed.join(email)
    assert deployed.dead_letter(email)["reason"] == "retries_exhausted"  # taking it out empties the queue
    deployed.stripe.clear()
    assert owed(deployed, email).startswith("enrich#")
    make_due(deployed, email)
    reconcile(deployed)
    deployed.ready(email)
    assert len(deployed.customers_of(sub)) == 1


def test_a_user_owed_to_the_operator_stays_so(deployed: DeployedPipeline) -> None:
    email = unique_email("operator")
    deployed.stripe.fault(kind="refused", operation="create", match=email, times=1)
    deployed.join(email)
    deployed.dead_letter(email)
    eventually(lambda: owed(deployed, email).startswith("operator#"), what="owed to the operator")
    make_due(deployed, email)
    reconcile(deployed)
    assert owed(deployed, email).startswith("operator#")
    line = next(line for line in reversed(deployed.stack.logs()) if '"message":"owed"' in line)
    said: dict[str, Any] = json.loads(line)
    assert said["owed"]["operator"] >= 1


def test_a_refused_user_is_found_again_and_gains_nothing(deployed: DeployedPipeline) -> None:
    email = unique_email("refused")
    prepared = deployed.pre_create(email, "admin")
    deployed.sign_up(email)
    with pytest.raises(ClientError):
        deployed.confirm_by_admin(email)
    reconcile(deployed)
    assert deployed.raw_user(email) == prepared
