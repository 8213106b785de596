"""What the rules decide for one user of a pool: nothing to do, create, link, or refuse. Nothing is written here.

Heal, sweep, backfill, explain and relink all call `decide`, so the order of the checks is in one place:

    confirmed? ─▶ the sub's own record ─▶ the trust rules ─▶ the tombstone ─▶ the record of the address

A decision to create or link is only a forecast: the conditional write of `usecases.signup` has the last word.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from onramp.domain.claims import Admission, PoolUser
from onramp.domain.errors import Cause, Rejection
from onramp.domain.users import Claim, User

CONFIRMED = ("CONFIRMED", "EXTERNAL_PROVIDER")
"""Cognito's `UserStatus` values of users who have confirmed; a federated user is never CONFIRMED."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A row of ListUsers; `modified_at` in Unix milliseconds."""

    user: PoolUser
    modified_at: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What the tables hold about a pool user. Each function is called only where its answer decides.

    `record_of` takes a canonical e-mail address; `holder_of` takes a sub and gives the `userId` of the record linked to
    it, from an index that may lag behind a write by seconds; `is_forgotten` tells whether an operator erased a sub.
    """

    record_of: Callable[[str], User | None]
    holder_of: Callable[[str], str | None]
    is_forgotten: Callable[[str], bool]


class Kind(StrEnum):
    HAS_RECORD = "has_record"
    EMAIL_CHANGED = "email_changed"
    FORGOTTEN = "forgotten"
    CREATE = "create"
    LINK = "link"
    CONFLICT = "conflict"
    REFUSED = "refused"
    NOT_CONFIRMED = "not_confirmed"
    FAILED = "failed"
    """The write failed: never decided here, only counted beside the decisions."""


@dataclass(frozen=True, slots=True)
class Decision:
    """`cause` of REFUSED and CONFLICT; `claim` of every user that the trust rules admit, even if a record prevents it.

    `status` is Cognito's, of NOT_CONFIRMED only.
    """

    kind: Kind
    cause: Cause | None = None
    claim: Claim | None = None
    status: str = ""

    @property
    def writes(self) -> bool:
        return self.kind in (Kind.CREATE, Kind.LINK)

    @property
    def label(self) -> str:
        """The word under which reports, counts and logs name it, as `refused_nobody_vouches`; see `kind_of`."""
        match self.kind:
            case Kind.REFUSED:
                return f"refused_{self.cause}"
            case Kind.NOT_CONFIRMED:
                return f"skipped_{self.status.lower()}"
        return self.kind.value


_KINDS = {kind.value: kind for kind in Kind} | {Decision(Kind.REFUSED, cause).label: Kind.REFUSED for cause in Cause}


def kind_of(label: str) -> Kind:
    """The kind behind a label that was counted or stored. Cognito may add statuses: an unknown one is not confirmed."""
    return _KINDS.get(label, Kind.NOT_CONFIRMED)


def decide(admission: Admission, user: PoolUser, facts: Facts, now: int) -> Decision:
    """`now` in Unix milliseconds. Raises what the functions of `facts` raise."""
    if user.status not in CONFIRMED:
        return Decision(Kind.NOT_CONFIRMED, status=str(user.status))
    record = facts.record_of(user.email) if user.email else None
    if user.sub and record and record.cognito_sub == user.sub:
        return Decision(Kind.HAS_RECORD)
    # An e-mail address may change in Cognito: the sub's own record counts under any address and never gets a second.
    if user.sub and (holder := facts.holder_of(user.sub)):
        return Decision(Kind.HAS_RECORD if holder == user.email else Kind.EMAIL_CHANGED)
    try:
        claim = admission.claim(user, now)
    except Rejection as rejection:
        return Decision(Kind.REFUSED, rejection.cause)
    if facts.is_forgotten(claim.sub):
        return Decision(Kind.FORGOTTEN)
    return _forecast(claim, record)


def _forecast(claim: Claim, record: User | None) -> Decision:
    """What the conditional write would find."""
    if record is None:
        return Decision(Kind.CREATE, claim=claim)
    if record.cognito_sub is not None:
        return Decision(Kind.CONFLICT, Cause.LINKED_TO_ANOTHER_SUB, claim)
    if claim.may_link:
        return Decision(Kind.LINK, claim=claim)
    return Decision(Kind.REFUSED, Cause.LINK_NEEDS_VERIFIED_EMAIL, claim)
