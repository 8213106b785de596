"""Builds the function that heals the signups which the trigger could not record."""

from __future__ import annotations

from onramp.adapters.cognito import UserPools
from onramp.adapters.eventbridge import EventBus
from onramp.adapters.tombstones import Tombstones
from onramp.adapters.users import UserTable
from onramp.domain.claims import Admission
from onramp.domain.decision import Facts
from onramp.settings import SignupSettings, environment
from onramp.usecases.heal import Heal
from onramp.usecases.heal_signup import HealSignup
from onramp.usecases.signup import SignUp
from onramp.wiring import clients


def build() -> HealSignup:
    """Raises ConfigurationError."""
    settings = SignupSettings.read(environment())
    session = clients.session()
    dynamodb = clients.dynamodb(session, clients.WORKER)
    users = UserTable(dynamodb, settings.users_table)
    bus = EventBus(clients.events(session, clients.WORKER), settings.event_bus)
    admission = Admission(settings.user_pool_ids, settings.trust, settings.emit_due_after, settings.default_role)
    heal = Heal(
        admission=admission,
        facts=Facts(users.get, users.holder_of, Tombstones(dynamodb, settings.operations_table).is_forgotten),
        sign_up=SignUp(users, bus),
        clock=clients.now_millis,
    )
    return HealSignup(settings.user_pool_ids, UserPools(clients.cognito(session, clients.WORKER)), heal)
