"""The report of a backfill: as data, and as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from onramp.domain.decision import Kind, kind_of
from onramp.ops.backfill.refusals import is_refusal
from onramp.ops.common.output import Output
from onramp.ops.common.reasons import reason_of

ALWAYS_SHOWN = (Kind.CREATE.value, Kind.LINK.value, Kind.HAS_RECORD.value)
APPLIED = {Kind.CREATE.value: "created", Kind.LINK.value: "linked"}


@dataclass(frozen=True, slots=True)
class BackfillReport:
    """`found` counts the users by label; `unpublished` counts the events that the bus did not take."""

    pools: Sequence[str]
    found: Mapping[str, int]
    applied: bool
    unpublished: int = 0

    @property
    def failed(self) -> int:
        return self.found.get(Kind.FAILED, 0)

    def data(self) -> dict[str, Any]:
        """Has no time and no run id in it: two dry runs over the same pool give the same data."""
        counts = self.counts()
        return {
            "applied": self.applied,
            "pools": list(self.pools),
            "users": sum(counts.values()),
            "found": counts,
            "refused": sum(count for label, count in counts.items() if is_refusal(label)),
            "skipped": sum(count for label, count in counts.items() if kind_of(label) is Kind.NOT_CONFIRMED),
            "eventsLeftToTheReconciler": self.unpublished,
        }

    def counts(self) -> dict[str, int]:
        """By label: the usual ones first, even if 0, then the others by name."""
        others = sorted(label for label, count in self.found.items() if count and label not in ALWAYS_SHOWN)
        return {label: self.found.get(label, 0) for label in (*ALWAYS_SHOWN, *others)}

    def show(self, out: Output) -> None:
        counts, names = self.counts(), APPLIED if self.applied else {}
        rows = [(names.get(label, label), f"{count:,}", _reason(label)) for label, count in counts.items()]
        title = "applied" if self.applied else "dry run: nothing was written"
        out.table(["outcome", "users", "why"], [*rows, ("total", f"{sum(counts.values()):,}", "")], title=title)
        if self.unpublished:
            out.line(f"The event bus did not take {self.unpublished:,} events: the reconciler emits them.")


def _reason(label: str) -> str:
    return "" if label in ALWAYS_SHOWN else reason_of(label).why
