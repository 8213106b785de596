"""The tables of docs/scale.md, from what the runs return."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from onramp.adapters.cognito import PAGE
from onramp.ops.backfill.backfill_command import DEFAULT_RATE
from onramp.worker_settings import ReconcileSettings
from tests.infrastructure.translation import with_defaults
from tests.storm import quotas
from tests.storm.archive import archived_bytes
from tests.storm.calibration import Times
from tests.storm.knee import Step
from tests.storm.limits import Durations, Limits
from tests.storm.pipeline import Outcome
from tests.storm.scenarios import MATTERS, Gain, Scenario, binding
from tests.storm.sweep import SweepOutcome

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0


def duration(seconds: float) -> str:
    """Two figures after the point at most: `1.3 s`, `6.5 h`."""
    for unit, size in (("d", 2 * DAY), ("h", 2 * HOUR), ("min", 2 * MINUTE)):
        if seconds >= size:
            return "not finished" if seconds == float("inf") else f"{seconds * 2 / size:,.1f} {unit}"
    return f"{seconds:,.1f} s"


SCENARIO_HEADER = ("scenario", "signups a second", "users", "of Cognito's quota", "ready p50", "p95", "max",
                   "all ready after", "largest queue", "in flight", "expired", "queued again", "lost")  # fmt: skip


def scenario_row(scenario: Scenario, found: Outcome, limits: Limits) -> list[str]:
    rate = scenario.rate or (found.signed_up / found.all_ready_after)
    return [
        scenario.name,
        f"{rate:,.4g}",
        f"{found.ready + found.unready:,}",
        f"{rate / limits.cognito:.0%}",
        *map(duration, (found.p50, found.p95, found.longest, found.all_ready_after)),
        f"{found.deepest:,}",
        f"{found.in_flight:,}",
        f"{found.expired:,}",
        f"{found.queued_again:,}",
        f"{found.unready + found.refused + found.unrecorded + found.dead_letters:,}",
    ]


BINDING_HEADER = ("scenario", "found on", "measure", "binding limit", "what moves it")


def binding_row(scenario: Scenario, sample: Scenario, found: Sequence[Gain]) -> list[str]:
    best = binding(found)
    measure = "all ready after" if sample.users else "p95"
    moving = [f"{gain.relaxation.name}: {duration(gain.after)}" for gain in found if gain.matters]
    worse = [gain.relaxation.name for gain in found if gain.after > gain.before * (1 + MATTERS)]
    more = [f"slower with more: {', '.join(worse)}"] if worse else []
    before = f"{measure} {duration(found[0].before)}" if found else measure
    on = "the same" if sample is scenario else f"{sample.users:,} users" if sample.users else of_signups(sample)
    return [scenario.name, on, before, best.relaxation.name if best else "none", "; ".join(moving + more) or "nothing"]


def of_signups(sample: Scenario) -> str:
    return f"{sample.rate:,g} signups a second for {duration(sample.seconds)}"


def step_row(step: Step) -> list[str]:
    name = step.relaxation.name if step.relaxation else "no single one; the search ends here"
    return [f"{step.rate:,.0f}" if step.rate > 100 else f"{step.rate:.3g}", name]


def sweep_row(found: SweepOutcome) -> list[str]:
    return [
        f"{found.users:,}", duration(found.seconds), f"{found.requests:,}", f"{found.busiest:,}",
        f"{found.requests / found.seconds:.2g}",
    ]  # fmt: skip


def calibration_rows(handlers: Times, model: Times) -> list[list[str]]:
    rows = {"the handlers (`tests/simulation`)": handlers, "this model": model}
    return [[name, *map(duration, (times.p50, times.p95, times.longest))] for name, times in rows.items()]


def headroom_rows(outcomes: Mapping[str, Outcome], limits: Limits) -> list[list[str]]:
    """The limits that are not rates of the path: what was used of each."""
    template = with_defaults()
    sweep = ReconcileSettings.read(template.settings("ReconcileFunction")).sweep_max_requests_per_second
    most = max(outcomes.values(), key=lambda found: found.in_flight)
    longest = max(outcomes.values(), key=lambda found: found.all_ready_after)
    archive_days = template.default(template["EventArchive"]["RetentionDays"]["Ref"])
    largest = max(found.ready for found in outcomes.values())
    list_users = DEFAULT_RATE + sweep
    return [
        ["SQS, messages in flight", f"{most.in_flight:,}", f"{limits.in_flight:,.0f}"],
        [
            "ListUsers, sweep and backfill together",
            f"{list_users:g} a second ({list_users * PAGE:,.0f} users)",
            f"{quotas.COGNITO_LIST.per_second:g} a second",
        ],
        ["the archive, of the largest scenario", f"{archived_bytes(largest) / 1e9:,.1f} GB", "no limit"],
        ["the archive's retention, of the longest scenario", duration(longest.all_ready_after), f"{archive_days} d"],
        [
            "the queue's retention",
            f"{sum(found.expired for found in outcomes.values()):,} messages expired",
            duration(limits.retention),
        ],
    ]


def quota_rows() -> list[list[str]]:
    return [
        [
            quota.name,
            f"{quota.value:,g}{f' per {quota.per}' if quota.per else ''}",
            "yes" if quota.can_be_raised else "no",
            quota.page,
        ]
        for quota in quotas.ALL
    ]


def setting_rows(limits: Limits) -> list[list[str]]:
    return [
        ["StripeRequestsPerSecond", f"{limits.stripe_pace:g} a second"],
        ["RevenueCatRequestsPerMinute", f"{limits.revenuecat_pace * 60:g} a minute"],
        ["EnrichMaximumConcurrency, batch size", f"{limits.concurrency}, {limits.batch}"],
        ["MaxReceiveCount, RetryBackoffBaseSeconds", f"{limits.max_receives}, {limits.backoff_base:g} s"],
        ["MessageRetentionPeriod of ProvisioningQueue", duration(limits.retention)],
        ["ReconcileSchedule, ReconcileMost", f"{duration(limits.reconcile_every)}, {limits.reconcile_most}"],
        ["EmitDueAfterSeconds, EnrichDueAfterSeconds", f"{limits.emit_due_after:g} s, {limits.enrich_due_after:g} s"],
    ]


def assumption_rows(durations: Durations) -> list[list[str]]:
    return [
        ["a call to AWS", f"{durations.call:g} s"],
        ["a request to a provider", duration(durations.provider)],
        ["from PutEvents to the queue", duration(durations.bus)],
        ["a cold start", duration(durations.cold_start)],
    ]
