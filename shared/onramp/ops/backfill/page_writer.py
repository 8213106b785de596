"""Decides on every user of a pool, page by page in the pool's order, and writes the records of those who are admitted.

    ListUsers ─▶ records and tombstones of the page ─▶ decisions ─▶ writes ─▶ the page is finished
    one ahead    a few pages at once, in threads       in order     in threads  in order

Of two users with one address the first in the pool gets the record, so decisions are made in the pool's order; reads
and writes run in parallel. A decision may be minutes old when it is written, so the tombstones of each batch are read
again immediately before its writes. A crash anywhere is safe: each write is the trigger's conditional write and stores
what is owed.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace

from onramp.domain.claims import Admission
from onramp.domain.decision import Decision, Facts, Kind, Listed, decide
from onramp.domain.errors import Cause, Rejection, RetryableError
from onramp.domain.event_data import Origin
from onramp.domain.users import Claim, Onboarding, User
from onramp.ops.backfill.batch_publisher import BatchPublisher
from onramp.ops.backfill.page_reader import PageFacts, PageReader
from onramp.ops.backfill.record_index import RecordIndex
from onramp.ops.common.queue_room import QueueRoom
from onramp.usecases.batches import chunks
from onramp.usecases.signup import SignUp, SignUpOutcome
from onramp.usecases.sweep import Page

WRITERS, PAGES_AT_ONCE = 8, 4
WRITE_BATCH = 20  # users for one read of tombstones: the last of them is written within about 0.4 s
FAILURES_IN_A_ROW = 60


@dataclass(frozen=True, slots=True)
class DecidedUser:
    """`writing`: the results of the batch in which the user is the one at `place`."""

    listed: Listed
    decision: Decision
    writing: Future[list[Decision]] | None = None
    place: int = 0

    @property
    def is_to_be_written(self) -> bool:
        """Not a user whose record this run has written before: that decision has no claim."""
        return self.decision.writes and self.decision.claim is not None

    def result(self) -> Decision:
        return self.writing.result()[self.place] if self.writing else self.decision


@dataclass(frozen=True, slots=True)
class WrittenPage:
    """A finished page: its users in the pool's order, each with what was written, or why nothing was."""

    users: Sequence[tuple[Listed, Decision]]
    next_token: str | None

    @property
    def counts(self) -> Counter[str]:
        """By label."""
        return Counter(decision.label for _, decision in self.users)


