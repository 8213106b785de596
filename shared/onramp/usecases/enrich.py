"""The enrichment use case: one message, one user, one call that returns or raises.

On the way of a signup: the queue delivers UserSignedUp to functions/enrich_profile, which calls this; the steps are run
by `steps.py`, each by an enricher of `enrichers/`; `wiring/enrich_profile.py` puts them together.

    read the event ─▶ read the record ─▶ upsert the profile ─▶ the steps not yet done, side by side
                                                                │
      acknowledge ◀─ remove what is owed ◀─ UserProvisioned ◀─ ready

docs/protocol.md gives the failure that each order here prevents. A message is acknowledged only after all its results
are durable; a crash anywhere repeats work and loses none.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from onramp.domain.errors import PermanentError, RetryableError, RetryLater
from onramp.domain.event_data import user_provisioned, user_provisioning_failed
from onramp.domain.users import Owed, Profile, Status, User
from onramp.events import UserSignedUp, read_user_signed_up
from onramp.usecases.messages import RETRIES_EXHAUSTED, DeadLetter, Message, MessageOutcome, Result
from onramp.usecases.retries import Backoff
from onramp.usecases.signup import Publisher
from onramp.usecases.steps import Steps


class Users(Protocol):
    def get(self, user_id: str) -> User | None: ...
    def still_linked(self, user: User) -> bool: ...


class Ledger(Protocol):
    """The transitions of what is owed; each writes nothing where its condition does not hold."""

    def flip_to_enrich(self, user: User, due_at: int) -> bool: ...
    def hand_to_operator(self, user: User) -> bool: ...
    def settle(self, user: User) -> bool: ...


class Profiles(Protocol):
    def get(self, sub: str) -> Profile | None: ...
    def upsert(self, user: User, now: int) -> Profile: ...
    def mark_ready(self, sub: str, now: int) -> Profile: ...
    def mark_failed(self, sub: str, now: int) -> Profile | None: ...
    def inherit(self, user: User) -> None: ...


class Queue(Protocol):
    def delay(self, receipt_handle: str, seconds: float) -> None: ...
    def dead_letter(self, letter: DeadLetter) -> None: ...


@dataclass(slots=True)
class _Work:
    """What is known of the user so far: an error before the record was read must not change any record."""

    message: Message
    user: User | None = None
    correlation_id: str = ""


@dataclass(frozen=True, slots=True)
class Enrich:
    """`enrich_due_after` in milliseconds. `is_forgotten` tells whether an operator has erased a sub."""

    users: Users
    is_forgotten: Callable[[str], bool]
    ledger: Ledger
    profiles: Profiles
    steps: Steps
    publisher: Publisher
    queue: Queue
    backoff: Backoff
    clock: Callable[[], int]
    max_receive_count: int
    enrich_due_after: int
    code_version: str

    def __call__(self, message: Message) -> Result:
        """Returns the result of a message that is to be acknowledged. Raises RetryLater where it must come back."""
        work = _Work(message)
        try:
            try:
                return self._provision(work)
            except PermanentError as error:
                return self._give_up(work, error)
        except RetryableError as error:
            return self._retry(work, error)

    def _provision(self, work: _Work) -> Result:
        event = read_user_signed_up(work.message.body)
        sub, correlation = event.data.cognito_sub, event.metadata.correlation_id
        user = work.user = self._user(event)
        if user is None:
            return Result(MessageOutcome.FORGOTTEN, sub)
        work.correlation_id = correlation
        # The only short cut. Never on `ready` alone: the worker that stored it may have died before UserProvisioned.
        if user.owed is None and (profile := self.profiles.get(sub)) and profile.ready:
            return Result(MessageOutcome.ALREADY_PROVISIONED, sub)
        if self.is_forgotten(sub):
            # Confirmed after the erasure: no profile, no provider. The reconciler removes the record.
            return Result(MessageOutcome.FORGOTTEN, sub)
        if failure := self._reported_only_in_part(work, user):
            return self._report(work, user, *failure)
        if user.linked_before:
            self.profiles.inherit(user)
            if not self.users.still_linked(user):
                raise RetryableError("relinked")
        self.steps.run(user, self.profiles.upsert(user, self.clock()))
        profile = self.profiles.mark_ready(sub, now := self.clock())
        pool = str(user.user_pool_id)
        self.publisher.publish(user_provisioned(profile, pool, at=now, correlation_id=correlation))
        self.ledger.settle(user)
        return Result(MessageOutcome.PROVISIONED, sub)

    def _user(self, event: UserSignedUp) -> User | None:
        """The record of the event's user, as the table holds it: the event may be old or forged.

        None where the user was erased: a dead letter would keep the data that was to be erased.
        """
        user = self.users.get(event.data.user_id)
        if user and user.cognito_sub == event.data.cognito_sub:
            return user
        if self.is_forgotten(event.data.cognito_sub):
            return None
        raise PermanentError("linked_to_another_sub" if user else "unknown_user")

    def _give_up(self, work: _Work, error: PermanentError) -> Result:
        """Status and dead letter before the flip: a crash between them must not leave `operator` without a reason.

        Without a known user (malformed event, unknown or relinked user) no record is changed.
        """
        user, now = work.user, self.clock()
        if user is None:
            self.queue.dead_letter(self._letter(work, error.step, error.reason, error.code))
            return Result(MessageOutcome.DEAD_LETTERED, None, error.step, error.reason)
        sub = str(user.cognito_sub)
        if (profile := self.profiles.mark_failed(sub, now)) is None:
            return Result(MessageOutcome.FINISHED_BY_ANOTHER, sub)
        self.queue.dead_letter(self._letter(work, error.step, error.reason, error.code))
        self.ledger.hand_to_operator(user)
        return self._report(work, user, error.step, error.reason, profile.steps.get(error.step, {}).get("at", now))

    def _report(self, work: _Work, user: User, step: str, reason: str, at: int) -> Result:
        """`at`: when the step failed, so that a repeated publication has the same eventId."""
        sub, pool = str(user.cognito_sub), str(user.user_pool_id)
        failed = user_provisioning_failed(
            sub, pool, step=step, reason=reason, at=at, correlation_id=work.correlation_id
        )
        self.publisher.publish(failed)
        return Result(MessageOutcome.DEAD_LETTERED, sub, step, reason)

    def _reported_only_in_part(self, work: _Work, user: User) -> tuple[str, str, int] | None:
        """Step, reason and time of a failure since this message was first received: only its publication failed.

        This message or a copy of it has led there: its dead letter is sent and `operator` is owed, so no provider is
        called and no second letter is sent. A message that was first received after the failure is a redrive and is
        processed.
        """
        if work.message.receive_count < 2 or not user.owes(Owed.OPERATOR):
            return None
        if (profile := self.profiles.get(str(user.cognito_sub))) is None:
            return None
        failed = {
            name: record
            for name, record in profile.steps.items()
            if record.get("state") == "failed" and record.get("at", 0) >= work.message.first_received_at
        }
        if profile.status != Status.FAILED or not failed:
            return None
        step = max(failed, key=lambda name: int(failed[name]["at"]))
        return step, str(failed[step].get("reason", failed[step].get("errorCode"))), int(failed[step]["at"])

    def _retry(self, work: _Work, error: RetryableError) -> Result:
        """Flip, then report the failure. A failed flip or a failed delay must not replace the error."""
        message, user = work.message, work.user
        if user and user.owes(Owed.EMIT):
            with suppress(RetryableError):
                self.ledger.flip_to_enrich(user, self.clock() + self.enrich_due_after)
        sub = user.cognito_sub if user else None
        with suppress(RetryableError):
            if message.receive_count >= self.max_receive_count:
                # SQS would dead-letter it without a reason. `enrich` stays owed: the reconciler queues the user again.
                self.queue.dead_letter(self._letter(work, error.step, RETRIES_EXHAUSTED, error.code))
                return Result(MessageOutcome.DEAD_LETTERED, sub, error.step, RETRIES_EXHAUSTED)
        delay = self.backoff.delay(message.receive_count, error.delay)
        with suppress(RetryableError):
            self.queue.delay(message.receipt_handle, delay)
        raise RetryLater(error, delay, sub) from error

    def _letter(self, work: _Work, step: str, reason: str, code: str) -> DeadLetter:
        message = work.message
        return DeadLetter(
            body=message.body,
            step=step,
            reason=reason,
            error_code=code,
            attempts=message.receive_count,
            first_failed_at=message.first_received_at,
            code_version=self.code_version,
        )
