"""A record from one Cognito user to the next: for people who were deleted there and came back.

    what the old sub began moves to the new sub's profile ─▶ the record to the new sub, `emit` owed in the same write

In this order: the worker must find it, or a provider gets a second customer. A message of the old sub may be at work
all the while, and nobody waits for it: what it asks of Stripe is what the stored intent says, and the intent is shared,
so both ask for the same under the same key. Where it may be about to store one, it is stored here first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from onramp.adapters.aws import condition_holds
from onramp.adapters.items import from_item, to_values
from onramp.adapters.profiles import ProfileTable
from onramp.domain.users import Claim, Status, User
from onramp.enrichers.stripe import BURNT, KEY_IS_SAFE, intent_of

KEPT = ("email", "givenName", "familyName", "displayName", "avatarUrl", "preferences", "stripeCustomerId")
INTENT = "stripeIntent"
_RECORD = (
    "SET cognitoSub = :new, userPoolId = :pool, identityProvider = :provider, emailVouchedBy = :voucher,"
    " updatedAt = :now, linkedAt = :now, owed = :owed, owedSince = :now, dueAt = :due"
)


@dataclass(frozen=True, slots=True)
class Relink:
    """`stripe`, `revenuecat`: whether the stack uses them. No provider is called."""

    client: Any
    users_table: str
    profiles: ProfileTable
    stripe: bool
    revenuecat: bool

    def __call__(self, user: User, claim: Claim) -> bool:
        """`claim`: the new identity's. False where the record changed hands meanwhile: then it was not relinked.

        Nothing is written over what is there, so that it may be repeated after a death anywhere.
        """
        self._begin(user, claim.at)
        self._move(user, claim)
        values = {
            ":old": user.cognito_sub,
            ":new": claim.sub,
            ":pool": claim.user_pool_id,
            ":provider": claim.identity_provider,
            ":voucher": claim.email_vouched_by,
            ":now": claim.at,
            ":owed": claim.owed,
            ":due": claim.due_at,
        }
        return self._update(self.users_table, user.user_id, _RECORD, values, condition="cognitoSub = :old")

    def _begin(self, user: User, now: int) -> None:
        """Stores what the old sub's worker would ask of Stripe, if it may be about to and has not yet."""
        if not self.stripe:
            return
        intent = intent_of(user, 1, now)
        if now - (user.linked_at or 0) > KEY_IS_SAFE:
            intent = replace(intent, created_at=BURNT)  # a restored table: who goes on looks for the customer first
        elif user.owed is None:
            return
        self.profiles.upsert(user, now)
        self.profiles.store_first_intent(str(user.cognito_sub), intent)

    def _move(self, user: User, claim: Claim) -> None:
        old, table = str(user.cognito_sub), self.profiles.table
        if (row := self._read(old)) is None:
            return
        given = {name: row[name] for name in KEPT if name in row} | {
            "createdAt": claim.at,
            "provisioningStatus": Status.PENDING.value,
            "provisioning": _unfinished(row.get("provisioning")),
            "relinkedFrom": old,
        }
        if "revenueCatId" in row or (self.revenuecat and user.owed is not None):
            # This id is ours to choose: the old sub, whether its customer exists by now or not.
            given["revenueCatId"] = row.get("revenueCatId", old)
        names = {f"#{place}": name for place, name in enumerate(given)}
        values = {f":{place}": value for place, value in enumerate(given.values())} | {":now": claim.at}
        sets = [f"#{place} = if_not_exists(#{place}, :{place})" for place in range(len(given))]
        self._update(table, claim.sub, f"SET {', '.join(sets)}, updatedAt = :now", values, names=names)
        self._update(table, old, "SET relinkedTo = :new", {":new": claim.sub}, condition="attribute_exists(userId)")

    def _read(self, sub: str) -> dict[str, Any] | None:
        reply = self.client.get_item(TableName=self.profiles.table, Key={"userId": {"S": sub}}, ConsistentRead=True)
        return from_item(reply["Item"]) if "Item" in reply else None

    def _update(
        self,
        table: str,
        key: str,
        change: str,
        values: Mapping[str, Any],
        *,
        names: Mapping[str, str] | None = None,
        condition: str | None = None,
    ) -> bool:
        optional = {"ExpressionAttributeNames": names, "ConditionExpression": condition}
        return condition_holds(
            self.client.update_item,
            TableName=table,
            Key={"userId": {"S": key}},
            UpdateExpression=change,
            ExpressionAttributeValues=to_values(values),
            **{name: value for name, value in optional.items() if value},
        )


def _unfinished(provisioning: object) -> dict[str, Any]:
    """What is done stays done, and Stripe's intent goes on; what failed or was skipped begins anew."""
    found = provisioning if isinstance(provisioning, dict) else {}
    return {
        name: row
        for name, row in found.items()
        if isinstance(row, dict) and (name == INTENT or row.get("state") == "done")
    }
