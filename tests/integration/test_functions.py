"""The deployed functions, invoked with every sample under events/ and with invalid payloads."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.deployed import DeployedPipeline, eventually, unique_email

EVENTS = Path(__file__).resolve().parents[2] / "events"
SENTENCE = "We could not complete your sign-up. Please contact support and quote "


def invoke(deployed: DeployedPipeline, payload: Any) -> tuple[bool, Any]:
    """Whether the trigger succeeded, and its answer."""
    reply = deployed.stack.client("lambda").invoke(
        FunctionName=deployed.outputs["PostConfirmationFunctionName"], Qualifier="live", Payload=json.dumps(payload)
    )
    return "FunctionError" not in reply, json.loads(reply["Payload"].read())


def sample(deployed: DeployedPipeline, name: str) -> dict[str, Any]:
    """A sample as an event of this stack's pool, with a new user."""
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    event["userPoolId"] = deployed.outputs["UserPoolId"]
    attributes = event["request"]["userAttributes"]
    attributes["sub"] = str(uuid.uuid4())
    if "email" in attributes:
        attributes["email"] = unique_email(name.replace("_", "-"))
    return event


@pytest.mark.parametrize(
    ("name", "vouched_by"),
    [
        ("post_confirmation_native", "cognito"),
        ("post_confirmation_federated_trusted", "Contoso"),
        ("post_confirmation_federated_google", "Google"),
    ],
)
def test_an_accepted_signup_creates_a_record_and_returns_its_event_unchanged(
    deployed: DeployedPipeline, name: str, vouched_by: str
) -> None:
    event = sample(deployed, name)
    assert invoke(deployed, event) == (True, event)
    user = deployed.user(event["request"]["userAttributes"]["email"])
    assert user is not None
    assert (user["emailVouchedBy"], user["roles"]) == (vouched_by, ["team_member"])


def test_a_pre_created_record_is_linked_by_its_canonical_address(deployed: DeployedPipeline) -> None:
    event = sample(deployed, "post_confirmation_pre_created")
    attributes = event["request"]["userAttributes"]
    deployed.pre_create(attributes["email"], "manager")
    attributes["email"] = attributes["email"].upper()
    assert invoke(deployed, event)[0]
    user = deployed.user(attributes["email"].lower())
    assert user is not None
    assert (user["roles"], user["onboarding"], user["cognitoSub"]) == (["manager"], "pre_created", attributes["sub"])


@pytest.mark.parametrize(
    "name",
    [
        "post_confirmation_admin_confirmed",
        "post_confirmation_federated_untrusted",
        "post_confirmation_federated_without_email",
    ],
)
def test_a_refused_signup_gets_the_sentence_and_no_record(deployed: DeployedPipeline, name: str) -> None:
    event = sample(deployed, name)
    succeeded, answer = invoke(deployed, event)
    assert not succeeded
    assert answer["errorMessage"].startswith(SENTENCE)
    assert deployed.user(event["request"]["userAttributes"].get("email", "absent@example.com")) is None


@pytest.mark.parametrize("name", ["post_confirmation_forgot_password", "post_authentication"])
def test_an_event_that_is_not_a_signup_is_returned_unchanged(deployed: DeployedPipeline, name: str) -> None:
    event = sample(deployed, name)
    assert invoke(deployed, event) == (True, event)
    assert deployed.user(event["request"]["userAttributes"]["email"]) is None


@pytest.mark.parametrize(
    "payload",
    [
        None,
        7,
        "text",
        [],
        {},
        {"triggerSource": "PostConfirmation_ConfirmSignUp"},
        {"triggerSource": ["PostConfirmation_ConfirmSignUp"]},
        {"triggerSource": "PostConfirmation_ConfirmSignUp", "userPoolId": {}, "request": {"userAttributes": {}}},
        {"triggerSource": "PostConfirmation_ConfirmSignUp", "request": {"userAttributes": [1]}},
    ],
)
def test_any_invalid_payload_gets_the_sentence(deployed: DeployedPipeline, payload: Any) -> None:
    succeeded, answer = invoke(deployed, payload)
    assert not succeeded
    assert answer["errorMessage"].startswith(SENTENCE)


def test_another_pool_is_refused(deployed: DeployedPipeline) -> None:
    event = sample(deployed, "post_confirmation_native") | {"userPoolId": "eu-west-1_Another01"}
    assert invoke(deployed, event)[0] is False
    assert deployed.user(event["request"]["userAttributes"]["email"]) is None


def test_the_sample_batch_fails_in_exactly_three_records(deployed: DeployedPipeline) -> None:
    """After the signup of its valid user, two records are acknowledged and three dead-lettered."""
    batch = json.loads((EVENTS / "sqs_batch.json").read_text())
    signed_up = json.loads(batch["Records"][0]["body"])["detail"]["data"]
    event = json.loads((EVENTS / "post_confirmation_native.json").read_text())
    assert invoke(deployed, event | {"userPoolId": deployed.outputs["UserPoolId"]})[0]
    entries = [{"Id": str(n), "MessageBody": record["body"]} for n, record in enumerate(batch["Records"])]
    deployed.sqs.send_message_batch(QueueUrl=deployed.outputs["ProvisioningQueueUrl"], Entries=entries)
    deployed.ready(signed_up["email"])
    markers = {
        "nobody@example.com": "unknown_user",
        '"2.0"': "unsupported_schema_version",
        "not JSON": "malformed_event",
    }
    assert {marker: deployed.dead_letter(marker)["reason"] for marker in markers} == markers
    assert len(deployed.customers_of(signed_up["cognitoSub"])) == 1


def test_the_customer_has_the_address_of_the_record(deployed: DeployedPipeline) -> None:
    email = unique_email("renamed")
    sub = deployed.join(email)
    deployed.ready(email)
    (customer,) = eventually(lambda: deployed.customers_of(sub))
    assert customer["email"] == email
