"""Counts dead letters by queue, step and reason. Holds the numbers of each group, and no letters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from onramp.domain.event_data import rfc3339
from onramp.ops.common.dead_letters import Letter
from onramp.ops.common.text import masked_email

GroupKey = tuple[str, str, str]
"""Queue, step and reason."""


@dataclass(slots=True)
class LetterGroup:
    count: int = 0
    oldest: int = 0
    newest: int = 0
    error_codes: Counter[str] = field(default_factory=Counter)
    code_versions: Counter[str] = field(default_factory=Counter)
    sample: tuple[str, str] | None = None
    """E-mail and message id of the alphabetically first user, so that the same letters always show the same sample."""

    def add(self, letter: Letter) -> None:
        self.oldest = min(self.oldest, letter.failed_at) if self.count else letter.failed_at
        self.newest = max(self.newest, letter.failed_at)
        self.count += 1
        self.error_codes[letter.error_code] += 1
        if letter.code_version:
            self.code_versions[letter.code_version] += 1
        candidate = (letter.user_id or "", letter.id)
        self.sample = min(self.sample, candidate) if self.sample else candidate


class LetterGroups(dict[GroupKey, LetterGroup]):
    @classmethod
    def of(cls, letters: Iterable[Letter]) -> LetterGroups:
        groups = cls()
        for letter in letters:
            groups.add(letter)
        return groups

    def add(self, letter: Letter) -> None:
        self.setdefault((letter.queue, letter.step, letter.reason), LetterGroup()).add(letter)

    @property
    def count(self) -> int:
        return sum(group.count for group in self.values())

    @property
    def code_versions(self) -> set[str]:
        return {version for group in self.values() for version in group.code_versions}

    @property
    def reasons(self) -> list[str]:
        """Every reason and error code that `--reason` can name."""
        codes = {code for group in self.values() for code in group.error_codes}
        return sorted({reason for _, _, reason in self} | codes)

    def rows(self, *, reveal: bool = False) -> list[dict[str, Any]]:
        """As data, the largest group first."""
        largest_first = sorted(self.items(), key=lambda item: (-item[1].count, item[0]))
        return [_row(key, group, reveal=reveal) for key, group in largest_first]


def _row(key: GroupKey, group: LetterGroup, *, reveal: bool) -> dict[str, Any]:
    queue, step, reason = key
    email, identity = group.sample or ("", "")
    return {
        "queue": queue,
        "step": step,
        "reason": reason,
        "count": group.count,
        "errorCodes": dict(group.error_codes.most_common()),
        "oldest": rfc3339(group.oldest),
        "newest": rfc3339(group.newest),
        "codeVersions": dict(group.code_versions.most_common()),
        "sample": {"id": identity, "user": (email if reveal else masked_email(email)) if email else None},
    }
