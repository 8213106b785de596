"""The deployed reconciler repairs what the trigger, the bus or the queue lost."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.deployed import DeployedPipeline, eventually, unique_email


def reconcile(deployed: DeployedPipeline) -> None:
    """Invokes the reconciler once, as the schedule does."""
    reply = deployed.stack.client("lambda").invoke(
        FunctionName=deployed.outputs["ReconcileFunctionName"], Qualifier="live", Payload=b"{}"
    )
    assert "FunctionError" not in reply, reply["Payload"].read()


def make_due(deployed: DeployedPipeline, email: str) -> None:
    """Makes what a user is owed due now."""
    deployed.dynamodb.update_item(
        TableName=deployed.outputs["UsersTableName"],
        Key={"userId": {"S": email}},
        UpdateExpression="SET dueAt = :past",
        ConditionExpression="attribute_exists(owed)",
        ExpressionAttributeValues={":past": {"N": "1"}},
    )


def owed(deployed: DeployedPipeline, email: str) -> str:
    return str((deployed.user(email) or {}).get("owed", "nothing"))


def test_users_without_a_record_are_healed_by_the_sweep(deployed: DeployedPipeline) -> None:
    deployed.stack.control.fault("lambda", "Invoke", "refused", times=None, match="PostConfirmation")
    emails = [unique_email("lost") for _ in range(5)]
    pre_created = deployed.pre_create(unique_email("pre-created"), "manager")
    emails.append(pre_created["userId"]["S"])
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


def test_signups_during_an_outage_of_the_table_are_healed_without_a_sweep(deployed: DeployedPipeline) -> None:
    deployed.stack.control.fault("dynamodb", "UpdateItem", "refused", times=None, match="table-down")
    emails = [unique_email("table-down") for _ in range(3)]
    for email in emails:
        with pytest.raises(ClientError, match="could not complete"):
            deployed.join(email)
    assert [deployed.user(email) for email in emails] == [None] * 3
    deployed.stack.control.clear()
    for email in emails:
        deployed.ready(email)
    looked_at = [line for line in deployed.stack.logs() if '"message":"signup looked at"' in line]
    assert sum('"outcome":"healed"' in line for line in looked_at) == 3, "by the queue, not by the sweep"


def test_events_that_the_bus_refused_are_emitted_later_with_one_id(deployed: DeployedPipeline) -> None:
    events_of = deployed.subscribe("UserSignedUp")
    deployed.stack.control.fault("events", "PutEvents", "partial_failure", times=None)
    emails = [unique_email("not-emitted") for _ in range(3)]
    subs = [deployed.join(email) for email in emails]
    deployed.stack.control.clear()
    for email in emails:
        assert owed(deployed, email).startswith("emit#")
        make_due(deployed, email)
    reconcile(deployed)
    for email, sub in zip(emails, subs, strict=True):
        deployed.ready(email)
        events = eventually(lambda sub=sub: events_of(sub), what="UserSignedUp")  # type: ignore[misc]
        assert len({event["detail"]["metadata"]["eventId"] for event in events}) == 1
        assert events[0]["detail"]["metadata"]["origin"] == "reconcile"


def test_users_with_exhausted_retries_are_queued_again_without_their_dead_letters(deployed: DeployedPipeline) -> None:
    email = unique_email("exhausted")
    deployed.stripe.fault(kind="server_error", operation="create", match=email, times=None)
    sub = deployed.join(email)
    assert deployed.dead_letter(email)["reason"] == "retries_exhausted"  # this deletes the dead letter
    deployed.stripe.clear()
    assert owed(deployed, email).startswith("enrich#")
    make_due(deployed, email)
    reconcile(deployed)
    deployed.ready(email)
    assert len(deployed.customers_of(sub)) == 1


def test_operator_stays_owed(deployed: DeployedPipeline) -> None:
    email = unique_email("operator")
    deployed.stripe.fault(kind="refused", operation="create", match=email, times=1)
    deployed.join(email)
    deployed.dead_letter(email)
    eventually(lambda: owed(deployed, email).startswith("operator#"), what="owed to the operator")
    make_due(deployed, email)
    reconcile(deployed)
    assert owed(deployed, email).startswith("operator#")
    line = next(line for line in reversed(deployed.stack.logs()) if '"message":"owed"' in line)
    entry: dict[str, Any] = json.loads(line)
    assert entry["owed"]["operator"] >= 1


def test_the_sweep_does_not_link_the_record_of_a_rejected_user(deployed: DeployedPipeline) -> None:
    email = unique_email("refused")
    pre_created = deployed.pre_create(email, "admin")
    deployed.sign_up(email)
    with pytest.raises(ClientError):
        deployed.confirm_by_admin(email)
    reconcile(deployed)
    assert deployed.raw_user(email) == pre_created
