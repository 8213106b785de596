"""Every check by name, in the order in which a signup travels, and the one place that runs them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from onramp.domain.errors import ConfigurationError, RetryableError
from onramp.observability import place_of
from onramp.ops.common.deployment import Deployment
from onramp.ops.doctor import alarms, bus, functions, owed, pool, queues, reconciler, secrets
from onramp.ops.doctor.findings import Finding, unchecked, warning

Check = Callable[[Deployment], Iterator[Finding]]

CHECKS: dict[str, tuple[Check, ...]] = {
    "pool": (pool.attached, pool.may_invoke, pool.providers),
    "functions": (functions.live, functions.running, functions.times, functions.fed),
    "bus": (bus.bus, bus.rule),
    "queues": (queues.accept_events, queues.keys, queues.outlive),
    "stripe": (secrets.stripe,),
    "revenuecat": (secrets.revenuecat,),
    "reconciler": (reconciler.schedule, reconciler.last_run),
    "alarms": (alarms.alarms,),
    "owed": (owed.owed, queues.letters),
}


@dataclass(frozen=True, slots=True)
class Examined:
    """One finding, and the group of checks it is from."""

    group: str
    finding: Finding


def examine(stack: Deployment, groups: Collection[str] = ()) -> Iterator[Examined]:
    """All groups, or those named. A check that fails is a finding, and the others go on."""
    for group, checks in CHECKS.items():
        if not groups or group in groups:
            for check in checks:
                yield from (Examined(group, finding) for finding in _findings(stack, check))


def _findings(stack: Deployment, check: Check) -> list[Finding]:
    found: list[Finding] = []
    try:
        found.extend(check(stack))
    except (ClientError, BotoCoreError, RetryableError, ConfigurationError) as error:
        found.append(unchecked(error))
    except Exception as error:  # noqa: BLE001  # an answer nobody expected must not hide what the others find
        what = f"could not be checked: {check.__name__} ({place_of(error)})"
        found.append(warning(what, "the doctor met something it does not know.", "look by hand, and report it."))
    return found
