"""Every check by group, in the order in which a signup passes them, and the function that runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from botocore.exceptions import BotoCoreError, ClientError

from onramp.domain.errors import ConfigurationError, RetryableError
from onramp.observability import place_of
from onramp.ops.common.deployment import Deployment
from onramp.ops.doctor import (
    alarms,
    bus,
    consumers,
    functions,
    owed,
    pool,
    queue_access,
    queues,
    reconciler,
    rules,
    secrets,
)
from onramp.ops.doctor.findings import Cause, Finding, Level, unchecked, warning

Check = Callable[[Deployment], Iterator[Finding]]

CHECKS: dict[str, tuple[Check, ...]] = {
    "pool": (pool.trigger, pool.permission, pool.providers),
    "functions": (
        functions.live_version,
        functions.concurrency,
        functions.timeout,
        consumers.visibility_timeouts,
        consumers.event_sources,
    ),
    "bus": (bus.bus, bus.encryption, rules.rules),
    "queues": (queues.existence, queue_access.policies, queue_access.encryption, queues.retention),
    "stripe": (secrets.stripe,),
    "revenuecat": (secrets.revenuecat,),
    "reconciler": (reconciler.schedule, reconciler.last_run),
    "alarms": (alarms.alarms,),
    "owed": (owed.owed, queues.dead_letters, queues.unhealed),
}


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One finding, and the group of checks it belongs to."""

    group: str
    finding: Finding


def run_checks(stack: Deployment, group: str) -> Iterator[CheckResult]:
    """A check that fails is a finding; the other checks run."""
    for check in CHECKS[group]:
        yield from (CheckResult(group, finding) for finding in _findings(stack, check))


def one_for_each_cause(results: Sequence[CheckResult]) -> list[CheckResult]:
    """A symptom is told in the line of its cause; without that, all symptoms of a cause are told in one line."""
    merged = list(results)
    for cause in Cause:
        same = [r for r in merged if r.finding.level is Level.TROUBLE and r.finding.cause is cause]
        same.sort(key=lambda result: result.finding.symptom)  # stable: the first one that is no symptom, or the first
        told = [result for result in same[1:] if result.finding.symptom]
        if not told:
            continue
        first = same[0]
        what = " ".join([first.finding.what, *(result.finding.what for result in told)])
        whole = CheckResult(first.group, replace(first.finding, what=what))
        merged = [whole if result is first else result for result in merged if result not in told]
    return merged


def _findings(stack: Deployment, check: Check) -> list[Finding]:
    findings: list[Finding] = []
    try:
        findings.extend(check(stack))
    except (ClientError, BotoCoreError, RetryableError, ConfigurationError) as error:
        findings.append(unchecked(error))
    except Exception as error:  # noqa: BLE001  # an unexpected answer must not hide the findings of the other checks
        what = f"could not be checked: {check.__name__} ({place_of(error)})"
        findings.append(warning(what, "the check raised an unexpected exception.", "check it by hand, and report it."))
    return findings
