"""What fails waits, comes back, or says why."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from onramp.adapters.users import UserTable
from onramp.domain.envelope import user_signed_up
from onramp.local.fakes.faults import Kind
from tests.people import Town, eventually, somebody


def step(profile: dict[str, Any] | None, name: str) -> dict[str, Any]:
    found: dict[str, Any] = (profile or {}).get("provisioning", {}).get(name, {})
    return found


@pytest.mark.parametrize("kind", ["server_error", "rate_limited", "unauthorized"])
def test_a_signup_waits_for_stripe_and_completes(town: Town, kind: Kind) -> None:
    email = somebody("patient")
    town.stripe.fault(kind=kind, operation="create", match=email, times=None, seconds=1)
    sub = town.join(email)
    waiting = eventually(
        lambda: (profile := town.profile(sub)) and step(profile, "stripe").get("state") == "retrying" and profile,
        what="a retrying step",
    )
    assert step(waiting, "revenuecat")["state"] == "done", "the neighbour's result is kept"
    eventually(lambda: (town.user(email) or {}).get("owed", "").startswith("enrich#"), what="enrich owed")
    town.stripe.clear()
    town.ready(email)
    assert len(town.customers_of(sub)) == 1


def test_a_lost_reply_makes_no_second_customer(town: Town) -> None:
    email = somebody("unlucky")
    town.stripe.fault(kind="server_error", operation="create", match=email, times=2, applied=True)
    sub = town.join(email)
    town.ready(email)
    assert len(town.customers_of(sub)) == 1


def test_a_definite_refusal_is_dead_lettered_with_its_reason_and_shown(town: Town) -> None:
    email = somebody("refused")
    failed = town.subscribe("UserProvisioningFailed")
    town.stripe.fault(kind="refused", operation="create", match=email, code="email_invalid", times=1)
    sub = town.join(email)
    letter = town.dead_letter(email)
    assert (letter["step"], letter["reason"], letter["errorCode"]) == ("stripe", "stripe_refused_400", "email_invalid")
    assert letter["attempts"] == "1"
    assert letter["codeVersion"]
    assert letter["firstFailedAt"].endswith("Z")
    eventually(lambda: (town.user(email) or {}).get("owed", "").startswith("operator#"), what="owed to the operator")
    profile = town.profile(sub)
    assert profile is not None
    assert profile["provisioningStatus"] == "failed"
    (event,) = eventually(lambda: failed(sub), what="UserProvisioningFailed")
    assert event["detail"]["data"]["reason"] == "stripe_refused_400"

    town.sqs.send_message(QueueUrl=town.outputs["ProvisioningQueueUrl"], MessageBody=letter["body"])  # a redrive
    town.ready(email)
    assert len(town.customers_of(sub)) == 1


def test_the_last_receive_says_what_was_wrong(town: Town) -> None:
    email = somebody("exhausted")
    town.stripe.fault(kind="server_error", operation="create", match=email, times=None)
    town.join(email)
    letter = town.dead_letter(email)
    assert (letter["step"], letter["reason"], letter["errorCode"]) == ("stripe", "retries_exhausted", "stripe_500")
    assert letter["attempts"] == "4"
    assert (town.user(email) or {})["owed"].startswith("enrich#")


class TestPoison:
    def test_a_batch_with_good_duplicate_and_poison_messages(self, town: Town) -> None:
        email, marker = somebody("good"), uuid.uuid4().hex
        town.join(email)
        town.ready(email)
        calls = len(town.stripe.calls()), len(town.revenuecat.calls())
        signed_up = _envelope(town, email)
        stranger = json.loads(json.dumps(signed_up))
        stranger["detail"]["data"]["userId"] = f"{marker}@nowhere.example"
        relinked = json.loads(json.dumps(signed_up))
        relinked["detail"]["data"] |= {"cognitoSub": str(uuid.uuid4()), "givenName": f"relinked-{marker}"}
        future = json.loads(json.dumps(signed_up))
        future["detail"]["metadata"] |= {"schemaVersion": "2.0", "correlationId": f"future-{marker}"}
        bodies = [signed_up, signed_up, stranger, relinked, future]
        entries = [{"Id": str(n), "MessageBody": json.dumps(body)} for n, body in enumerate(bodies)]
        entries.append({"Id": "poison", "MessageBody": f"not JSON {marker}"})
        town.sqs.send_message_batch(QueueUrl=town.outputs["ProvisioningQueueUrl"], Entries=entries)
        reasons = {
            f"{marker}@nowhere": "unknown_user",
            f"relinked-{marker}": "linked_to_another_sub",
            f"future-{marker}": "unsupported_schema_version",
            f"not JSON {marker}": "malformed_event",
        }
        assert {text: town.dead_letter(text)["reason"] for text in reasons} == reasons
        assert (len(town.stripe.calls()), len(town.revenuecat.calls())) == calls, "no provider was called"
        eventually(lambda: town.depth("ProvisioningQueueUrl") == 0, what="the queue is empty")


class TestTheBus:
    def test_a_refused_event_does_not_fail_the_signup(self, town: Town) -> None:
        email = somebody("unheard")
        town.stack.control.fault("events", "PutEvents", "partial_failure", match=email)
        town.join(email)
        user = town.user(email)
        assert user is not None
        assert user["owed"].startswith("emit#")
        assert any("EmitFailed" in line for line in eventually(town.stack.logs))

    def test_a_lost_reply_of_the_write_is_still_one_signup(self, town: Town) -> None:
        email = somebody("echo")
        town.stack.control.fault("dynamodb", "UpdateItem", "lost_reply", match=email)
        town.join(email)
        town.ready(email)


def _envelope(town: Town, email: str) -> dict[str, Any]:
    """UserSignedUp of an existing user, as the bus delivers it."""
    user = UserTable(town.dynamodb, town.outputs["UsersTableName"]).get(email)
    assert user is not None
    event = user_signed_up(user, correlation_id="test")
    return {"source": "onramp.signup", "detail-type": event.kind.value, "detail": event.detail}
