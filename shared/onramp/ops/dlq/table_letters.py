"""Users owed to the operator whose copy has expired from the dead-letter queues, as letters.

The table is the truth: what SQS no longer holds is written anew from the record. Whoever still has a copy in a queue
is left to it, or one user would be sent twice.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Sequence
from typing import Self

from onramp.domain.event_data import Origin, delivery, user_signed_up
from onramp.domain.users import SHARDS, Owed, Profile, User
from onramp.ops.common.dead_letters import TABLE, UNKNOWN, Letter, explained_by
from onramp.ops.dlq.wiring import DlqWiring
from onramp.usecases.batches import READ_BATCH, chunks


class TableLetters:
    """As a walk through a queue; there is nothing to delete and nothing to give back."""

    def __init__(self, parts: DlqWiring, in_queues: Container[str], correlation_id: str) -> None:
        self._parts, self._in_queues, self._correlation_id = parts, in_queues, correlation_id
        self.complete = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __iter__(self) -> Iterator[Letter]:
        for shard in range(SHARDS):
            debts = self._parts.debts.of(Owed.OPERATOR, shard)
            for some in chunks([debt.user_id for debt in debts], READ_BATCH):
                yield from self._letters(some)

    def _letters(self, user_ids: Sequence[str]) -> Iterator[Letter]:
        """The index may lag: the record decides."""
        users = [user for user in self._parts.users.get_many(user_ids).values() if user.owes(Owed.OPERATOR)]
        gone = [user for user in users if user.cognito_sub not in self._in_queues and user.is_linked]
        profiles = self._parts.profiles.get_many([str(user.cognito_sub) for user in gone])
        yield from (self._letter(user, profiles.get(str(user.cognito_sub))) for user in gone)

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
            explained=False,
            user_id=user.user_id,
            sub=sub,
        )
        return explained_by(letter, profile)

    def delete(self, ids: Sequence[str]) -> list[str]:
        return []
