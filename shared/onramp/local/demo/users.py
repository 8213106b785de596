"""The users of the demo and their calls to Cognito."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from onramp.local.stack import LocalStack

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp import CognitoIdentityProviderClient

SIGN_UP_CODE = "123456"  # the emulator's codes are constants
RESET_CODE = "654321"
PASSWORD = "Correct-Horse-42"  # noqa: S105  # a user of the emulator only
NEW_PASSWORD = "Battery-Staple-43"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Person:
    given_name: str
    family_name: str

    @property
    def email(self) -> str:
        return f"{self.given_name.lower()}@example.com"


MARA = Person("Mara", "Lind")  # a manager, pre-created by an admin
THEO = Person("Theo", "Brandt")  # also pre-created; the signup with his address is not verified
NIA = Person("Nia", "Okoro")  # not pre-created
IVO = Person("Ivo", "Petrov")  # signs up while Stripe fails


@dataclass(frozen=True, slots=True)
class Signup:
    """A Cognito user, confirmed or not."""

    person: Person
    sub: str


class Cognito:
    def __init__(self, stack: LocalStack) -> None:
        self._client: CognitoIdentityProviderClient = stack.client("cognito-idp")
        self._pool = stack.outputs["UserPoolId"]
        self._app = stack.outputs["UserPoolClientId"]

    def sign_up(self, person: Person) -> Signup:
        attributes = {"email": person.email, "given_name": person.given_name, "family_name": person.family_name}
        reply = self._client.sign_up(
            ClientId=self._app,
            Username=person.email,
            Password=PASSWORD,
            UserAttributes=[{"Name": name, "Value": value} for name, value in attributes.items()],
        )
        return Signup(person, reply["UserSub"])

    def confirm(self, person: Person) -> None:
        """Confirms with the code from the e-mail, which verifies the address."""
        self._client.confirm_sign_up(ClientId=self._app, Username=person.email, ConfirmationCode=SIGN_UP_CODE)

    def confirm_by_admin(self, person: Person) -> None:
        """Confirms without a code, which verifies nothing."""
        self._client.admin_confirm_sign_up(UserPoolId=self._pool, Username=person.email)

    def status(self, person: Person) -> tuple[str, bool]:
        """The user's Cognito status, and whether the e-mail is verified."""
        user = self._client.admin_get_user(UserPoolId=self._pool, Username=person.email)
        attributes = {attribute["Name"]: attribute["Value"] for attribute in user["UserAttributes"]}
        return user["UserStatus"], attributes.get("email_verified") == "true"

    def reset_password(self, person: Person) -> None:
        self._client.forgot_password(ClientId=self._app, Username=person.email)
        self._client.confirm_forgot_password(
            ClientId=self._app, Username=person.email, ConfirmationCode=RESET_CODE, Password=NEW_PASSWORD
        )

    def can_sign_in(self, person: Person, password: str) -> bool:
        try:
            self._client.admin_initiate_auth(
                UserPoolId=self._pool,
                ClientId=self._app,
                AuthFlow="ADMIN_USER_PASSWORD_AUTH",
                AuthParameters={"USERNAME": person.email, "PASSWORD": password},
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "NotAuthorizedException":
                return False
            raise
        return True
