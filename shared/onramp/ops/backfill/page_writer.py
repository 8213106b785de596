"""Decides on every user of a pool, page by page in the pool's order, and writes the records of those who are admitted.

    ListUsers ─▶ records and tombstones of the page ─▶ decisions ─▶ writes ─▶ the page is finished
    one ahead    a few pages at once, in threads       in order     in threads  in order

Of two users with one address the first in the pool gets the record, so decisions are made in the pool's order; reads
and writes run in parallel. A crash anywhere is safe: each write is the trigger's conditional write and stores what is
owed.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field

from onramp.domain.claims import Admission
from onramp.domain.decision import Decision, Facts, Kind, Listed, decide
from onramp.domain.errors import Cause, Rejection, RetryableError
from onramp.domain.event_data import Origin
from onramp.domain.users import Claim, Onboarding, User
from onramp.ops.backfill.batch_publisher import BatchPublisher
from onramp.ops.backfill.page_reader import PageFacts, PageReader
from onramp.ops.backfill.record_index import RecordIndex
from onramp.usecases.signup import SignUp, SignUpOutcome
from onramp.usecases.sweep import Page

WRITERS, PAGES_AT_ONCE = 8, 4
FAILURES_IN_A_ROW = 60


@dataclass(frozen=True, slots=True)
class DecidedUser:
    listed: Listed
    decision: Decision
    writing: Future[Decision] | None = None


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

    `wait_for_room` waits until the provisioning queue has room for so many messages.
    """

    reader: PageReader
    index: RecordIndex
    admission: Admission
    sign_up: SignUp | None
    publisher: BatchPublisher
    wait_for_room: Callable[[int], None]
    correlation_id: str
    started_at: int
    clock: Callable[[], int]
    threads: Callable[[int], Executor]
    _failures: int = field(default=0, init=False)

    def write_pages(self, user_pool_id: str, token: str | None) -> Iterator[WrittenPage]:
        """From `token` to the pool's end; a yielded page is done. Raises TokenExpired, RetryableError."""
        try:
            with self.threads(WRITERS) as writers:
                started: deque[tuple[Page, list[DecidedUser]]] = deque()
                for page, facts in self.reader.pages(user_pool_id, token):
                    started.append((page, self._start_page(page, facts, writers)))
                    if len(started) >= PAGES_AT_ONCE:
                        yield self._finish(*started.popleft())
                while started:
                    yield self._finish(*started.popleft())
        finally:  # a crash before this flush loses events; their records owe them, and the reconciler emits them
            self.publisher.flush()

    def close(self) -> None:
        self.index.close()

    def _finish(self, page: Page, users: Sequence[DecidedUser]) -> WrittenPage:
        written = [(user.listed, user.writing.result() if user.writing else user.decision) for user in users]
        return WrittenPage(written, page.next_token)

    def _start_page(self, page: Page, facts: PageFacts, writers: Executor) -> list[DecidedUser]:
        decided = [(listed, self._decide(listed, facts)) for listed in page.users]
        if self.sign_up:
            self.wait_for_room(sum(decision.writes for _, decision in decided))
        return [self._start(listed, decision, writers) for listed, decision in decided]

    def _start(self, listed: Listed, decision: Decision, writers: Executor) -> DecidedUser:
        if decision.writes and self.sign_up and decision.claim:
            writing = writers.submit(self._write, self.sign_up, decision.claim, decision.kind)
            return DecidedUser(listed, decision, writing)
        return DecidedUser(listed, decision)

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

    def _write(self, sign_up: SignUp, claim: Claim, decided: Kind) -> Decision:
        try:
            signed_up = sign_up(claim, correlation_id=self.correlation_id, origin=Origin.BACKFILL)
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
