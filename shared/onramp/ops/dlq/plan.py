"""Which letters a command works on: counted before it asks for confirmation, and fixed from then on.

A user who fails again has a new letter that the plan does not contain. It is therefore neither sent again in the same
run nor deleted as a further copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from onramp.ops.common.dead_letters import POISON, Letter
from onramp.ops.common.errors import UsageError
from onramp.ops.common.text import visible
from onramp.ops.dlq.filters import LetterFilter
from onramp.ops.dlq.groups import LetterGroups


class LetterSource(Protocol):
    """Yields each letter once. `complete` is False where it stopped before the last one."""

    complete: bool

    def __iter__(self) -> Iterator[Letter]: ...

    def delete(self, ids: list[str]) -> list[str]:
        """Returns the ids whose delete is not confirmed."""


OpenSource = Callable[[], AbstractContextManager[LetterSource]]


@dataclass(slots=True)
class Plan:
    """Keeps only the `ids` of letters, so that ten thousand of them take about a megabyte."""

    letter_filter: LetterFilter
    groups: LetterGroups = field(default_factory=LetterGroups)
    not_selected: LetterGroups = field(default_factory=LetterGroups)
    ids: set[str] = field(default_factory=set)
    users: int = 0
    complete: bool = True

    @classmethod
    def of(cls, letters: Iterable[Letter], letter_filter: LetterFilter, *, skip_poison: bool = True) -> Plan:
        plan, keys = cls(letter_filter), set()
        for letter in letters:
            if not letter_filter.matches(letter) or (skip_poison and letter_filter.skips_as_poison(letter)):
                plan.not_selected.add(letter)
                continue
            plan.groups.add(letter)
            plan.ids.add(letter.id)
            keys.add(letter.key)
        plan.users = len(keys)
        return plan

    def lines(self) -> list[str]:
        """One line per group."""
        return [
            f"  {row['count']:>6}  {row['queue']}  {row['step']}  {row['reason']}  {' '.join(row['errorCodes'])}"
            for row in self.groups.rows()
        ]

    def select(self, source: LetterSource) -> Iterator[Letter]:
        return (letter for letter in source if letter.id in self.ids)

    def require_match(self) -> None:
        """Raises UsageError where there are letters and the filter matches none of them."""
        if self.ids or self.letter_filter.is_empty or not self.not_selected:
            return
        options = " ".join(f"--{name} {visible(value)}" for name, value in self.letter_filter.options().items())
        reasons = ", ".join(map(visible, self.not_selected.reasons))
        raise UsageError(f"no dead letter matches {options}; the reasons there are: {reasons}.")

    @property
    def poison_count(self) -> int:
        return sum(group.count for (_, _, reason), group in self.not_selected.items() if reason == POISON)
