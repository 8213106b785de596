"""`onramp user forget`: finds the target, lists the data that stays, erases the user."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from onramp.domain.event_data import rfc3339
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.erasure import Erasure
from onramp.ops.common.errors import UsageError
from onramp.ops.common.shell import command
from onramp.ops.common.text import masked_email
from onramp.ops.tables.erasures import ErasureTarget
from onramp.ops.user.lookup import Row, UserIdentifier
from onramp.ops.user.wiring import UserWiring

RESTORABLE_DAYS = 35  # DynamoDB's point-in-time recovery
CUSTOMER_IDS = {"stripe": "stripeCustomerId", "revenuecat": "revenueCatId"}


def forget_user(context: OperatorContext, identifier: UserIdentifier, providers: Collection[str], *, yes: bool) -> None:
    """`providers`: those whose customers are to be deleted."""
    wiring = UserWiring.of(context)
    target = wiring.erasure_targets.find(identifier)
    if target is None:
        raise UsageError(
            f"{identifier.label()} has no record. If Cognito has the user (see onramp user explain), forget the sub:"
            " then the pipeline creates no record for it."
        )
    erasure = Erasure.of(context, providers)
    profile = wiring.users.find(identifier).profile or {}
    residual = list(residual_data(context, target, profile, providers, wiring.pool_matches.pools_of(target.subs)))
    context.out.confirm(_plan(target, erasure.erasers), yes=yes)
    user = {"user": masked_email(target.user_id)} if target.user_id else {}
    details = {**user, "subs": " ".join(target.subs), "providers": " ".join(erasure.erasers)}
    with context.audited("user forget", **details) as entry:
        erased = erasure.run(target, f"forget-{uuid.uuid4()}", lambda seconds: _say_wait(context, seconds))
        entry.count, entry.outcome = 1, dict(erased)
    data: dict[str, Any] = {
        **user,
        "subs": list(target.subs),
        "at": rfc3339(context.now()),
        "erased": dict(erased),
        "remains": residual,
    }
    context.out.result(data, lambda: _print_result(context, data))


def _plan(target: ErasureTarget, providers: Collection[str]) -> str:
    user = masked_email(target.user_id) if target.user_id else "a user without a record"
    subs = f" ({', '.join(target.subs)})" if target.subs else ""
    customers = f"the customer at {' and at '.join(providers)}" if providers else "no customer at a provider"
    return f"Erases {user}{subs} permanently: {customers}; profile, record, dead letters. Then publishes UserForgotten."


def _say_wait(context: OperatorContext, seconds: float) -> None:
    context.out.say(f"A worker may still be running on this user: deleting again in {seconds:.0f} s.")


def _print_result(context: OperatorContext, data: Mapping[str, Any]) -> None:
    context.out.line("Erased.", "green")
    context.out.facts({f"  {kind}": count for kind, count in data["erased"].items()})
    context.out.line("Not erased:")
    for sentence in data["remains"]:
        context.out.line(f"  {sentence}")


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
