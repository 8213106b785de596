"""What the trigger's rules say of a pool user who may or may not have a record; nothing is written.

The same order as `onramp.usecases.heal`: the sub's own record first, then the rules, then the tombstone, then what stands in the
way. A test holds what is foreseen here against what a write then does.
"""

from __future__ import annotations

from dataclasses import dataclass

from onramp.domain.claims import Admission
from onramp.domain.errors import Cause, Rejection
from onramp.domain.users import Claim, User
from onramp.usecases.sweep import CONFIRMED, Listed

HAS_RECORD = "has_record"
EMAIL_CHANGED = "email_changed"
FORGOTTEN = "forgotten"
CREATE = "create"
LINK = "link"
CONFLICT = "conflict"
FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`outcome`: one of the above, `refused_<cause>` or `skipped_<status>`.

    `claim` of whoever the rules let in, whatever then stands in the way; `holder`: the record of a changed address.
    """

    outcome: str
    claim: Claim | None = None
    holder: str | None = None

    @property
    def writes(self) -> bool:
        return self.outcome in (CREATE, LINK)


def judge(admission: Admission, listed: Listed, record: User | None, holder: str | None, now: int) -> Verdict:
    """`record`: that of the user's address, if there is one; `holder`: the `userId` linked to their sub."""
    person = listed.person
    if person.status not in CONFIRMED:
        return Verdict(f"skipped_{str(person.status).lower()}")
    if person.sub and record and record.cognito_sub == person.sub:
        return Verdict(HAS_RECORD)
    if holder is not None:
        return Verdict(HAS_RECORD) if holder == person.email else Verdict(EMAIL_CHANGED, holder=holder)
    try:
        claim = admission.claim(person, now)
    except Rejection as rejection:
        return Verdict(f"refused_{rejection.cause}")
    return Verdict(_foreseen(claim, record), claim)


def _foreseen(claim: Claim, record: User | None) -> str:
    """What the conditional write would find."""
    if record is None:
        return CREATE
    if record.cognito_sub is not None:
        return CONFLICT
    return LINK if claim.may_link else f"refused_{Cause.LINK_NEEDS_VERIFIED_EMAIL}"


def unless_forgotten(verdict: Verdict, *, forgotten: bool) -> Verdict:
    return Verdict(FORGOTTEN) if verdict.claim and forgotten else verdict
