"""The options that the commands share: which letters, and how."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from onramp.ops.common.dead_letters import DELIVERY, PROVISIONING


class Queues(StrEnum):
    PROVISIONING = PROVISIONING
    DELIVERY = DELIVERY
    ALL = "all"

    @property
    def names(self) -> list[str]:
        return [PROVISIONING, DELIVERY] if self is Queues.ALL else [self.value]


Queue = Annotated[
    Queues, typer.Option(help="provisioning: given up by the worker. delivery: never delivered by EventBridge.")
]
Identity = Annotated[str | None, typer.Option("--id", help="A message id, or its beginning.")]
Reason = Annotated[list[str] | None, typer.Option(help="A reason or an error code; may be repeated.")]
Step = Annotated[list[str] | None, typer.Option(help="The step that failed, as stripe; may be repeated.")]
Version = Annotated[list[str] | None, typer.Option(help="The code version that failed; may be repeated.")]
User = Annotated[str | None, typer.Option(help="One user: e-mail or Cognito sub.")]
Since = Annotated[str | None, typer.Option(help="First failed at this time or later: 2026-11-20T09:00Z, 2h, 3d.")]
Until = Annotated[str | None, typer.Option(help="First failed at this time or earlier.")]
Limit = Annotated[int | None, typer.Option(min=1, help="This many at the most.")]
