"""A user that an administrator created never invokes PostConfirmation. With HealOnSignIn the first sign-in heals."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from onramp.local.stack import LocalStack
from tests.conftest import QUICK
from tests.deployed import PASSWORD, DeployedPipeline, unique_email

TEMPORARY = "Temporary-horse-1-battery"


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    healing = {"HealOnSignIn": "true", "PostConfirmationReservedConcurrency": "10"}
    with LocalStack.start(enforce_iam=True, parameters=QUICK | healing) as own:
        yield own


def create_user(deployed: DeployedPipeline, email: str, *, verified: str) -> str:
    """By AdminCreateUser, as in the console. Returns the sub."""
    attributes = {"email": email, "email_verified": verified}
    created = deployed.cognito.admin_create_user(
        UserPoolId=deployed.outputs["UserPoolId"],
        Username=email,
        TemporaryPassword=TEMPORARY,
        MessageAction="SUPPRESS",
        UserAttributes=[{"Name": name, "Value": value} for name, value in attributes.items()],
    )["User"]
    assert created["UserStatus"] == "FORCE_CHANGE_PASSWORD"
    return str({one["Name"]: one["Value"] for one in created["Attributes"]}["sub"])


def sign_in_for_the_first_time(deployed: DeployedPipeline, email: str) -> str:
    """With the temporary password, and then with a new one. Returns the access token."""
    app = {"UserPoolId": deployed.outputs["UserPoolId"], "ClientId": deployed.outputs["UserPoolClientId"]}
    challenge = deployed.cognito.admin_initiate_auth(
        **app, AuthFlow="ADMIN_USER_PASSWORD_AUTH", AuthParameters={"USERNAME": email, "PASSWORD": TEMPORARY}
    )
    assert challenge["ChallengeName"] == "NEW_PASSWORD_REQUIRED"
    assert deployed.user(email) is None, "nothing has been confirmed"
    answered = deployed.cognito.admin_respond_to_auth_challenge(
        **app,
        ChallengeName=challenge["ChallengeName"],
        Session=challenge["Session"],
        ChallengeResponses={"USERNAME": email, "NEW_PASSWORD": PASSWORD},
    )
    return str(answered["AuthenticationResult"]["AccessToken"])


def test_the_first_sign_in_writes_the_record(deployed: DeployedPipeline) -> None:
    email = unique_email("invited")
    sub = create_user(deployed, email, verified="true")
    assert sign_in_for_the_first_time(deployed, email)
    record = deployed.user(email)
    assert record is not None, "the record exists when the sign-in returns"
    assert (record["cognitoSub"], record["roles"], record["onboarding"]) == (sub, ["team_member"], "self_service")
    assert deployed.ready(email)["userId"] == sub


def test_an_address_that_is_not_verified_gets_no_record(deployed: DeployedPipeline) -> None:
    email = unique_email("unverified")
    create_user(deployed, email, verified="false")
    assert sign_in_for_the_first_time(deployed, email), "a heal never blocks a sign-in"
    assert deployed.user(email) is None
