"""The cast, and what they do at Cognito."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from onramp.local.stack import LocalStack

SIGN_UP_CODE = "123456"  # the emulator's codes are fixed
RESET_CODE = "654321"
PASSWORD = "Correct-Horse-42"  # noqa: S105  # opens nothing but the emulator
NEW_PASSWORD = "Battery-Staple-43"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Person:
    given_name: str
    family_name: str

    @property
    def email(self) -> str:
        return f"{self.given_name.lower()}@example.com"


MARA = Person("Mara", "Lind")  # a manager, expected by an admin
THEO = Person("Theo", "Brandt")  # another one, who never gets to sign up himself
NIA = Person("Nia", "Okoro")  # nobody has heard of her
IVO = Person("Ivo", "Petrov")  # picks the moment when Stripe is down


@dataclass(frozen=True, slots=True)
class Signup:
    """Somebody at Cognito, confirmed or not."""

    person: Person
    sub: str


class Cognito:
    def __init__(self, stack: LocalStack) -> None:
        self._client: Any = stack.client("cognito-idp")
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
        """The code came by e-mail, so it proves the address."""
        self._client.confirm_sign_up(ClientId=self._app, Username=person.email, ConfirmationCode=SIGN_UP_CODE)

    def confirm_by_admin(self, person: Person) -> None:
        """Proves nothing."""
        self._client.admin_confirm_sign_up(UserPoolId=self._pool, Username=person.email)

    def standing(self, person: Person) -> tuple[str, bool]:
        """The user's status, and whether the e-mail is verified."""
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
