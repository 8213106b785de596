"""A message of the provisioning queue, its dead letter, and the outcomes of its processing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

RETRIES_EXHAUSTED = "retries_exhausted"


class MessageOutcome(StrEnum):
    PROVISIONED = "provisioned"
    ALREADY_PROVISIONED = "already_provisioned"
    DEAD_LETTERED = "dead_lettered"
    FINISHED_BY_ANOTHER = "finished_by_another"
    FORGOTTEN = "forgotten"


@dataclass(frozen=True, slots=True)
class Message:
    """One delivery from the queue. `first_received_at` in Unix milliseconds; `receive_count` starts at 1."""

    body: str
    receipt_handle: str
    receive_count: int
    first_received_at: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that only an operator can handle: the body unchanged, and the reason."""

    body: str
    step: str
    reason: str
    error_code: str
    attempts: int
    first_failed_at: int
    code_version: str


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of a message that is to be acknowledged; `step` and `reason` only of a dead letter."""

    outcome: MessageOutcome
    sub: str | None = None
    step: str | None = None
    reason: str | None = None

    @property
    def metric(self) -> str | None:
        """The name under which the worker counts a dead letter."""
        if self.outcome is not MessageOutcome.DEAD_LETTERED:
            return None
        return "RetriesExhausted" if self.reason == RETRIES_EXHAUSTED else "PermanentFailure"

    @property
    def refused_by_provider(self) -> bool:
        """Whether a provider refused the user for good; a malformed message or an unknown user names no sub."""
        return self.metric == "PermanentFailure" and self.sub is not None
