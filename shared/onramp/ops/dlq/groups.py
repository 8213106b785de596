"""Dead letters by queue, step and reason: what an operator wants to know first. Holds a group's numbers, no letters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from onramp.domain.event_data import rfc3339
from onramp.ops.common.dead_letters import Letter
from onramp.ops.common.text import masked_email

GroupKey = tuple[str, str, str]


@dataclass(slots=True)
class Group:
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
        one = (letter.user_id or "", letter.id)
        self.sample = min(self.sample, one) if self.sample else one


class Groups(dict[GroupKey, Group]):
    """Queue, step and reason -> the group."""

    @classmethod
    def of(cls, letters: Iterable[Letter]) -> Groups:
        groups = cls()
        for letter in letters:
            groups.add(letter)
        return groups

    def add(self, letter: Letter) -> None:
        self.setdefault((letter.queue, letter.step, letter.reason), Group()).add(letter)

    @property
    def count(self) -> int:
        return sum(group.count for group in self.values())

    @property
    def code_versions(self) -> set[str]:
        return {version for group in self.values() for version in group.code_versions}

    @property
    def words(self) -> list[str]:
        """Every reason and error code that a filter could name."""
        causes = {reason for _, _, reason in self} | {code for group in self.values() for code in group.error_codes}
        return sorted(causes)

    def rows(self, *, reveal: bool = False) -> list[dict[str, Any]]:
        """As data, largest first."""
        largest = sorted(self.items(), key=lambda found: (-found[1].count, found[0]))
        return [_row(cause, group, reveal=reveal) for cause, group in largest]


def _row(cause: GroupKey, group: Group, *, reveal: bool) -> dict[str, Any]:
    queue, step, reason = cause
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
