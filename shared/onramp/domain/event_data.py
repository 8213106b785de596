"""Builds the events that Onramp publishes, as plain data: pydantic would be a fifth of the trigger's cold start.

`onramp.events` defines the contracts of the same events; a property test validates what is built here against them.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from onramp.domain.users import Profile, User

SOURCE = "onramp.signup"
INTERNAL_SOURCE = "onramp.internal"
"""Of events between Onramp's own functions: consumers and the archive match `SOURCE` and never receive them."""
SCHEMA_VERSION = "1.0"
LAST_MOMENT = 253_402_300_799_000  # the end of the year 9999
_NAMESPACE = uuid.UUID("9910ce3f-13d7-5c4b-abb2-07ce17bcf574")


class Kind(StrEnum):
    """The `detail-type` of an event."""

    USER_SIGNED_UP = "UserSignedUp"
    USER_PROVISIONED = "UserProvisioned"
    USER_PROVISIONING_FAILED = "UserProvisioningFailed"
    USER_FORGOTTEN = "UserForgotten"
    SIGNUP_NOT_RECORDED = "SignupNotRecorded"
    """Internal: it has no contract in `onramp.events`."""


class Origin(StrEnum):
    """Which part of Onramp published the event."""

    SIGNUP = "signup"
    RECONCILE = "reconcile"
    BACKFILL = "backfill"
    REPLAY = "replay"


@dataclass(frozen=True, slots=True)
class Event:
    kind: Kind
    detail: dict[str, Any]

    @property
    def source(self) -> str:
        return INTERNAL_SOURCE if self.kind is Kind.SIGNUP_NOT_RECORDED else SOURCE


def event_id(user_pool_id: str, sub: str, kind: Kind, *more: object) -> str:
    """The same id for the same (pool, sub, kind): consumers dedup retries, re-emissions and replays by it.

    `more` distinguishes events of which one user may have several, as a second failure.
    """
    return str(uuid.uuid5(_NAMESPACE, "/".join((user_pool_id, sub, kind.value, *map(str, more)))))


def delivery(event: Event) -> dict[str, Any]:
    """The envelope in which EventBridge delivers an event, for a message that is put on the queue directly."""
    metadata = event.detail["metadata"]
    return {
        "version": "0",
        "id": metadata["eventId"],
        "detail-type": event.kind.value,
        "source": event.source,
        "time": metadata["occurredAt"],
        "resources": [],
        "detail": event.detail,
    }


def usable_time(value: object) -> int | None:
    """`value` if it is Unix milliseconds within the years 1970 to 9999, else None."""
    usable = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LAST_MOMENT
    return value if usable else None  # type: ignore[return-value]  # an int, then


def rfc3339(millis: int) -> str:
    return datetime.fromtimestamp(millis / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def user_signed_up(user: User, *, correlation_id: str, origin: Origin = Origin.SIGNUP) -> Event:
    """Built from the record as stored, so that every emission is the same. `user` is a linked record."""
    if user.cognito_sub is None or user.user_pool_id is None or user.linked_at is None:
        raise ValueError("UserSignedUp needs a record that is linked to a Cognito user")
    at = rfc3339(user.linked_at)
    names = user.names
    data = {
        "userId": user.user_id,
        "cognitoSub": user.cognito_sub,
        "userPoolId": user.user_pool_id,
        "email": user.user_id,
        "emailVouchedBy": user.email_vouched_by,
        "givenName": names.given_name or None,
        "familyName": names.family_name or None,
        "roles": list(user.roles),
        "onboarding": user.onboarding,
        "identityProvider": user.identity_provider,
        "signedUpAt": at,
    }
    identity = event_id(user.user_pool_id, user.cognito_sub, Kind.USER_SIGNED_UP)
    return _event(Kind.USER_SIGNED_UP, identity, at, correlation_id, origin, data)


def user_provisioned(profile: Profile, user_pool_id: str, *, at: int, correlation_id: str) -> Event:
    data = {
        "cognitoSub": profile.sub,
        "displayName": profile.display_name,
        "stripeCustomerId": profile.stripe_customer_id,
        "revenueCatId": profile.revenue_cat_id,
    }
    identity = event_id(user_pool_id, profile.sub, Kind.USER_PROVISIONED)
    return _event(Kind.USER_PROVISIONED, identity, rfc3339(at), correlation_id, Origin.SIGNUP, data)


def user_provisioning_failed(
    sub: str, user_pool_id: str, *, step: str, reason: str, at: int, correlation_id: str
) -> Event:
    data = {"cognitoSub": sub, "step": step, "reason": reason}
    identity = event_id(user_pool_id, sub, Kind.USER_PROVISIONING_FAILED, step, at)
    return _event(Kind.USER_PROVISIONING_FAILED, identity, rfc3339(at), correlation_id, Origin.SIGNUP, data)


def user_forgotten(sub: str, user_pool_id: str, *, at: int, correlation_id: str, again: bool = False) -> Event:
    """`at` is when the erasure was requested, so that every publication is the same.

    `again`: the user confirmed at `at`, after the erasure. Its eventId is new, or consumers would drop it.
    """
    identity = event_id(user_pool_id, sub, Kind.USER_FORGOTTEN, *([at] if again else []))
    return _event(Kind.USER_FORGOTTEN, identity, rfc3339(at), correlation_id, Origin.SIGNUP, {"cognitoSub": sub})


def signup_not_recorded(sub: str, user_pool_id: str, *, at: int, correlation_id: str) -> Event:
    """The record of this confirmed user could not be written. Nothing personal: the pool has the rest."""
    identity = event_id(user_pool_id, sub, Kind.SIGNUP_NOT_RECORDED)
    data = {"cognitoSub": sub, "userPoolId": user_pool_id}
    return _event(Kind.SIGNUP_NOT_RECORDED, identity, rfc3339(at), correlation_id, Origin.SIGNUP, data)


def _event(
    kind: Kind, identity: str, occurred_at: str, correlation_id: str, origin: Origin, data: dict[str, Any]
) -> Event:
    metadata = {
        "eventId": identity,
        "schemaVersion": SCHEMA_VERSION,
        "occurredAt": occurred_at,
        "correlationId": correlation_id,
        "origin": origin.value,
    }
    # An optional field without a value is absent, never null: consumers need one rule, not two.
    return Event(kind, {"metadata": metadata, "data": {k: v for k, v in data.items() if v is not None}})
