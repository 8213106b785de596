"""The trigger's parts. Everything imported here is paid for at every cold start."""

from __future__ import annotations

from dataclasses import dataclass

from onramp.adapters.eventbridge import EventBus
from onramp.adapters.users import UserTable
from onramp.domain.claims import Admission
from onramp.heal import Heal
from onramp.settings import SignupSettings, environment
from onramp.signup import SignUp
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
    reads = UserTable(clients.dynamodb(session, clients.SIGN_IN_READ), settings.users_table)
    sign_up = SignUp(users, bus)
    return Trigger(admission, sign_up, Heal(admission, reads, sign_up, clients.now_millis))
