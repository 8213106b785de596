"""The tables of the fake DynamoDB: items, sorted indexes, and the recent writes for stale reads."""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from tests.fakes.attributes import INVALID, AttributeValue, Item, Refused, sortable, type_of
from tests.fakes.client import Clock

Key = tuple[Any, ...]
Row = tuple[Any, Key]  # sort key and primary key: the order within one partition
MAX_READ_LAG = 60.0  # seconds; older writes are forgotten


@dataclass(frozen=True)
class IndexSpec:
    key: tuple[str, ...]
    """The partition key and, if there is one, the sort key."""
    projected: frozenset[str] | None = None
    """The attributes in the index; None: all."""


@dataclass(frozen=True)
class TableSpec:
    key: tuple[str, ...]
    indexes: Mapping[str, IndexSpec] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)
    """Of key attributes that are not strings."""

    @classmethod
    def of(cls, properties: Mapping[str, Any]) -> "TableSpec":
        """From CreateTable's arguments, which are also the properties of `AWS::DynamoDB::Table`."""
        key = _key(properties)
        indexes = {}
        for index in properties.get("GlobalSecondaryIndexes", ()):
            projection = index["Projection"]
            projected = frozenset({*key, *_key(index), *projection.get("NonKeyAttributes", ())})
            is_complete = projection["ProjectionType"] == "ALL"
            indexes[index["IndexName"]] = IndexSpec(_key(index), None if is_complete else projected)
        types = {entry["AttributeName"]: entry["AttributeType"] for entry in properties["AttributeDefinitions"]}
        return cls(key, indexes, types)


def _key(properties: Mapping[str, Any]) -> tuple[str, ...]:
    ordered = sorted(properties["KeySchema"], key=lambda element: str(element["KeyType"]) != "HASH")
    return tuple(str(element["AttributeName"]) for element in ordered)


class Tree:
    """The rows of a table or an index, by partition, each kept in order."""

    def __init__(self, key: tuple[str, ...]) -> None:
        self.key = key
        self.partitions: dict[Any, list[Row]] = {}

    def place(self, key: Key, item: Item) -> tuple[Any, Row] | None:
        """Partition and row of an item; None if it is not in this sparse index."""
        if any(name not in item for name in self.key):
            return None
        values = [sortable(item[name]) for name in self.key]
        return values[0], (values[1] if len(values) > 1 else 0, key)

    def add(self, key: Key, item: Item) -> None:
        if place := self.place(key, item):
            insort(self.partitions.setdefault(place[0], []), place[1])

    def discard(self, key: Key, item: Item) -> None:
        if place := self.place(key, item):
            rows = self.partitions[place[0]]
            del rows[bisect_left(rows, place[1])]
            if not rows:
                del self.partitions[place[0]]


class Table:
    def __init__(self, name: str, spec: TableSpec, clock: Clock) -> None:
        self.name, self.spec, self._clock = name, spec, clock
        self.items: dict[Key, Item] = {}
        self.trees: dict[str | None, Tree] = {None: Tree(spec.key)}
        self.trees |= {index: Tree(part.key) for index, part in spec.indexes.items()}
        self._recent_writes: deque[tuple[float, Key, Item | None]] = deque()

    def key_of(self, attributes: Item) -> Key:
        return tuple(sortable(attributes[name]) for name in self.spec.key)

    def write(self, key: Key, item: Item | None) -> None:
        old, now = self.items.get(key), self._clock()
        self._recent_writes.append((now, key, old))
        while self._recent_writes[0][0] < now - MAX_READ_LAG:
            self._recent_writes.popleft()
        for tree in self.trees.values():
            if old is not None:
                tree.discard(key, old)
            if item is not None:
                tree.add(key, item)
        if item is None:
            self.items.pop(key, None)
        else:
            self.items[key] = item

    def before(self, lag: float) -> dict[Key, Item | None]:
        """The items written in the last `lag` seconds, each in its state before; None: it did not exist."""
        older: dict[Key, Item | None] = {}
        for written, key, item in reversed(self._recent_writes):
            if not lag or written <= self._clock() - lag:
                break
            older[key] = item
        return older

    def check(self, item: Item) -> None:
        """Checks the types and sizes of all keys of an item before it is stored."""
        for name in self.spec.key:
            self.check_key(name, item.get(name), "")
        for index, spec in self.spec.indexes.items():
            for name in spec.key:
                if name in item:
                    self.check_key(name, item[name], index)

    def check_key(self, name: str, value: AttributeValue | None, index: str) -> None:
        if value is None:
            raise Refused(f"{INVALID}: Missing the key {name} in the item")
        expected, kind = self.spec.types.get(name, "S"), type_of(value)
        where = f" IndexName: {index}" if index else ""
        if kind != expected:
            what = "Index Key" if index else "key"
            raise Refused(f"{INVALID}: Type mismatch for {what} {name} expected: {expected} actual: {kind}{where}")
        size = len(value[kind].encode() if kind == "S" else value[kind])
        if size == 0:
            raise Refused(
                "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an "
                f"empty {'string' if kind == 'S' else 'binary'} value. Key: {name}{where}"
            )
        key = self.spec.indexes[index].key if index else self.spec.key
        limit, which = (2048, "hashkey") if name == key[0] else (1024, "rangekey")
        if size > limit:
            raise Refused(f"{INVALID}: Size of {which} has exceeded the maximum size limit of {limit} bytes")

    def partition(self, index: str | None, hash_value: Any, older: Mapping[Key, Item | None]) -> list[Row]:
        tree = self.trees[index]
        rows = tree.partitions.get(hash_value, [])
        if not older:
            return rows
        past = (tree.place(key, item) for key, item in older.items() if item is not None)
        return sorted([row for row in rows if row[1] not in older] + [p[1] for p in past if p and p[0] == hash_value])

    def all_rows(self, index: str | None, older: Mapping[Key, Item | None]) -> list[Row]:
        """All rows in scan order: by a hash of the key, the same order in every run."""
        tree = self.trees[index]
        now = ((key, item) for key, item in self.items.items() if key not in older)
        past = ((key, item) for key, item in older.items() if item is not None)
        keys: Iterator[Key] = (key for pairs in (now, past) for key, item in pairs if tree.place(key, item))
        return sorted(scan_row(key) for key in keys)


def scan_row(key: Key) -> Row:
    return crc32(repr(key).encode()), key
