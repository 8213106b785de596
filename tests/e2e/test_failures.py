"""Failures end to end: retries, dead letters with a reason, a failing event bus."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from onramp.adapters.users import UserTable
from onramp.domain.event_data import user_signed_up
from onramp.local.fakes.faults import Kind
from tests.deployed import DeployedPipeline, eventually, unique_email


def step_of(profile: dict[str, Any] | None, name: str) -> dict[str, Any]:
    step: dict[str, Any] = (profile or {}).get("provisioning", {}).get(name, {})
    return step


@pytest.mark.parametrize("kind", ["server_error", "rate_limited", "unauthorized"])
def test_a_signup_completes_after_stripe_recovers(deployed: DeployedPipeline, kind: Kind) -> None:
    email = unique_email("retried")
    deployed.stripe.fault(kind=kind, operation="create", match=email, times=None, seconds=1)
    sub = deployed.join(email)

    def retrying() -> dict[str, Any] | None:
        profile = deployed.profile(sub)
        return profile if step_of(profile, "stripe").get("state") == "retrying" else None

    waiting = eventually(retrying, what="a retrying step")
    assert step_of(waiting, "revenuecat")["state"] == "done", "the result of the other step is kept"
    eventually(lambda: (deployed.user(email) or {}).get("owed", "").startswith("enrich#"), what="enrich owed")
    deployed.stripe.clear()
    deployed.ready(email)
    assert len(deployed.customers_of(sub)) == 1


def test_a_lost_reply_creates_no_second_customer(deployed: DeployedPipeline) -> None:
    email = unique_email("lost-reply")
    deployed.stripe.fault(kind="server_error", operation="create", match=email, times=2, applied=True)
    sub = deployed.join(email)
    deployed.ready(email)
    assert len(deployed.customers_of(sub)) == 1


def test_a_permanent_error_is_dead_lettered_with_its_reason_and_emitted(deployed: DeployedPipeline) -> None:
    email = unique_email("refused")
    failed = deployed.subscribe("UserProvisioningFailed")
    deployed.stripe.fault(kind="refused", operation="create", match=email, code="email_invalid", times=1)
    sub = deployed.join(email)
    letter = deployed.dead_letter(email)
    assert (letter["step"], letter["reason"], letter["errorCode"]) == ("stripe", "stripe_refused_400", "email_invalid")
    assert letter["attempts"] == "1"
    assert letter["codeVersion"]
    assert letter["firstFailedAt"].endswith("Z")
    eventually(
        lambda: (deployed.user(email) or {}).get("owed", "").startswith("operator#"), what="owed to the operator"
    )
    profile = deployed.profile(sub)
    assert profile is not None
    assert profile["provisioningStatus"] == "failed"
    (event,) = eventually(lambda: failed(sub), what="UserProvisioningFailed")
    assert event["detail"]["data"]["reason"] == "stripe_refused_400"

    deployed.sqs.send_message(
        QueueUrl=deployed.outputs["ProvisioningQueueUrl"], MessageBody=letter["body"]
    )  # a redrive
    deployed.ready(email)
    assert len(deployed.customers_of(sub)) == 1


def test_the_last_receive_dead_letters_with_the_error(deployed: DeployedPipeline) -> None:
    email = unique_email("exhausted")
    deployed.stripe.fault(kind="server_error", operation="create", match=email, times=None)
    deployed.join(email)
    letter = deployed.dead_letter(email)
    assert (letter["step"], letter["reason"], letter["errorCode"]) == ("stripe", "retries_exhausted", "stripe_500")
    assert letter["attempts"] == "4"
    assert (deployed.user(email) or {})["owed"].startswith("enrich#")


class TestPoison:
    def test_a_batch_with_good_duplicate_and_poison_messages(self, deployed: DeployedPipeline) -> None:
        email, marker = unique_email("good"), uuid.uuid4().hex
        deployed.join(email)
        deployed.ready(email)
        calls = len(deployed.stripe.calls()), len(deployed.revenuecat.calls())
        signed_up = _envelope(deployed, email)
        unknown_user = json.loads(json.dumps(signed_up))
        unknown_user["detail"]["data"]["userId"] = f"{marker}@nowhere.example"
        relinked = json.loads(json.dumps(signed_up))
        relinked["detail"]["data"] |= {"cognitoSub": str(uuid.uuid4()), "givenName": f"relinked-{marker}"}
        next_major = json.loads(json.dumps(signed_up))
        next_major["detail"]["metadata"] |= {"schemaVersion": "2.0", "correlationId": f"next-major-{marker}"}
        bodies = [signed_up, signed_up, unknown_user, relinked, next_major]
        entries = [{"Id": str(n), "MessageBody": json.dumps(body)} for n, body in enumerate(bodies)]
        entries.append({"Id": "poison", "MessageBody": f"not JSON {marker}"})
        deployed.sqs.send_message_batch(QueueUrl=deployed.outputs["ProvisioningQueueUrl"], Entries=entries)
        reasons = {
            f"{marker}@nowhere": "unknown_user",
            f"relinked-{marker}": "linked_to_another_sub",
            f"next-major-{marker}": "unsupported_schema_version",
            f"not JSON {marker}": "malformed_event",
        }
        assert {text: deployed.dead_letter(text)["reason"] for text in reasons} == reasons
        assert (len(deployed.stripe.calls()), len(deployed.revenuecat.calls())) == calls, "no provider was called"
        eventually(lambda: deployed.depth("ProvisioningQueueUrl") == 0, what="the queue is empty")


class TestTheBus:
    def test_a_refused_event_does_not_fail_the_signup(self, deployed: DeployedPipeline) -> None:
        email = unique_email("not-emitted")
        deployed.stack.control.fault("events", "PutEvents", "partial_failure", match=email)
        deployed.join(email)
        user = deployed.user(email)
        assert user is not None
        assert user["owed"].startswith("emit#")
        assert any("EmitFailed" in line for line in eventually(deployed.stack.logs))

    def test_a_lost_reply_of_the_core_write_is_one_signup(self, deployed: DeployedPipeline) -> None:
        email = unique_email("lost-reply")
        deployed.stack.control.fault("dynamodb", "UpdateItem", "lost_reply", match=email)
        deployed.join(email)
        deployed.ready(email)


def _envelope(deployed: DeployedPipeline, email: str) -> dict[str, Any]:
    """The UserSignedUp event of an existing user, as the bus delivers it."""
    user = UserTable(deployed.dynamodb, deployed.outputs["UsersTableName"]).get(email)
    assert user is not None
    event = user_signed_up(user, correlation_id="test")
    return {"source": "onramp.signup", "detail-type": event.kind.value, "detail": event.detail}
