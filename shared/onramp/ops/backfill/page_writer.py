"""Walks a pool in its order, and says or does what the trigger's rules demand for each user.

    ListUsers ─▶ records and tombstones of the page ─▶ verdicts ─▶ writes ─▶ the page is finished
    one ahead    a few pages at once, in threads       in order    in threads  in order

Who comes first in the pool gets an address that two users share, so verdicts fall in the pool's order; the rest runs
side by side. Safe to die anywhere: each write is the trigger's own, and says itself what is still owed.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field

from onramp.domain.claims import Admission
from onramp.domain.decision import CONFLICT, CREATE, FAILED, HAS_RECORD, LINK, Verdict, judge, unless_forgotten
from onramp.domain.errors import Cause, Rejection, RetryableError
from onramp.domain.event_data import Origin
from onramp.domain.users import Claim, Onboarding, User
from onramp.ops.backfill.batch_publisher import BatchPublisher
from onramp.ops.backfill.page_reader import PageFacts, PageReader
from onramp.ops.backfill.record_index import RecordIndex
from onramp.usecases.signup import SignUp, SignUpOutcome
from onramp.usecases.sweep import Listed, Page

WRITERS, PAGES_AT_WORK = 8, 4
FAILURES_IN_A_ROW = 60


@dataclass(frozen=True, slots=True)
class DecidedUser:
    listed: Listed
    verdict: Verdict
    writing: Future[str] | None = None


@dataclass(frozen=True, slots=True)
class WrittenPage:
    """A finished page: what became of each of its users, in the pool's order."""

    users: Sequence[tuple[Listed, Verdict]]
    next_token: str | None

    @property
    def found(self) -> Counter[str]:
        return Counter(verdict.outcome for _, verdict in self.users)


@dataclass(slots=True)
class PageWriter:
    """`sign_up` None: nothing is written. `started_at`: when this run began, before any resumption of it."""

    reader: PageReader
    known: RecordIndex
    admission: Admission
    sign_up: SignUp | None
    outbox: BatchPublisher
    correlation_id: str
    started_at: int
    clock: Callable[[], int]
    threads: Callable[[int], Executor]
    _failures: int = field(default=0, init=False)

    def __call__(self, user_pool_id: str, token: str | None) -> Iterator[WrittenPage]:
        """From `token` to the pool's end. Raises TokenExpired, RetryableError; what was yielded is done."""
        try:
            with self.threads(WRITERS) as writers:
                begun: deque[tuple[Page, list[DecidedUser]]] = deque()
                for page, facts in self.reader.pages(user_pool_id, token):
                    begun.append((page, [self._begin(listed, facts, writers) for listed in page.users]))
                    if len(begun) >= PAGES_AT_WORK:
                        yield self._finished(*begun.popleft())
                while begun:
                    yield self._finished(*begun.popleft())
        finally:  # what dies before this is owed, and emitted by the reconciler
            self.outbox.flush()

    def close(self) -> None:
        self.known.close()

    def _finished(self, page: Page, judged: Sequence[DecidedUser]) -> WrittenPage:
        users = [
            (one.listed, Verdict(one.writing.result(), one.verdict.claim) if one.writing else one.verdict)
            for one in judged
        ]
        return WrittenPage(users, page.next_token)

    # -- judging ---------------------------------------------------------------------------------------

    def _begin(self, listed: Listed, facts: PageFacts, writers: Executor) -> DecidedUser:
        verdict = self._verdict(listed, facts)
        if verdict.writes and self.sign_up and verdict.claim:
            return DecidedUser(
                listed, verdict, writers.submit(self._write, self.sign_up, verdict.claim, verdict.outcome)
            )
        return DecidedUser(listed, verdict)

    def _verdict(self, listed: Listed, facts: PageFacts) -> Verdict:
        person, record = listed.person, facts.record_of(listed.person)
        holder = None
        if sub := person.sub:
            holder = facts.holders[sub] if sub in facts.holders else self.known.holder_of(sub)
        verdict = judge(self.admission, listed, record, holder, self.clock())
        verdict = unless_forgotten(verdict, forgotten=person.sub in facts.forgotten)
        if verdict.outcome == HAS_RECORD and record:
            return self._brought_in_before(verdict, record, listed)
        return self._unless_given(verdict)

    def _brought_in_before(self, verdict: Verdict, record: User, listed: Listed) -> Verdict:
        """A page that was under way when this run was interrupted comes again: its users count as what they became."""
        if not listed.modified_at < self.started_at <= (record.linked_at or 0):
            return verdict
        return Verdict(CREATE if record.onboarding == Onboarding.SELF_SERVICE else LINK)

    def _unless_given(self, verdict: Verdict) -> Verdict:
        """Two users of one address: the first gets it, whether this run writes or only foresees."""
        claim = verdict.claim
        if claim is None:
            return verdict
        first = self.known.give(claim.user_id, claim.sub) if verdict.writes else self.known.given_to(claim.user_id)
        return verdict if first in (None, claim.sub) else Verdict(CONFLICT, claim)

    # -- writing ---------------------------------------------------------------------------------------

    def _write(self, sign_up: SignUp, claim: Claim, foreseen: str) -> str:
        try:
            done = sign_up(claim, correlation_id=self.correlation_id, origin=Origin.BACKFILL)
        except Rejection as rejection:
            return CONFLICT if rejection.cause is Cause.LINKED_TO_ANOTHER_SUB else f"refused_{rejection.cause}"
        except RetryableError as error:
            return self._failed(error)
        self._failures = 0
        if done.outcome is SignUpOutcome.RETRIED:  # a lost reply of our own, or somebody who was quicker
            return foreseen if done.user.linked_at == claim.at else HAS_RECORD
        return CREATE if done.outcome is SignUpOutcome.CREATED else LINK

    def _failed(self, error: RetryableError) -> str:
        """One write may fail; many in a row mean that none will do."""
        self._failures += 1
        if self._failures >= FAILURES_IN_A_ROW:
            raise error
        return FAILED
