"""Finds the target of an erasure: in the tables and pools, or in the journal of an erasure that has not ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from onramp.adapters.cognito import UserPools
from onramp.adapters.tombstones import Tombstones
from onramp.adapters.users import UserTable
from onramp.domain.decision import Listed
from onramp.domain.identity import canonical_email
from onramp.ops.tables.erasures import ErasureJournal, ErasureTarget
from onramp.ops.user.address_search import AddressSearch
from onramp.ops.user.lookup import Row, StoredUser, UserIdentifier, UserLookup


@dataclass(frozen=True, slots=True)
class FoundTarget:
    """`known`: a record, a profile, a pool user or a tombstone was found; an unknown sub gets a tombstone only.

    `resumed`: from the journal. `listed`: the target's users in the pools. `elsewhere`: subs that have the address in a
    pool, but their record under another address: they are no part of the target.
    """

    target: ErasureTarget
    known: bool = True
    resumed: bool = False
    listed: Sequence[Listed] = field(default_factory=tuple)
    elsewhere: Sequence[str] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class ErasureTargets:
    """`pool`: the stack's own, for a sub without a record."""

    users: UserLookup
    records: UserTable
    pools: UserPools
    addresses: AddressSearch
    tombstones: Tombstones
    journal: ErasureJournal
    pool: str

    def find(self, identifier: UserIdentifier) -> ErasureTarget | None:
        found = self.look_up(identifier)
        return found.target if found else None

    def look_up(self, identifier: UserIdentifier) -> FoundTarget | None:
        """None for an address that neither a record nor a pool has. A sub needs no record: its tombstone prevents one.

        Raises RetryableError.
        """
        if target := self.journal.unfinished(str(identifier.email or identifier.sub)):
            return FoundTarget(target, resumed=True)
        stored = self._stored(identifier)
        if stored.user or identifier.email:
            return self._of_address(stored, str(stored.user.user_id if stored.user else identifier.email))
        return self._of_sub(stored.profile_row, identifier)

    def _stored(self, identifier: UserIdentifier) -> StoredUser:
        """The index from a sub to its record lags behind, and does not lead from an earlier sub to the record."""
        stored = self.users.find(identifier)
        if stored.user or not identifier.sub:
            return stored
        listed = (user.user.email for user in self._listed(identifier))
        for email in filter(None, (canonical_email((stored.profile_row or {}).get("email")), *listed)):
            other = self.users.find(UserIdentifier(email, email, None))
            if other.user and set(identifier.sub_spellings) & {other.user.cognito_sub, *other.user.linked_before}:
                return other
        return stored

    def _listed(self, identifier: UserIdentifier) -> list[Listed]:
        pools, spellings = self.addresses.pool_ids, identifier.sub_spellings
        found = (listed for pool in pools for sub in spellings for listed in self.pools.matching(pool, "sub", sub))
        return list({str(listed.user.sub): listed for listed in found}.values())

    def _of_address(self, stored: StoredUser, email: str) -> FoundTarget | None:
        user = stored.user
        of_record = [sub for sub in (user.cognito_sub, *user.linked_before) if sub] if user else []
        listed = [user for user in self.addresses.find(email) if user.user.sub]
        elsewhere = [sub for sub in _subs(listed) if sub not in of_record and self._has_other_record(sub, email)]
        listed = [user for user in listed if user.user.sub not in elsewhere]
        subs = tuple(dict.fromkeys((*of_record, *_subs(listed))))
        if user is None and not subs:
            return None
        pool = (user.user_pool_id if user else None) or self.pool
        target = ErasureTarget(
            user_id=email,
            subs=subs,
            pool=pool,
            busy=_is_busy(stored),
            last_work=max((_last_work(self.users.profile_of(sub)) for sub in subs), default=0),
            pools=_other_pools(listed, pool),
            pre_created=user is not None and user.cognito_sub is None,
        )
        return FoundTarget(target, listed=listed, elsewhere=elsewhere)

    def _has_other_record(self, sub: str, email: str) -> bool:
        holder = self.records.holder_of(sub)
        if holder in (None, email):
            return False
        record = self.records.get(str(holder))  # the index may be stale
        return record is not None and record.cognito_sub == sub

    def _of_sub(self, profile: Row | None, identifier: UserIdentifier) -> FoundTarget:
        listed = self._listed(identifier)
        subs = ((profile or {}).get("userId"), *_subs(listed), *identifier.sub_spellings[:1])
        sub = str(next(filter(None, subs)))
        target = ErasureTarget(
            user_id=canonical_email((profile or {}).get("email")),
            subs=(sub,),
            pool=self.pool,
            busy=False,
            last_work=_last_work(profile),
            pools=_other_pools(listed, self.pool),
        )
        known = profile is not None or bool(listed) or self.tombstones.is_forgotten(sub)
        return FoundTarget(target, known=known, listed=listed)


def _subs(listed: Iterable[Listed]) -> list[str]:
    return [str(user.user.sub) for user in listed]


def _other_pools(listed: Iterable[Listed], pool: str) -> dict[str, str]:
    return {str(one.user.sub): str(one.user.user_pool_id) for one in listed if one.user.user_pool_id != pool}


def _last_work(profile: Row | None) -> int:
    at = (profile or {}).get("updatedAt")
    return at if isinstance(at, int) else 0


def _is_busy(stored: StoredUser) -> bool:
    """A worker may start on a user who is owed anything; on any other it only acknowledges the message."""
    ready = stored.profile is not None and stored.profile.ready
    return stored.user is not None and (stored.user.owed is not None or not ready)
