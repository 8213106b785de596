"""The trigger's parts. Everything imported here is paid for at every cold start."""

from __future__ import annotations

from dataclasses import dataclass

from onramp.adapters.eventbridge import EventBus
from onramp.adapters.tombstones import Tombstones
from onramp.adapters.users import UserTable
from onramp.domain.claims import Admission
from onramp.settings import SignupSettings, environment
from onramp.usecases.heal import Heal
from onramp.usecases.signup import SignUp
from onramp.wiring import clients


@dataclass(frozen=True, slots=True)
class Trigger:
    admission: Admission
    sign_up: SignUp
    heal: Heal


def build() -> Trigger:
    """Raises ConfigurationError."""
    settings = SignupSettings.read(environment())
    session = clients.session()
    users = UserTable(clients.dynamodb(session, clients.TRIGGER_WRITE), settings.users_table)
    bus = EventBus(clients.events(session, clients.TRIGGER_EMIT), settings.event_bus)
    admission = Admission(settings.user_pool_ids, settings.trust, settings.emit_due_after)
    sign_up = SignUp(users, bus)
    reads = clients.dynamodb(session, clients.SIGN_IN_READ)
    heal = Heal(
        admission=admission,
        records=UserTable(reads, settings.users_table),
        forgotten=Tombstones(reads, settings.operations_table).stands_for,
        sign_up=sign_up,
        clock=clients.now_millis,
    )
    return Trigger(admission, sign_up, heal)
