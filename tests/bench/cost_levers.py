"""What would make a signup cheaper, each with what it saves for a million signups and why it is taken or not."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from tests.bench import prices as price
from tests.bench.signup_price import BURST, EVEN, LOADS, MILLION, Costs
from tests.infrastructure.translation import with_defaults

WINDOW_SECONDS = 5
CONCURRENCY, STRIPE_RATE = (
    int(with_defaults().default(name)) for name in ("EnrichMaximumConcurrency", "StripeRequestsPerSecond")
)


@dataclass(frozen=True)
class Lever:
    what: str
    saves: tuple[float, float]
    why: str


def levers(costs: Costs) -> list[Lever]:
    return [*_observation(costs), *_worker(costs), *_database(costs)]


def _observation(costs: Costs) -> list[Lever]:
    traces = [(load.traced() + load.traced(load.batch)) * price.TRACE * MILLION for load in LOADS]
    platform = [price.PLATFORM_BYTES * (1 + 1 / load.batch) for load in LOADS]
    return [
        Lever(
            "`Tracing=PassThrough`",
            (traces[0], traces[1]),
            "taken, it is the default. Lambda's sampling cannot be set: of a function with less than one call a second,"
            " each call is a trace. `Tracing=Active` adds this price",
        ),
        _logs(
            "one log line a signup and function",
            _line(costs),
            _line(costs),
            "taken: each further line would add this price. The trigger's second line is its metric",
        ),
        _logs(
            "no START, END and REPORT lines",
            platform[0],
            platform[1],
            "no: it needs Lambda's JSON format, whose level filter drops the metrics",
        ),
        _retention(costs),
    ]


def _line(costs: Costs) -> float:
    return costs.usage.trigger_log / 2


def _retention(costs: Costs) -> Lever:
    even, burst = (costs.log_bytes(load) / price.GB * 11 * price.LOG_GB_MONTH * MILLION for load in LOADS)
    return Lever("log retention of a month instead of a year", (even, burst), "taken: `LogRetentionDays`")


def _logs(what: str, even: float, burst: float, why: str) -> Lever:
    each = price.LOG_GB / price.GB * MILLION
    return Lever(what, (even * each, burst * each), why)


def _worker(costs: Costs) -> list[Lever]:
    return [
        Lever(
            f"a batching window of {WINDOW_SECONDS} s on the worker's queue",
            (_windowed(costs), 0.0),
            f"no: each user's profile would be ready {WINDOW_SECONDS} s later",
        ),
        Lever(
            "the worker with half of its memory",
            _half_memory(costs),
            f"no: {CONCURRENCY} workers would process {_rate(costs, 2):.0f} signups a second of a backlog instead of"
            f" {_rate(costs, 1):.0f}; Stripe allows {STRIPE_RATE}",
        ),
    ]


def _windowed(costs: Costs) -> float:
    batch = 1 + EVEN.per_second * WINDOW_SECONDS
    requests = 2 * (1 - 1 / batch) * price.SQS_REQUEST + (1 - 1 / batch) * price.LAMBDA_REQUEST
    waits = costs.worker_wait_ms() * (1 - 1 / batch) / 1000 * costs.memory["worker"] / 1024
    return (requests + waits * price.LAMBDA_GB_SECOND) * MILLION


def _rate(costs: Costs, divided_by: int) -> float:
    """Signups a second that full batches allow, with the worker's memory divided by this number."""
    processor = costs.worker_ms(BURST.batch) - costs.worker_wait_ms() / BURST.batch
    return CONCURRENCY * 1000 / (costs.worker_wait_ms() / BURST.batch + processor * divided_by)


def _half_memory(costs: Costs) -> tuple[float, float]:
    """The processor's part stays the same: half as fast at half the price."""
    gb = costs.memory["worker"] / 1024 / 2
    even, burst = (
        costs.worker_wait_ms() / load.batch / 1000 * gb * price.LAMBDA_GB_SECOND * MILLION for load in (EVEN, BURST)
    )
    return even, burst


def _database(costs: Costs) -> list[Lever]:
    unit = price.WRITE_UNIT * MILLION
    writes = sum((costs.usage.trigger_writes + costs.usage.worker_writes).values())
    hours = price.MONTH_SECONDS / 3600
    provisioned = writes * unit - ceil(writes * EVEN.per_second) * hours * price.PROVISIONED_WRITE_UNIT_HOUR
    return [
        Lever(
            "provisioned capacity of the tables",
            (provisioned, 0.0),
            "no: for a perfectly even load. A burst would be throttled, and a throttled first write fails a signup",
        ),
        Lever(
            "`ready` in the same write as the last step",
            (unit, unit),
            "no: two steps finish at the same time, and neither knows that it is the last one",
        ),
        Lever(
            "the first Stripe request in the write that creates the profile",
            (unit, unit),
            "no: the worker would have to know what one enricher stores",
        ),
        Lever("no `EmailIndex`", (unit, unit), "no: applications look up a profile by its e-mail"),
        Lever(
            "no `UserProvisioned`",
            (price.CUSTOM_EVENT * MILLION, price.CUSTOM_EVENT * MILLION),
            "no: consumers wait for it",
        ),
    ]
