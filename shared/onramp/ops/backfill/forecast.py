"""The numbers with which `backfill --apply` asks: a dry run over a small pool, or the start of a large one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Self

from onramp.domain.decision import Kind
from onramp.ops.backfill.refusals import RefusalsFile, is_refusal
from onramp.ops.backfill.wiring import BackfillWiring
from onramp.ops.common.next_steps import next_step
from onramp.ops.common.output import Output

MOST_USERS = 5_000


@dataclass(frozen=True, slots=True)
class Forecast:
    """`found` counts users by label; `complete`: they are all users of the pools."""

    found: Mapping[str, int]
    complete: bool

    @classmethod
    def of(cls, out: Output, wiring: BackfillWiring, pools: Sequence[str], rate: float) -> Self:
        backfill = wiring.backfill(pools, wiring.batch_publisher(), RefusalsFile(None), rate=rate, apply=False)
        state = backfill.start(resume=False)
        with out.progress() as bar, closing(backfill.run(state)) as states:
            task = bar.add_task("counting", total=None)
            for reached in states:
                state = reached
                bar.update(task, completed=state.users)
                if state.users >= MOST_USERS:
                    break
        return cls(state.found, complete=not state.pool)

    def sentence(self, estimate: int | None) -> str:
        """`estimate`: Cognito's, of the users in all."""
        refused = sum(count for label, count in self.found.items() if is_refusal(label))
        users, create = sum(self.found.values()), self.found.get(Kind.CREATE, 0)
        counts = (
            f"{create:,} get a new record, {self.found.get(Kind.LINK, 0):,} are linked to a pre-created one,"
            f" {refused:,} are refused, {self.found.get(Kind.HAS_RECORD, 0):,} have a record already"
        )
        if self.complete:
            return f"Of {users:,} users, {counts}."
        about = f" of about {estimate:,}" if estimate and estimate > users else ""
        return f"Of the first {users:,} users{about}, {counts}; {next_step('backfill_forecast')}."
