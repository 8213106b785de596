"""`onramp user forget`: finds the target, shows the plan, erases the user, reports what stays."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from typing import Any

import typer

from onramp.domain.event_data import rfc3339
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.erasure import Erasure
from onramp.ops.common.errors import CommandFailed, UsageError
from onramp.ops.common.text import masked_email
from onramp.ops.user.erasure_targets import FoundTarget
from onramp.ops.user.forget_plan import plan, residual_data
from onramp.ops.user.lookup import UserIdentifier
from onramp.ops.user.wiring import UserWiring


def forget_user(context: OperatorContext, identifier: UserIdentifier, providers: Collection[str], *, yes: bool) -> None:
    """`providers`: those whose customers are to be deleted. Exits 1 where no user was found or one is left."""
    wiring = UserWiring.of(context)
    found = wiring.erasure_targets.look_up(identifier)
    if found is None:
        raise UsageError(
            f"no user was found, and nothing was erased: neither the tables nor the pools of the stack have"
            f" {identifier.label()}. To erase what dead letters may contain, forget the sub."
        )
    target, erasure, stored = found.target, Erasure.of(context, providers), wiring.users.find(identifier)
    pools = {str(one.user.sub): str(one.user.user_pool_id) for one in found.listed}
    pools |= wiring.pool_matches.pools_of(sub for sub in target.subs if sub not in pools)
    residual = list(residual_data(context, target, stored.profile_row or {}, providers, pools))
    context.out.confirm(plan(found, erasure.erasers, stored.user.cognito_sub if stored.user else None), yes=yes)
    user = {"user": masked_email(target.user_id)} if target.user_id else {}
    details = {**user, "subs": " ".join(target.subs), "providers": " ".join(erasure.erasers)}
    with context.audited("user forget", **details) as entry:
        erased = erasure.run(
            target,
            f"forget-{uuid.uuid4()}",
            lambda seconds: _say_wait(context, seconds),
            lambda letters: _say_held(context, letters),
        )
        entry.count, entry.outcome = int(found.known), dict(erased)
    data: dict[str, Any] = {
        **user,
        "subs": list(target.subs),
        "at": rfc3339(context.now()),
        "found": found.known,
        "erased": dict(erased),
        "remains": residual,
    }
    context.out.result(data, lambda: _print_result(context, data))
    _check_result(wiring, found, identifier, erased)


def _check_result(
    wiring: UserWiring, found: FoundTarget, identifier: UserIdentifier, erased: Mapping[str, int]
) -> None:
    """Raises CommandFailed where the address has another user by now."""
    if not found.known and not _anything(erased):
        raise typer.Exit(1)
    if not (identifier.email or found.resumed) or not found.target.user_id:
        return
    email = found.target.user_id
    later = wiring.erasure_targets.look_up(UserIdentifier(email, email, None))
    others = set(later.target.subs) - set(found.target.subs) if later else set()
    if later and (others or later.target.pre_created):
        who = ", ".join(sorted(others)) or "a pre-created record"
        raise CommandFailed(
            f"the erasure is complete, but {masked_email(email)} has a user again ({who}): to erase this one too, run"
            f" the same command with the address."
        )


def _anything(erased: Mapping[str, int]) -> bool:
    return any(count for kind, count in erased.items() if kind != "announced")


def _say_wait(context: OperatorContext, seconds: float) -> None:
    context.out.say(f"A worker may still be running on this user: deleting again in {seconds:.0f} s.")


def _say_held(context: OperatorContext, letters: int) -> None:
    context.out.say(f"Another reader holds {letters} dead letters: searching them again when they are visible.")


def _print_result(context: OperatorContext, data: Mapping[str, Any]) -> None:
    if data["found"] or _anything(data["erased"]):
        context.out.line("Erased.", "green")
    else:
        context.out.line("No user was found: nothing was erased. The tombstone keeps the sub from being created.")
    context.out.facts({f"  {kind}": count for kind, count in data["erased"].items()})
    context.out.line("Not erased:")
    for sentence in data["remains"]:
        context.out.line(f"  {sentence}")
