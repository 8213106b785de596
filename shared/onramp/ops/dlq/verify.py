"""Checks the users whose messages were sent: repaired, failed again, or still on the way.

    nothing owed and the profile ready        repaired
    owed to the operator again                failed again: the worker gave up once more
    no record, or linked to another sub       failed again: the worker refuses such a message
    anything else                             on the way

Each of these users was owed `enrich` when the message was sent, so `operator` can only be a new failure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from onramp.domain.users import Owed, Profile, User
from onramp.ops.common.dead_letters import UNKNOWN, Letter, last_failure
from onramp.ops.dlq.wiring import DlqWiring
from onramp.usecases.batches import READ_BATCH, chunks

FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 0.2, 2.0
FailureCause = tuple[str, str]
"""Step and error code."""


@dataclass(frozen=True, slots=True)
class SentUser:
    """A user whose message was sent, and the cause of the dead letter."""

    user_id: str | None
    sub: str | None
    step: str
    error_code: str

    @classmethod
    def of(cls, letter: Letter) -> SentUser:
        return cls(letter.user_id, letter.sub, letter.step, letter.error_code)


@dataclass(slots=True)
class VerifiedCounts:
    """`failed` and `on_the_way` count by cause; `unverifiable` are messages that name no user.

    `same_cause` counts those of `failed` whose cause is the same as before, or was unknown.
    """

    repaired: int = 0
    failed: Counter[FailureCause] = field(default_factory=Counter)
    on_the_way: Counter[FailureCause] = field(default_factory=Counter)
    unverifiable: int = 0
    same_cause: Counter[FailureCause] = field(default_factory=Counter)

    def add(self, other: VerifiedCounts) -> None:
        self.repaired += other.repaired
        self.unverifiable += other.unverifiable
        self.failed.update(other.failed)
        self.on_the_way.update(other.on_the_way)
        self.same_cause.update(other.same_cause)


@dataclass(frozen=True, slots=True)
class Verifier:
    """Reads the users until each is repaired or has failed, for at most `timeout` seconds."""

    wiring: DlqWiring
    timeout: float

    def verify(
        self,
        sent: Iterable[SentUser],
        on_decided: Callable[[int], None] = lambda count: None,
        counts: VerifiedCounts | None = None,
    ) -> VerifiedCounts:
        """`counts`: the object that is counted in, for a caller that is interrupted."""
        counts, undecided = VerifiedCounts() if counts is None else counts, list(sent)
        deadline, pause = self.wiring.monotonic() + self.timeout, FIRST_PAUSE_SECONDS
        counts.unverifiable = sum(not (user.user_id and user.sub) for user in undecided)
        undecided = [user for user in undecided if user.user_id and user.sub]
        while undecided:
            before = len(undecided)
            on_the_way: Counter[FailureCause] = Counter()
            batches = chunks(undecided, READ_BATCH)
            undecided = [user for batch in batches for user in self._check(batch, counts, on_the_way)]
            on_decided(before - len(undecided))
            counts.on_the_way = on_the_way
            if not undecided or self.wiring.monotonic() >= deadline:
                break
            self.wiring.sleep(pause)
            pause = min(pause * 2, LAST_PAUSE_SECONDS)
        return counts

    def _check(
        self, batch: Sequence[SentUser], counts: VerifiedCounts, on_the_way: Counter[FailureCause]
    ) -> list[SentUser]:
        """Those who are still on the way."""
        users = self.wiring.users.get_many([sent.user_id for sent in batch if sent.user_id])
        profiles = self.wiring.profiles.get_many([sent.sub for sent in batch if sent.sub])
        return [
            sent
            for sent in batch
            if not _decide(sent, users.get(str(sent.user_id)), profiles.get(str(sent.sub)), counts, on_the_way)
        ]


def _decide(
    sent: SentUser,
    user: User | None,
    profile: Profile | None,
    counts: VerifiedCounts,
    on_the_way: Counter[FailureCause],
) -> bool:
    """Counts the user. False where they are on the way."""
    if user and user.cognito_sub == sent.sub:
        if user.owed is None and profile and profile.ready:
            counts.repaired += 1
            return True
        cause = _last_cause(profile)
        if not user.owes(Owed.OPERATOR):
            on_the_way[cause] += 1
            return False
    else:
        cause = ("receive", "linked_to_another_sub" if user else "unknown_user")
    counts.failed[cause] += 1
    if cause == (sent.step, sent.error_code) or (sent.step, sent.error_code) == (UNKNOWN, UNKNOWN):
        counts.same_cause[cause] += 1
    return True


def _last_cause(profile: Profile | None) -> FailureCause:
    step, record = last_failure(profile)
    return step, str(record.get("errorCode", UNKNOWN))
