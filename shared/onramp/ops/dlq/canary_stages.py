"""The stages of a redrive: one user, then ten, then the rest. After each stage the users sent are verified."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from onramp.ops.dlq.plan import OpenSource
from onramp.ops.dlq.redrive import Redrive
from onramp.ops.dlq.verify import SentUser, VerifiedCounts, Verifier

CANARY: tuple[int | None, ...] = (1, 10, None)
ALL_AT_ONCE: tuple[int | None, ...] = (None,)


@dataclass(slots=True)
class StagesResult:
    """`stopped`: why a canary stage was the last one."""

    verified: VerifiedCounts = field(default_factory=VerifiedCounts)
    stopped: str | None = None


@dataclass(frozen=True, slots=True)
class CanaryStages:
    """`verifier` None: no stage is verified."""

    redrive: Redrive
    open_source: OpenSource
    stages: Sequence[int | None]
    verifier: Verifier | None
    on_sent: Callable[[int], object] = lambda count: None
    on_decided: Callable[[int], None] = lambda count: None
    result: StagesResult = field(default_factory=StagesResult)

    def run(self) -> StagesResult:
        """Returns `result`, which an interrupted run has filled as far as it came."""
        result = self.result
        for size in self.stages:
            sent = self._send(size)
            if self.verifier and sent:
                verified = VerifiedCounts()
                try:
                    self.verifier.verify(sent, self.on_decided, verified)
                finally:
                    result.verified.add(verified)
                if size is not None and (why := _reason_to_stop(verified)):
                    result.stopped = why
                    break
            if size is not None and len(sent) < size:
                break
        return result

    def _send(self, size: int | None) -> list[SentUser]:
        """Opens the source anew for each stage, so that no letter is held while a stage is verified."""
        sent: list[SentUser] = []
        with self.open_source() as source, closing(self.redrive.run_stage(source, size)) as batches:
            for batch in batches:
                sent += batch
                self.on_sent(len(batch))
        return sent


def _reason_to_stop(canary: VerifiedCounts) -> str | None:
    if canary.same_cause:
        (step, code), _ = canary.same_cause.most_common(1)[0]
        return f"the same reason came back ({step}: {code})"
    if canary.failed and not canary.repaired:
        (step, code), _ = canary.failed.most_common(1)[0]
        return f"no user was repaired ({step}: {code})"
    if canary.on_the_way:
        return f"{canary.on_the_way.total()} of the canary is still on the way"
    return None
