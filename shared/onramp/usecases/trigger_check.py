"""Does each user pool still call the trigger, and may it?

A pool that does not, because another stack rewrote its settings or a permission was removed, causes no invocation and
no error: nothing else in the account reports it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from onramp.domain.policies import Grant, invocation_grant


@dataclass(frozen=True, slots=True)
class PoolDescription:
    """`post_confirmation` is the ARN of the function that the pool calls, None where it calls none."""

    user_pool_id: str
    estimated_users: int
    post_confirmation: str | None


class Detachment(StrEnum):
    NOT_CALLED = "not_called"
    """The pool's LambdaConfig does not name the alias."""
    NOT_PERMITTED = "not_permitted"
    """The alias's policy does not let Cognito invoke it for the pool."""


@dataclass(frozen=True, slots=True)
class Detached:
    """The pools whose confirmations do not reach the trigger, each with the reason."""

    pools: Mapping[str, Detachment]


@dataclass(frozen=True, slots=True)
class TriggerCheck:
    alias_arn: str
    alias_policy: Callable[[], Mapping[str, Any]]

    def __call__(self, pools: Iterable[PoolDescription]) -> Detached:
        """Raises RetryableError."""
        policy = self.alias_policy()
        reasons = {pool.user_pool_id: self._reason(pool, policy) for pool in pools}
        return Detached({pool: reason for pool, reason in reasons.items() if reason})

    def _reason(self, pool: PoolDescription, policy: Mapping[str, Any]) -> Detachment | None:
        if pool.post_confirmation != self.alias_arn:
            return Detachment.NOT_CALLED
        grant = invocation_grant(policy, alias_arn=self.alias_arn, user_pool_id=pool.user_pool_id)
        return Detachment.NOT_PERMITTED if grant is Grant.NONE else None
