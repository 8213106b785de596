"""The checks before a relink: whether a Cognito user may take over a record."""

from __future__ import annotations

from dataclasses import dataclass, replace

from onramp.adapters.cognito import UserPools
from onramp.adapters.tombstones import Tombstones
from onramp.adapters.users import UserTable
from onramp.domain.claims import Admission
from onramp.domain.decision import Decision, Facts, Kind, Listed, decide
from onramp.domain.errors import Cause
from onramp.domain.users import Claim, User
from onramp.ops.common.deployed_rules import DeployedRules
from onramp.ops.common.errors import UsageError
from onramp.ops.common.reasons import reason_of
from onramp.ops.tables.users import OPERATOR


@dataclass(frozen=True, slots=True)
class RelinkChecks:
    pools: UserPools
    users: UserTable
    tombstones: Tombstones
    rules: DeployedRules

    def claim(self, user: User, new: str, now: int, *, vouch: bool) -> Claim:
        """The claim of `new` on this record, due at once. Raises UsageError with the check that failed."""
        listed = self._listed(new)
        if listed is None:
            raise UsageError(f"{new} is in no user pool of this stack: check the sub in Cognito.")
        if listed.user.email != user.user_id:
            raise UsageError(f"{new} has another address in Cognito: the record stays with its address.")
        decision = self._decide(user, listed, now, self.rules.admission)
        if vouch and not _may_link(decision):
            # The trust rules find no verified address, so the operator vouches for it.
            decision = self._decide(user, listed, now, self._unverified_admitted())
            claim = decision.claim and replace(decision.claim, email_vouched_by=OPERATOR)
        else:
            claim = decision.claim if _may_link(decision) else None
        if claim is None:
            raise UsageError(_objection(new, decision))
        return replace(claim, due_at=now)

    def _listed(self, sub: str) -> Listed | None:
        matches = (self.pools.matching(pool, "sub", sub) for pool in self.rules.pools)
        return next((listed for users in matches for listed in users if listed.user.sub == sub), None)

    def _decide(self, user: User, listed: Listed, now: int, admission: Admission) -> Decision:
        """`user`: the record that the operator named, still linked to the old sub."""

        def other_record_of(sub: str) -> str | None:
            holder = self.users.holder_of(sub)  # the index lags behind: it may still show an earlier relink
            return None if holder == user.user_id else holder

        facts = Facts(lambda _: user, other_record_of, self.tombstones.is_forgotten)
        return decide(admission, listed.user, facts, now)

    def _unverified_admitted(self) -> Admission:
        admission = self.rules.admission
        return replace(admission, trust=replace(admission.trust, allow_unverified=True))


def _may_link(decision: Decision) -> bool:
    """The record has roles: as for a link, the address must be verified by Cognito or a trusted provider."""
    return decision.claim is not None and decision.claim.may_link


def _objection(new: str, decision: Decision) -> str:
    match decision.kind:
        case Kind.NOT_CONFIRMED:
            return f"{new} is {decision.status} in Cognito: the user must confirm first."
        case Kind.FORGOTTEN:
            return f"{new} was erased with `onramp user forget`: an erased user gets no record."
        case Kind.EMAIL_CHANGED:
            return f"{new} has another record, under another address."
    cause = Cause.LINK_NEEDS_VERIFIED_EMAIL if decision.claim else decision.cause
    return f"{reason_of(Decision(Kind.REFUSED, cause).label).why}. If you know the user, add --vouch."
