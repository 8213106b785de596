"""Deletes what a run has created, the last first, also after a failure.

A step is added before its resource is created, and deletes nothing where there is nothing: a crash between two calls
leaves no resource without a step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from onramp.domain.errors import RetryableError
from onramp.ops.common.errors import UsageError, reason


@dataclass(frozen=True, slots=True)
class CleanedUp:
    """`error` None: deleted. `by_hand`: what an operator does where it was not."""

    what: str
    error: str | None
    by_hand: str

    def row(self) -> dict[str, Any]:
        row: dict[str, Any] = {"what": self.what, "deleted": self.error is None}
        return row if self.error is None else row | {"error": self.error, "byHand": self.by_hand}


@dataclass(slots=True)
class Cleanup:
    _steps: list[tuple[str, str, Callable[[], object]]] = field(default_factory=list)

    def add(self, what: str, by_hand: str, delete: Callable[[], object]) -> None:
        self._steps.append((what, by_hand, delete))

    def run(self) -> list[CleanedUp]:
        """One step that fails does not stop the others. An unexpected error is raised after the last step."""
        done = []
        try:
            while self._steps:
                what, by_hand, delete = self._steps.pop()
                done.append(CleanedUp(what, _error_of(delete), by_hand))
        finally:
            if self._steps:
                done += self.run()
        return done


def _error_of(delete: Callable[[], object]) -> str | None:
    try:
        delete()
    except (ClientError, BotoCoreError, RetryableError, UsageError) as error:
        return reason(error)
    except KeyboardInterrupt:  # a second Ctrl-C skips this step only
        return "interrupted"
    return None
