"""`onramp user explain`: the story of a record, or why the user has none."""

from __future__ import annotations

from typing import Any

from onramp.domain.decision import Kind
from onramp.domain.users import User
from onramp.ops.common.context import OperatorContext
from onramp.ops.user.lookup import UserIdentifier
from onramp.ops.user.pool_matches import PoolMatch, match_data, report_no_record
from onramp.ops.user.story import print_story, story_data
from onramp.ops.user.wiring import UserWiring


def explain_user(context: OperatorContext, identifier: UserIdentifier, *, reveal: bool) -> bool:
    """False where an operator must act, or where there is no record."""
    wiring, now = UserWiring.of(context), context.now()
    with context.audit_reveal("user explain", reveal=reveal, user=identifier.label()) as entry:
        stored = wiring.users.find(identifier)
        if stored.user is None:
            entry.count = report_no_record(context, wiring.pool_matches, identifier, reveal=reveal)
            return False
        data = story_data(stored, stored.user, now, context.parameters.get("RevenueCatProjectId", ""), reveal=reveal)
        others = _others(wiring, stored.user, now)
        _add_others(data, others, reveal=reveal)
        entry.count = 1 + len(others)
    context.out.result(data, lambda: print_story(context.out, data, now))
    return not data["needsSomebody"]


def _others(wiring: UserWiring, user: User, now: int) -> list[PoolMatch]:
    """Other Cognito users with the record's address: without a record they cannot use the application."""
    matches = wiring.pool_matches.find(UserIdentifier(user.user_id, user.user_id, None), now)
    return [match for match in matches if match.listed.user.sub != user.cognito_sub]


def _add_others(data: dict[str, Any], others: list[PoolMatch], *, reveal: bool) -> None:
    data["others"] = [match_data(match, reveal=reveal) for match in others]
    data["needsSomebody"] |= any(match.decision.kind is not Kind.NOT_CONFIRMED for match in others)
