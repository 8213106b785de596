"""An update of a user pool's triggers that changes no other setting, or is rolled back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from onramp.adapters.aws import error_code
from onramp.ops.attach.update_request import update_request, update_shape
from onramp.ops.common.errors import CommandFailed, UsageError, as_usage_error
from onramp.ops.common.private_file import private_file

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp.client import CognitoIdentityProviderClient

MFA = "MfaFactors"
TRIGGERS = "LambdaConfig"
VOLATILE = frozenset({"LastModifiedDate", "EstimatedNumberOfUsers"})
"""Members of a description that change without a change of a setting."""


@dataclass(frozen=True, slots=True)
class UserPool:
    client: CognitoIdentityProviderClient
    id: str

    def describe(self) -> dict[str, Any]:
        """DescribeUserPool, with the MFA factors that it leaves out under `MfaFactors`. Raises UsageError."""
        try:
            pool = self.client.describe_user_pool(UserPoolId=self.id)["UserPool"]
        except ClientError as error:
            if error_code(error) != "ResourceNotFoundException":
                raise
            raise UsageError(f"there is no user pool {self.id} in this account and region.") from error
        return {**pool, MFA: self._factors()}

    def update(self, description: Mapping[str, Any], triggers: Mapping[str, Any]) -> None:
        """Sets every setting to its value in `description`, and the triggers to `triggers`."""
        request = update_request(description, update_shape(self.client)) | {TRIGGERS: dict(triggers)}
        try:
            self.client.update_user_pool(**request)
        except ClientError as error:
            if error_code(error) != "InvalidParameterException" or "MFA" not in str(error):
                raise
            # Where an authenticator app is the only factor, Cognito refuses MfaConfiguration; left out, it is kept.
            request.pop("MfaConfiguration", None)
            self.client.update_user_pool(**request)
        self._restore_factors(description[MFA])

    def _restore_factors(self, factors: Mapping[str, Any]) -> None:
        if differences(factors, self._factors()):
            self.client.set_user_pool_mfa_config(UserPoolId=self.id, **factors)

    def _factors(self) -> dict[str, Any]:
        reply = self.client.get_user_pool_mfa_config(UserPoolId=self.id)
        return {name: value for name, value in reply.items() if name != "ResponseMetadata"}


@dataclass(frozen=True, slots=True)
class SettingChange:
    """`setting` is a path, as `Policies.PasswordPolicy.MinimumLength`; a value is None where the setting is absent."""

    setting: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class PoolUpdate:
    """From the description `before` to the same settings with other `triggers`."""

    pool: UserPool
    before: Mapping[str, Any]
    triggers: Mapping[str, Any]

    @property
    def changes(self) -> list[SettingChange]:
        return differences({TRIGGERS: self.before.get(TRIGGERS) or {}}, {TRIGGERS: self.triggers})

    def apply(self) -> int:
        """The number of compared settings.

        Raises UsageError where nothing was done, CommandFailed where the update was rolled back.
        """
        if self.pool.describe().get("LastModifiedDate") != self.before.get("LastModifiedDate"):
            raise UsageError(f"{self.pool.id} was updated in the meantime: nothing was done, run the command again.")
        try:
            self.pool.update(self.before, self.triggers)
            unexpected = differences({**self.before, TRIGGERS: self.triggers}, self.pool.describe())
        except (ClientError, BotoCoreError) as error:
            raise self._roll_back(f"{as_usage_error(error)}") from error
        except BaseException:
            self._restore()
            raise
        if unexpected:
            raise self._roll_back(f"Cognito changed another setting: {_sentence(unexpected)}.")
        return sum(not name.startswith(TRIGGERS) for name in leaves(self.before))

    def _roll_back(self, why: str) -> CommandFailed:
        """The error to raise; with a file of the former settings where the pool does not have them again."""
        try:
            remaining = self._restore()
        except (ClientError, BotoCoreError) as error:
            return CommandFailed(f"{why} The rollback failed ({as_usage_error(error)}). {self._save_settings()}")
        if remaining:
            return CommandFailed(f"{why} Rolled back except for {_sentence(remaining)}. {self._save_settings()}")
        return CommandFailed(f"{why} Rolled back: the pool is as it was.")

    def _restore(self) -> list[SettingChange]:
        """What still differs from `before`."""
        if not differences(self.before, self.pool.describe()):
            return []
        self.pool.update(self.before, self.before.get(TRIGGERS) or {})
        return differences(self.before, self.pool.describe())

    def _save_settings(self) -> str:
        file = Path(f"{self.pool.id}.before.json")
        file.unlink(missing_ok=True)
        with private_file(file) as out:
            json.dump(self.before, out, indent=2, default=str)
        return f"The former settings are in {file}."


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[SettingChange]:
    """Every setting that differs. Cognito treats an empty setting and an absent one alike, and so does this."""
    old, new = leaves(before), leaves(after)
    return [
        SettingChange(name, old.get(name), new.get(name))
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]


def leaves(description: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by path, without empty and volatile ones; lists are sorted."""
    return dict(_leaves({name: value for name, value in description.items() if name not in VOLATILE}, ""))


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else str(name))
    elif ".aws:" in path:
        return  # a tag of AWS itself, which no caller can set or remove
    elif isinstance(value, list):
        if value:
            yield path, sorted(value, key=lambda item: json.dumps(item, sort_keys=True, default=str))
    elif value not in (None, ""):
        yield path, value


def _sentence(changes: list[SettingChange]) -> str:
    return ", ".join(f"{change.setting} ({change.before} -> {change.after})" for change in changes)
