"""The trigger's parts. Everything imported here is paid for at every cold start."""

from __future__ import annotations

from onramp.adapters.eventbridge import EventBus
from onramp.adapters.users import UserTable
from onramp.domain.claims import Admission
from onramp.settings import SignupSettings, environment
from onramp.signup import SignUp
from onramp.wiring import clients


def build() -> tuple[Admission, SignUp]:
    """The rules of admission and the use case. Raises ConfigurationError."""
    settings = SignupSettings.read(environment())
    session = clients.session()
    users = UserTable(clients.dynamodb(session, clients.TRIGGER_WRITE), settings.users_table)
    bus = EventBus(clients.events(session, clients.TRIGGER_EMIT), settings.event_bus)
    return Admission(settings.user_pool_ids, settings.trust, settings.emit_due_after), SignUp(users, bus)
