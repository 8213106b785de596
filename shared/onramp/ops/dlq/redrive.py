"""Sends letters to the provisioning queue again, in the order of docs/protocol.md: flip, send, confirm, delete.

A crash at any point leaves at worst a duplicate message, never a user without one: a letter is deleted only after SQS
has returned the id of the new message. Two operators never hold the same letter (`queue_reader`), and a letter whose
hold is over is not sent. Each user is sent once, however many letters they have.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import islice

from onramp.domain.users import Owed, User
from onramp.ops.common.dead_letters import TABLE, Letter
from onramp.ops.common.queue_reader import MARGIN_SECONDS
from onramp.ops.dlq.plan import LetterSource, Plan
from onramp.ops.dlq.verify import SentUser
from onramp.ops.dlq.wiring import DlqWiring

SENDERS = 8
BATCH, BATCH_BYTES = 10, 1_000_000
Pace = Callable[[], None]


@dataclass(slots=True)
class RedriveCounts:
    """Letters by result.

    sent        a new message was confirmed, the letter deleted
    needless    deleted without a message: the user is ready, or forgotten
    copies      further letters of a user, deleted
    kept        still in the queue: SQS did not accept the message, or another process has just changed the record
    undeleted   sent or needless, and the delete is not confirmed
    """

    sent: int = 0
    needless: int = 0
    copies: int = 0
    kept: int = 0
    undeleted: int = 0


@dataclass(frozen=True, slots=True)
class BatchResult:
    """As RedriveCounts, of one batch."""

    sent: Sequence[Letter]
    needless: Sequence[Letter]
    kept: int
    undeleted: int


@dataclass(slots=True)
class Redrive:
    """Runs a plan in stages; `limit` is the most users of all stages together."""

    wiring: DlqWiring
    plan: Plan
    pace: Pace
    limit: int | None = None
    counts: RedriveCounts = field(default_factory=RedriveCounts)
    _started: set[str] = field(default_factory=set)
    """Keys of the letters that were taken into a batch."""
    _done: set[str] = field(default_factory=set)
    """Keys of the letters that were sent or are needless."""

    def run_stage(self, source: LetterSource, size: int | None) -> Generator[list[SentUser], None, None]:
        """Sends `size` users, None: all that remain. Yields the users sent, by batch."""
        copies: dict[str, str] = {}
        letters = self._first_letters(source, copies)
        yield from self._send_all(source, letters) if size is None else self._send_some(source, letters, size)
        self._delete_copies(source, copies)

    def _send_some(self, source: LetterSource, letters: Iterator[Letter], size: int) -> Iterator[list[SentUser]]:
        """Continues until `size` messages were sent: a letter that needs none tests nothing."""
        while size > 0 and (batch := self._next_batch(letters, min(size, BATCH))):
            sent = self._count(self._redrive(source, batch))
            size -= len(sent)
            yield sent

    def _send_all(self, source: LetterSource, letters: Iterator[Letter]) -> Iterator[list[SentUser]]:
        with self.wiring.threads(SENDERS) as threads:
            running: deque[Future[BatchResult]] = deque()
            try:
                while batch := self._next_batch(letters, BATCH):
                    running.append(threads.submit(self._redrive, source, batch))
                    while running and (running[0].done() or len(running) > 2 * SENDERS):
                        yield self._count(running.popleft().result())
                while running:
                    yield self._count(running.popleft().result())
            finally:
                for future in running:  # where one batch has failed, the others are counted all the same
                    if future.exception() is None:
                        self._count(future.result())

    def _next_batch(self, letters: Iterator[Letter], size: int) -> list[Letter]:
        allowed = size if self.limit is None else min(size, self.limit - len(self._started))
        batch = []
        for letter in islice(letters, max(allowed, 0)):
            self.pace()
            batch.append(letter)
        return batch

    def _first_letters(self, source: LetterSource, copies: dict[str, str]) -> Iterator[Letter]:
        """The first letter of each user. Adds further ones to `copies`: letter id -> key."""
        for letter in self.plan.select(source):
            if letter.key in self._started:
                copies[letter.id] = letter.key
            else:
                self._started.add(letter.key)
                yield letter

    def _redrive(self, source: LetterSource, batch: Sequence[Letter]) -> BatchResult:
        users = self._linked_users(batch)
        finished = self._ready(users.values()) | self._forgotten(batch, users)
        needless = [letter for letter in batch if letter.sub in finished]
        to_send = self._flip([letter for letter in batch if letter.sub not in finished], users)
        sent = [letter for request in _requests(to_send) for letter in self._send(request)]
        undeleted = source.delete([letter.id for letter in (*needless, *sent)])
        return BatchResult(sent, needless, len(batch) - len(needless) - len(sent), len(undeleted))

    def _linked_users(self, batch: Sequence[Letter]) -> dict[str, User]:
        """Letter id -> record, read consistently; without records that are linked to another sub than the letter's."""
        records = self.wiring.users.get_many([letter.user_id for letter in batch if letter.user_id])
        users = {letter.id: (letter, records.get(letter.user_id or "")) for letter in batch}
        return {name: user for name, (letter, user) in users.items() if user and user.cognito_sub == letter.sub}

    def _ready(self, users: Iterable[User]) -> set[str]:
        """Subs of provisioned users: the worker would only acknowledge their messages."""
        subs = [str(user.cognito_sub) for user in users if user.owed is None]
        profiles = self.wiring.profiles.get_many(subs) if subs else {}
        return {sub for sub, profile in profiles.items() if profile.ready}

    def _forgotten(self, batch: Sequence[Letter], users: Mapping[str, User]) -> frozenset[str]:
        """Subs with a tombstone: their letters only keep personal data that must be erased."""
        subs = [letter.sub for letter in batch if letter.sub and letter.id not in users]
        return self.wiring.tombstones.among(subs) if subs else frozenset()

    def _flip(self, letters: Sequence[Letter], users: Mapping[str, User]) -> list[Letter]:
        """The letters to send. One whose flip is refused is not: another process has just changed that record."""
        to_flip = {
            user.cognito_sub: user for letter in letters if (user := users.get(letter.id)) and user.owes(Owed.OPERATOR)
        }
        due_at = self.wiring.now() + self.wiring.enrich_due_after
        flipped = self.wiring.ledger.return_all_to_enrich(list(to_flip.values()), due_at) if to_flip else frozenset()
        return [
            letter for letter in letters if (letter.sub in flipped if letter.sub in to_flip else letter.queue != TABLE)
        ]

    def _send(self, letters: Sequence[Letter]) -> list[Letter]:
        """The letters whose message SQS confirmed. Skips those whose hold is over: another operator may hold them."""
        now = self.wiring.monotonic()
        letters = [letter for letter in letters if letter.hidden_until - MARGIN_SECONDS > now]
        if not letters:
            return []
        reply = self.wiring.sqs.send_message_batch(
            QueueUrl=self.wiring.provisioning_queue,
            Entries=[{"Id": str(n), "MessageBody": letter.body} for n, letter in enumerate(letters)],
        )
        confirmed = {entry["Id"] for entry in reply.get("Successful", []) if entry.get("MessageId")}
        return [letter for n, letter in enumerate(letters) if str(n) in confirmed]

    def _count(self, result: BatchResult) -> list[SentUser]:
        self.counts.sent += len(result.sent)
        self.counts.needless += len(result.needless)
        self.counts.kept += result.kept
        self.counts.undeleted += result.undeleted
        self._done.update(letter.key for letter in (*result.sent, *result.needless))
        return [SentUser.of(letter) for letter in result.sent]

    def _delete_copies(self, source: LetterSource, copies: Mapping[str, str]) -> None:
        """At the end of a stage: a copy may go only where the user's first letter is done."""
        ids = [identity for identity, key in copies.items() if key in self._done]
        undeleted = source.delete(ids)
        self.counts.copies += len(ids) - len(undeleted)
        self.counts.undeleted += len(undeleted)


def _requests(letters: Sequence[Letter]) -> Iterator[list[Letter]]:
    """Batches within SQS's limits for one SendMessageBatch."""
    batch: list[Letter] = []
    size = 0
    for letter in letters:
        weight = len(letter.body.encode())
        if batch and (size + weight > BATCH_BYTES or len(batch) == BATCH):
            yield batch
            batch, size = [], 0
        batch.append(letter)
        size += weight
    if batch:
        yield batch
