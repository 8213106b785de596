"""Heals one signup that the trigger handed over with `SignupNotRecorded`, minutes after the table is back.

The pool is asked for the user, so the message holds nothing personal and cannot name another address. Everything here
may run twice: healing is the trigger's conditional write.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from onramp.domain.decision import Listed
from onramp.domain.errors import Cause, Rejection, RetryableError
from onramp.domain.identity import usable_sub
from onramp.usecases.heal import Heal, HealOutcome
from onramp.usecases.messages import Message

# ListUsers may be behind the confirmation, and the trigger's own call may still run: asked this often before a user who
# is not there, or not confirmed, counts as deleted. A confirmation after that invokes the trigger again.
RECEIVES_UNTIL_LISTED = 5


class Pool(Protocol):
    def matching(self, user_pool_id: str, attribute: str, value: str) -> Sequence[Listed]:
        """Raises RetryableError."""


@dataclass(frozen=True, slots=True)
class HealedSignup:
    """What became of a message that is done. `outcome` None: the pool has no such user; `cause` of a refusal."""

    outcome: HealOutcome | None
    sub: str
    cause: Cause | None = None


@dataclass(frozen=True, slots=True)
class HealSignup:
    pools: frozenset[str]
    pool: Pool
    heal: Heal

    def __call__(self, message: Message, correlation_id: str) -> HealedSignup:
        """Raises RetryableError where the message must come back, and where it is not a SignupNotRecorded."""
        user_pool_id, sub = self._named_in(message.body)
        listed = next(iter(self.pool.matching(user_pool_id, "sub", sub)), None)
        try:
            outcome = self.heal(listed.user, correlation_id=correlation_id) if listed else None
        except Rejection as rejection:
            return HealedSignup(None, sub, rejection.cause)
        if outcome in (None, HealOutcome.NOT_CONFIRMED) and message.receive_count < RECEIVES_UNTIL_LISTED:
            raise RetryableError("not_listed_yet")
        return HealedSignup(outcome, sub)

    def _named_in(self, body: str) -> tuple[str, str]:
        try:
            data = json.loads(body)["detail"]["data"]
            user_pool_id, sub = data["userPoolId"], usable_sub(data["cognitoSub"])
        except (ValueError, KeyError, TypeError) as error:
            raise RetryableError("malformed_event") from error
        if not isinstance(user_pool_id, str) or user_pool_id not in self.pools or sub is None:
            raise RetryableError("malformed_event")
        return user_pool_id, sub
