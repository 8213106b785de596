"""Query and Scan: the selected rows, their order, and the end of a page."""

import operator
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.fakes.attributes import INVALID, AttributeValue, Item, Refused, canonical, clone_item, item_size, sortable
from tests.fakes.client import Reply, Request
from tests.fakes.conditions import Comparison, Condition, Function, Junction, Path, Value
from tests.fakes.requests import Expressions
from tests.fakes.tables import Key, Row, Table, scan_row
from tests.fakes.updates import touched

PAGE_BYTES = 1024 * 1024
FLIPPED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
Order = Callable[[Any, Any], Any]
Older = Mapping[Key, Item | None]
KIND = "KeyConditionExpression"


def _always(_sort: Any, _bound: Any) -> bool:
    return True


def _never(_sort: Any, _bound: Any) -> bool:
    return False


def _beyond_prefix(sort: Any, prefix: Any) -> bool:
    return bool(sort > prefix and not sort.startswith(prefix))


# The first row that an operator selects in a sorted partition, and the first row after those.
BEGINS: dict[str, Order] = {"<": _always, "<=": _always, ">": operator.gt}
ENDS: dict[str, Order] = {
    "<": operator.ge,
    ">": _never,
    ">=": _never,
    "begins_with": _beyond_prefix,
}


@dataclass(frozen=True, slots=True)
class KeyCondition:
    hash: AttributeValue
    operator: str = ""
    values: tuple[Any, ...] = ()

    def select(self, rows: list[Row]) -> tuple[int, int]:
        if not self.operator:
            return 0, len(rows)
        begins: Order = BEGINS.get(self.operator, operator.ge)
        ends: Order = ENDS.get(self.operator, operator.gt)
        first = bisect_left(rows, True, key=lambda row: begins(row[0], self.values[0]))
        return first, bisect_left(rows, True, key=lambda row: ends(row[0], self.values[-1]))


