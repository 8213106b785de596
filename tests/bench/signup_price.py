"""The price of a million signups by station, from counted calls, measured sizes and list prices: see docs/cost.md."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.bench import prices as price
from tests.bench.signup_usage import Usage, measure
from tests.calls import Call, Observed, of_signup
from tests.infrastructure.translation import with_defaults

MEMORY = {"trigger": "PostConfirmationFunction", "worker": "EnrichProfileFunction"}
MILLION = 1_000_000


@dataclass(frozen=True)
class Load:
    """Signups a second, and how many of them are in one batch of the worker."""

    per_second: float
    batch: int

    def traced(self, batch: int = 1) -> float:
        """Traces for each signup: X-Ray records one call a second and 5 % of the others."""
        calls = self.per_second / batch
        return min(1.0, (1 + 0.05 * (calls - 1)) / calls if calls > 1 else 1.0) / batch


EVEN = Load(MILLION / price.MONTH_SECONDS, 1)
BURST = Load(25.0, 10)
LOADS = (EVEN, BURST)


@dataclass(frozen=True)
class Line:
    """The price of a million signups under each load."""

    station: str
    quantity: str
    dollars: tuple[float, float]

    @classmethod
    def same(cls, station: str, quantity: str, each: float) -> Line:
        return cls(station, quantity, (each * MILLION, each * MILLION))


@dataclass(frozen=True)
class Costs:
    calls: Observed
    usage: Usage
    memory: dict[str, int]
    alarm_metrics: int

    @classmethod
    def measured(cls) -> Costs:
        template = with_defaults()
        memory = {name: int(template[function]["MemorySize"]) for name, function in MEMORY.items()}
        alarms = [part for part in template.resources.values() if part["Type"] == "AWS::CloudWatch::Alarm"]
        metrics = [_metrics_of(alarm["Properties"]) for alarm in alarms if "Condition" not in alarm]
        return cls(of_signup(), measure(), memory, sum(metrics))

    # -- durations, in milliseconds ------------------------------------------------------------------------------------

    def trigger_ms(self) -> float:
        return _waits(self.calls.trigger) + _on(self.memory["trigger"], price.TRIGGER_CPU_MS)

    def worker_wait_ms(self) -> float:
        """The two providers are called at the same time, so the shorter of the two ways costs no time."""
        calls = self.calls.worker
        start = next(index for index, call in enumerate(calls) if call.operation == "POST RevenueCat")
        return _waits(calls) - _waits(calls[start : start + 2])

    def worker_ms(self, batch: int) -> float:
        """For each signup: a batch waits once, and needs the processor for each record."""
        return self.worker_wait_ms() / batch + _on(self.memory["worker"], price.WORKER_CPU_MS)

    def inline_ms(self) -> float:
        """The trigger with the profile and both providers, one after the other."""
        wait = price.DYNAMODB_MS + 2 * price.PROVIDER_MS
        return self.trigger_ms() + wait

    # -- lines ---------------------------------------------------------------------------------------------------------

    def lines(self) -> list[Line]:
        return [*self.trigger(), *self.database(), *self.events(), *self.queue_and_worker(), *self.observation()]

    def trigger(self) -> list[Line]:
        gb, seconds = self.memory["trigger"] / 1024, self.trigger_ms() / 1000
        init = f"trigger, init of {price.COLD_SHARE * 100:g} % of the signups"
        cold = price.COLD_SHARE * price.INIT_SECONDS
        return [
            Line.same("trigger, requests", "1", price.LAMBDA_REQUEST),
            Line.same("trigger, duration", f"{seconds * 1000:.0f} ms", seconds * gb * price.LAMBDA_GB_SECOND),
            Line.same(init, f"{price.INIT_SECONDS:g} s", cold * gb * price.LAMBDA_GB_SECOND),
        ]

    def database(self) -> list[Line]:
        writes = self.usage.trigger_writes + self.usage.worker_writes
        table = sum(units for name, units in writes.items() if "." not in name)
        index = sum(writes.values()) - table
        reads = sum(call.operation == "GetItem" for call in self.calls.worker)
        return [
            Line.same("DynamoDB, writes of tables", f"{table} units", table * price.WRITE_UNIT),
            Line.same("DynamoDB, writes of indexes", f"{index} units", index * price.WRITE_UNIT),
            Line.same("DynamoDB, consistent reads", f"{reads} units", reads * price.READ_UNIT),
        ]

    def events(self) -> list[Line]:
        sent = sum(call.operation == "PutEvents" for call in (*self.calls.trigger, *self.calls.worker))
        archived = self.usage.event_bytes / price.GB * (price.ARCHIVED_GB + price.ARCHIVE_GB_MONTH)
        return [
            Line.same("EventBridge, events", str(sent), sent * price.CUSTOM_EVENT),
            Line.same("EventBridge, archive for 30 days", f"{self.usage.event_bytes:,} bytes", archived),
        ]

    def queue_and_worker(self) -> list[Line]:
        gb = self.memory["worker"] / 1024
        times = [self.worker_ms(load.batch) / 1000 for load in LOADS]
        return [
            _by_load("SQS, requests", (1 + 2 / load.batch for load in LOADS), price.SQS_REQUEST),
            _by_load("worker, requests", (1 / load.batch for load in LOADS), price.LAMBDA_REQUEST),
            Line(
                "worker, duration",
                " / ".join(f"{seconds * 1000:.0f} ms" for seconds in times),
                _pair(seconds * gb * price.LAMBDA_GB_SECOND * MILLION for seconds in times),
            ),
            Line.same("requests to the providers, outbound", "2", _outbound(2)),
        ]

    def observation(self) -> list[Line]:
        sizes = [self.log_bytes(load) for load in LOADS]
        return [
            Line(
                "CloudWatch, logs for 30 days",
                " / ".join(f"{size:,.0f} bytes" for size in sizes),
                _pair(_logged(size) * MILLION for size in sizes),
            ),
            Line.same("X-Ray, with `Tracing=PassThrough`", "0", 0.0),
        ]

    def log_bytes(self, load: Load) -> float:
        return self.usage.trigger_log + self.usage.worker_log + price.PLATFORM_BYTES * (1 + 1 / load.batch)

    def inline(self) -> list[Line]:
        """The same user and profile, with both providers called by the trigger: no queue, worker or owed work."""
        seconds = self.inline_ms() / 1000
        units = 4  # each of the two rows, CognitoSubIndex and EmailIndex
        return [
            Line.same("trigger, requests", "1", price.LAMBDA_REQUEST),
            Line.same(
                "trigger, duration",
                f"{seconds * 1000:.0f} ms",
                seconds * self.memory["trigger"] / 1024 * price.LAMBDA_GB_SECOND,
            ),
            Line.same("DynamoDB, writes of tables and indexes", f"{units} units", units * price.WRITE_UNIT),
            Line.same("EventBridge, events", "1", price.CUSTOM_EVENT),
            Line.same("requests to the providers, outbound", "2", _outbound(2)),
            Line.same("CloudWatch, logs for 30 days", "", _logged(self.usage.trigger_log + price.PLATFORM_BYTES)),
        ]


def _metrics_of(alarm: dict[str, Any]) -> int:
    """An alarm on an expression is billed for each metric of it."""
    return sum("MetricStat" in part for part in alarm["Metrics"]) if "Metrics" in alarm else 1


def total(lines: Iterable[Line]) -> tuple[float, float]:
    return _pair(map(sum, zip(*(line.dollars for line in lines), strict=True)))


def _waits(calls: Iterable[Call]) -> float:
    return sum(_wait(call.operation) for call in calls)


def _wait(operation: str) -> float:
    """Raises ValueError where a signup makes a call that has no price here."""
    match operation:
        case "POST Stripe" | "POST RevenueCat":
            return price.PROVIDER_MS
        case "PutEvents":
            return price.EVENTBRIDGE_MS
        case "GetItem" | "UpdateItem":
            return price.DYNAMODB_MS
    raise ValueError(operation)


def _on(memory: int, processor_ms: float) -> float:
    return processor_ms * max(1.0, price.PROCESSOR_MB / memory)


def _by_load(station: str, amounts: Iterable[float], each: float) -> Line:
    even, burst = amounts
    return Line(station, f"{even:g} / {burst:g}", (even * each * MILLION, burst * each * MILLION))


def _pair(values: Iterable[float]) -> tuple[float, float]:
    even, burst = values
    return even, burst


def _outbound(requests: int) -> float:
    return requests * price.PROVIDER_REQUEST_BYTES / price.GB * price.OUTBOUND_GB


def _logged(size: float) -> float:
    return size / price.GB * (price.LOG_GB + price.LOG_GB_MONTH)
