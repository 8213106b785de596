"""A message of the provisioning queue, and what may become of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from onramp.domain.errors import RetryableError

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
    """A message that needs a person: the body as it came, and why it is here."""

    body: str
    step: str
    reason: str
    error_code: str
    attempts: int
    first_failed_at: int
    code_version: str


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a message that is to be acknowledged; `step` and `reason` only of a dead letter."""

    outcome: MessageOutcome
    sub: str | None = None
    step: str | None = None
    reason: str | None = None


class RetryLater(Exception):
    """The message comes back: report it as a batch item failure. `delay` in seconds."""

    def __init__(self, error: RetryableError, delay: float, sub: str | None) -> None:
        super().__init__(error.code)
        self.error = error
        self.delay = delay
        self.sub = sub
