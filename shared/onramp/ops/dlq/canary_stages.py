"""The course of a redrive: one user, then ten, then the rest; after each stage a look at what became of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from onramp.ops.dlq.plan import Sources
from onramp.ops.dlq.redrive import Redrive
from onramp.ops.dlq.verify import Verification, Verify, Watched

CANARY: tuple[int | None, ...] = (1, 10, None)
AT_ONCE: tuple[int | None, ...] = (None,)


@dataclass(slots=True)
class StagesResult:
    verdict: Verification = field(default_factory=Verification)
    stopped: str | None = None
    """Why the rest was left alone."""


@dataclass(frozen=True, slots=True)
class CanaryStages:
    """`verify` None: nobody is looked after."""

    redrive: Redrive
    sources: Sources
    stages: Sequence[int | None]
    verify: Verify | None
    on_sent: Callable[[int], object] = lambda count: None
    on_settled: Callable[[int], None] = lambda count: None

    def run(self) -> StagesResult:
        outcome = StagesResult()
        for size in self.stages:
            sent = self._send(size)
            if self.verify and sent:
                verdict = self.verify(sent, self.on_settled)
                outcome.verdict.add(verdict)
                if size is not None and (why := _objection(verdict)):
                    outcome.stopped = why
                    break
            if size is not None and len(sent) < size:
                break
        return outcome

    def _send(self, size: int | None) -> list[Watched]:
        """A walk of its own for each stage: nothing is kept from others while somebody waits and looks."""
        sent: list[Watched] = []
        with self.sources() as source, closing(self.redrive.stage(source, size)) as batches:
            for batch in batches:
                sent += batch
                self.on_sent(len(batch))
        return sent


def _objection(verdict: Verification) -> str | None:
    """Why a canary says not to go on."""
    if verdict.same:
        (step, code), _ = verdict.same.most_common(1)[0]
        return f"the same reason came back ({step}: {code})"
    if verdict.failed and not verdict.repaired:
        (step, code), _ = verdict.failed.most_common(1)[0]
        return f"nobody was repaired ({step}: {code})"
    if verdict.waiting:
        return f"{verdict.waiting.total()} of the canary is still on the way"
    return None
