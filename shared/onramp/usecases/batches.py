"""Batch sizes of AWS's calls, and slices of long lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

PUT_EVENTS = 10
SEND_BATCH = 10  # SendMessageBatch, DeleteMessageBatch, ReceiveMessage
READ_BATCH = 100  # BatchGetItem
WINDOW_MOVES_AFTER = 300_000  # milliseconds: the reconciler's schedule


def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def window(items: Sequence[T], size: int, now: int) -> Sequence[T]:
    """A slice that moves every five minutes, so that successive runs cover a long list without a checkpoint.

    `now` in Unix milliseconds.
    """
    if len(items) <= size:
        return items
    start = now // WINDOW_MOVES_AFTER * size % len(items)
    return [*items[start : start + size], *items[: max(0, start + size - len(items))]]
