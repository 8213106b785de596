"""One backfill from its start, or from where an interrupted one stood, to its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from onramp.domain.errors import TokenExpired
from onramp.ops.backfill.page_writer import PageWriter
from onramp.ops.backfill.refusals import Refusals
from onramp.ops.tables.backfill_checkpoints import BackfillCheckpoints, BackfillState


@dataclass(slots=True)
class Backfill:
    """`walk` makes the walk of a run that began at the given time. `checkpoints` None: a dry run, from the start."""

    pools: Sequence[str]
    rules: str
    walk: Callable[[int], PageWriter]
    checkpoints: BackfillCheckpoints | None
    refusals: Refusals
    clock: Callable[[], int]
    restarted: bool = False

    def start(self, *, resume: bool) -> BackfillState:
        """Where to begin: the checkpoint, unless there is none, or the file of refusals would not be whole."""
        state = self.checkpoints.load(self.rules) if self.checkpoints and resume else None
        if state and state.pool in self.pools and self.refusals.open(state.csv_bytes, begun=state.users > 0):
            return state
        return self._anew(self.clock())

    def _anew(self, started_at: int) -> BackfillState:
        self.refusals.open(0, begun=False)
        return BackfillState(self.rules, started_at, self.pools[0])

    def __call__(self, state: BackfillState) -> Iterator[BackfillState]:
        """Yields after every page; the last one says everything. Raises RetryableError: run it again."""
        try:
            yield from self._through(state)
        except TokenExpired:  # Cognito's page tokens are short-lived: from the first page on, most is found done
            self.restarted = True
            yield from self._through(self._anew(state.started_at))
        finally:
            self.refusals.close()

    def _through(self, state: BackfillState) -> Iterator[BackfillState]:
        self._save(state)  # at once: whoever goes on after a death must know since when users are this run's own
        following = dict(zip(self.pools, [*self.pools[1:], ""], strict=True))
        with closing(self.walk(state.started_at)) as walk:
            while pool := state.pool:
                for done in walk(pool, state.token):
                    state = state.after(done.counts, done.next_token, following[pool], self.refusals.write(done.users))
                    self._save(state)
                    yield state
        if self.checkpoints:
            self.checkpoints.clear()

    def _save(self, state: BackfillState) -> None:
        if self.checkpoints:
            self.checkpoints.save(state)
