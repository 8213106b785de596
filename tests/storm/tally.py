"""What a run counts. One object stands for `grain` users."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Tally:
    """`refused` by Cognito's quota; `unrecorded`: confirmed without a record, found by the sweep. In objects."""

    grain: int
    reached: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    unrecorded: int = 0
    dead_letters: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    too_many: Counter[str] = field(default_factory=Counter)
    live: array[float] = field(default_factory=lambda: array("d"))
    """Seconds to ready, of those who signed up."""
    old: array[float] = field(default_factory=lambda: array("d"))
    """The same, of users that a backfill wrote."""
    depths: list[tuple[float, int]] = field(default_factory=list)
    """Messages in the queue by time."""
    last_ready: float = 0.0


def percentile(values: Sequence[float], part: float) -> float:
    """`values` sorted."""
    return values[min(len(values) - 1, int(part * len(values)))] if values else 0.0
