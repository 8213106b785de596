"""What one signup uses, measured in the in-memory pipeline: write units, read units, bytes of logs and events."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Any

from tests.bench.prices import LOG_EVENT_BYTES
from tests.calls import FIRST
from tests.fakes.attributes import Item, item_size
from tests.fakes.tables import IndexSpec, Table
from tests.pipeline import EMAIL, PROFILES, SUB, USERS, InMemoryPipeline

WRITE_BYTES, ITEM_OVERHEAD = 1024, 100
CODE_VERSION = "0123456789-a1b2c3d"
"""Of the form that `make deploy` writes into each step record."""


@dataclass(frozen=True)
class Usage:
    """Of one signup. `*_writes`: write units of each table (`Users`) and index (`Users.OwedIndex`)."""

    trigger_writes: Counter[str]
    worker_writes: Counter[str]
    trigger_log: int
    worker_log: int
    event_bytes: int
    stored_bytes: int
    largest_item: int
    metrics: frozenset[str]


def measure() -> Usage:
    with InMemoryPipeline(CODE_VERSION=CODE_VERSION) as pipeline:
        pipeline.sign_up(*FIRST)
        pipeline.run_worker()  # the figures are those of warm functions
        units: Counter[str] = Counter()
        for name in (USERS, PROFILES):
            _meter(pipeline.dynamodb.tables[name], units)
        events, trigger_log = len(pipeline.events.events), len(pipeline.log.getvalue())
        trigger = _taken(units, lambda: pipeline.sign_up(EMAIL, SUB, given_name="Nia", family_name="New"))
        worker_log = len(pipeline.log.getvalue())
        worker = _taken(units, pipeline.run_worker)
        log = pipeline.log.getvalue()
        pipeline.reconcile()
        items = [item for name in (USERS, PROFILES) for item in _items(pipeline, name)]
        return Usage(
            trigger,
            worker,
            log_bytes(log[trigger_log:worker_log], "PostConfirmation"),
            log_bytes(log[worker_log:], "EnrichProfile"),
            sum(len(json.dumps(event)) for event in pipeline.events.events[events:]),
            sum(item_size(item) + ITEM_OVERHEAD for item in items),
            max(map(item_size, items)),
            frozenset(_metrics(pipeline)),
        )


def log_bytes(lines: str, function: str) -> int:
    """With the names that a deployed function has in its lines."""
    deployed = lines.replace("function:onramp:", f"function:onramp-{function}:")
    for name in ('"function_name":"onramp"', '"service":"onramp-test"', '"service":"service_undefined"'):
        deployed = deployed.replace(name, f'{name.partition(":")[0]}:"onramp-{function}"')
    return sum(len(line) + LOG_EVENT_BYTES for line in deployed.splitlines())


def _items(pipeline: InMemoryPipeline, table: str) -> list[Item]:
    found = pipeline.dynamodb.tables[table].items.values()
    return [item for item in found if EMAIL in (item["userId"].get("S"), item.get("email", {}).get("S"))]


def _metrics(pipeline: InMemoryPipeline) -> set[str]:
    lines = [line for line in pipeline.log_lines() if "_aws" in line]
    return {metric["Name"] for line in lines for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]}


def _taken(units: Counter[str], action: Callable[[], object]) -> Counter[str]:
    units.clear()
    action()
    return Counter(units)


def _meter(table: Table, units: Counter[str]) -> None:
    """Counts the write units of each later write, by the larger of the item before and after it."""
    write, name = table.write, table.name.removesuffix("Table")

    def metered(key: Any, item: Item | None) -> None:
        old = table.items.get(key)
        units[name] += _units(max(item_size(old or {}), item_size(item or {})))
        for index, spec in table.spec.indexes.items():
            units[f"{name}.{index}"] += _index_units(spec, old, item)
        write(key, item)

    vars(table)["write"] = metered


def _index_units(spec: IndexSpec, old: Item | None, new: Item | None) -> int:
    """A changed key is a deletion and a put; a write that does not change what the index has costs nothing."""
    before, after = _in_index(spec, old), _in_index(spec, new)
    if before == after:
        return 0
    moved = before and after and any(before[name] != after[name] for name in spec.key)
    rows = [row for row in (before, after) if row]
    return sum(_units(item_size(row)) for row in (rows if moved else rows[-1:]))


def _in_index(spec: IndexSpec, item: Item | None) -> Item:
    if item is None or any(name not in item for name in spec.key):
        return {}
    return {name: value for name, value in item.items() if spec.projected is None or name in spec.projected}


def _units(size: int) -> int:
    return max(1, ceil(size / WRITE_BYTES))
