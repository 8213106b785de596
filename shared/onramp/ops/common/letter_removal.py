"""Deletes a user's letters from the dead-letter queues, also those that another reader holds at the moment.

A letter that another command has received is hidden until that command ends, or until its visibility timeout does. So
the queues are searched again when no letter is hidden any more, at the latest after one such timeout.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from onramp.ops.common.dead_letters import DeadLetterQueues
from onramp.ops.common.errors import CommandFailed
from onramp.ops.common.queue_reader import WORKING_SECONDS, QueueReader

SEARCHES = 3
POLL_SECONDS = 5.0
HIDDEN: Literal["ApproximateNumberOfMessagesNotVisible"] = "ApproximateNumberOfMessagesNotVisible"


@dataclass(frozen=True, slots=True)
class LetterRemoval:
    """`on_wait` is called once, with the number of hidden letters; `sleep` takes seconds."""

    queues: DeadLetterQueues
    sleep: Callable[[float], None]
    on_wait: Callable[[int], None]

    def run(self, subs: Sequence[str]) -> int:
        """Deletes every message whose body contains one of the subs, in any case, also where the body is not JSON.

        Returns the count. Raises CommandFailed where SQS did not confirm a delete, where there are more letters than
        one reader can hold, or where other readers hold letters after the last search.
        """
        if not subs:
            return 0
        wanted = [sub.lower() for sub in subs]
        deleted = self._search(wanted)
        for search in range(SEARCHES):
            if not (hidden := self._hidden()):
                return deleted
            if search == 0:
                self.on_wait(hidden)
            self._wait()
            deleted += self._search(wanted)
        if hidden := self._hidden():
            raise CommandFailed(
                f"{hidden} dead letters are held by another reader, and this user's may be among them: let `onramp dlq`"
                " commands and other consumers of the dead-letter queues end, then run the same command again."
            )
        return deleted

    def _search(self, subs: Sequence[str]) -> int:
        with QueueReader(self.queues, list(self.queues.urls), hold_seconds=WORKING_SECONDS) as reader:
            ids = [letter.id for letter in reader if any(sub in letter.body.lower() for sub in subs)]
            if unconfirmed := reader.delete(ids):
                raise CommandFailed(f"SQS did not delete {len(unconfirmed)} dead letters: run the same command again.")
            if not reader.complete:
                raise CommandFailed(
                    "there are too many dead letters to search: drop or redrive some, then run this again."
                )
            return len(ids)

    def _hidden(self) -> int:
        """How many letters other readers hold. Approximate: SQS counts a change within about a minute."""
        replies = (
            self.queues.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[HIDDEN])
            for url in self.queues.urls.values()
        )
        return sum(int(reply.get("Attributes", {}).get(HIDDEN, "0")) for reply in replies)

    def _wait(self) -> None:
        """Until no letter is hidden: at most one visibility timeout of a `dlq` command, and one poll."""
        until = self.queues.monotonic() + WORKING_SECONDS + POLL_SECONDS
        while self._hidden() and self.queues.monotonic() < until:
            self.sleep(POLL_SECONDS)
