"""The toy stack that the contracts of the local stack are tested on."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from onramp.local.stack import LocalStack

TEMPLATE = Path(__file__).with_name("template.yaml")
PASSWORD = "Correct-horse-7"
CODE = "123456"

_numbers = itertools.count()
T = TypeVar("T")


def sign_up(toy: LocalStack, wish: str = "please", client: str = "ClientId") -> str:
    """A new e-mail address, signed up and not confirmed. `wish` is what the toy function shall do."""
    email = f"{wish}-{next(_numbers)}@example.com"
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
    """What the toy function saw of this user."""
    return [line["saw"] for line in seen(toy) if email in json.dumps(line)]


def seen(toy: LocalStack) -> list[dict[str, Any]]:
    return [json.loads(line) for line in toy.logs() if line.startswith('{"saw"')]


def eventually(look: Callable[[], T], within: float = 15.0) -> T:
    """What `look` sees, once it sees anything."""
    deadline = time.monotonic() + within
    while not (found := look()):
        assert time.monotonic() < deadline, f"still {found!r} after {within:g} s"
        time.sleep(0.02)
    return found
