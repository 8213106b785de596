"""`onramp user show` and `explain`. They return the exit code."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from onramp.domain.users import User
from onramp.ops.desk import Desk
from onramp.ops.user.parts import UserDesk
from onramp.ops.user.people import Name
from onramp.ops.user.shown import person_data, show_person
from onramp.ops.user.story import show_story, story
from onramp.ops.user.unknown import Stranger, show_strangers, strangers_data, with_others


def show(desk: Desk, name: Name, *, reveal: bool) -> int:
    with _revealing(desk, "user show", name, reveal=reveal):
        person = UserDesk(desk).people.find(name)
        if person.record is None and person.profile is None:
            return _unknown(desk, name, reveal=reveal)
        data = person_data(person, reveal=reveal)
    desk.out.result(data, lambda: show_person(desk.out, data))
    return 0


def explain(desk: Desk, name: Name, *, reveal: bool) -> int:
    with _revealing(desk, "user explain", name, reveal=reveal):
        person = UserDesk(desk).people.find(name)
        if person.user is None:
            return _unknown(desk, name, reveal=reveal)
        data = story(person, person.user, desk.now(), desk.parameters.get("RevenueCatProjectId", ""), reveal=reveal)
        data |= with_others(data, _others(desk, person.user), reveal=reveal)
    desk.out.result(data, lambda: show_story(desk.out, data, desk.now()))
    return 1 if data["needsSomebody"] else 0


def _others(desk: Desk, user: User) -> list[Stranger]:
    """Cognito users of the same address to whom the record does not belong: they cannot use the application."""
    name = Name(user.user_id, user.user_id, None)
    found = UserDesk(desk).strangers.find(name, desk.now())
    return [stranger for stranger in found if stranger.listed.person.sub != user.cognito_sub]


def _unknown(desk: Desk, name: Name, *, reveal: bool) -> int:
    users = UserDesk(desk)
    strangers = users.strangers.find(name, desk.now())
    forgotten = name.sub is not None and users.tombstones.stands_for(name.sub)
    data = strangers_data(name, strangers, forgotten=forgotten, reveal=reveal)
    desk.out.result(data, lambda: show_strangers(desk.out, data))
    return 1


def _revealing(desk: Desk, what: str, name: Name, *, reveal: bool) -> AbstractContextManager[object]:
    return desk.audited(f"reveal {what}", user=name.shown()) if reveal else nullcontext()
