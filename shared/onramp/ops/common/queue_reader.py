"""Everything in the dead-letter queues once, without taking anything out.

SQS has no reading, only receiving: a message received is hidden from everybody until its visibility timeout ends. So a
walk receives with a short one, keeps in mind what it holds (ids and receipts, never bodies) and at its end gives back
whatever was not deleted. Killed, it gives nothing back: the timeout does, and until then two operators never hold the
same letter.

Several receivers a queue run ahead in threads; memory holds their batches and no more, however long the queue is.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from itertools import islice
from typing import Any, NamedTuple, Self

from botocore.exceptions import BotoCoreError, ClientError

from onramp.ops.common.dead_letters import Letter, explained_by, letter_from
from onramp.ops.dlq.wiring import DlqWiring

RECEIVERS = 4
BATCH = 10
LONG_POLL_SECONDS = 1  # asks all of SQS's servers: a short poll may find a queue empty that is not
READING_SECONDS = 60
WORKING_SECONDS = 120
MARGIN_SECONDS = 10.0  # before a hold ends it counts as over: clocks, and the way to SQS
MOST = 100_000  # SQS refuses to hand out more than about 120,000 at a time


class Hold(NamedTuple):
    url: str
    receipt: str
    until: float


class QueueReader:
    """`with Walk(parts, queues) as letters: for letter in letters: ...`; each letter comes once."""

    def __init__(
        self, parts: DlqWiring, queues: Collection[str], *, hold: float = READING_SECONDS, most: int = MOST
    ) -> None:
        self._parts, self._hold, self._most = parts, hold, most
        self._urls = {name: parts.dead[name] for name in queues}
        self._held: dict[str, Hold] = {}
        self._deleted: set[str] = set()
        self._stale = 0
        self.complete = True

    def __enter__(self) -> Self:
        self._threads = self._parts.threads(RECEIVERS * len(self._urls))
        self._letters = self._walk()
        return self

    def __exit__(self, *_: object) -> None:
        with self._threads:
            self._letters.close()
            over = self._parts.monotonic() + MARGIN_SECONDS
            # Once its time is over somebody else may hold it: showing it then would hand it out twice.
            self.give_back([one for one, hold in self._held.items() if hold.until > over])

    def __iter__(self) -> Iterator[Letter]:
        """One walk, that goes on where it was left."""
        return self._letters

    def _walk(self) -> Generator[Letter, None, None]:
        lanes = [(name, self._submit(name)) for name in list(self._urls) * RECEIVERS]
        try:
            while lanes:
                wait([future for _, future in lanes], return_when=FIRST_COMPLETED)
                name, future = lanes.pop(next(place for place, (_, future) in enumerate(lanes) if future.done()))
                letters = future.result()
                fresh = self._fresh(letters)
                if letters and self._may_go_on():
                    lanes.append((name, self._submit(name)))
                yield from fresh
        finally:
            for _, future in lanes:  # a walk left early gives back what was still on its way
                with suppress(ClientError, BotoCoreError):
                    self._fresh(future.result())

    def _may_go_on(self) -> bool:
        """Not for ever: what is held comes round again when a walk outlasts its hold, and a hold has its limit."""
        if len(self._held) + len(self._deleted) >= self._most:
            self.complete = False
        return self.complete and self._stale * BATCH <= len(self._held) + 10 * BATCH

    def _submit(self, name: str) -> Future[list[tuple[Letter, str]]]:
        return self._threads.submit(self._receive, name)

    def _receive(self, name: str) -> list[tuple[Letter, str]]:
        kept_until = self._parts.monotonic() + self._hold
        reply = self._parts.sqs.receive_message(
            QueueUrl=self._urls[name],
            MaxNumberOfMessages=BATCH,
            VisibilityTimeout=round(self._hold),
            WaitTimeSeconds=LONG_POLL_SECONDS,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        messages: Sequence[Mapping[str, Any]] = reply.get("Messages", [])
        letters = self._explained([letter_from(name, message, kept_until) for message in messages])
        return [(letter, message["ReceiptHandle"]) for letter, message in zip(letters, messages, strict=True)]

    def _explained(self, letters: list[Letter]) -> list[Letter]:
        bare = [letter.sub for letter in letters if letter.sub and not letter.explained]
        profiles = self._parts.profiles.get_many(bare) if bare else {}
        return [letter if letter.explained else explained_by(letter, profiles.get(letter.key)) for letter in letters]

    def _fresh(self, received: Sequence[tuple[Letter, str]]) -> list[Letter]:
        """Those not seen before. One that was deleted and comes again is deleted again, never handed out again."""
        fresh = [letter for letter, _ in received if letter.id not in self._held and letter.id not in self._deleted]
        for letter, receipt in received:
            self._held[letter.id] = Hold(self._urls[letter.queue], receipt, letter.kept_until)
        self._stale = 0 if fresh else self._stale + 1
        if again := [letter.id for letter, _ in received if letter.id in self._deleted]:
            self.delete(again)
        return list({letter.id: letter for letter in fresh}.values())

    def delete(self, ids: Sequence[str]) -> list[str]:
        """Returns those that SQS did not confirm; they stay held."""
        left = [identity for batch in self._batches(ids) for identity in self._delete(*batch)]
        for identity in set(ids) - set(left):
            self._held.pop(identity, None)
            self._deleted.add(identity)
        return left

    def _delete(self, url: str, ids: Sequence[str]) -> list[str]:
        entries = [{"Id": str(place), "ReceiptHandle": self._held[one].receipt} for place, one in enumerate(ids)]
        reply = self._parts.sqs.delete_message_batch(QueueUrl=url, Entries=entries)
        confirmed = {entry["Id"] for entry in reply.get("Successful", [])}
        return [identity for place, identity in enumerate(ids) if str(place) not in confirmed]

    def give_back(self, ids: Sequence[str]) -> None:
        """Makes them visible at once. What fails comes back by itself."""
        list(self._threads.map(lambda batch: self._show(*batch), self._batches(ids)))

    def _show(self, url: str, ids: Sequence[str]) -> None:
        entries = [
            {"Id": str(place), "ReceiptHandle": self._held[one].receipt, "VisibilityTimeout": 0}
            for place, one in enumerate(ids)
        ]
        with suppress(ClientError, BotoCoreError):
            self._parts.sqs.change_message_visibility_batch(QueueUrl=url, Entries=entries)

    def _batches(self, ids: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
        for url in self._urls.values():
            mine = iter([one for one in ids if one in self._held and self._held[one].url == url])
            while batch := list(islice(mine, BATCH)):
                yield url, batch
