"""What an erasure does not reach, and who does: said before and after it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from onramp.ops.common.context import OperatorContext
from onramp.ops.tables.erasures import ErasureTarget
from onramp.ops.user.lookup import StoredUser

RESTORABLE_DAYS = 35  # DynamoDB's point-in-time recovery
PROVIDERS = {"stripe": "stripeCustomerId", "revenuecat": "revenueCatId"}


def residual_data(
    context: OperatorContext,
    target: ErasureTarget,
    person: StoredUser,
    asked: Collection[str],
    in_cognito: Mapping[str, str],
) -> list[str]:
    """`in_cognito`: those of the subs that a pool still knows, with their pool."""
    return [*_kept_by_aws(context, target), *_kept_by_others(person.profile or {}, asked, in_cognito)]


def _kept_by_aws(context: OperatorContext, target: ErasureTarget) -> Iterator[str]:
    if target.subs:
        days = context.parameters.get("ArchiveRetentionDays", "30")
        yield f"The archive of the bus keeps their UserSignedUp, with the address, for {days} days at the most."
    yield f"The tables can be restored to how they were for {RESTORABLE_DAYS} days."
    if target.subs:
        days = context.parameters.get("LogRetentionDays", "30")
        yield f"Logs hold the sub, and nothing else of them, for {days} days at the most; the tombstone keeps the sub."


def _kept_by_others(profile: Mapping[str, Any], asked: Collection[str], in_cognito: Mapping[str, str]) -> Iterator[str]:
    for provider, attribute in PROVIDERS.items():
        if (customer := profile.get(attribute)) and provider not in asked:
            yield f"{customer} stays with {provider}: --{provider} deletes it, too."
    for sub, pool in in_cognito.items():
        delete = f"aws cognito-idp admin-delete-user --user-pool-id {pool} --username {sub}"
        yield f"Cognito still knows them, though without a record: {delete}"
