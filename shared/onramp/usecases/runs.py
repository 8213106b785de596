"""One invocation of a function, as its use cases see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Run:
    """`millis_left` until Lambda ends the invocation; with `needs` milliseconds or less no further call is started.

    `on_failure` gets each error as it happens: of a part of the run, or of one user in it. The other parts go on.
    """

    correlation_id: str
    millis_left: Callable[[], int]
    needs: int
    on_failure: Callable[[Exception], None]
    failures: list[Exception] = field(default_factory=list)

    def may_go_on(self) -> bool:
        return self.millis_left() > self.needs

    def attempt(self, part: Callable[[], T]) -> T | None:
        """None where the part failed: the next run repeats it."""
        try:
            return part()
        except Exception as error:  # noqa: BLE001  # Lambda would write its text, and what it quotes, into the log
            self.fail(error)
        return None

    def fail(self, error: Exception) -> None:
        self.failures.append(error)
        self.on_failure(error)
