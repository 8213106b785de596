"""The settings of template.yaml and the quotas, as the parts of the pipeline need them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

from onramp.wiring.enrich_profile import BATCH
from onramp.worker_settings import EnrichSettings, ReconcileSettings
from tests.infrastructure.translation import with_defaults
from tests.storm import quotas
from tests.template import retention

INF = float("inf")


@dataclass(frozen=True)
class Durations:
    """Seconds. Assumptions: they depend on the account and the region. `tests/simulation` has 0.02 for each call."""

    call: float = 0.02
    provider: float = 0.3
    bus: float = 0.5
    cold_start: float = 1.0


@dataclass(frozen=True)
class Limits:
    """Rates per second, times in seconds."""

    cognito: float
    lambda_concurrency: float
    lambda_scaling: float
    pollers_first: float
    pollers_growth: float
    pollers_most: float
    table_writes: float
    shard_writes: float
    put_events: float
    bus_deliveries: float
    in_flight: float
    stripe_limit: float
    revenuecat_limit: float
    stripe_pace: float
    revenuecat_pace: float
    concurrency: int
    batch: int
    max_receives: int
    backoff_base: float
    retention: float
    emit_due_after: float
    enrich_due_after: float
    reconcile_every: float
    reconcile_most: int

    @classmethod
    def deployed(cls) -> Self:
        """The template's defaults beside AWS's quotas."""
        template = with_defaults()
        worker = EnrichSettings.read(template.settings("EnrichProfileFunction"))
        reconciler = ReconcileSettings.read(template.settings("ReconcileFunction"))
        trigger = template.settings("PostConfirmationFunction")
        (mapping,) = (
            found
            for found in template.of_type("AWS::Lambda::EventSourceMapping").values()
            if "EnrichProfileFunction" in str(found["FunctionName"])
        )
        assert mapping["BatchSize"] == BATCH
        return cls(
            cognito=quotas.COGNITO_CREATION.per_second / quotas.REQUESTS_PER_SIGNUP,
            lambda_concurrency=quotas.LAMBDA_CONCURRENCY.value,
            lambda_scaling=quotas.LAMBDA_SCALING.per_second,
            pollers_first=quotas.POLLERS_FIRST.value,
            pollers_growth=quotas.POLLERS_GROWTH.per_second,
            pollers_most=quotas.POLLERS_MOST.value,
            table_writes=quotas.TABLE_WRITES.per_second,
            shard_writes=quotas.SHARD_WRITES.per_second,
            put_events=quotas.PUT_EVENTS.per_second,
            bus_deliveries=quotas.BUS_DELIVERIES.per_second,
            in_flight=quotas.IN_FLIGHT.value,
            stripe_limit=quotas.STRIPE.per_second,
            revenuecat_limit=quotas.REVENUECAT.per_second,
            stripe_pace=worker.stripe_requests_per_second,
            revenuecat_pace=worker.revenuecat_requests_per_minute / 60,
            concurrency=worker.maximum_concurrency,
            batch=BATCH,
            max_receives=worker.max_receive_count,
            backoff_base=worker.retry_backoff_base_seconds,
            retention=retention("ProvisioningQueue"),
            emit_due_after=float(trigger["EMIT_DUE_AFTER_SECONDS"]),
            enrich_due_after=worker.enrich_due_after_seconds,
            reconcile_every=60.0 * int(template.default("ReconcileSchedule").strip("rate()").split()[0]),
            reconcile_most=reconciler.reconcile_most,
        )


@dataclass(frozen=True)
class Relaxation:
    """What an operator may change. `limits`: the fields that it changes, which are also what must have been reached."""

    name: str
    limits: tuple[str, ...]
    values: tuple[str | float, ...]
    """Each a number or the field whose value it takes."""

    def __call__(self, limits: Limits) -> Limits:
        given = zip(self.limits, self.values, strict=True)
        values: dict[str, Any] = {
            name: getattr(limits, value) if isinstance(value, str) else value for name, value in given
        }
        return replace(limits, **values)


SETTINGS = (
    Relaxation("RevenueCatRequestsPerMinute", ("revenuecat_pace",), ("revenuecat_limit",)),
    Relaxation("StripeRequestsPerSecond", ("stripe_pace",), ("stripe_limit",)),
    Relaxation("EnrichMaximumConcurrency", ("concurrency",), (1_000,)),
    Relaxation("ReconcileMost", ("reconcile_most",), (99_999,)),
    Relaxation("MessageRetentionPeriod", ("retention",), (14 * 86_400,)),
    Relaxation("MaxReceiveCount", ("max_receives",), (1_000,)),
)
"""Each to the largest value that the template, SQS or the provider allows."""
QUOTAS = (
    Relaxation("RevenueCat's limit", ("revenuecat_pace", "revenuecat_limit"), (INF, INF)),
    Relaxation("Stripe's limit", ("stripe_pace", "stripe_limit"), (INF, INF)),
    Relaxation("Cognito's UserCreation", ("cognito",), (INF,)),
    Relaxation("Lambda's concurrency", ("lambda_concurrency",), (INF,)),
    Relaxation("Lambda's scaling", ("lambda_scaling",), (INF,)),
    Relaxation("Lambda's pollers", ("pollers_first", "pollers_most"), (INF, INF)),
    Relaxation("DynamoDB's table", ("table_writes",), (INF,)),
    Relaxation("the shards of OwedIndex", ("shard_writes",), (INF,)),
    Relaxation("PutEvents", ("put_events",), (INF,)),
    Relaxation("EventBridge's invocations", ("bus_deliveries",), (INF,)),
    Relaxation("SQS's messages in flight", ("in_flight",), (INF,)),
)
RELAXATIONS = SETTINGS + QUOTAS
"""Settings first: they cost nothing but a deployment."""
