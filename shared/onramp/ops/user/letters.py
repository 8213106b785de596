"""Dead letters about a user, in both queues: a redrive would only find a tombstone, and they hold an address."""

from __future__ import annotations

from collections.abc import Sequence

from onramp.ops.common.errors import CommandFailed
from onramp.ops.common.queue_reader import WORKING_SECONDS, QueueReader
from onramp.ops.dlq.wiring import DlqWiring


def drop_letters(parts: DlqWiring, subs: Sequence[str]) -> int:
    """Every message in which one of the subs stands, readable or not."""
    if not subs:
        return 0
    with QueueReader(parts, list(parts.dead), hold=WORKING_SECONDS) as letters:
        theirs = [letter.id for letter in letters if any(sub in letter.body for sub in subs)]
        if left := letters.delete(theirs):
            raise CommandFailed(f"SQS did not delete {len(left)} dead letters: run the same again, it goes on there.")
        if not letters.complete:
            raise CommandFailed(
                "there are too many dead letters to look through: drop or redrive some, and run this again."
            )
        return len(theirs)
