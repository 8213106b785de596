"""Builds the worker (`usecases/enrich.py`) with its enrichers. A team adds its own enricher here."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from typing import TYPE_CHECKING

from aws_lambda_powertools.utilities.parameters import SSMProvider

from onramp.adapters.eventbridge import EventBus
from onramp.adapters.owed import OwedLedger
from onramp.adapters.pacing import TokenBucket
from onramp.adapters.profiles import ProfileTable
from onramp.adapters.revenuecat import RevenueCatSubscribers
from onramp.adapters.secrets import SsmSecret
from onramp.adapters.sqs import ProvisioningQueue
from onramp.adapters.stripe import StripeCustomers
from onramp.adapters.tombstones import Tombstones
from onramp.adapters.users import UserTable
from onramp.enrichers import Enricher, NotConfigured
from onramp.enrichers.revenuecat import RevenueCatCustomer
from onramp.enrichers.stripe import StripeCustomer
from onramp.settings import environment
from onramp.usecases.enrich import Enrich
from onramp.usecases.retries import Backoff
from onramp.usecases.steps import Steps
from onramp.wiring import clients, connections, http
from onramp.worker_settings import EnrichSettings

if TYPE_CHECKING:
    from botocore.session import Session
    from mypy_boto3_dynamodb.client import DynamoDBClient

BATCH = 10
PACING_PATIENCE_SECONDS = 20.0


def build() -> Enrich:
    """Raises ConfigurationError."""
    settings, session = EnrichSettings.read(environment()), clients.session()
    dynamodb = clients.dynamodb(session, clients.WORKER)
    all_are_trusted = connections.open_connections([dynamodb])  # while the rest is built
    enrich = _build(settings, session, dynamodb)
    if all_are_trusted():
        return enrich
    clients.trust_all_roots(session)
    return _build(settings, session, clients.dynamodb(session, clients.WORKER))


def _build(settings: EnrichSettings, session: Session, dynamodb: DynamoDBClient) -> Enrich:
    users = UserTable(dynamodb, settings.users_table_name)
    profiles = ProfileTable(dynamodb, settings.user_profiles_table_name)
    enrichers = _enrichers(settings, users, profiles, SSMProvider(boto3_client=clients.ssm(session, clients.WORKER)))
    queue = clients.sqs(session, clients.WORKER)
    return Enrich(
        users=users,
        is_forgotten=Tombstones(dynamodb, settings.operations_table_name).is_forgotten,
        ledger=OwedLedger(dynamodb, settings.users_table_name),
        profiles=profiles,
        steps=Steps(enrichers, profiles, _threads(enrichers), clients.now_millis, settings.code_version),
        publisher=EventBus(clients.events(session, clients.WORKER), settings.event_bus_name),
        queue=ProvisioningQueue(queue, settings.provisioning_queue_url, settings.provisioning_dlq_url),
        backoff=Backoff(settings.retry_backoff_base_seconds, clients.chance),
        clock=clients.now_millis,
        max_receive_count=settings.max_receive_count,
        enrich_due_after=settings.enrich_due_after_seconds * 1000,
        code_version=settings.code_version,
    )


def _threads(enrichers: list[Enricher]) -> Executor:
    """For all steps of a batch. Not the records' own pool: records that wait for their steps would fill it."""
    return clients.threads(BATCH * len(enrichers), "step")


def _enrichers(
    settings: EnrichSettings, users: UserTable, profiles: ProfileTable, parameters: SSMProvider
) -> list[Enricher]:
    return [_stripe(settings, users, profiles, parameters), _revenuecat(settings, parameters)]


def _stripe(settings: EnrichSettings, users: UserTable, profiles: ProfileTable, parameters: SSMProvider) -> Enricher:
    if not settings.stripe_secret_name:
        return NotConfigured("stripe")
    secret = SsmSecret(parameters, settings.stripe_secret_name)
    pace = _pace(settings.stripe_requests_per_second, settings)
    customers = StripeCustomers(secret, settings.stripe_base_url, pace, http.for_stripe())
    return StripeCustomer(customers, profiles, users.still_linked, clients.now_millis)


def _revenuecat(settings: EnrichSettings, parameters: SSMProvider) -> Enricher:
    if not settings.revenuecat_secret_name:
        return NotConfigured("revenuecat")
    secret = SsmSecret(parameters, settings.revenuecat_secret_name)
    pace = _pace(settings.revenuecat_requests_per_minute / 60, settings)
    base_url, project = settings.revenuecat_base_url, settings.revenuecat_project_id
    return RevenueCatCustomer(RevenueCatSubscribers(secret, base_url, project, pace, http.for_revenuecat()))


def _pace(per_second: float, settings: EnrichSettings) -> Callable[[], None]:
    """This environment's share of the account's rate: at most `maximum_concurrency` environments run at once."""
    rate = per_second / settings.maximum_concurrency
    return TokenBucket(rate, BATCH, PACING_PATIENCE_SECONDS, clients.monotonic, clients.sleep).take
