"""Re-emits UserSignedUp from the records themselves, for what no archive holds any more.

The same eventId as ever and the origin `replay`. PutEvents reaches every rule of the bus. Stopped and run again, it
goes on after the last page: the page it died in is emitted twice, and consumers dedup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from onramp.adapters.items import from_item, to_values
from onramp.domain.errors import EventsRefused, RetryableError
from onramp.domain.event_data import Event, Origin, user_signed_up
from onramp.ops.common.errors import CommandFailed
from onramp.ops.replay.records import Key, Query, Records
from onramp.usecases.batches import PUT_EVENTS, chunks
from onramp.usecases.signup import Publisher

ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class ReplayCheckpoint:
    """`key` None: at the start, or, with `done`, at the end."""

    key: Key | None = None
    emitted: int = 0
    done: bool = False


@dataclass(frozen=True, slots=True)
class ReplayCheckpoints:
    """How far a query has come, in `Operations` (`REPLAY#table`); what is done is remembered, too."""

    client: Any
    table: str

    def load(self, query: Query) -> ReplayCheckpoint:
        row = from_item(
            self.client.get_item(TableName=self.table, Key=_row(query), ConsistentRead=True).get("Item", {})
        )
        if not row:
            return ReplayCheckpoint()
        after = row.get("after")
        return ReplayCheckpoint({"userId": {"S": after}} if after else None, row["emitted"], done=after is None)

    def save(self, query: Query, checkpoint: ReplayCheckpoint) -> None:
        after = {"after": checkpoint.key["userId"]["S"]} if checkpoint.key else {}
        row = to_values({"emitted": checkpoint.emitted, **after})
        self.client.put_item(TableName=self.table, Item={**_row(query), **row})


def _row(query: Query) -> dict[str, Any]:
    return {"pk": {"S": "REPLAY#table"}, "sk": {"S": query.digest}}


@dataclass(frozen=True, slots=True)
class Emission:
    """`pace` waits for the turn of one event; `pause` waits so many seconds before an event is tried again."""

    records: Records
    checkpoints: ReplayCheckpoints
    publisher: Publisher
    pace: Callable[[], None]
    pause: Callable[[float], None]
    correlation_id: str

    def run(self, query: Query, start: ReplayCheckpoint) -> Iterator[int]:
        """Emits, yielding how many are done in all after each batch. Raises Trouble where the bus goes on refusing."""
        emitted = start.emitted
        for users, key in self.records.pages(query, start.key):
            for ten in chunks(users, PUT_EVENTS):
                self._publish(
                    [user_signed_up(user, correlation_id=self.correlation_id, origin=Origin.REPLAY) for user in ten]
                )
                emitted += len(ten)
                yield emitted
            self.checkpoints.save(query, ReplayCheckpoint(key, emitted))

    def _publish(self, events: Sequence[Event]) -> None:
        left = list(events)
        for _ in left:
            self.pace()
        for attempt in range(ATTEMPTS):
            try:
                self.publisher.publish(*left)
            except EventsRefused as refused:
                left, code = [event for place, event in enumerate(left) if place in refused.codes], refused.code
            except RetryableError as error:
                code = error.code
            else:
                return
            self.pause(0.2 * 2**attempt)
        raise CommandFailed(f"the bus goes on refusing events ({code}).")
