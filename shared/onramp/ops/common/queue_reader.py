"""Reads every letter in the dead-letter queues once, and removes none of them.

SQS has no read operation: a message that is received is hidden from other consumers until its visibility timeout ends.
The reader therefore receives with a short timeout, keeps the id and the receipt of each message that it holds (never a
body), and at its end makes every message visible again that was not deleted. A killed process makes nothing visible:
the timeout does, and until then no second operator can hold the same letter.

Several receivers per queue read ahead in threads, more of them for a longer queue, and the timeout follows its length
too: with 100 ms for each call, 100,000 letters are read within ten minutes, and none is visible again before the end.
Memory holds the receivers' batches of letters, and an id and a receipt of each letter read.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, Self

from botocore.exceptions import BotoCoreError, ClientError

from onramp.ops.common.dead_letters import DeadLetterQueues, Letter, add_reason, letter_from

if TYPE_CHECKING:
    from mypy_boto3_sqs.literals import QueueAttributeNameType

RECEIVERS, MOST_RECEIVERS = 4, 16  # per queue; the client has 32 connections
LETTERS_PER_RECEIVER = 2_500
READ_RATE = 160.0  # letters a second: 16 receivers at 100 ms, where SQS returns one letter at a time
BATCH = 10
LONG_POLL_SECONDS = 1  # queries all of SQS's servers: a short poll may miss messages
READING_SECONDS = 60
WORKING_SECONDS = 120
MOST_HOLD_SECONDS = 3_600  # after a crash no command can read these letters for so long
MARGIN_SECONDS = 10.0  # a hold counts as over this long before its end: clock drift, and the time of a request
MAX_HELD = 100_000  # SQS allows about 120,000 messages in flight per queue


class HeldMessage(NamedTuple):
    """`until`: the monotonic second in which the visibility timeout ends."""

    url: str
    receipt: str
    until: float


class QueueReader:
    """`with QueueReader(queues, names) as reader: for letter in reader: ...`; yields each letter once.

    `hold_seconds` is the visibility timeout of an empty queue, to which the time to read the queue is added: at `rate`
    letters a second, where the caller takes them more slowly than SQS delivers them. `complete` is False once `limit`
    letters were read and more remain.
    """

    def __init__(
        self,
        queues: DeadLetterQueues,
        names: Collection[str],
        *,
        hold_seconds: float = READING_SECONDS,
        rate: float = READ_RATE,
        limit: int = MAX_HELD,
    ) -> None:
        self._queues, self._hold_seconds, self._limit = queues, hold_seconds, limit
        self._rate = min(rate, READ_RATE)
        self._urls = {name: queues.urls[name] for name in names}
        self._held: dict[str, HeldMessage] = {}
        self._deleted: set[str] = set()
        self._repeated_batches = 0
        self.complete = True

    def __enter__(self) -> Self:
        depths = {name: self._depth(url) for name, url in self._urls.items()}
        self._receivers = [name for name, depth in depths.items() for _ in range(_receivers(depth))]
        self._hold_seconds = min(self._hold_seconds + sum(depths.values()) / self._rate, MOST_HOLD_SECONDS)
        self._threads = self._queues.threads(len(self._receivers))
        self._letters = self._read()
        return self

    def __exit__(self, *_: object) -> None:
        with self._threads:
            self._letters.close()
            self._release(list(self._held))

    def __iter__(self) -> Iterator[Letter]:
        """One pass: a second loop continues where the first one stopped."""
        return self._letters

    def _read(self) -> Generator[Letter, None, None]:
        receiving = [(name, self._submit(name)) for name in self._receivers]
        try:
            while receiving:
                wait([future for _, future in receiving], return_when=FIRST_COMPLETED)
                name, future = receiving.pop(next(n for n, (_, future) in enumerate(receiving) if future.done()))
                received = future.result()
                unread = self._hold(received)
                if received and self._should_continue():
                    receiving.append((name, self._submit(name)))
                yield from unread
        finally:
            for _, future in receiving:  # where the loop is left early, these messages must be released too
                with suppress(ClientError, BotoCoreError):
                    self._hold(future.result())

    def _depth(self, url: str) -> int:
        """Approximate, and at most what one reader may hold."""
        name: QueueAttributeNameType = "ApproximateNumberOfMessages"
        reply = self._queues.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
        return min(int(reply.get("Attributes", {}).get(name, "0")), self._limit)

    def _should_continue(self) -> bool:
        """False at the limit, and where only known letters arrive: SQS delivers them again after their timeout."""
        if len(self._held) + len(self._deleted) >= self._limit:
            self.complete = False
        return self.complete and self._repeated_batches * BATCH <= len(self._held) + 10 * BATCH

    def _submit(self, name: str) -> Future[list[tuple[Letter, str]]]:
        return self._threads.submit(self._receive, name)

    def _receive(self, name: str) -> list[tuple[Letter, str]]:
        """Letters with their receipts."""
        hidden_until = self._queues.monotonic() + self._hold_seconds
        reply = self._queues.sqs.receive_message(
            QueueUrl=self._urls[name],
            MaxNumberOfMessages=BATCH,
            VisibilityTimeout=round(self._hold_seconds),
            WaitTimeSeconds=LONG_POLL_SECONDS,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        messages = reply.get("Messages", [])
        letters = self._add_reasons([letter_from(name, message, hidden_until) for message in messages])
        return [(letter, message["ReceiptHandle"]) for letter, message in zip(letters, messages, strict=True)]

    def _add_reasons(self, letters: list[Letter]) -> list[Letter]:
        subs = [letter.sub for letter in letters if letter.sub and not letter.has_reason]
        profiles = self._queues.profiles.get_many(subs) if subs else {}
        return [letter if letter.has_reason else add_reason(letter, profiles.get(letter.key)) for letter in letters]

    def _hold(self, received: Sequence[tuple[Letter, str]]) -> list[Letter]:
        """The letters not read before. A deleted letter that SQS delivers again is deleted again, never returned."""
        unread = [letter for letter, _ in received if letter.id not in self._held and letter.id not in self._deleted]
        for letter, receipt in received:
            self._held[letter.id] = HeldMessage(self._urls[letter.queue], receipt, letter.hidden_until)
        self._repeated_batches = 0 if unread else self._repeated_batches + 1
        if deleted := [letter.id for letter, _ in received if letter.id in self._deleted]:
            self.delete(deleted)
        return list({letter.id: letter for letter in unread}.values())

    def delete(self, ids: Sequence[str]) -> list[str]:
        """Returns the ids that SQS did not confirm; the reader still holds these."""
        unconfirmed = [identity for batch in self._batches(ids) for identity in self._delete_batch(*batch)]
        for identity in set(ids) - set(unconfirmed):
            self._held.pop(identity, None)
            self._deleted.add(identity)
        return unconfirmed

    def _delete_batch(self, url: str, ids: Sequence[str]) -> list[str]:
        reply = self._queues.sqs.delete_message_batch(
            QueueUrl=url,
            Entries=[{"Id": str(n), "ReceiptHandle": self._held[identity].receipt} for n, identity in enumerate(ids)],
        )
        confirmed = {entry["Id"] for entry in reply.get("Successful", [])}
        return [identity for n, identity in enumerate(ids) if str(n) not in confirmed]

    def _release(self, ids: Sequence[str]) -> None:
        """Makes messages visible at once. Where the call fails, they become visible when their timeout ends."""
        list(self._threads.map(lambda batch: self._release_batch(*batch), self._batches(ids)))

    def _release_batch(self, url: str, ids: Sequence[str]) -> None:
        """Another reader may hold a message whose timeout is over: to make it visible would hand it out twice."""
        soonest = self._queues.monotonic() + MARGIN_SECONDS
        if not (ids := [identity for identity in ids if self._held[identity].until > soonest]):
            return
        with suppress(ClientError, BotoCoreError):
            self._queues.sqs.change_message_visibility_batch(
                QueueUrl=url,
                Entries=[
                    {"Id": str(n), "ReceiptHandle": self._held[identity].receipt, "VisibilityTimeout": 0}
                    for n, identity in enumerate(ids)
                ],
            )

    def _batches(self, ids: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
        """Held messages by queue URL, at most BATCH at a time."""
        for url in self._urls.values():
            in_queue = iter([one for one in ids if one in self._held and self._held[one].url == url])
            while batch := list(islice(in_queue, BATCH)):
                yield url, batch


def _receivers(depth: int) -> int:
    """The number of receivers of a queue with so many letters."""
    return min(max(RECEIVERS, depth // LETTERS_PER_RECEIVER), MOST_RECEIVERS)