def key_condition(table: Table, index: str | None, expressions: Expressions) -> KeyCondition:
    condition = expressions.condition(KIND)
    if condition is None:
        raise Refused("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
    key = table.trees[index].key
    conditions: dict[str, tuple[str, list[AttributeValue]]] = {}
    for part in condition.parts if isinstance(condition, Junction) and condition.word == "AND" else (condition,):
        name, comparison, values = _key_part(part, expressions)
        if name in conditions:
            raise Refused(f"Invalid {KIND}: KeyConditionExpressions must only contain one condition per key")
        conditions[name] = comparison, values
        for value in values if name in key else ():
            table.check_key(name, value, index or "")
    for name in conditions.keys() - set(key):
        raise Refused(f"Query key condition not supported: {name} is no key of the schema")
    if key[0] not in conditions:
        raise Refused(f"Query condition missed key schema element: {key[0]}")
    comparison, values = conditions[key[0]]
    if comparison != "=":
        raise Refused("Query key condition not supported")
    if len(conditions) == 1:
        return KeyCondition(values[0])
    comparison, bounds = conditions[key[1]]
    return KeyCondition(values[0], comparison, tuple(sortable(bound) for bound in bounds))


def _key_part(part: Condition, expressions: Expressions) -> tuple[str, str, list[AttributeValue]]:
    """Attribute, operator and constants of one comparison."""
    if isinstance(part, Junction):
        raise Refused(f"Invalid operator used in {KIND}: {part.word}")
    if not isinstance(part, Comparison | Function) or part.operator not in (*FLIPPED, "BETWEEN", "begins_with"):
        raise Refused(f"Invalid operator used in {KIND}: {getattr(part, 'operator', '')}")
    scope = expressions.scope(KIND, {})
    part.check(scope)
    comparison, (path, *others) = part.operator, part.operands
    if isinstance(path, Value) and comparison in FLIPPED:
        comparison, path, others = FLIPPED[comparison], others[0], [path]
    if not isinstance(path, Path):
        raise Refused(f"Invalid condition in {KIND}: No key attribute specified")
    values = [other.get(scope) for other in others if isinstance(other, Value)]
    if len(values) < len(others):
        raise Refused(f"Invalid condition in {KIND}: Multiple attribute names used in one condition")
    if len(path.parts) > 1:
        raise Refused(f"Invalid {KIND}: KeyConditionExpressions cannot have conditions on nested attributes")
    return str(path.steps(expressions.names)[0]), comparison, values


def query_rows(table: Table, index: str | None, request: Request, expressions: Expressions, older: Older) -> list[Row]:
    wanted = key_condition(table, index, expressions)
    rows = table.partition(index, sortable(wanted.hash), older)
    first, last = wanted.select(rows)
    forward = request.get("ScanIndexForward", True)
    if "ExclusiveStartKey" in request:
        start = _start(table, index, request["ExclusiveStartKey"])
        place = table.trees[index].place(table.key_of(start), start)
        if place is None or place[0] != sortable(wanted.hash):
            raise Refused("The provided starting key is outside query boundaries based on provided conditions")
        if forward:
            first = max(first, bisect_left(rows, True, key=lambda row: row > place[1]))
        else:
            last = min(last, bisect_left(rows, True, key=lambda row: row >= place[1]))
    return rows[first:last] if forward else rows[first:last][::-1]


def scan_rows(table: Table, index: str | None, request: Request, older: Older) -> list[Row]:
    rows = table.all_rows(index, older)
    if ("Segment" in request) != ("TotalSegments" in request):
        raise Refused("Segment and TotalSegments must be present together")
    if segments := request.get("TotalSegments"):
        if not 0 <= request["Segment"] < segments <= 1_000_000:
            raise Refused("The Segment parameter is zero-based and must be less than parameter TotalSegments")
        rows = [row for row in rows if row[0] * segments >> 32 == request["Segment"]]
    if "ExclusiveStartKey" not in request:
        return rows
    place = scan_row(table.key_of(_start(table, index, request["ExclusiveStartKey"])))
    return rows[bisect_left(rows, True, key=lambda row: row > place) :]


def _start(table: Table, index: str | None, start: Item) -> Item:
    if start.keys() != set(table.spec.key) | set(table.trees[index].key):
        raise Refused("The provided starting key is invalid")
    return {name: canonical(value) for name, value in start.items()}


def page(
    table: Table, index: str | None, request: Request, expressions: Expressions, rows: list[Row], older: Older
) -> Reply:
    """Limit counts the rows read, before the filter. A page that ends at the limit has a LastEvaluatedKey, even if no
    row follows: only a page without LastEvaluatedKey is the last."""
    projected = table.spec.indexes[index].projected if index else None
    items, read, size, last = [], 0, 0, None
    for _, key in rows:
        whole = older.get(key) or table.items[key]
        item = whole if projected is None else {name: whole[name] for name in whole if name in projected}
        read, size = read + 1, size + item_size(item)
        if expressions.holds("FilterExpression", item):
            items.append(project(item, expressions))
        if read == request.get("Limit") or size > PAGE_BYTES:
            last = {name: whole[name] for name in (*table.spec.key, *table.trees[index].key)}
            break
    reply: Reply = {"Count": len(items), "ScannedCount": read}
    if request.get("Select") != "COUNT":
        reply["Items"] = items
    return reply | ({"LastEvaluatedKey": clone_item(last)} if last else {})


def project(item: Item, expressions: Expressions) -> Item:
    paths = expressions.projection()
    return clone_item(item) if paths is None else touched(item, paths)


def check_filter(table: Table, index: str | None, expressions: Expressions) -> None:
    if keys := sorted(expressions.roots("FilterExpression") & set(table.trees[index].key)):
        raise Refused(
            f"Filter Expression can only contain non-primary key attributes: Primary key attribute: {keys[0]}"
        )


def check_projection(table: Table, index: str | None, expressions: Expressions) -> None:
    projected = table.spec.indexes[index].projected if index else None
    if projected is not None and (missing := sorted(expressions.roots("ProjectionExpression") - projected)):
        raise Refused(f"{INVALID}: Global secondary index {index} does not project {missing}")
