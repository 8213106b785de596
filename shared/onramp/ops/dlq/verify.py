"""What became of users who were queued again: repaired, failed again, or still on their way.

    nothing owed and the profile ready        repaired
    owed to the operator again                failed again: the worker gave up once more
    no record, or another sub's               failed again: the worker refuses such a message
    anything else                             on its way

Whoever is watched was owed `enrich` when the message was sent, so `operator` can only be a new failure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from onramp.domain.users import Owed, Profile, User
from onramp.ops.common.dead_letters import UNKNOWN, Letter, last_failure
from onramp.ops.dlq.wiring import DlqWiring
from onramp.usecases.batches import READ_BATCH, chunks

FIRST_LOOK_SECONDS, LAST_LOOK_SECONDS = 0.2, 2.0
Failure = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Watched:
    """A user whose message was sent, and why it lay among the dead letters."""

    user_id: str | None
    sub: str | None
    step: str
    error_code: str

    @classmethod
    def of(cls, letter: Letter) -> Watched:
        return cls(letter.user_id, letter.sub, letter.step, letter.error_code)


@dataclass(slots=True)
class Verification:
    """`failed` and `waiting` count by step and error code; `unseen` are messages that name no user to look at."""

    repaired: int = 0
    failed: Counter[Failure] = field(default_factory=Counter)
    waiting: Counter[Failure] = field(default_factory=Counter)
    unseen: int = 0
    same: Counter[Failure] = field(default_factory=Counter)
    """Of the failed ones: those whose cause is the one they had before."""

    def add(self, other: Verification) -> None:
        self.repaired += other.repaired
        self.unseen += other.unseen
        self.failed.update(other.failed)
        self.waiting.update(other.waiting)
        self.same.update(other.same)


@dataclass(frozen=True, slots=True)
class Verify:
    parts: DlqWiring
    patience: float
    """Seconds."""

    def __call__(self, sent: Iterable[Watched], on_settled: Callable[[int], None] = lambda count: None) -> Verification:
        verdict, pending = Verification(), list(sent)
        deadline, pause = self.parts.monotonic() + self.patience, FIRST_LOOK_SECONDS
        verdict.unseen = sum(not (one.user_id and one.sub) for one in pending)
        pending = [one for one in pending if one.user_id and one.sub]
        while pending:
            before = len(pending)
            waiting: Counter[Failure] = Counter()
            pending = [one for some in chunks(pending, READ_BATCH) for one in self._look(some, verdict, waiting)]
            on_settled(before - len(pending))
            if not pending or self.parts.monotonic() >= deadline:
                verdict.waiting = waiting
                break
            self.parts.sleep(pause)
            pause = min(pause * 2, LAST_LOOK_SECONDS)
        return verdict

    def _look(self, some: Sequence[Watched], verdict: Verification, waiting: Counter[Failure]) -> list[Watched]:
        """Those of whom nothing can be said yet."""
        users = self.parts.users.get_many([one.user_id for one in some if one.user_id])
        profiles = self.parts.profiles.get_many([one.sub for one in some if one.sub])
        return [
            one
            for one in some
            if not _settled(one, users.get(str(one.user_id)), profiles.get(str(one.sub)), verdict, waiting)
        ]


def _settled(
    one: Watched, user: User | None, profile: Profile | None, verdict: Verification, waiting: Counter[Failure]
) -> bool:
    if user and user.cognito_sub == one.sub:
        if user.owed is None and profile and profile.ready:
            verdict.repaired += 1
            return True
        cause = _cause(profile)
        if not user.owes(Owed.OPERATOR):
            waiting[cause] += 1
            return False
    else:
        cause = ("receive", "linked_to_another_sub" if user else "unknown_user")
    verdict.failed[cause] += 1
    if cause == (one.step, one.error_code) or (one.step, one.error_code) == (UNKNOWN, UNKNOWN):
        verdict.same[cause] += 1
    return True


def _cause(profile: Profile | None) -> Failure:
    step, record = last_failure(profile)
    return step, str(record.get("errorCode", UNKNOWN))
