"""Builds the reconciler."""

from __future__ import annotations

from onramp.adapters.cognito import UserPools
from onramp.adapters.eventbridge import EventBus
from onramp.adapters.operations import SweepCheckpoints
from onramp.adapters.owed import OwedIndex, OwedLedger
from onramp.adapters.pacing import TokenBucket
from onramp.adapters.profiles import ProfileTable
from onramp.adapters.sqs import ProvisioningQueue
from onramp.adapters.tombstones import Tombstones
from onramp.adapters.trigger_alias import TriggerAlias
from onramp.adapters.users import UserTable
from onramp.domain.claims import Admission
from onramp.domain.decision import Facts
from onramp.settings import SignupSettings, environment
from onramp.usecases.heal import Heal
from onramp.usecases.reconcile import Reconcile
from onramp.usecases.reconciler import Reconciler
from onramp.usecases.signup import SignUp
from onramp.usecases.sweep import Sweep
from onramp.usecases.trigger_check import TriggerCheck
from onramp.wiring import clients
from onramp.worker_settings import ReconcileSettings

PATIENCE_SECONDS = 10.0  # more than a page ever waits at one request a second


def build() -> Reconciler:
    """Raises ConfigurationError."""
    rules, settings = SignupSettings.read(environment()), ReconcileSettings.read(environment())
    session = clients.session()
    dynamodb = clients.dynamodb(session, clients.WORKER)
    users = UserTable(dynamodb, settings.users_table_name)
    tombstones = Tombstones(dynamodb, settings.operations_table_name)
    bus = EventBus(clients.events(session, clients.WORKER), settings.event_bus_name)
    pools = UserPools(clients.cognito(session, clients.WORKER))
    alias = TriggerAlias(clients.lambda_(session, clients.WORKER), settings.trigger_alias_arn)
    rate = settings.sweep_max_requests_per_second
    admission = Admission(rules.user_pool_ids, rules.trust, rules.emit_due_after, rules.default_role)
    return Reconciler(
        pools=sorted(rules.user_pool_ids),
        reconcile=Reconcile(
            owed_rows=OwedIndex(dynamodb, settings.users_table_name),
            users=users,
            tombstones=tombstones,
            profiles=ProfileTable(dynamodb, settings.user_profiles_table_name),
            ledger=OwedLedger(dynamodb, settings.users_table_name),
            publisher=bus,
            queue=ProvisioningQueue(clients.sqs(session, clients.WORKER), settings.provisioning_queue_url, ""),
            clock=clients.now_millis,
            enrich_due_after=settings.enrich_due_after_seconds * 1000,
            most=settings.reconcile_most,
        ),
        descriptions=pools,
        trigger_check=TriggerCheck(settings.trigger_alias_arn, alias.policy),
        sweep=Sweep(
            pool=pools,
            progress=SweepCheckpoints(dynamodb, settings.operations_table_name),
            records=users,
            heal=Heal(
                admission=admission,
                facts=Facts(users.get, users.holder_of, tombstones.is_forgotten),
                sign_up=SignUp(users, bus),
                clock=clients.now_millis,
            ),
            clock=clients.now_millis,
            pace=TokenBucket(rate, 1, PATIENCE_SECONDS, clients.monotonic, clients.sleep).take,
            pages=settings.sweep_pages,
            grace=settings.sweep_grace_seconds * 1000,
        ),
    )
