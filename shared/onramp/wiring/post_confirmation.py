"""Builds the trigger. Every import here costs time at every cold start."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from onramp.adapters.eventbridge import EventBus
from onramp.adapters.tombstones import Tombstones
from onramp.adapters.users import UserTable
from onramp.domain.claims import Admission
from onramp.domain.decision import Facts
from onramp.settings import SignupSettings, environment
from onramp.usecases.heal import Heal
from onramp.usecases.signup import SignUp
from onramp.usecases.trigger import CONFIRMATION, Call, Trigger
from onramp.wiring import clients, restore, warm_up

if TYPE_CHECKING:
    from botocore.session import Session


def build() -> Trigger:
    """Raises ConfigurationError."""
    settings, session = SignupSettings.read(environment()), clients.session()
    trigger, replies = _build(settings, session)
    confirmation = _confirmation(min(settings.user_pool_ids))
    call = Call("warm-up", lambda: clients.EMIT_NEEDS_MILLIS)
    if not warm_up.warm_up(lambda: trigger(confirmation, call), replies):
        clients.trust_all_roots(session)
        trigger, replies = _build(settings, session)
    restore.register(session, list(replies))
    return trigger


def _build(settings: SignupSettings, session: Session) -> tuple[Trigger, dict[Any, bytes]]:
    """The trigger, and its clients with a reply of success for each."""
    dynamodb = clients.dynamodb(session, clients.TRIGGER_WRITE)
    events = clients.events(session, clients.TRIGGER_EMIT)
    bus = EventBus(events, settings.event_bus)
    admission = Admission(settings.user_pool_ids, settings.trust, settings.emit_due_after, settings.default_role)
    sign_up = SignUp(UserTable(dynamodb, settings.users_table), bus)

    @cache
    def heal() -> Heal:
        """Made at the first sign-in: most triggers get none, and its client takes 10 ms."""
        reads = clients.dynamodb(session, clients.SIGN_IN_READ)
        records = UserTable(reads, settings.users_table)
        tombstones = Tombstones(reads, settings.operations_table)
        facts = Facts(records.get, records.holder_of, tombstones.is_forgotten)
        return Heal(admission=admission, facts=facts, sign_up=sign_up, clock=clients.now_millis)

    trigger = Trigger(
        admission=admission,
        sign_up=sign_up,
        heal=heal,
        publisher=bus,
        clock=clients.now_millis,
        emit_needs=clients.EMIT_NEEDS_MILLIS,
        heal_needs=clients.HEAL_NEEDS_MILLIS,
    )
    return trigger, {dynamodb: b"{}", events: b'{"FailedEntryCount": 0, "Entries": [{}]}'}


def _confirmation(user_pool_id: str) -> dict[str, Any]:
    """An event that the rules accept."""
    sub = "00000000-0000-0000-0000-000000000000"
    attributes = {"sub": sub, "email": "warm-up@example.com", "email_verified": "true"}
    return {
        "triggerSource": CONFIRMATION,
        "userPoolId": user_pool_id,
        "userName": sub,
        "request": {"userAttributes": attributes | {"cognito:user_status": "CONFIRMED"}},
    }
