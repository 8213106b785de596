"""A change of a pool's triggers that is proven to have changed nothing else, or is taken back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from onramp.adapters.aws import error_code
from onramp.ops.attach.differences import SettingChange, differences, leaves
from onramp.ops.attach.update_request import restated, update_shape
from onramp.ops.common.errors import CommandFailed, UsageError, explained

MFA = "MfaFactors"
TRIGGERS = "LambdaConfig"


@dataclass(frozen=True, slots=True)
class UserPool:
    """`client` is Cognito's."""

    client: Any
    id: str

    def described(self) -> dict[str, Any]:
        """Everything Cognito says of it, with the MFA factors, which DescribeUserPool leaves out. Raises DeskError."""
        try:
            pool: dict[str, Any] = self.client.describe_user_pool(UserPoolId=self.id)["UserPool"]
        except ClientError as error:
            if error_code(error) != "ResourceNotFoundException":
                raise
            raise UsageError(f"there is no user pool {self.id} in this account and region.") from error
        factors = self.client.get_user_pool_mfa_config(UserPoolId=self.id)
        return {**pool, MFA: {name: value for name, value in factors.items() if name != "ResponseMetadata"}}

    def update(self, described: Mapping[str, Any], triggers: Mapping[str, Any]) -> None:
        """Sets it to what was described, but for its triggers."""
        request = restated(described, update_shape(self.client)) | {TRIGGERS: dict(triggers)}
        try:
            self.client.update_user_pool(**request)
        except ClientError as error:
            if error_code(error) != "InvalidParameterException" or "MFA" not in str(error):
                raise
            # A pool whose only factor is an app may not be told so here; left out, this one setting is kept.
            self.client.update_user_pool(
                **{name: value for name, value in request.items() if name != "MfaConfiguration"}
            )
        self._keep_factors(described[MFA])

    def _keep_factors(self, factors: Mapping[str, Any]) -> None:
        now = self.client.get_user_pool_mfa_config(UserPoolId=self.id)
        if differences(factors, {name: value for name, value in now.items() if name != "ResponseMetadata"}):
            self.client.set_user_pool_mfa_config(UserPoolId=self.id, **factors)


@dataclass(frozen=True, slots=True)
class PoolUpdate:
    """From the pool as `before` described it to the same pool with other `triggers`."""

    pool: UserPool
    before: Mapping[str, Any]
    triggers: Mapping[str, Any]

    @property
    def changes(self) -> list[SettingChange]:
        return differences({TRIGGERS: self.before.get(TRIGGERS) or {}}, {TRIGGERS: self.triggers})

    def apply(self) -> int:
        """How many settings were compared. Raises DeskError where nothing was done, Trouble where it was undone."""
        if self.pool.described().get("LastModifiedDate") != self.before.get("LastModifiedDate"):
            raise UsageError(f"{self.pool.id} was changed by somebody else meanwhile: nothing was done, run it again.")
        try:
            self.pool.update(self.before, self.triggers)
            unexpected = differences({**self.before, TRIGGERS: self.triggers}, self.pool.described())
        except (ClientError, BotoCoreError) as error:
            raise self._undone(f"{explained(error)}") from error
        except BaseException:
            self._undo()
            raise
        if unexpected:
            raise self._undone(f"Cognito changed something else: {_said(unexpected)}.")
        return sum(not name.startswith(TRIGGERS) for name in leaves(self.before))

    def _undone(self, why: str) -> CommandFailed:
        try:
            left = self._undo()
        except (ClientError, BotoCoreError) as error:
            return CommandFailed(f"{why} It could not be taken back ({explained(error)}). {self._saved()}")
        if left:
            return CommandFailed(f"{why} Taken back, but for {_said(left)}. {self._saved()}")
        return CommandFailed(f"{why} The pool is as it was.")

    def _undo(self) -> list[SettingChange]:
        """What still differs from before."""
        if not differences(self.before, self.pool.described()):
            return []
        self.pool.update(self.before, self.before.get(TRIGGERS) or {})
        return differences(self.before, self.pool.described())

    def _saved(self) -> str:
        file = Path(f"{self.pool.id}.before.json")
        file.write_text(json.dumps(self.before, indent=2, default=str))
        return f"The settings it had are in {file}."


def _said(changes: list[SettingChange]) -> str:
    return ", ".join(f"{change.setting} ({change.before} -> {change.after})" for change in changes)
