"""Transfers a record from one Cognito user to another: for users who were deleted there and signed up again.

    copy profile data of the old sub to the new sub's profile ─▶ link the record and owe `emit`, in one write

The order matters: the new sub's worker must find the copied data, or a provider gets a second customer. The old sub's
worker may be running meanwhile, and the transfer does not wait for it: both workers post what the stored Stripe intent
contains, under the same key. Where the old worker may be about to store an intent, the transfer stores it first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from onramp.adapters.profiles import ProfileTable
from onramp.domain.users import Claim, Status, User
from onramp.enrichers.stripe import BURNT, KEY_IS_SAFE, intent_of
from onramp.ops.tables.profiles import ProfileWrites
from onramp.ops.tables.users import UserWrites

COPIED = ("email", "givenName", "familyName", "displayName", "avatarUrl", "preferences", "stripeCustomerId")
INTENT = "stripeIntent"


@dataclass(frozen=True, slots=True)
class RecordTransfer:
    """`stripe`, `revenuecat`: whether the stack uses them. No provider is called."""

    records: UserWrites
    profiles: ProfileTable
    profile_writes: ProfileWrites
    stripe: bool
    revenuecat: bool

    def run(self, user: User, claim: Claim) -> bool:
        """Links `user`, as it was read, to the sub of `claim`. False where the record was linked to another meanwhile.

        May be repeated after it was killed at any point: no write replaces data of the new profile.
        """
        self._store_intent(user, claim.at)
        self._copy_profile(user, claim)
        return self.records.relink(user, claim)

    def _store_intent(self, user: User, now: int) -> None:
        """Stores the intent that the old sub's worker would store, where that worker may run and has stored none."""
        if not self.stripe:
            return
        intent = intent_of(user, 1, now)
        if now - (user.linked_at or 0) > KEY_IS_SAFE:
            intent = replace(intent, created_at=BURNT)  # a restored table: the worker lists Stripe's customers first
        elif user.owed is None:
            return
        self.profiles.upsert(user, now)
        self.profiles.store_first_intent(str(user.cognito_sub), intent)

    def _copy_profile(self, user: User, claim: Claim) -> None:
        old = str(user.cognito_sub)
        if (row := self.profile_writes.row(old)) is None:
            return
        self.profile_writes.fill_in(claim.sub, self._copied(row, user, claim), claim.at)
        self.profile_writes.mark_relinked(old, claim.sub)

    def _copied(self, row: Mapping[str, Any], user: User, claim: Claim) -> dict[str, Any]:
        old = str(user.cognito_sub)
        attributes = {name: row[name] for name in COPIED if name in row} | {
            "createdAt": claim.at,
            "provisioningStatus": Status.PENDING.value,
            "provisioning": _steps_to_keep(row.get("provisioning")),
            "relinkedFrom": old,
        }
        if "revenueCatId" in row or (self.revenuecat and user.owed is not None):
            # Onramp chooses this id: it is the old sub, whether or not its worker has created the customer yet.
            attributes["revenueCatId"] = row.get("revenueCatId", old)
        return attributes


def _steps_to_keep(provisioning: object) -> dict[str, Any]:
    """The Stripe intent and the steps that are done; steps that failed or were skipped start again."""
    steps = provisioning if isinstance(provisioning, dict) else {}
    return {
        name: step
        for name, step in steps.items()
        if isinstance(step, dict) and (name == INTENT or step.get("state") == "done")
    }
