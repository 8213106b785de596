"""One backfill, from its start or from the checkpoint of an interrupted one, to its end."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from onramp.domain.errors import TokenExpired
from onramp.ops.backfill.page_writer import PageWriter
from onramp.ops.backfill.refusals import RefusalsFile
from onramp.ops.tables.backfill_checkpoints import BackfillCheckpoints, BackfillState


@dataclass(slots=True)
class Backfill:
    """`rules` is the fingerprint of the rules and pools; `checkpoints` None: a dry run.

    `page_writer` makes the PageWriter of a run that started at the given time (Unix milliseconds). `restarted`: Cognito
    no longer accepted the checkpoint's page token, so the run began again. `is_stopped`: True where no further page is
    to be begun; the run then ends early, and its checkpoint stays.
    """

    pools: Sequence[str]
    rules: str
    page_writer: Callable[[int], PageWriter]
    checkpoints: BackfillCheckpoints | None
    refusals: RefusalsFile
    clock: Callable[[], int]
    is_stopped: Callable[[], bool] = lambda: False
    restarted: bool = False

    def start(self, *, resume: bool) -> BackfillState:
        """The checkpoint; the first page where there is none, or where the refusals file would not be complete."""
        state = self.checkpoints.load(self.rules) if self.checkpoints and resume else None
        if state and state.pool in self.pools and self.refusals.open(state.csv_bytes, resuming=state.users > 0):
            return state
        return self._first_page(self.clock())

    def _first_page(self, started_at: int) -> BackfillState:
        self.refusals.open(0, resuming=False)
        return BackfillState(self.rules, started_at, self.pools[0])

    def run(self, state: BackfillState) -> Generator[BackfillState, None, None]:
        """Yields the state after every page. Raises RetryableError: a new run continues from the checkpoint."""
        try:
            yield from self._run_from(state)
        except TokenExpired:  # page tokens are short-lived; in the second pass most users are found done
            self.restarted = True
            yield from self._run_from(self._first_page(state.started_at))
        finally:
            self.refusals.close()

    def _run_from(self, state: BackfillState) -> Iterator[BackfillState]:
        self._save(state)  # before the first write: after a crash `started_at` tells which records this run wrote
        next_pools = dict(zip(self.pools, [*self.pools[1:], ""], strict=True))
        with closing(self.page_writer(state.started_at)) as writer:
            while (pool := state.pool) and not self.is_stopped():
                for page in writer.write_pages(pool, state.token):
                    csv_bytes = self.refusals.write(page.users)
                    state = state.after(page.counts, page.next_token, next_pools[pool], csv_bytes)
                    self._save(state)
                    yield state
        if self.checkpoints and not state.pool:
            self.checkpoints.clear()

    def _save(self, state: BackfillState) -> None:
        if self.checkpoints:
            self.checkpoints.save(state)
