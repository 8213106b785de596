"""Back to the provisioning queue, in the order of docs/protocol.md: flip, send, confirm, delete.

A death anywhere leaves a duplicate at the worst, never a hole: a letter is deleted only after SQS named the message
that stands for it. Two operators at once never hold the same letter (walk.py), and one whose hold is over is not sent.
One user is sent once, however many letters there are of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from onramp.domain.users import Owed, User
from onramp.ops.common.dead_letters import TABLE, Letter
from onramp.ops.common.queue_reader import MARGIN_SECONDS
from onramp.ops.dlq.plan import Plan, Source
from onramp.ops.dlq.verify import Watched
from onramp.ops.dlq.wiring import DlqWiring

SENDERS = 8
BATCH, BATCH_BYTES = 10, 1_000_000
Pace = Callable[[], None]


@dataclass(slots=True)
class RedriveCounts:
    """What became of the letters so far.

    sent        queued again, confirmed, deleted
    settled     deleted unsent, for the user is ready or forgotten
    copies      further letters of a user, deleted
    left        where they were: SQS did not take them, or somebody else has just moved the user on
    undeleted   sent or settled, and still there
    """

    sent: int = 0
    settled: int = 0
    copies: int = 0
    left: int = 0
    undeleted: int = 0


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of one batch."""

    sent: Sequence[Letter]
    settled: Sequence[Letter]
    left: int
    undeleted: int


@dataclass(slots=True)
class Redrive:
    """One run over a plan, stage by stage; at most `limit` users."""

    parts: DlqWiring
    plan: Plan
    pace: Pace
    limit: int | None = None
    tally: RedriveCounts = field(default_factory=RedriveCounts)
    _taken: set[str] = field(default_factory=set)
    _finished: set[str] = field(default_factory=set)

    def stage(self, source: Source, size: int | None) -> Generator[list[Watched], None, None]:
        """Sends `size` users, or all that are left; yields whom it has sent, batch by batch."""
        copies: dict[str, str] = {}
        letters = self._users(source, copies)
        yield from self._all(source, letters) if size is None else self._some(source, letters, size)
        self._delete_copies(source, copies)

    def _some(self, source: Source, letters: Iterator[Letter], size: int) -> Iterator[list[Watched]]:
        """As many as `size`, where there are: a letter that needs no sending proves nothing."""
        while size > 0 and (batch := self._batch(letters, min(size, BATCH))):
            done = self._note(self._redrive(source, batch))
            size -= len(done)
            yield done

    def _all(self, source: Source, letters: Iterator[Letter]) -> Iterator[list[Watched]]:
        with self.parts.threads(SENDERS) as threads:
            running: deque[Future[BatchResult]] = deque()
            try:
                while batch := self._batch(letters, BATCH):
                    running.append(threads.submit(self._redrive, source, batch))
                    while running and (running[0].done() or len(running) > 2 * SENDERS):
                        yield self._note(running.popleft().result())
                while running:
                    yield self._note(running.popleft().result())
            finally:
                for future in running:  # one batch has failed: the others still count
                    if future.exception() is None:
                        self._note(future.result())

    def _batch(self, letters: Iterator[Letter], size: int) -> list[Letter]:
        room = size if self.limit is None else min(size, self.limit - len(self._taken))
        batch = []
        for letter in islice(letters, max(room, 0)):
            self.pace()
            batch.append(letter)
        return batch

    def _users(self, source: Source, copies: dict[str, str]) -> Iterator[Letter]:
        """The first letter of each user; other letters of the same are put aside."""
        for letter in self.plan.letters(source):
            if letter.key in self._taken:
                copies[letter.id] = letter.key
            else:
                self._taken.add(letter.key)
                yield letter

    def _redrive(self, source: Source, batch: Sequence[Letter]) -> BatchResult:
        users = self._users_of(batch)
        over = self._ready(users.values()) | self._forgotten(batch, users)
        settled = [letter for letter in batch if letter.sub in over]
        going = self._flipped([letter for letter in batch if letter.sub not in over], users)
        sent = [letter for some in _sendable(going) for letter in self._send(some)]
        undeleted = source.delete([letter.id for letter in (*settled, *sent)])
        return BatchResult(sent, settled, len(batch) - len(settled) - len(sent), len(undeleted))

    def _users_of(self, batch: Sequence[Letter]) -> dict[str, User]:
        """By letter id: the record, read consistently, where it is still linked to the letter's own sub."""
        found = self.parts.users.get_many([letter.user_id for letter in batch if letter.user_id])
        named = {letter.id: (letter, found.get(letter.user_id or "")) for letter in batch}
        return {name: user for name, (letter, user) in named.items() if user and user.cognito_sub == letter.sub}

    def _ready(self, users: Iterable[User]) -> set[str]:
        """Subs of those who are provisioned: the worker would only acknowledge their messages."""
        subs = [str(user.cognito_sub) for user in users if user.owed is None]
        profiles = self.parts.profiles.get_many(subs) if subs else {}
        return {sub for sub, profile in profiles.items() if profile.ready}

    def _forgotten(self, batch: Sequence[Letter], users: Mapping[str, User]) -> frozenset[str]:
        """Subs that were erased: their letters only keep what is to be forgotten."""
        subs = [letter.sub for letter in batch if letter.sub and letter.id not in users]
        return self.parts.tombstones.among(subs) if subs else frozenset()

    def _flipped(self, letters: Sequence[Letter], users: Mapping[str, User]) -> list[Letter]:
        """Those that may be sent. Where the flip is refused, somebody else has just moved this user on."""
        owing = {
            user.cognito_sub: user for letter in letters if (user := users.get(letter.id)) and user.owes(Owed.OPERATOR)
        }
        due_at = self.parts.now() + self.parts.enrich_due_after
        flipped = self.parts.ledger.return_all_to_enrich(list(owing.values()), due_at) if owing else frozenset()
        return [
            letter for letter in letters if (letter.sub in flipped if letter.sub in owing else letter.queue != TABLE)
        ]

    def _send(self, letters: Sequence[Letter]) -> list[Letter]:
        """Those that SQS has confirmed. One whose hold is over may be in somebody else's hands."""
        now = self.parts.monotonic()
        letters = [letter for letter in letters if letter.kept_until - MARGIN_SECONDS > now]
        if not letters:
            return []
        entries: list[Any] = [{"Id": str(place), "MessageBody": letter.body} for place, letter in enumerate(letters)]
        reply = self.parts.sqs.send_message_batch(QueueUrl=self.parts.provisioning_queue, Entries=entries)
        confirmed = {entry["Id"] for entry in reply.get("Successful", []) if entry.get("MessageId")}
        return [letter for place, letter in enumerate(letters) if str(place) in confirmed]

    def _note(self, done: BatchResult) -> list[Watched]:
        self.tally.sent += len(done.sent)
        self.tally.settled += len(done.settled)
        self.tally.left += done.left
        self.tally.undeleted += done.undeleted
        self._finished.update(letter.key for letter in (*done.sent, *done.settled))
        return [Watched.of(letter) for letter in done.sent]

    def _delete_copies(self, source: Source, copies: Mapping[str, str]) -> None:
        """Only now is it known whose first letter was confirmed."""
        ids = [one for one, key in copies.items() if key in self._finished]
        undeleted = source.delete(ids)
        self.tally.copies += len(ids) - len(undeleted)
        self.tally.undeleted += len(undeleted)


def _sendable(letters: Sequence[Letter]) -> Iterator[list[Letter]]:
    """Batches that SQS takes in one call."""
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
