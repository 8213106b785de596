"""The toy stack: a small template on which the local stack itself is tested."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from onramp.local.stack import LocalStack

TEMPLATE = Path(__file__).with_name("template.yaml")
PASSWORD = "Correct-horse-7"
CODE = "123456"

_numbers = itertools.count()


def sign_up(toy: LocalStack, command: str = "accept", client: str = "ClientId") -> str:
    """Signs up a new e-mail address without confirming. `command` controls the toy function: see its handler."""
    email = f"{command}-{next(_numbers)}@example.com"
    toy.client("cognito-idp").sign_up(
        ClientId=toy.outputs[client],
        Username=email,
        Password=PASSWORD,
        UserAttributes=[{"Name": "email", "Value": email}],
    )
    return email


def confirm(toy: LocalStack, email: str, client: str = "ClientId", **more: Any) -> None:
    toy.client("cognito-idp").confirm_sign_up(
        ClientId=toy.outputs[client], Username=email, ConfirmationCode=CODE, **more
    )


def events_about(toy: LocalStack, email: str) -> list[dict[str, Any]]:
    """The events of this user that the toy function received."""
    return [line["event"] for line in function_calls(toy) if email in json.dumps(line)]


def function_calls(toy: LocalStack) -> list[dict[str, Any]]:
    return [json.loads(line) for line in toy.logs() if line.startswith('{"event"')]
