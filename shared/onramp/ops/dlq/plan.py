"""What a command is going to touch: counted before anybody is asked, and nothing beyond it is touched after.

A user who fails again lies in the queue again, as a new letter that no plan has seen: it is neither sent in a loop nor
taken for a second copy and deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from onramp.ops.common.dead_letters import POISON, Letter
from onramp.ops.common.errors import UsageError
from onramp.ops.common.text import visible
from onramp.ops.dlq.filters import Filter
from onramp.ops.dlq.groups import Groups


class Source(Protocol):
    """Where letters come from, each once, and where those that were dealt with are taken out."""

    complete: bool
    """Whether all there are were handed out."""

    def __iter__(self) -> Iterator[Letter]: ...

    def delete(self, ids: list[str]) -> list[str]:
        """Returns those of which it is not confirmed."""


Sources = Callable[[], AbstractContextManager[Source]]


@dataclass(slots=True)
class Plan:
    """`ids` is all that is kept of a letter, so that ten thousand of them are a megabyte."""

    wanted: Filter
    groups: Groups = field(default_factory=Groups)
    others: Groups = field(default_factory=Groups)
    ids: set[str] = field(default_factory=set)
    users: int = 0
    complete: bool = True

    @classmethod
    def of(cls, letters: Iterable[Letter], wanted: Filter, *, leave_poison: bool = True) -> Plan:
        plan, keys = cls(wanted), set()
        for letter in letters:
            if not wanted(letter) or (leave_poison and wanted.poison(letter)):
                plan.others.add(letter)
                continue
            plan.groups.add(letter)
            plan.ids.add(letter.id)
            keys.add(letter.key)
        plan.users = len(keys)
        return plan

    def words(self) -> list[str]:
        """A line for each group."""
        return [
            f"  {row['count']:>6}  {row['queue']}  {row['step']}  {row['reason']}  {' '.join(row['errorCodes'])}"
            for row in self.groups.rows()
        ]

    def letters(self, source: Source) -> Iterator[Letter]:
        return (letter for letter in source if letter.id in self.ids)

    def check(self) -> None:
        """Raises DeskError where a filter fits none of the letters there are."""
        if self.ids or not self.wanted.given or not self.others:
            return
        asked = " ".join(f"--{name} {value}" for name, value in self.wanted.words().items())
        there = ", ".join(map(visible, self.others.words))
        raise UsageError(f"no dead letter fits {asked}; the reasons there are: {there}.")

    @property
    def poison(self) -> int:
        return sum(group.count for (_, _, reason), group in self.others.items() if reason == POISON)
