"""What is owed to how many, and since when: a survey of OwedIndex."""

from __future__ import annotations

from dataclasses import dataclass

from onramp.adapters.owed import PAGE, PAGES, OwedIndex
from onramp.domain.users import SHARDS, Owed


@dataclass(frozen=True, slots=True)
class OwedCount:
    """Of one kind. `oldest` and `due` in Unix milliseconds, None where nobody is owed; `at_least`: there are more."""

    count: int
    oldest: int | None
    due: int | None
    at_least: bool


def count_owed(index: OwedIndex) -> dict[Owed, OwedCount]:
    """Twelve queries where little is owed; of a long list the first 10,000 a shard are counted."""
    found = {}
    for kind in Owed:
        shards = [index.of(kind, shard) for shard in range(SHARDS)]
        debts = [debt for shard in shards for debt in shard]
        found[kind] = OwedCount(
            len(debts),
            min((debt.owed_since for debt in debts), default=None),
            min((debt.due_at for debt in debts), default=None),
            any(len(shard) >= PAGE * PAGES for shard in shards),
        )
    return found