@dataclass(slots=True)
class PageWriter:
    """`sign_up` None: a dry run. `started_at` in Unix milliseconds: when the run began that this one may resume.

    `room`: of the provisioning queue, for the messages of a page. `is_stopped`: True where no further page is begun.
    """

    reader: PageReader
    index: RecordIndex
    admission: Admission
    sign_up: SignUp | None
    publisher: BatchPublisher
    room: QueueRoom
    correlation_id: str
    started_at: int
    clock: Callable[[], int]
    threads: Callable[[int], Executor]
    is_stopped: Callable[[], bool] = lambda: False
    _failures: int = field(default=0, init=False)

    def write_pages(self, user_pool_id: str, token: str | None) -> Iterator[WrittenPage]:
        """From `token` to the pool's end; a yielded page is done. Raises TokenExpired, RetryableError.

        Where the run is stopped, the pages that have begun are finished.
        """
        try:
            with self.threads(WRITERS) as writers:
                started: deque[tuple[Page, list[DecidedUser]]] = deque()
                for page, facts in self.reader.pages(user_pool_id, token):
                    decided = self._decided(page, facts)
                    to_write = sum(user.is_to_be_written for user in decided)
                    if not self.room.try_take(to_write):
                        # The wait may last as long as an outage: what is written is reported, and saved, before it.
                        yield from self._finish_all(started)
                        self.publisher.flush()
                        self.room.take(to_write)
                    if self.is_stopped():
                        break
                    started.append((page, self._start(decided, writers)))
                    if len(started) >= PAGES_AT_ONCE:
                        yield self._finish(*started.popleft())
                yield from self._finish_all(started)
        finally:  # a crash before this flush loses events; their records owe them, and the reconciler emits them
            self.publisher.flush()

    def close(self) -> None:
        self.index.close()

    def _finish_all(self, started: deque[tuple[Page, list[DecidedUser]]]) -> Iterator[WrittenPage]:
        while started:
            yield self._finish(*started.popleft())

    def _finish(self, page: Page, users: Sequence[DecidedUser]) -> WrittenPage:
        return WrittenPage([(user.listed, user.result()) for user in users], page.next_token)

    def _decided(self, page: Page, facts: PageFacts) -> list[DecidedUser]:
        return [DecidedUser(listed, self._decide(listed, facts)) for listed in page.users]

    def _start(self, users: list[DecidedUser], writers: Executor) -> list[DecidedUser]:
        to_write = [place for place, user in enumerate(users) if self.sign_up and user.is_to_be_written]
        for places in chunks(to_write, WRITE_BATCH):
            writing = writers.submit(self._write_batch, [users[place].decision for place in places])
            for index, place in enumerate(places):
                users[place] = replace(users[place], writing=writing, place=index)
        return users

    def _decide(self, listed: Listed, page: PageFacts) -> Decision:
        def holder_of(sub: str) -> str | None:
            return page.holders[sub] if sub in page.holders else self.index.holder_of(sub)

        facts = Facts(page.records.get, holder_of, page.forgotten.__contains__)
        decision = decide(self.admission, listed.user, facts, self.clock())
        record = page.record_of(listed.user)
        if decision.kind is Kind.HAS_RECORD and record:
            return self._repeat_first_decision(decision, record, listed)
        return self._resolve_duplicate_email(decision)

    def _repeat_first_decision(self, decision: Decision, record: User, listed: Listed) -> Decision:
        """After an interruption the last page is read again: users whose record this run wrote count as before."""
        if not listed.modified_at < self.started_at <= (record.linked_at or 0):
            return decision
        return Decision(Kind.CREATE if record.onboarding == Onboarding.SELF_SERVICE else Kind.LINK)

    def _resolve_duplicate_email(self, decision: Decision) -> Decision:
        """Of two users with one address the first gets the record, in a dry run too."""
        claim = decision.claim
        if claim is None:
            return decision
        index, email = self.index, claim.user_id
        first = index.assign(email, claim.sub) if decision.writes else index.assigned_to(email)
        return decision if first in (None, claim.sub) else Decision(Kind.CONFLICT, Cause.LINKED_TO_ANOTHER_SUB, claim)

    def _write_batch(self, decisions: Sequence[Decision]) -> list[Decision]:
        claims = [(decision.kind, decision.claim) for decision in decisions if decision.claim]
        try:
            forgotten = self.reader.tombstones.among([claim.sub for _, claim in claims])
        except RetryableError as error:
            return [self._fail(error) for _ in claims]
        return [
            Decision(Kind.FORGOTTEN) if claim.sub in forgotten else self._write(claim, decided)
            for decided, claim in claims
        ]

    def _write(self, claim: Claim, decided: Kind) -> Decision:
        if self.sign_up is None:
            return Decision(decided, claim=claim)
        try:
            signed_up = self.sign_up(claim, correlation_id=self.correlation_id, origin=Origin.BACKFILL)
        except Rejection as rejection:
            conflict = rejection.cause is Cause.LINKED_TO_ANOTHER_SUB
            return Decision(Kind.CONFLICT if conflict else Kind.REFUSED, rejection.cause, claim)
        except RetryableError as error:
            return self._fail(error)
        self._failures = 0
        if signed_up.outcome is SignUpOutcome.RETRIED:  # the SDK repeated this write, or another writer was first
            return Decision(decided if signed_up.user.linked_at == claim.at else Kind.HAS_RECORD, claim=claim)
        return Decision(Kind.CREATE if signed_up.outcome is SignUpOutcome.CREATED else Kind.LINK, claim=claim)

    def _fail(self, error: RetryableError) -> Decision:
        """One failed write is counted. Many in a row: no write is expected to succeed, and the run ends."""
        self._failures += 1
        if self._failures >= FAILURES_IN_A_ROW:
            raise error
        return Decision(Kind.FAILED)
