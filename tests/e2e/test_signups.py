"""Signups end to end, from Cognito to the profile: roles, links, rejections, personal data."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from botocore.exceptions import ClientError

from onramp.local.gateway.client import GatewayControlError
from tests.deployed import DeployedPipeline, eventually, unique_email

SENTENCE = "We could not complete your sign-up. Please contact support and quote "


def test_a_signup_becomes_a_provisioned_user(deployed: DeployedPipeline) -> None:
    email = unique_email("nia")
    signed_up = deployed.subscribe("UserSignedUp")
    provisioned = deployed.subscribe("UserProvisioned")
    sub = deployed.join(email, given_name="Nia", family_name="Okoro")

    user = deployed.user(email)
    assert user is not None
    assert (user["cognitoSub"], user["roles"], user["onboarding"]) == (sub, ["team_member"], "self_service")
    assert user["emailVouchedBy"] == "cognito"

    profile = deployed.ready(email)
    assert profile["displayName"] == "Nia Okoro"
    assert profile["revenueCatId"] == sub
    assert [customer["id"] for customer in deployed.customers_of(sub)] == [profile["stripeCustomerId"]]
    assert sub in {customer["id"] for customer in deployed.revenuecat.customers()}

    (event,) = eventually(lambda: signed_up(sub), what="UserSignedUp")
    assert event["detail"]["data"]["roles"] == ["team_member"]
    (outcome,) = eventually(lambda: provisioned(sub), what="UserProvisioned")
    assert outcome["detail"]["data"]["stripeCustomerId"] == profile["stripeCustomerId"]
    assert outcome["detail"]["metadata"]["correlationId"] == event["detail"]["metadata"]["correlationId"]


def test_a_pre_created_manager_keeps_every_attribute_that_the_admin_set(deployed: DeployedPipeline) -> None:
    email = unique_email("mara")
    pre_created = deployed.pre_create(
        email, "manager", "admin", givenName={"S": "Mara"}, costCentre={"L": [{"M": {"code": {"S": "0042"}}}]}
    )
    sub = deployed.join(email.replace("mara", "Mara"), given_name="Other")
    deployed.ready(email)
    record = deployed.raw_user(email)
    assert record is not None
    assert record["cognitoSub"] == {"S": sub}
    assert {name: record[name] for name in pre_created} == pre_created


class TestRejected:
    def test_an_unverified_signup_cannot_take_a_pre_created_record(self, deployed: DeployedPipeline) -> None:
        email = unique_email("pre-created")
        pre_created = deployed.pre_create(email, "admin")
        sub = deployed.sign_up(email)
        with pytest.raises(ClientError, match=SENTENCE) as caught:
            deployed.confirm_by_admin(email)
        assert caught.value.response["Error"]["Code"] == "UserLambdaValidationException"
        assert deployed.raw_user(email) == pre_created
        assert deployed.profile(sub) is None
        reference = str(caught.value).partition("quote ")[2].split(".")[0]
        assert any("nobody_vouches" in line and reference in line for line in deployed.stack.logs())

    def test_a_second_sub_cannot_take_a_linked_record(self, deployed: DeployedPipeline) -> None:
        email = unique_email("linked")
        deployed.join(email)
        deployed.ready(email)
        before = deployed.raw_user(email)
        with pytest.raises(GatewayControlError, match=SENTENCE):
            deployed.stack.control.federated_sign_in(
                deployed.outputs["UserPoolId"], "Contoso", {"email": email}, providerType="OIDC"
            )
        assert deployed.raw_user(email) == before

    def test_an_untrusted_provider_cannot_take_a_pre_created_record(self, deployed: DeployedPipeline) -> None:
        email = unique_email("claimed")
        pre_created = deployed.pre_create(email, "admin")
        with pytest.raises(GatewayControlError, match=SENTENCE):
            deployed.stack.control.federated_sign_in(
                deployed.outputs["UserPoolId"],
                "EvilIdp",
                {"email": email, "email_verified": "true", "custom:role": "admin"},
                providerType="OIDC",
            )
        assert deployed.raw_user(email) == pre_created

    def test_the_user_never_sees_the_cause_of_a_rejection(self, deployed: DeployedPipeline) -> None:
        for attributes in ({}, {"email": "not an address"}, {"email": unique_email()}):
            with pytest.raises(GatewayControlError) as caught:
                deployed.stack.control.federated_sign_in(deployed.outputs["UserPoolId"], "EvilIdp", attributes)
            text = caught.value.reason.partition(SENTENCE)
            assert text[1], caught.value.reason
            assert len(text[2].strip(".")) == 36, "nothing but the reference"


class TestFederated:
    def test_a_trusted_provider_links(self, deployed: DeployedPipeline) -> None:
        email = unique_email("tariq")
        deployed.pre_create(email, "manager")
        deployed.stack.control.federated_sign_in(
            deployed.outputs["UserPoolId"], "Contoso", {"email": email}, providerType="OIDC"
        )
        deployed.ready(email)
        user = deployed.user(email)
        assert user is not None
        assert (user["roles"], user["identityProvider"], user["emailVouchedBy"]) == (["manager"], "Contoso", "Contoso")

    def test_google_unverified_creates_but_does_not_link(self, deployed: DeployedPipeline) -> None:
        new, pre_created = unique_email("gita"), unique_email("pre-created")
        pool = deployed.outputs["UserPoolId"]
        deployed.stack.control.federated_sign_in(pool, "Google", {"email": new})
        deployed.ready(new)
        before = deployed.pre_create(pre_created, "admin")
        with pytest.raises(GatewayControlError, match=SENTENCE):
            deployed.stack.control.federated_sign_in(pool, "Google", {"email": pre_created})
        assert deployed.raw_user(pre_created) == before


def test_a_password_reset_changes_nothing(deployed: DeployedPipeline) -> None:
    email = unique_email("forgetful")
    sub = deployed.join(email)
    deployed.ready(email)
    before = deployed.raw_user(email), deployed.profile(sub)
    client = deployed.outputs["UserPoolClientId"]
    deployed.cognito.forgot_password(ClientId=client, Username=email)
    deployed.cognito.confirm_forgot_password(
        ClientId=client, Username=email, ConfirmationCode="654321", Password="Another-horse-7-staple"
    )
    assert (deployed.raw_user(email), deployed.profile(sub)) == before


def test_client_metadata_is_never_stored_or_logged(deployed: DeployedPipeline) -> None:
    email = unique_email("mallory")
    sub = deployed.sign_up(email)
    deployed.confirm(email, ClientMetadata={"role": "canary-metadata", "roles": '["admin"]'})
    deployed.ready(email)
    stored = repr((deployed.raw_user(email), deployed.profile(sub), deployed.stripe.customers()))
    assert "canary-metadata" not in stored + "".join(deployed.stack.logs())
    user = deployed.user(email)
    assert user is not None
    assert user["roles"] == ["team_member"]


def test_two_hundred_signups_eight_at_a_time(deployed: DeployedPipeline) -> None:
    def join(email: str) -> str:
        sub = deployed.sign_up(email)
        # On a busy machine the trigger's budget or Cognito's five seconds may end: the user sees an error, and the
        # invocation goes on or HealSignup writes the record.
        errors = deployed.cognito.exceptions
        with suppress(errors.UserLambdaValidationException, errors.UnexpectedLambdaException):
            deployed.confirm(email)
        return sub

    emails = [unique_email(f"user{number}") for number in range(200)]
    with ThreadPoolExecutor(8) as threads:
        subs = dict(zip(emails, threads.map(join, emails), strict=True))
    for email in emails:
        deployed.ready(email, within=60)
    owners = [customer["metadata"].get("cognitoSub") for customer in deployed.stripe.customers()]
    assert [owners.count(sub) for sub in subs.values()] == [1] * 200


def test_no_personal_data_is_logged(deployed: DeployedPipeline) -> None:
    email = unique_email("secretive")
    deployed.join(email, given_name="Canarygiven", family_name="Canaryfamily", name="Canaryname")
    deployed.ready(email)
    with pytest.raises(GatewayControlError):
        deployed.stack.control.federated_sign_in(deployed.outputs["UserPoolId"], "EvilIdp", {"email": email})
    logs = "\n".join(deployed.stack.logs())
    assert "provisioned" in logs
    for secret in (email, "secretive", "Canary", "sk_test", "@example.com"):
        assert secret not in logs
