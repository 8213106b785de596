"""Whether a Cognito user may take over a record: the checks before a relink."""

from __future__ import annotations

from dataclasses import dataclass, replace

from onramp.adapters.cognito import UserPools
from onramp.adapters.tombstones import Tombstones
from onramp.adapters.users import UserTable
from onramp.domain.claims import Admission
from onramp.domain.errors import Rejection
from onramp.domain.users import Claim, User
from onramp.ops.common.deployed_rules import DeployedRules
from onramp.ops.common.errors import UsageError
from onramp.ops.common.reasons import reason_of
from onramp.ops.user.roles import OPERATOR
from onramp.usecases.sweep import CONFIRMED, Listed


@dataclass(frozen=True, slots=True)
class RelinkChecks:
    pools: UserPools
    users: UserTable
    tombstones: Tombstones
    rules: DeployedRules

    def claim(self, user: User, new: str, now: int, *, vouch: bool) -> Claim:
        """The claim of `new` on this record, due at once. Raises DeskError with what stands against it."""
        listed = self._listed(new)
        if listed is None:
            raise UsageError(f"no pool of this stack knows {new}: which sub did they come back with?")
        if listed.person.email != user.user_id:
            raise UsageError(f"{new} has another address in Cognito: a record goes to its own address only.")
        if listed.person.status not in CONFIRMED:
            raise UsageError(f"{new} is {listed.person.status} in Cognito: they must confirm first.")
        if self.tombstones.stands_for(new):
            raise UsageError(f"{new} was erased with `onramp user forget`, and stays so.")
        if (holder := self.users.holder_of(new)) and holder != user.user_id:
            raise UsageError(f"{new} has a record of their own, under another address.")
        return replace(self._admitted(listed, now, vouch=vouch), due_at=now)

    def still_there(self, sub: str) -> bool:
        return self._listed(sub) is not None

    def _listed(self, sub: str) -> Listed | None:
        found = (self.pools.matching(pool, "sub", sub) for pool in self.rules.pools)
        return next((listed for some in found for listed in some if listed.person.sub == sub), None)

    def _admitted(self, listed: Listed, now: int, *, vouch: bool) -> Claim:
        """The record has roles: as with a link, somebody must vouch for the address, and be it the operator."""
        admission = self.rules.admission
        try:
            claim = admission.claim(listed.person, now)
        except Rejection as rejection:
            if not vouch:
                raise UsageError(_unproved(f"refused_{rejection.cause}")) from rejection
        else:
            if claim.may_link:
                return claim
            if not vouch:
                raise UsageError(_unproved("refused_link_needs_verified_email"))
        open_door = Admission(
            admission.user_pool_ids, replace(admission.trust, allow_unverified=True), admission.emit_due_after
        )
        return replace(open_door.claim(listed.person, now), email_vouched_by=OPERATOR)


def _unproved(outcome: str) -> str:
    return f"{reason_of(outcome).why}. If you know who they are, say --vouch."
