"""Provider keys: SSM SecureStrings, cached for at most five minutes and read again once after a refusal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from aws_lambda_powertools.utilities.parameters import SSMProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

from onramp.domain.errors import KeyRejected, SecretUnreadable

MAX_AGE_SECONDS = 300
T = TypeVar("T")


class Secret(Protocol):
    def get(self, *, fresh: bool = False) -> str:
        """Raises SecretUnreadable."""


@dataclass(frozen=True, slots=True)
class SsmSecret:
    provider: SSMProvider
    name: str

    def get(self, *, fresh: bool = False) -> str:
        try:
            value = self.provider.get(self.name, decrypt=True, max_age=MAX_AGE_SECONDS, force_fetch=fresh)
        except GetParameterError as error:
            raise SecretUnreadable from error
        if not isinstance(value, str) or not value.strip():
            raise SecretUnreadable
        return value.strip()


def with_key(secret: Secret, call: Callable[[str], T]) -> T:
    """Calls with the cached key, and once more with a freshly read one where the provider refuses it.

    So a rotated key costs one refused call, not five minutes of them.
    """
    key = secret.get()
    try:
        return call(key)
    except KeyRejected:
        if (fresh := secret.get(fresh=True)) == key:
            raise
        return call(fresh)
