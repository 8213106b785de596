"""Reads a pool page by page, in its order, and ahead of each page's decisions what the tables hold about its users."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Protocol

from onramp.domain.claims import PoolUser
from onramp.domain.decision import CONFIRMED
from onramp.domain.errors import RetryableError, TokenExpired
from onramp.domain.users import User
from onramp.usecases.sweep import Page, Pool

READERS = 4
LIST_ATTEMPTS = 5
TRANSIENT = ("TooManyRequestsException", "ThrottlingException", "InternalErrorException", "Timeout", "TimeoutError")


class Records(Protocol):
    def get_many(self, user_ids: Sequence[str]) -> Mapping[str, User]: ...
    def holder_of(self, sub: str) -> str | None: ...


class Tombstones(Protocol):
    def among(self, subs: Sequence[str]) -> frozenset[str]: ...


@dataclass(frozen=True, slots=True)
class PageFacts:
    """`records` by e-mail address; `holders` by sub, only of users who changed after the snapshot of the index."""

    records: Mapping[str, User]
    forgotten: frozenset[str]
    holders: Mapping[str, str | None]

    def record_of(self, user: PoolUser) -> User | None:
        return self.records.get(user.email) if user.email else None


@dataclass(frozen=True, slots=True)
class PageReader:
    """`settled_before` in Unix milliseconds: for each user who changed later, CognitoSubIndex is queried again.

    `pace` waits for the turn of one ListUsers call; `sleep` takes seconds; `threads` makes a pool of that many threads.
    """

    pool: Pool
    records: Records
    tombstones: Tombstones
    settled_before: int
    pace: Callable[[], None]
    sleep: Callable[[float], None]
    threads: Callable[[int], Executor]

    def pages(self, user_pool_id: str, token: str | None) -> Iterator[tuple[Page, PageFacts]]:
        """From `token` to the pool's end. Raises TokenExpired, RetryableError."""
        with self.threads(1) as lister, self.threads(READERS) as readers:
            pending: deque[tuple[Page, Future[PageFacts]]] = deque()
            for page in self._list_ahead(user_pool_id, token, lister):
                pending.append((page, readers.submit(self._read_facts, page)))
                if len(pending) >= READERS:
                    first, facts = pending.popleft()
                    yield first, facts.result()
            for page, facts in pending:
                yield page, facts.result()

    def _list_ahead(self, user_pool_id: str, token: str | None, lister: Executor) -> Iterator[Page]:
        """Requests the next page while the caller works on this one; only one ahead, for it needs this page's token."""
        pending: Future[Page] | None = lister.submit(self._list, user_pool_id, token)
        while pending:
            page = pending.result()
            pending = lister.submit(self._list, user_pool_id, page.next_token) if page.next_token else None
            yield page

    def _list(self, user_pool_id: str, token: str | None) -> Page:
        """Retries transient errors: others use the account's quota too, and a run takes hours."""
        for attempt in range(1, LIST_ATTEMPTS):
            self.pace()
            try:
                return self.pool.page(user_pool_id, token)
            except TokenExpired:
                raise
            except RetryableError as error:
                if not error.code.endswith(TRANSIENT):
                    raise
                self.sleep(2.0**attempt)
        self.pace()
        return self.pool.page(user_pool_id, token)

    def _read_facts(self, page: Page) -> PageFacts:
        confirmed = [listed for listed in page.users if listed.user.status in CONFIRMED and listed.user.sub]
        records = self.records.get_many([email for listed in confirmed if (email := listed.user.email)])
        facts = PageFacts(records, frozenset(), {})
        others = [listed for listed in confirmed if not _is_linked_to(facts.record_of(listed.user), listed.user.sub)]
        recent = [str(listed.user.sub) for listed in others if listed.modified_at >= self.settled_before]
        return PageFacts(
            records,
            self.tombstones.among([str(listed.user.sub) for listed in others]),
            {sub: self.records.holder_of(sub) for sub in recent},
        )


def _is_linked_to(record: User | None, sub: str | None) -> bool:
    return record is not None and record.cognito_sub == sub
