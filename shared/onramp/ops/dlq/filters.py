"""Which dead letters: by cause, user, time and code version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onramp.domain.identity import canonical_email, usable_sub
from onramp.ops.common.dead_letters import POISON, Letter
from onramp.ops.common.errors import UsageError
from onramp.ops.common.text import masked_email
from onramp.ops.common.when import clock, moment


@dataclass(frozen=True, slots=True)
class Filter:
    """Empty: everything but poison. Times in Unix milliseconds, of the first failure; `id` may be a beginning."""

    id: str | None = None
    reasons: Sequence[str] = ()
    steps: Sequence[str] = ()
    code_versions: Sequence[str] = ()
    user: str | None = None
    since: int | None = None
    until: int | None = None

    def __call__(self, letter: Letter) -> bool:
        """A reason is matched by the error code too: one refusal may have several causes."""
        return (
            (self.id is None or letter.id.startswith(self.id))
            and (not self.reasons or letter.reason in self.reasons or letter.error_code in self.reasons)
            and (not self.steps or letter.step in self.steps)
            and (not self.code_versions or letter.code_version in self.code_versions)
            and (self.user is None or self.user in (letter.user_id, (letter.sub or "").lower()))
            and (self.since is None or letter.failed_at >= self.since)
            and (self.until is None or letter.failed_at <= self.until)
        )

    def poison(self, letter: Letter) -> bool:
        """What would only come back: left alone unless it is asked for."""
        return letter.reason == POISON and POISON not in self.reasons and self.id is None

    @property
    def given(self) -> bool:
        return self != Filter()

    def words(self) -> dict[str, str]:
        """What was asked, for plan and audit. Masked: both are kept."""
        lists = {"reason": self.reasons, "step": self.steps, "code-version": self.code_versions}
        times = {"since": self.since, "until": self.until}
        said = {name: ",".join(values) for name, values in lists.items() if values}
        said |= {"id": self.id} if self.id else {}
        said |= {name: clock(value) for name, value in times.items() if value is not None}
        return said | ({"user": masked_email(self.user) if "@" in self.user else self.user} if self.user else {})


def filter_from(
    *,
    identity: str | None = None,
    reasons: Sequence[str] | None,
    steps: Sequence[str] | None,
    code_versions: Sequence[str] | None,
    user: str | None,
    since: str | None,
    until: str | None,
    now: int,
) -> Filter:
    """As given on the command line. Raises DeskError."""
    found = Filter(
        id=identity or None,
        reasons=tuple(reasons or ()),
        steps=tuple(steps or ()),
        code_versions=tuple(code_versions or ()),
        user=_user(user) if user is not None else None,
        since=moment(since, now) if since is not None else None,
        until=moment(until, now) if until is not None else None,
    )
    if found.since is not None and found.until is not None and found.since > found.until:
        raise UsageError("--since is after --until: nothing can have failed between them.")
    return found


def _user(text: str) -> str:
    found = canonical_email(text) or usable_sub(text)
    if found is None:
        raise UsageError(f"'{text}' is neither an e-mail address nor a Cognito sub.")
    return found.lower()
