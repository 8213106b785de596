"""`onramp user heal`: gives one confirmed user without a record their record, by the sweep's own use case."""

from __future__ import annotations

import uuid

from onramp.domain.errors import Rejection, RetryableError
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.errors import CommandFailed, UsageError
from onramp.ops.common.next_steps import next_step
from onramp.ops.common.reasons import reason_of
from onramp.ops.user.lookup import UserIdentifier
from onramp.ops.user.pool_matches import PoolMatch
from onramp.ops.user.wiring import UserWiring
from onramp.usecases.heal import HealOutcome


def heal_user(context: OperatorContext, identifier: UserIdentifier, *, yes: bool) -> None:
    """Raises UsageError, and CommandFailed where the user still has no record."""
    wiring = UserWiring.of(context)
    match = _one_of(wiring.pool_matches.find(identifier, context.now()), identifier)
    sub, decision = str(match.listed.user.sub), match.decision
    if decision.kind.value == HealOutcome.HAS_RECORD:
        _print(context, sub, HealOutcome.HAS_RECORD)
        return
    reason = reason_of(decision.label, sub)
    if not decision.writes:
        raise CommandFailed(f"{sub} gets no record: {reason.why}. {reason.cure}")
    what = "Links the pre-created record of" if decision.kind.value == "link" else "Creates a record for"
    context.out.confirm(f"{what} the Cognito user {sub}, and publishes UserSignedUp.", yes=yes)
    with context.audited("user heal", user=sub) as entry:
        outcome = _heal(wiring, match)
        entry.count, entry.outcome = int(outcome is HealOutcome.HEALED), {"result": outcome.value}
    _print(context, sub, outcome)


def _one_of(matches: list[PoolMatch], identifier: UserIdentifier) -> PoolMatch:
    """Of several Cognito users with one address, the one who would get the record."""
    found = [match for match in matches if match.decision.writes] or matches
    if not found:
        raise UsageError(f"{identifier.label()} is in no user pool of this stack.")
    if len(found) > 1:
        subs = ", ".join(str(match.listed.user.sub) for match in found)
        raise UsageError(f"{identifier.label()} has several Cognito users: name one by its sub: {subs}.")
    return found[0]


def _heal(wiring: UserWiring, match: PoolMatch) -> HealOutcome:
    """Decides once more: another process may have written the record since the plan."""
    try:
        return wiring.heal(match.listed.user, correlation_id=str(uuid.uuid4()))
    except Rejection as rejection:
        look = next_step("record_refused", sub=match.listed.user.sub)
        raise CommandFailed(f"the record was refused meanwhile: {rejection.cause}. See: {look}") from None
    except RetryableError as error:
        raise CommandFailed(f"the record was not written ({error.code}): run the command again.") from None


def _print(context: OperatorContext, sub: str, outcome: HealOutcome) -> None:
    text = f"{sub} has a record." if outcome is HealOutcome.HAS_RECORD else f"{sub}: {outcome.value}."
    context.out.result({"sub": sub, "outcome": outcome.value}, lambda: context.out.line(text))
