"""From Cognito's description of a confirmed user to a claim on a record, or a rejection with its cause.

The trigger passes its event, the pool sweep and the backfill a `ListUsers` row: one set of rules for all. All input is
untrusted. Fields that are used are checked; the others are ignored, since Cognito's events gain fields over time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from onramp.domain.errors import Cause, Rejection
from onramp.domain.identity import canonical_email, usable_name, usable_sub
from onramp.domain.trust import TrustPolicy
from onramp.domain.users import Claim, Names


@dataclass(frozen=True, slots=True)
class PoolUser:
    """A user as the pool describes them, in a trigger event or in a row of ListUsers. Nothing is validated yet."""

    user_pool_id: object
    attributes: Mapping[str, Any]
    status: object

    @property
    def email(self) -> str | None:
        return canonical_email(self.attributes.get("email"))

    @property
    def sub(self) -> str | None:
        return usable_sub(self.attributes.get("sub"))


def user_in(event: object) -> PoolUser:
    """The user of a Cognito trigger event. Raises Rejection, and no other error, for any `event`."""
    event = _mapping(event)
    if not isinstance(event.get("triggerSource"), str):
        raise Rejection(Cause.MALFORMED_EVENT)
    attributes = _mapping(_mapping(event.get("request")).get("userAttributes"))
    return PoolUser(event.get("userPoolId"), attributes, attributes.get("cognito:user_status"))


@dataclass(frozen=True, slots=True)
class Admission:
    """The rules by which a confirmed user is admitted, and what their record starts with.

    `emit_due_after` in milliseconds.
    """

    user_pool_ids: frozenset[str]
    trust: TrustPolicy
    emit_due_after: int
    default_role: str

    def claim(self, user: PoolUser, now: int) -> Claim:
        """The claim of one user, at `now` in Unix milliseconds. Raises Rejection."""
        pool, attributes = user.user_pool_id, user.attributes
        if not isinstance(pool, str) or pool not in self.user_pool_ids:
            raise Rejection(Cause.UNKNOWN_USER_POOL)
        if (sub := user.sub) is None:
            raise Rejection(Cause.UNUSABLE_SUB)
        if (email := user.email) is None:
            raise Rejection(Cause.UNUSABLE_EMAIL, sub)
        vouching = self.trust.vouching(attributes, user.status, email, pool)
        if not vouching.may_create:
            raise Rejection(Cause.NOBODY_VOUCHES, sub)
        return Claim(
            user_id=email,
            sub=sub,
            user_pool_id=pool,
            identity_provider=vouching.identity_provider,
            email_vouched_by=vouching.vouched_by,
            names=_names(attributes),
            may_link=vouching.may_link,
            at=now,
            due_at=now + self.emit_due_after,
            default_role=self.default_role,
        )


def _names(attributes: Mapping[str, Any]) -> Names:
    return Names(*(usable_name(attributes.get(name)) for name in ("given_name", "family_name", "name")))


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Rejection(Cause.MALFORMED_EVENT)
    return value
