"""What `onramp user forget` says before it erases, and the data that it cannot reach."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from onramp.domain.decision import CONFIRMED
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.shell import command
from onramp.ops.common.text import masked_email, visible
from onramp.ops.tables.erasures import ErasureTarget
from onramp.ops.user.erasure_targets import FoundTarget
from onramp.ops.user.lookup import Row

RESTORABLE_DAYS = 35  # DynamoDB's point-in-time recovery
CUSTOMER_IDS = {"stripe": "stripeCustomerId", "revenuecat": "revenueCatId"}


def plan(found: FoundTarget, providers: Collection[str], record_sub: str | None) -> str:
    """`record_sub`: the sub that the record is linked to now."""
    target = found.target
    user = masked_email(target.user_id) if target.user_id else "a user without a record"
    subs = f" ({', '.join(target.subs)})" if target.subs else ""
    customers = f"the customer at {' and at '.join(providers)}" if providers else "no customer at a provider"
    return " ".join(
        (
            *_origin(found),
            f"Erases {user}{subs} permanently: {customers}; profile, record, dead letters.",
            "Then publishes UserForgotten.",
            *_identities(found, record_sub),
        )
    )


def _origin(found: FoundTarget) -> Iterator[str]:
    if found.resumed:
        yield "An erasure of this user was interrupted and is continued first."
    if not found.known:
        yield "No user was found: no record, no profile and no pool of the stack has this sub."


def _identities(found: FoundTarget, record_sub: str | None) -> Iterator[str]:
    others = [listed.user for listed in found.listed if listed.user.sub != record_sub]
    if others:
        listed = ", ".join(f"{user.sub} ({user.user_pool_id}, {visible(user.status)})" for user in others)
        yield f"Cognito has this address or sub without a record: {listed}. No sweep or sign-in gives them one."
    if unconfirmed := [str(user.sub) for user in others if user.status not in CONFIRMED]:
        yield (
            f"Not confirmed: {', '.join(unconfirmed)}. A later confirmation writes a record again: the worker creates"
            " no profile and calls no provider, and the reconciler removes the record and publishes UserForgotten"
            " again. To prevent it, delete the user in Cognito."
        )
    if found.elsewhere:
        yield f"Not erased: {', '.join(found.elsewhere)} has this address in Cognito, and a record under another one."


def residual_data(
    context: OperatorContext,
    target: ErasureTarget,
    profile: Row,
    providers: Collection[str],
    pools: Mapping[str, str],
) -> Iterator[str]:
    """The data that an erasure cannot reach, a sentence each. `pools`: by sub, the pool that still contains it."""
    if target.subs:
        days = context.parameters.get("ArchiveRetentionDays", "30")
        yield f"The event archive keeps UserSignedUp, with the address, for up to {days} days."
    yield f"The tables can be restored to any time of the last {RESTORABLE_DAYS} days."
    if target.subs:
        days = context.parameters.get("LogRetentionDays", "30")
        yield f"Logs contain the sub, and no other personal data, for up to {days} days; the tombstone keeps the sub."
    for provider, attribute in CUSTOMER_IDS.items():
        if (customer := profile.get(attribute)) and provider not in providers:
            yield f"{customer} stays at {provider}: --{provider} deletes it too."
    for sub, pool in pools.items():
        delete = command("aws cognito-idp admin-delete-user --user-pool-id {} --username {}", pool, sub)
        yield f"Cognito still has the user, without a record. To delete it: {delete}"
