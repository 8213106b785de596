"""Selects dead letters by cause, user, time and code version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onramp.ops.common.dead_letters import POISON, Letter
from onramp.ops.common.text import masked_email
from onramp.ops.common.when import format_time


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Times are Unix milliseconds of the first failure; `id` may be the beginning of one."""

    id: str | None = None
    reasons: Sequence[str] = ()
    steps: Sequence[str] = ()
    code_versions: Sequence[str] = ()
    user: str | None = None
    since: int | None = None
    until: int | None = None

    def matches(self, letter: Letter) -> bool:
        """`reasons` may name error codes too: one reason can have several of them."""
        return (
            (self.id is None or letter.id.startswith(self.id))
            and (not self.reasons or letter.reason in self.reasons or letter.error_code in self.reasons)
            and (not self.steps or letter.step in self.steps)
            and (not self.code_versions or letter.code_version in self.code_versions)
            and (self.user is None or self.user in (letter.user_id, (letter.sub or "").lower()))
            and (self.since is None or letter.failed_at >= self.since)
            and (self.until is None or letter.failed_at <= self.until)
        )

    def skips_as_poison(self, letter: Letter) -> bool:
        """A malformed event would only fail again: a redrive skips it unless the filter names its reason or its id."""
        return letter.reason == POISON and POISON not in self.reasons and self.id is None

    @property
    def is_empty(self) -> bool:
        return self == LetterFilter()

    @property
    def _lists(self) -> dict[str, Sequence[str]]:
        return {"reason": self.reasons, "step": self.steps, "code-version": self.code_versions}

    def arguments(self) -> list[str]:
        """The options as they are typed. `--user` is not masked: a masked address would find no user."""
        single = {name: (value,) for name, value in self.options().items() if name not in self._lists}
        if self.user:
            single["user"] = (self.user,)
        named = {**self._lists, **single}
        return [word for name, values in named.items() for value in values for word in (f"--{name}", value)]

    def options(self) -> dict[str, str]:
        """Option name -> value, for the plan and the audit log. The address is masked: both are kept."""
        lists = self._lists
        times = {"since": self.since, "until": self.until}
        options = {name: ",".join(values) for name, values in lists.items() if values}
        options |= {"id": self.id} if self.id else {}
        options |= {name: format_time(value) for name, value in times.items() if value is not None}
        return options | ({"user": masked_email(self.user) if "@" in self.user else self.user} if self.user else {})
