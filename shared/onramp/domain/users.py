"""The user record, the profile, and what the pipeline still owes a user.

`Users` is identity and authorization: admins and the pipeline write it, never the user. `UserProfiles` is what a user
may edit. What is owed is stored on the user record: docs/protocol.md has every transition.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from onramp.domain.identity import MAX_NAME

SHARDS = 4


class Owed(StrEnum):
    """What the pipeline still has to do for a user. Stored with its shard, as `emit#2`; absent = provisioned."""

    EMIT = "emit"
    ENRICH = "enrich"
    OPERATOR = "operator"

    def on(self, shard: int | str) -> str:
        """The stored form. The shard spreads one kind over `SHARDS` index partitions."""
        return f"{self.value}#{shard}"


def shard_of(sub: str) -> int:
    return zlib.crc32(sub.encode()) % SHARDS


class Onboarding(StrEnum):
    PRE_CREATED = "pre_created"
    SELF_SERVICE = "self_service"


@dataclass(frozen=True, slots=True)
class Names:
    given_name: str | None = None
    family_name: str | None = None
    name: str | None = None

    @property
    def full(self) -> str | None:
        """Cut to the length of a single name: the providers accept no more."""
        full = self.name or " ".join(filter(None, (self.given_name, self.family_name)))
        return full[:MAX_NAME].strip() or None

    def completed_by(self, other: Names) -> Names:
        """These names, and the other's where one is absent here."""
        return Names(
            other.given_name if self.given_name is None else self.given_name,
            other.family_name if self.family_name is None else self.family_name,
            other.name if self.name is None else self.name,
        )


@dataclass(frozen=True, slots=True)
class User:
    """One row of `Users`. Times are Unix milliseconds; `cognito_sub` is None on a pre-created record.

    `linked_before`: the subs that the record had before a relink, each once, the first one first.
    """

    user_id: str
    roles: tuple[str, ...] = ()
    onboarding: str = Onboarding.SELF_SERVICE
    cognito_sub: str | None = None
    user_pool_id: str | None = None
    identity_provider: str | None = None
    email_vouched_by: str | None = None
    names: Names = field(default_factory=Names)
    created_at: int | None = None
    updated_at: int | None = None
    linked_at: int | None = None
    linked_before: tuple[str, ...] = ()
    owed: str | None = None
    owed_since: int | None = None
    due_at: int | None = None

    def owes(self, kind: Owed) -> bool:
        return self.owed is not None and self.owed.startswith(f"{kind}#")

    @property
    def is_linked(self) -> bool:
        """Whether an event can be built from the record: an edit by hand may have removed what the link wrote."""
        return None not in (self.cognito_sub, self.user_pool_id, self.linked_at)

    def linked_to(self, claim: Claim) -> User:
        """This record after the claim's write: admin-owned fields stay, the identity is the claim's."""
        return replace(
            self,
            cognito_sub=claim.sub,
            user_pool_id=claim.user_pool_id,
            identity_provider=claim.identity_provider,
            email_vouched_by=claim.email_vouched_by,
            names=self.names.completed_by(claim.names),
            created_at=claim.at if self.created_at is None else self.created_at,
            updated_at=claim.at,
            linked_at=claim.at,
            owed=claim.owed,
            owed_since=claim.at,
            due_at=claim.due_at,
        )


@dataclass(frozen=True, slots=True)
class Claim:
    """The claim of one confirmed identity on the record of its address, with what the write will owe.

    `may_link` False: the write may only create, never take over a pre-created record. `default_role` is written where
    the record has no roles.
    """

    user_id: str
    sub: str
    user_pool_id: str
    identity_provider: str
    email_vouched_by: str
    names: Names
    may_link: bool
    at: int
    due_at: int
    default_role: str

    @property
    def owed(self) -> str:
        return Owed.EMIT.on(shard_of(self.sub))

    def as_new_user(self) -> User:
        return User(self.user_id, (self.default_role,)).linked_to(self)


class Status(StrEnum):
    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"


ID_OF_STEP = {"stripe": "stripeCustomerId", "revenuecat": "revenueCatId"}
"""The profile attribute that each step fills. It counts only while the step record says `done`."""

EDITABLE = ("displayName", "givenName", "familyName", "avatarUrl", "preferences")
"""The profile attributes that an application may let its users write. Ids and `provisioning*` are never the user's."""

BROKEN_INTENT = "provisioning.stripeIntent"
"""In `Profile.unreadable`: a request may have been sent under a key that is lost."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One row of `UserProfiles`. `steps` holds a record per enricher: state, attempts, errorCode, at, codeVersion.

    An id counts only with its step `done`: both are written in one update. `unproven` holds ids by attribute that some
    other writer put there. `unreadable`: the paths of what another writer made unusable. It counts as absent.
    """

    sub: str
    status: str
    display_name: str | None = None
    stripe_customer_id: str | None = None
    revenue_cat_id: str | None = None
    intent: Intent | None = None
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    unproven: dict[str, str] = field(default_factory=dict)
    created_at: int | None = None
    unreadable: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        return self.status == Status.READY

    def done(self, step: str) -> bool:
        return self.steps.get(step, {}).get("state") == "done"


@dataclass(frozen=True, slots=True)
class Intent:
    """A request to Stripe, stored before it is sent: key, body, and when both were made (Unix milliseconds).

    `link` is the `linked_at` of the record that its writer had read: after a relink the later one wins.
    """

    epoch: int
    key: str
    created_at: int
    body: dict[str, Any]
    link: int = 0


def display_name(user: User) -> str:
    """The initial display name: the full name, or the part of the address before the @."""
    return user.names.full or user.user_id.rpartition("@")[0]
