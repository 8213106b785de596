"""One run of the reconciler: does what is due, checks that the pools call the trigger, then sweeps each pool.

A part that fails does not stop the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from onramp.usecases.reconcile import Reconcile, Repeated, Survey
from onramp.usecases.runs import Run
from onramp.usecases.sweep import Sweep, Swept
from onramp.usecases.trigger_check import Detached, PoolDescription, TriggerCheck

Report = Survey | Repeated | Detached | Swept


class Pools(Protocol):
    def describe(self, user_pool_id: str) -> PoolDescription:
        """Raises RetryableError."""


@dataclass(frozen=True, slots=True)
class Reconciler:
    """`pools` holds user pool ids."""

    pools: Sequence[str]
    descriptions: Pools
    reconcile: Reconcile
    trigger_check: TriggerCheck
    sweep: Sweep

    def __call__(self, run: Run) -> Iterator[Report]:
        """Yields the report of each part when it ends: what was done is reported even if the run is killed later."""
        if survey := run.attempt(self.reconcile.survey):
            yield survey
            work = self.reconcile
            parts = (
                partial(work.emit, survey.emit, run),
                partial(work.queue_again, survey.queue, run),
                partial(work.heal_ready, survey.look_at, run),
            )
            yield from filter(None, map(run.attempt, parts))
        yield from self._look_at_pools(run)

    def _look_at_pools(self, run: Run) -> Iterator[Report]:
        described = {
            pool: run.attempt(partial(self.descriptions.describe, pool)) for pool in self.pools if run.may_go_on()
        }
        if known := [description for description in described.values() if description]:
            yield from filter(None, [run.attempt(partial(self.trigger_check, known))])
        for pool in self.pools:
            description = described.get(pool)
            users = description.estimated_users if description else 0
            yield from filter(None, [run.attempt(partial(self.sweep, pool, run, users))])
