"""Re-emits UserSignedUp from the records, for users whose events the archive no longer holds.

The eventId is the one of the first emission, the origin is `replay`. PutEvents reaches every rule of the bus. Each
batch is read again immediately before it is published: no erased user is announced after UserForgotten. A user whose
event is too large is left out.
A run after an interruption continues at the segment that was not finished, of about one batch: its users may be emitted
twice, and consumers deduplicate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from onramp.adapters.event_batches import is_too_large
from onramp.domain.errors import EventsRefused, RetryableError
from onramp.domain.event_data import Event, Origin, user_signed_up
from onramp.domain.users import User
from onramp.ops.common.errors import CommandFailed
from onramp.ops.replay.records import CurrentUsers, LinkedRecords, Query
from onramp.ops.tables.replay_checkpoints import ReplayCheckpoint, ReplayCheckpoints
from onramp.usecases.batches import PUT_EVENTS, chunks
from onramp.usecases.signup import Publisher

MOST_SEGMENTS = 1_000_000  # DynamoDB's maximum
ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Emission:
    """`pace` waits for the turn of one event, `wait_for_room` until the provisioning queue has room for so many.

    `sleep` takes seconds. `on_left_out` is called with each user whose event is too large.
    """

    records: LinkedRecords
    current: CurrentUsers
    checkpoints: ReplayCheckpoints
    publisher: Publisher
    pace: Callable[[], None]
    wait_for_room: Callable[[int], None]
    sleep: Callable[[float], None]
    correlation_id: str
    on_left_out: Callable[[User], None]

    def run(self, query: Query, start: ReplayCheckpoint, matching: int) -> Iterator[int]:
        """Yields the total of emitted events after each batch. `matching`: how many users match, for a new run.

        Raises RetryableError, and CommandFailed where PutEvents keeps failing.
        """
        checkpoint = start if start.segments else replace(start, segments=_segments(matching))
        self.checkpoints.save(query.digest, checkpoint)
        while not checkpoint.done:
            emitted = checkpoint.emitted
            users = self.records.segment(query, checkpoint.segment, checkpoint.segments)
            for batch in chunks(users, PUT_EVENTS):
                self.wait_for_room(len(batch))
                emitted += self._publish(batch)
                yield emitted
            checkpoint = checkpoint.after_segment(emitted)
            self.checkpoints.save(query.digest, checkpoint)

    def _publish(self, users: Sequence[User]) -> int:
        """Returns how many were published. Publishes again only the events that the bus refused."""
        unpublished, published = list(users), 0
        for _ in unpublished:
            self.pace()
        for attempt in range(ATTEMPTS):
            unpublished = self.current.among(unpublished)
            refused = self._refused(unpublished)
            published += len(unpublished) - len(refused)
            unpublished = [user for user, code in refused if not self._left_out(user, code)]
            if not unpublished:
                return published
            self.sleep(0.2 * 2**attempt)
        codes = ", ".join(sorted({code for _, code in refused}))
        raise CommandFailed(f"PutEvents keeps failing ({codes}).")

    def _left_out(self, user: User, code: str) -> bool:
        """A user whose event is too large would stop this run and each later one at the same place."""
        if too_large := is_too_large(code):
            self.on_left_out(user)
        return too_large

    def _refused(self, users: Sequence[User]) -> list[tuple[User, str]]:
        """The users whose event was not published, each with the error code."""
        if not users:
            return []
        try:
            self.publisher.publish(*map(self._event, users))
        except EventsRefused as refused:
            return [(users[place], code) for place, code in refused.codes.items()]
        except RetryableError as error:
            return [(user, error.code.removeprefix("put_events_")) for user in users]
        return []

    def _event(self, user: User) -> Event:
        return user_signed_up(user, correlation_id=self.correlation_id, origin=Origin.REPLAY)


def _segments(matching: int) -> int:
    """About one PutEvents call in each."""
    return min(max(1, -(-matching // PUT_EVENTS)), MOST_SEGMENTS)
