"""`onramp user relink` and `forget`: plan, question, audit, result."""

from __future__ import annotations

import uuid
from typing import Any

from onramp.domain.event_data import rfc3339
from onramp.domain.identity import usable_sub
from onramp.domain.users import User
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.errors import CommandFailed, UsageError
from onramp.ops.common.text import masked_email
from onramp.ops.tables.erasures import ErasureTarget
from onramp.ops.user.changes import record_of
from onramp.ops.user.lookup import StoredUser, UserIdentifier
from onramp.ops.user.providers import erasers
from onramp.ops.user.residual_data import residual_data
from onramp.ops.user.wiring import UserWiring


def relink(context: OperatorContext, email: str, sub: str, *, vouch: bool, yes: bool) -> None:
    new = usable_sub(sub)
    if new is None:
        raise UsageError(f"'{sub}' is no Cognito sub.")
    users = UserWiring(context)
    person, user = record_of(context, email)
    if user.cognito_sub is None:
        raise UsageError("nobody has signed up with this address yet: the record goes to whoever does, by itself.")
    shown = masked_email(user.user_id)
    moves = user.cognito_sub != new
    data = {"user": shown, "from": user.cognito_sub if moves else None, "to": new, "relinked": moves}
    if moves:
        claim = users.newcomers.claim(user, new, context.now(), vouch=vouch)
        context.out.confirm(_relink_plan(users, user, person, new), yes=yes)
        details = {"user": shown, "from": user.cognito_sub, "to": new, "vouched": claim.email_vouched_by}
        with context.audited("user relink", **details) as entry:
            if not users.relink(user, claim):
                raise CommandFailed("the record changed hands just now: look again with onramp user explain.")
            entry.count = 1
    said = f"{shown} belongs to {new}; the reconciler tells everybody within five minutes."
    context.out.result(data, lambda: context.out.line(said))


def _relink_plan(users: UserWiring, user: User, person: StoredUser, new: str) -> str:
    profile = person.profile or {}
    ids = [str(profile[name]) for name in ("stripeCustomerId", "revenueCatId") if profile.get(name)]
    plan = (
        f"The record of {masked_email(user.user_id)} with {', '.join(user.roles)} goes from {user.cognito_sub} to {new}"
    )
    plan += f", and {' and '.join(ids)} with it." if ids else "."
    if users.in_cognito([str(user.cognito_sub)]):
        plan += " The old user is still in Cognito, and will have no record there."
    return plan


def forget(context: OperatorContext, name: UserIdentifier, *, stripe: bool, revenuecat: bool, yes: bool) -> None:
    users = UserWiring(context)
    target = users.whom.find(name)
    if target is None:
        raise UsageError(
            f"{name.shown()} has no record. If Cognito knows them (onramp user explain), forget the sub: then they are"
            " not brought in either."
        )
    person = users.people.find(name)
    erase = erasers(context, stripe=stripe, revenuecat=revenuecat)
    left = residual_data(context, target, person, tuple(erase), users.in_cognito(target.subs))
    context.out.confirm(_forget_plan(target, list(erase)), yes=yes)
    who = {"user": masked_email(target.user_id)} if target.user_id else {}
    with context.audited("user forget", **who, subs=" ".join(target.subs), providers=" ".join(erase)) as entry:
        erased = users.forget(erase)(
            target, correlation_id=f"forget-{uuid.uuid4()}", waiting=lambda s: _wait(context, s)
        )
        entry.count, entry.outcome = 1, dict(erased)
    data: dict[str, Any] = {
        **who,
        "subs": list(target.subs),
        "at": rfc3339(context.now()),
        "erased": dict(erased),
        "remains": left,
    }

    def show() -> None:
        context.out.line("Forgotten.", "green")
        context.out.facts({f"  {what}": count for what, count in erased.items()})
        context.out.line("What this does not reach:")
        for sentence in left:
            context.out.line(f"  {sentence}")

    context.out.result(data, show)


def _forget_plan(target: ErasureTarget, providers: list[str]) -> str:
    who = masked_email(target.user_id) if target.user_id else "somebody without a record"
    subs = f" ({', '.join(target.subs)})" if target.subs else ""
    kept = (
        "no provider is asked to delete anything" if not providers else f"the customer at {' and at '.join(providers)}"
    )
    return f"Erases {who}{subs}, for good: {kept}; profile, record, dead letters. UserForgotten tells all consumers."


def _wait(context: OperatorContext, seconds: float) -> None:
    context.out.say(f"A worker may still be at it: looking again in {seconds:.0f} s.")
