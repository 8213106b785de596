"""Whom an erasure is about: found while the rows are still there, or in the journal of one that did not end."""

from __future__ import annotations

from dataclasses import dataclass

from onramp.domain.identity import usable_sub
from onramp.domain.users import Status
from onramp.ops.tables.erasures import ErasureJournal, ErasureTarget
from onramp.ops.user.lookup import Row, StoredUser, UserIdentifier, UserLookup


@dataclass(frozen=True, slots=True)
class ErasureTargets:
    people: UserLookup
    journal: ErasureJournal
    pool: str

    def find(self, name: UserIdentifier) -> ErasureTarget | None:
        """None where an address stands for nobody. A sub need not be known: its tombstone keeps it so."""
        if target := self.journal.under_way(str(name.email or name.sub)):
            return target
        person = self.people.find(name)
        user, row = person.user, person.profile or {}
        sub = user.cognito_sub if user else name.sub
        if sub is None:
            return ErasureTarget(user.user_id, (), self.pool, busy=False, last_work=0) if user else None
        subs = (sub, *self._earlier(row, sub))
        pool = (user.user_pool_id if user else None) or self.pool
        return ErasureTarget(
            user.user_id if user else row.get("email"), subs, pool, _busy(person), int(row.get("updatedAt", 0))
        )

    def _earlier(self, row: Row, sub: str) -> list[str]:
        """The subs that the record had before. Users may edit their profiles: both must say so, and be free."""
        earlier: list[str] = []
        while (old := usable_sub(row.get("relinkedFrom"))) and old not in earlier:
            person = self.people.find(UserIdentifier(old, None, old))
            row = person.profile or {}
            if person.user or row.get("relinkedTo") != sub:
                break
            earlier.append(old)
            sub = old
        return earlier


def _busy(person: StoredUser) -> bool:
    """While something is owed a worker may read the record at any time; after that it only acknowledges."""
    return person.user is not None and (person.user.owed is not None or person.status != Status.READY)
