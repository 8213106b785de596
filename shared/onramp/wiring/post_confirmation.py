"""Builds the trigger. Every import here costs time at every cold start."""

from __future__ import annotations

from onramp.adapters.eventbridge import EventBus
from onramp.adapters.tombstones import Tombstones
from onramp.adapters.users import UserTable
from onramp.domain.claims import Admission
from onramp.domain.decision import Facts
from onramp.settings import SignupSettings, environment
from onramp.usecases.heal import Heal
from onramp.usecases.signup import SignUp
from onramp.usecases.trigger import Trigger
from onramp.wiring import clients


def build() -> Trigger:
    """Raises ConfigurationError."""
    settings = SignupSettings.read(environment())
    session = clients.session()
    users = UserTable(clients.dynamodb(session, clients.TRIGGER_WRITE), settings.users_table)
    bus = EventBus(clients.events(session, clients.TRIGGER_EMIT), settings.event_bus)
    admission = Admission(settings.user_pool_ids, settings.trust, settings.emit_due_after, settings.default_role)
    sign_up = SignUp(users, bus)
    reads = clients.dynamodb(session, clients.SIGN_IN_READ)
    records = UserTable(reads, settings.users_table)
    heal = Heal(
        admission=admission,
        facts=Facts(records.get, records.holder_of, Tombstones(reads, settings.operations_table).is_forgotten),
        sign_up=sign_up,
        clock=clients.now_millis,
    )
    return Trigger(
        admission=admission,
        sign_up=sign_up,
        heal=heal,
        publisher=bus,
        clock=clients.now_millis,
        emit_needs=clients.EMIT_NEEDS_MILLIS,
        heal_needs=clients.HEAL_NEEDS_MILLIS,
    )
