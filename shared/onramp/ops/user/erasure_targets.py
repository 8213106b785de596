"""Finds the target of an erasure: in the tables, or in the journal of an erasure that has not ended."""

from __future__ import annotations

from dataclasses import dataclass

from onramp.domain.identity import usable_sub
from onramp.domain.users import Status
from onramp.ops.tables.erasures import ErasureJournal, ErasureTarget
from onramp.ops.user.lookup import Row, StoredUser, UserIdentifier, UserLookup


@dataclass(frozen=True, slots=True)
class ErasureTargets:
    """`pool`: the stack's own, for a sub without a record."""

    users: UserLookup
    journal: ErasureJournal
    pool: str

    def find(self, identifier: UserIdentifier) -> ErasureTarget | None:
        """None for an address without a record. A sub needs no record: its tombstone prevents one."""
        if target := self.journal.unfinished(str(identifier.email or identifier.sub)):
            return target
        stored = self.users.find(identifier)
        user, profile = stored.user, stored.profile or {}
        sub = user.cognito_sub if user else identifier.sub
        if sub is None:
            return ErasureTarget(user.user_id, (), self.pool, busy=False, last_work=0) if user else None
        return ErasureTarget(
            user_id=user.user_id if user else profile.get("email"),
            subs=(sub, *self._earlier_subs(profile, sub)),
            pool=(user.user_pool_id if user else None) or self.pool,
            busy=_is_busy(stored),
            last_work=int(profile.get("updatedAt", 0)),
        )

    def _earlier_subs(self, profile: Row, sub: str) -> list[str]:
        """The subs that the record had before a relink.

        Users can edit their profiles: so both profiles must name each other, and the earlier sub must have no record.
        """
        earlier: list[str] = []
        while (old := usable_sub(profile.get("relinkedFrom"))) and old not in earlier:
            stored = self.users.find(UserIdentifier(old, None, old))
            profile = stored.profile or {}
            if stored.user or profile.get("relinkedTo") != sub:
                break
            earlier.append(old)
            sub = old
        return earlier


def _is_busy(stored: StoredUser) -> bool:
    """A worker may start on a user who is owed anything; on any other it only acknowledges the message."""
    return stored.user is not None and (stored.user.owed is not None or stored.status != Status.READY)
