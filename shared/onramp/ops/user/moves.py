"""`onramp user relink` and `forget`: plan, question, audit, result."""

from __future__ import annotations

import uuid
from typing import Any

from onramp.domain.envelope import rfc3339
from onramp.domain.identity import usable_sub
from onramp.domain.users import User
from onramp.ops.desk import Desk
from onramp.ops.errors import DeskError, Trouble
from onramp.ops.text import masked_email
from onramp.ops.user.changes import record_of
from onramp.ops.user.journal import Target
from onramp.ops.user.parts import UserDesk
from onramp.ops.user.people import Name, Person
from onramp.ops.user.providers import erasers
from onramp.ops.user.remains import remains


def relink(desk: Desk, email: str, sub: str, *, vouch: bool, yes: bool) -> None:
    new = usable_sub(sub)
    if new is None:
        raise DeskError(f"'{sub}' is no Cognito sub.")
    users = UserDesk(desk)
    person, user = record_of(desk, email)
    if user.cognito_sub is None:
        raise DeskError("nobody has signed up with this address yet: the record goes to whoever does, by itself.")
    shown = masked_email(user.user_id)
    moves = user.cognito_sub != new
    data = {"user": shown, "from": user.cognito_sub if moves else None, "to": new, "relinked": moves}
    if moves:
        claim = users.newcomers.claim(user, new, desk.now(), vouch=vouch)
        desk.out.confirm(_relink_plan(users, user, person, new), yes=yes)
        details = {"user": shown, "from": user.cognito_sub, "to": new, "vouched": claim.email_vouched_by}
        with desk.audited("user relink", **details) as entry:
            if not users.relink(user, claim):
                raise Trouble("the record changed hands just now: look again with onramp user explain.")
            entry.count = 1
    said = f"{shown} belongs to {new}; the reconciler tells everybody within five minutes."
    desk.out.result(data, lambda: desk.out.line(said))


def _relink_plan(users: UserDesk, user: User, person: Person, new: str) -> str:
    profile = person.profile or {}
    ids = [str(profile[name]) for name in ("stripeCustomerId", "revenueCatId") if profile.get(name)]
    plan = (
        f"The record of {masked_email(user.user_id)} with {', '.join(user.roles)} goes from {user.cognito_sub} to {new}"
    )
    plan += f", and {' and '.join(ids)} with it." if ids else "."
    if users.in_cognito([str(user.cognito_sub)]):
        plan += " The old user is still in Cognito, and will have no record there."
    return plan


def forget(desk: Desk, name: Name, *, stripe: bool, revenuecat: bool, yes: bool) -> None:
    users = UserDesk(desk)
    target = users.whom.find(name)
    if target is None:
        raise DeskError(
            f"{name.shown()} has no record. If Cognito knows them (onramp user explain), forget the sub: then they are"
            " not brought in either."
        )
    person = users.people.find(name)
    erase = erasers(desk, stripe=stripe, revenuecat=revenuecat)
    left = remains(desk, target, person, tuple(erase), users.in_cognito(target.subs))
    desk.out.confirm(_forget_plan(target, list(erase)), yes=yes)
    who = {"user": masked_email(target.user_id)} if target.user_id else {}
    with desk.audited("user forget", **who, subs=" ".join(target.subs), providers=" ".join(erase)) as entry:
        erased = users.forget(erase)(target, correlation_id=f"forget-{uuid.uuid4()}", waiting=lambda s: _wait(desk, s))
        entry.count, entry.outcome = 1, dict(erased)
    data: dict[str, Any] = {
        **who,
        "subs": list(target.subs),
        "at": rfc3339(desk.now()),
        "erased": dict(erased),
        "remains": left,
    }

    def show() -> None:
        desk.out.line("Forgotten.", "green")
        desk.out.facts({f"  {what}": count for what, count in erased.items()})
        desk.out.line("What this does not reach:")
        for sentence in left:
            desk.out.line(f"  {sentence}")

    desk.out.result(data, show)


def _forget_plan(target: Target, providers: list[str]) -> str:
    who = masked_email(target.user_id) if target.user_id else "somebody without a record"
    subs = f" ({', '.join(target.subs)})" if target.subs else ""
    kept = (
        "no provider is asked to delete anything" if not providers else f"the customer at {' and at '.join(providers)}"
    )
    return f"Erases {who}{subs}, for good: {kept}; profile, record, dead letters. UserForgotten tells all consumers."


def _wait(desk: Desk, seconds: float) -> None:
    desk.out.say(f"A worker may still be at it: looking again in {seconds:.0f} s.")
