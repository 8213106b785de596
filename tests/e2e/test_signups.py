"""Who signs up gets what is theirs, and nothing else, all the way to the profile."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from onramp.local.control import GatewayControlError
from tests.people import Town, eventually, somebody

SENTENCE = "We could not complete your sign-up. Please contact support and quote "


def test_a_signup_becomes_a_provisioned_user(town: Town) -> None:
    email = somebody("nia")
    signed_up = town.subscribe("UserSignedUp")
    provisioned = town.subscribe("UserProvisioned")
    sub = town.join(email, given_name="Nia", family_name="Newcomer")

    user = town.user(email)
    assert user is not None
    assert (user["cognitoSub"], user["roles"], user["onboarding"]) == (sub, ["team_member"], "self_service")
    assert user["emailVouchedBy"] == "cognito"

    profile = town.ready(email)
    assert profile["displayName"] == "Nia Newcomer"
    assert profile["revenueCatId"] == sub
    assert [customer["id"] for customer in town.customers_of(sub)] == [profile["stripeCustomerId"]]
    assert sub in {customer["id"] for customer in town.revenuecat.customers()}

    (event,) = eventually(lambda: signed_up(sub), what="UserSignedUp")
    assert event["detail"]["data"]["roles"] == ["team_member"]
    (done,) = eventually(lambda: provisioned(sub), what="UserProvisioned")
    assert done["detail"]["data"]["stripeCustomerId"] == profile["stripeCustomerId"]
    assert done["detail"]["metadata"]["correlationId"] == event["detail"]["metadata"]["correlationId"]


def test_a_pre_created_manager_keeps_what_the_admin_gave_her(town: Town) -> None:
    email = somebody("mara")
    prepared = town.pre_create(
        email, "manager", "admin", givenName={"S": "Mara"}, costCentre={"L": [{"M": {"code": {"S": "0042"}}}]}
    )
    sub = town.join(email.replace("mara", "Mara"), given_name="Somebody")
    town.ready(email)
    record = town.raw_user(email)
    assert record is not None
    assert record["cognitoSub"] == {"S": sub}
    assert {name: record[name] for name in prepared} == prepared


class TestRefused:
    def test_an_unverified_signup_cannot_take_a_pre_created_record(self, town: Town) -> None:
        email = somebody("prepared")
        prepared = town.pre_create(email, "admin")
        sub = town.sign_up(email)
        with pytest.raises(ClientError, match=SENTENCE) as caught:
            town.confirm_by_admin(email)
        assert caught.value.response["Error"]["Code"] == "UserLambdaValidationException"
        assert town.raw_user(email) == prepared
        assert town.profile(sub) is None
        reference = str(caught.value).partition("quote ")[2].split(".")[0]
        assert any("nobody_vouches" in line and reference in line for line in town.stack.logs())

    def test_a_second_sub_cannot_take_a_linked_record(self, town: Town) -> None:
        email = somebody("linked")
        town.join(email)
        town.ready(email)
        before = town.raw_user(email)
        with pytest.raises(GatewayControlError, match=SENTENCE):
            town.stack.control.federated_sign_in(
                town.outputs["UserPoolId"], "Contoso", {"email": email}, providerType="OIDC"
            )
        assert town.raw_user(email) == before

    def test_an_untrusted_provider_gains_nothing_whatever_it_claims(self, town: Town) -> None:
        email = somebody("claimed")
        prepared = town.pre_create(email, "admin")
        with pytest.raises(GatewayControlError, match=SENTENCE):
            town.stack.control.federated_sign_in(
                town.outputs["UserPoolId"],
                "EvilIdp",
                {"email": email, "email_verified": "true", "custom:role": "admin"},
                providerType="OIDC",
            )
        assert town.raw_user(email) == prepared

    def test_no_rejection_names_its_cause_to_the_user(self, town: Town) -> None:
        for attributes in ({}, {"email": "not an address"}, {"email": somebody()}):
            with pytest.raises(GatewayControlError) as caught:
                town.stack.control.federated_sign_in(town.outputs["UserPoolId"], "EvilIdp", attributes)
            text = caught.value.reason.partition(SENTENCE)
            assert text[1], caught.value.reason
            assert len(text[2].strip(".")) == 36, "nothing but the reference"


class TestFederated:
    def test_a_trusted_provider_links(self, town: Town) -> None:
        email = somebody("tariq")
        town.pre_create(email, "manager")
        town.stack.control.federated_sign_in(
            town.outputs["UserPoolId"], "Contoso", {"email": email}, providerType="OIDC"
        )
        town.ready(email)
        user = town.user(email)
        assert user is not None
        assert (user["roles"], user["identityProvider"], user["emailVouchedBy"]) == (["manager"], "Contoso", "Contoso")

    def test_google_unverified_creates_but_does_not_link(self, town: Town) -> None:
        newcomer, prepared = somebody("gita"), somebody("prepared")
        pool = town.outputs["UserPoolId"]
        town.stack.control.federated_sign_in(pool, "Google", {"email": newcomer})
        town.ready(newcomer)
        before = town.pre_create(prepared, "admin")
        with pytest.raises(GatewayControlError, match=SENTENCE):
            town.stack.control.federated_sign_in(pool, "Google", {"email": prepared})
        assert town.raw_user(prepared) == before


def test_a_password_reset_changes_nothing(town: Town) -> None:
    email = somebody("forgetful")
    sub = town.join(email)
    town.ready(email)
    before = town.raw_user(email), town.profile(sub)
    client = town.outputs["UserPoolClientId"]
    town.cognito.forgot_password(ClientId=client, Username=email)
    town.cognito.confirm_forgot_password(
        ClientId=client, Username=email, ConfirmationCode="654321", Password="Another-horse-7-staple"
    )
    assert (town.raw_user(email), town.profile(sub)) == before


def test_what_a_caller_adds_reaches_nothing(town: Town) -> None:
    email = somebody("mallory")
    sub = town.sign_up(email)
    town.confirm(email, ClientMetadata={"role": "canary-metadata", "roles": '["admin"]'})
    town.ready(email)
    stored = repr((town.raw_user(email), town.profile(sub), town.stripe.customers()))
    assert "canary-metadata" not in stored + "".join(town.stack.logs())
    user = town.user(email)
    assert user is not None
    assert user["roles"] == ["team_member"]


def test_two_hundred_signups_eight_at_a_time(town: Town) -> None:
    emails = [somebody(f"crowd{number}") for number in range(200)]
    with ThreadPoolExecutor(8) as crowd:
        subs = dict(zip(emails, crowd.map(town.join, emails), strict=True))
    for email in emails:
        town.ready(email, within=60)
    owners = [customer["metadata"].get("cognitoSub") for customer in town.stripe.customers()]
    assert [owners.count(sub) for sub in subs.values()] == [1] * 200


def test_nothing_personal_is_logged(town: Town) -> None:
    email = somebody("secretive")
    town.join(email, given_name="Canarygiven", family_name="Canaryfamily", name="Canaryname")
    town.ready(email)
    with pytest.raises(GatewayControlError):
        town.stack.control.federated_sign_in(town.outputs["UserPoolId"], "EvilIdp", {"email": email})
    logs = "\n".join(town.stack.logs())
    assert "provisioned" in logs
    for secret in (email, "secretive", "Canary", "sk_test", "@example.com"):
        assert secret not in logs
