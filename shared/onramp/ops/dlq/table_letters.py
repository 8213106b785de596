"""Letters for users who are owed to the operator and whose message has expired from the dead-letter queues.

The table has what SQS no longer holds: the message is built again from the record. A user who still has a letter in a
queue is skipped, or the same user would be sent twice.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Sequence
from typing import Self

from onramp.domain.event_data import Origin, delivery, user_signed_up
from onramp.domain.users import SHARDS, Owed, Profile, User
from onramp.ops.common.dead_letters import TABLE, UNKNOWN, Letter, add_reason
from onramp.ops.dlq.wiring import DlqWiring
from onramp.usecases.batches import READ_BATCH, chunks


class TableLetters:
    """A LetterSource like QueueReader; there is nothing to delete and nothing to release."""

    def __init__(self, wiring: DlqWiring, subs_in_queues: Container[str], correlation_id: str) -> None:
        self._wiring, self._subs_in_queues, self._correlation_id = wiring, subs_in_queues, correlation_id
        self.complete = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __iter__(self) -> Iterator[Letter]:
        for shard in range(SHARDS):
            entries = self._wiring.owed_index.of(Owed.OPERATOR, shard)
            for user_ids in chunks([entry.user_id for entry in entries], READ_BATCH):
                yield from self._letters(user_ids)

    def _letters(self, user_ids: Sequence[str]) -> Iterator[Letter]:
        """The index may lag: the record decides."""
        users = [user for user in self._wiring.users.get_many(user_ids).values() if user.owes(Owed.OPERATOR)]
        expired = [user for user in users if user.cognito_sub not in self._subs_in_queues and user.is_linked]
        profiles = self._wiring.profiles.get_many([str(user.cognito_sub) for user in expired])
        yield from (self._letter(user, profiles.get(str(user.cognito_sub))) for user in expired)

    def _letter(self, user: User, profile: Profile | None) -> Letter:
        event = user_signed_up(user, correlation_id=self._correlation_id, origin=Origin.REPLAY)
        since, sub = user.owed_since or 0, str(user.cognito_sub)
        letter = Letter(
            queue=TABLE,
            id=sub,
            body=json.dumps(delivery(event), separators=(",", ":")),
            step=UNKNOWN,
            reason=UNKNOWN,
            error_code=UNKNOWN,
            failed_at=since,
            sent_at=since,
            has_reason=False,
            user_id=user.user_id,
            sub=sub,
        )
        return add_reason(letter, profile)

    def delete(self, ids: Sequence[str]) -> list[str]:
        return []
