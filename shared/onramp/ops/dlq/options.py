"""The options that several `dlq` commands share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from onramp.domain.identity import canonical_email, usable_sub
from onramp.ops.common.dead_letters import DELIVERY, PROVISIONING
from onramp.ops.common.errors import UsageError
from onramp.ops.common.when import parse_time
from onramp.ops.dlq.filters import LetterFilter


class Queues(StrEnum):
    PROVISIONING = PROVISIONING
    DELIVERY = DELIVERY
    ALL = "all"

    @property
    def names(self) -> list[str]:
        return [PROVISIONING, DELIVERY] if self is Queues.ALL else [self.value]


Queue = Annotated[
    Queues,
    typer.Option(help="provisioning: the worker gave up. delivery: EventBridge could not deliver the event."),
]
Limit = Annotated[int | None, typer.Option(min=1, help="At most this many.")]


@dataclass(frozen=True, slots=True)
class FilterOptions:
    """The options of redrive, export and drop that select letters, in the order of `--help`."""

    reason: Annotated[list[str] | None, typer.Option(help="A reason or an error code; may be repeated.")] = None
    step: Annotated[list[str] | None, typer.Option(help="The step that failed, as stripe; may be repeated.")] = None
    user: Annotated[str | None, typer.Option(help="One user: e-mail or Cognito sub.")] = None
    since: Annotated[
        str | None, typer.Option(help="First failed at this time or later: 2026-11-20T09:00Z, 2h, 3d.")
    ] = None
    until: Annotated[str | None, typer.Option(help="First failed at this time or earlier.")] = None
    code_version: Annotated[list[str] | None, typer.Option(help="The code version that failed; may be repeated.")] = (
        None
    )
    identity: Annotated[str | None, typer.Option("--id", help="A message id, or its beginning.")] = None
    queue: Queue = Queues.ALL

    def letter_filter(self, now: int) -> LetterFilter:
        """Raises UsageError."""
        letter_filter = LetterFilter(
            id=self.identity or None,
            reasons=tuple(self.reason or ()),
            steps=tuple(self.step or ()),
            code_versions=tuple(self.code_version or ()),
            user=_email_or_sub(self.user) if self.user is not None else None,
            since=parse_time(self.since, now) if self.since is not None else None,
            until=parse_time(self.until, now) if self.until is not None else None,
        )
        since, until = letter_filter.since, letter_filter.until
        if since is not None and until is not None and since > until:
            raise UsageError("--since is after --until: no failure can be between them.")
        return letter_filter


def _email_or_sub(text: str) -> str:
    identity = canonical_email(text) or usable_sub(text)
    if identity is None:
        raise UsageError(f"'{text}' is neither an e-mail address nor a Cognito sub.")
    return identity.lower()
