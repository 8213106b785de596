"""Many preparations at once: compared first, then written by a bounded number of hands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field

from onramp.adapters.items import from_item, get_many
from onramp.ops.user.import_csv import Row, RowError
from onramp.ops.user.prepare import ALREADY, IN_THE_WAY, NEW, Preparations
from onramp.usecases.batches import chunks

WRITERS, AT_ONCE = 16, 200
EXISTS = "a record stands there already, and stays as it is"


@dataclass(slots=True)
class Import:
    preparations: Preparations
    clock: Callable[[], int]
    threads: Callable[[int], Executor] = ThreadPoolExecutor
    found: Counter[str] = field(default_factory=lambda: Counter({NEW: 0, ALREADY: 0, IN_THE_WAY: 0}))
    errors: list[RowError] = field(default_factory=list)

    def compared(self, rows: Sequence[Row]) -> Counter[str]:
        """What writing them would find. Reads only."""
        addresses = [row.prepared.user_id for row in rows]
        table = self.preparations.table
        standing = {row["userId"]: row for row in map(from_item, get_many(self.preparations.client, table, addresses))}
        return (
            Counter(self.preparations.compared(row.prepared, standing.get(row.prepared.user_id)) for row in rows)
            + Counter()
        )

    def __call__(self, rows: Sequence[Row]) -> Iterator[Import]:
        """Yields itself after every few. Whatever is interrupted between has written whole records only."""
        with self.threads(WRITERS) as writers:
            for some in chunks(rows, AT_ONCE):
                writing = [writers.submit(self.preparations.write, row.prepared, self.clock()) for row in some]
                for row, future in zip(some, writing, strict=True):
                    result = future.result()
                    self.found[result] += 1
                    if result == IN_THE_WAY:
                        self.errors.append(RowError(row.line, row.prepared.user_id, EXISTS))
                yield self
