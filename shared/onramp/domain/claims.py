"""From what Cognito says of a confirmed user to a claim on a record, or a rejection with its cause.

The trigger hands in its event, the pool sweep and the backfill a `ListUsers` row: one set of rules for all.
Whatever arrives is untrusted. What is used is checked; what is not used is not looked at, since Cognito's events
gain fields over time.
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
class Admission:
    """The rules by which a confirmed user is let in. `emit_due_after` is in milliseconds."""

    user_pool_ids: frozenset[str]
    trust: TrustPolicy
    emit_due_after: int

    def claim_from_event(self, event: object, now: int) -> Claim:
        """The claim in a Cognito trigger event. Raises Rejection, and nothing else, whatever `event` is."""
        event = _mapping(event)
        if not isinstance(event.get("triggerSource"), str):
            raise Rejection(Cause.MALFORMED_EVENT)
        attributes = _mapping(_mapping(event.get("request")).get("userAttributes"))
        pool = event.get("userPoolId")
        return self.claim(pool, attributes, attributes.get("cognito:user_status"), now)

    def claim(self, user_pool_id: object, attributes: Mapping[str, Any], status: object, now: int) -> Claim:
        """The claim of one user of a pool, at `now` in Unix milliseconds. Raises Rejection."""
        if not isinstance(user_pool_id, str) or user_pool_id not in self.user_pool_ids:
            raise Rejection(Cause.UNKNOWN_USER_POOL)
        if (sub := usable_sub(attributes.get("sub"))) is None:
            raise Rejection(Cause.UNUSABLE_SUB)
        if (email := canonical_email(attributes.get("email"))) is None:
            raise Rejection(Cause.UNUSABLE_EMAIL, sub)
        vouching = self.trust.vouching(attributes, status, email)
        if not vouching.may_create:
            raise Rejection(Cause.NOBODY_VOUCHES, sub)
        return Claim(
            user_id=email,
            sub=sub,
            user_pool_id=user_pool_id,
            identity_provider=vouching.identity_provider,
            email_vouched_by=vouching.vouched_by,
            names=Names(
                usable_name(attributes.get("given_name")),
                usable_name(attributes.get("family_name")),
                usable_name(attributes.get("name")),
            ),
            may_link=vouching.may_link,
            at=now,
            due_at=now + self.emit_due_after,
        )


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Rejection(Cause.MALFORMED_EVENT)
    return value
