"""Re-emits UserSignedUp from the records, for users whose events the archive no longer holds.

The eventId is the one of the first emission, the origin is `replay`. PutEvents reaches every rule of the bus. A run
after an interruption continues after the last page: the interrupted page is emitted twice, and consumers deduplicate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from onramp.domain.errors import EventsRefused, RetryableError
from onramp.domain.event_data import Event, Origin, user_signed_up
from onramp.ops.common.errors import CommandFailed
from onramp.ops.replay.records import LinkedRecords, Query
from onramp.ops.tables.replay_checkpoints import ReplayCheckpoint, ReplayCheckpoints
from onramp.usecases.batches import PUT_EVENTS, chunks
from onramp.usecases.signup import Publisher

ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Emission:
    """`pace` waits for the turn of one event, `wait_for_room` until the provisioning queue has room for so many.

    `sleep` takes seconds.
    """

    records: LinkedRecords
    checkpoints: ReplayCheckpoints
    publisher: Publisher
    pace: Callable[[], None]
    wait_for_room: Callable[[int], None]
    sleep: Callable[[float], None]
    correlation_id: str

    def run(self, query: Query, start: ReplayCheckpoint) -> Iterator[int]:
        """Yields the total of emitted events after each batch. Raises CommandFailed where PutEvents keeps failing."""
        emitted = start.emitted
        for users, key in self.records.pages(query, start.key):
            for batch in chunks(users, PUT_EVENTS):
                self.wait_for_room(len(batch))
                self._publish(
                    [user_signed_up(user, correlation_id=self.correlation_id, origin=Origin.REPLAY) for user in batch]
                )
                emitted += len(batch)
                yield emitted
            self.checkpoints.save(query.digest, ReplayCheckpoint(key, emitted))

    def _publish(self, events: Sequence[Event]) -> None:
        """Publishes again only the events that the bus refused."""
        unpublished = list(events)
        for _ in unpublished:
            self.pace()
        for attempt in range(ATTEMPTS):
            try:
                self.publisher.publish(*unpublished)
            except EventsRefused as refused:
                code = refused.code
                unpublished = [event for place, event in enumerate(unpublished) if place in refused.codes]
            except RetryableError as error:
                code = error.code
            else:
                return
            self.sleep(0.2 * 2**attempt)
        raise CommandFailed(f"PutEvents keeps failing ({code}).")
