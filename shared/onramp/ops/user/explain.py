"""`onramp user explain`: the story of a record, or why the user has none."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from onramp.domain.decision import Kind
from onramp.domain.users import User
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.errors import reason
from onramp.ops.user.lookup import UserIdentifier
from onramp.ops.user.pool_matches import PoolMatch, match_data, no_record_data, print_no_record
from onramp.ops.user.reference import LoggedCall, TriggerLog, print_reference, reference_data
from onramp.ops.user.story import print_story, story_data
from onramp.ops.user.wiring import UserWiring


def explain_user(context: OperatorContext, identifier: UserIdentifier, *, reveal: bool) -> bool:
    """False where an operator must act, or where there is no record."""
    wiring, now = UserWiring.of(context), context.now()
    with context.audit_reveal("user explain", reveal=reveal, user=identifier.label()) as entry:
        stored = wiring.users.find(identifier)
        if stored.user is None:
            entry.count, needs_nobody = _without_record(context, wiring, identifier, reveal=reveal)
            return needs_nobody
        data = story_data(stored, stored.user, now, context.parameters.get("RevenueCatProjectId", ""), reveal=reveal)
        others = _others(wiring, stored.user, now)
        _add_others(data, others, reveal=reveal)
        entry.count = 1 + len(others)
    context.out.result(data, lambda: print_story(context.out, data, now))
    return not data["needsSomebody"]


def _without_record(
    context: OperatorContext, wiring: UserWiring, identifier: UserIdentifier, *, reveal: bool
) -> tuple[int, bool]:
    """How many users of the pools are shown, and whether no operator has to act.

    A support reference is shaped like a sub: it is looked for in the log where no pool and no tombstone has it.
    """
    data = no_record_data(wiring.pool_matches, identifier, context.now(), reveal=reveal)
    known = data["cognito"] or data["forgotten"]
    call = None if known or identifier.sub is None else _logged_call(context, identifier.sub)
    if call:
        found = reference_data(str(identifier.sub), call)
        context.out.result(found, lambda: print_reference(context.out, found))
        return 0, not found["needsSomebody"]
    context.out.result(data, lambda: print_no_record(context.out, data))
    return len(data["cognito"]), False


def _logged_call(context: OperatorContext, reference: str) -> LoggedCall | None:
    try:
        return TriggerLog.of(context).find(reference)
    except (ClientError, BotoCoreError) as error:
        context.out.say(f"It was not looked for in the trigger's log, where a support reference is: {reason(error)}.")
        return None


def _others(wiring: UserWiring, user: User, now: int) -> list[PoolMatch]:
    """Other Cognito users with the record's address: without a record they cannot use the application."""
    matches = wiring.pool_matches.find(UserIdentifier(user.user_id, user.user_id, None), now)
    return [match for match in matches if match.listed.user.sub != user.cognito_sub]


def _add_others(data: dict[str, Any], others: list[PoolMatch], *, reveal: bool) -> None:
    data["others"] = [match_data(match, reveal=reveal) for match in others]
    data["needsSomebody"] |= any(match.decision.kind is not Kind.NOT_CONFIRMED for match in others)
