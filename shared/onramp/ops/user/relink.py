"""`onramp user relink`: checks the new Cognito user, then links the record to it in one write."""

from __future__ import annotations

from onramp.domain.identity import usable_sub
from onramp.domain.users import User
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.errors import CommandFailed, UsageError
from onramp.ops.common.next_steps import next_step
from onramp.ops.common.text import masked_email
from onramp.ops.user.lookup import StoredUser
from onramp.ops.user.wiring import UserWiring


def relink_user(context: OperatorContext, email: str, sub: str, *, vouch: bool, yes: bool) -> None:
    """Does nothing where the record is linked to `sub` already."""
    new = usable_sub(sub)
    if new is None:
        raise UsageError(f"'{sub}' is not a Cognito sub.")
    wiring = UserWiring.of(context)
    stored, user = wiring.users.find_record(email)
    old = user.cognito_sub
    if old is None:
        raise UsageError("no user has signed up with this address yet: the record is linked at the signup.")
    masked, relinked = masked_email(user.user_id), old != new
    if relinked:
        claim = wiring.relink_checks.claim(user, new, context.now(), vouch=vouch)
        context.out.confirm(_plan(wiring, user, stored, new), yes=yes)
        voucher = claim.email_vouched_by
        with context.audited("user relink", user=masked, **{"from": old}, to=new, vouched=voucher) as entry:
            if not wiring.records.relink(user, claim):
                look = next_step("relinked_meanwhile")
                raise CommandFailed(f"the record was relinked after it was read: {look}")
            entry.count = 1
    data = {"user": masked, "from": old if relinked else None, "to": new, "relinked": relinked}
    result = f"{masked} is linked to {new}; the reconciler publishes UserSignedUp within five minutes."
    context.out.result(data, lambda: context.out.line(result))


def _plan(wiring: UserWiring, user: User, stored: StoredUser, new: str) -> str:
    profile, old = stored.profile_row or {}, str(user.cognito_sub)
    ids = [str(profile[name]) for name in ("stripeCustomerId", "revenueCatId") if profile.get(name)]
    plan = f"Links the record of {masked_email(user.user_id)} with {', '.join(user.roles)} to {new} instead of {old}"
    plan += f"; the worker copies {' and '.join(ids)} to the new profile." if ids else "."
    if wiring.pool_matches.pools_of([old]):
        plan += " The old user is still in Cognito, and will have no record."
    return plan
