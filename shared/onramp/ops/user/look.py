"""`onramp user show` and `explain`. They return the exit code."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from onramp.domain.users import User
from onramp.ops.common.context import OperatorContext
from onramp.ops.user.lookup import UserIdentifier
from onramp.ops.user.masked_rows import show_user, user_data
from onramp.ops.user.pool_matches import PoolMatch, matches_data, show_matches, with_others
from onramp.ops.user.story import show_story, story
from onramp.ops.user.wiring import UserWiring


def show(context: OperatorContext, name: UserIdentifier, *, reveal: bool) -> int:
    with _revealing(context, "user show", name, reveal=reveal):
        person = UserWiring(context).people.find(name)
        if person.record is None and person.profile is None:
            return _unknown(context, name, reveal=reveal)
        data = user_data(person, reveal=reveal)
    context.out.result(data, lambda: show_user(context.out, data))
    return 0


def explain(context: OperatorContext, name: UserIdentifier, *, reveal: bool) -> int:
    with _revealing(context, "user explain", name, reveal=reveal):
        person = UserWiring(context).people.find(name)
        if person.user is None:
            return _unknown(context, name, reveal=reveal)
        data = story(
            person, person.user, context.now(), context.parameters.get("RevenueCatProjectId", ""), reveal=reveal
        )
        data |= with_others(data, _others(context, person.user), reveal=reveal)
    context.out.result(data, lambda: show_story(context.out, data, context.now()))
    return 1 if data["needsSomebody"] else 0


def _others(context: OperatorContext, user: User) -> list[PoolMatch]:
    """Cognito users of the same address to whom the record does not belong: they cannot use the application."""
    name = UserIdentifier(user.user_id, user.user_id, None)
    found = UserWiring(context).strangers.find(name, context.now())
    return [stranger for stranger in found if stranger.listed.user.sub != user.cognito_sub]


def _unknown(context: OperatorContext, name: UserIdentifier, *, reveal: bool) -> int:
    users = UserWiring(context)
    strangers = users.strangers.find(name, context.now())
    forgotten = name.sub is not None and users.tombstones.is_forgotten(name.sub)
    data = matches_data(name, strangers, forgotten=forgotten, reveal=reveal)
    context.out.result(data, lambda: show_matches(context.out, data))
    return 1


def _revealing(
    context: OperatorContext, what: str, name: UserIdentifier, *, reveal: bool
) -> AbstractContextManager[object]:
    return context.audited(f"reveal {what}", user=name.shown()) if reveal else nullcontext()
