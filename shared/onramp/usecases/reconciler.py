"""One run of the reconciler: does what is due, then sweeps each pool. A part that fails does not stop the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from onramp.usecases.reconcile import Reconcile, Repeated, Survey
from onramp.usecases.runs import Run
from onramp.usecases.sweep import Sweep, Swept

Report = Survey | Repeated | Swept


@dataclass(frozen=True, slots=True)
class Reconciler:
    """`pools` holds user pool ids."""

    pools: Sequence[str]
    reconcile: Reconcile
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
        yield from filter(None, (run.attempt(partial(self.sweep, pool, run)) for pool in self.pools))
