"""Figures as ratios to a reference of the same round, so that a busy or a slow machine measures the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

TOLERANCE = 1.05
NOISY = 0.25
"""Beyond this spread half of the rounds differ by so much that a target within the spread is neither met nor missed."""


def reached(figure: float, target: float) -> bool:
    """Whether a rate is at least its target, less the tolerance."""
    return figure * TOLERANCE >= target


@dataclass(frozen=True)
class Ratio:
    """The median of the ratios of all rounds; `spread` is the distance of their quartiles as a part of it."""

    value: float
    spread: float

    @classmethod
    def of(cls, figures: Sequence[float], references: Sequence[float]) -> Ratio:
        ratios = [figure / reference for figure, reference in zip(figures, references, strict=True)]
        low, _, high = quantiles(ratios, n=4)
        return cls(median(ratios), (high - low) / median(ratios))

    def verdict(self, target: float | None) -> str:
        if target is None or self.value <= target:
            return "" if target is None else "met"
        if self.value <= target * TOLERANCE:
            return "met within 5 %"
        best = self.value * (1 - self.spread)
        return "too noisy" if self.spread > NOISY and best <= target * TOLERANCE else "MISSED"


def column(rounds: Sequence[Mapping[str, float]], figure: str) -> list[float]:
    return [measured[figure] for measured in rounds]
