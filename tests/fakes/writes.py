"""One write to a DynamoDB table: everything is checked before anything is stored."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.attributes import INVALID, MAX_ITEM_BYTES, Item, Refused, canonical, clone_item, item_size
from tests.fakes.client import Reply, Request
from tests.fakes.conditions import Steps
from tests.fakes.requests import Expressions
from tests.fakes.tables import Key, Table
from tests.fakes.updates import apply_update, target_paths, touched


class ConditionFailed(Exception):
    def __init__(self, item: Item) -> None:
        self.item = item

    def reply_part(self, request: Request) -> Reply:
        """The item, if the request asks for it and there is one."""
        requested = request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
        return {"Item": clone_item(self.item)} if requested and self.item else {}


@dataclass
class Write:
    """One checked write, not yet stored."""

    table: Table
    key: Key
    old: Item | None
    new: Item | None
    paths: list[Steps] = field(default_factory=list)

    def store(self) -> None:
        self.table.write(self.key, self.new)

    def attributes(self, wanted: str) -> Item:
        old, new = self.old or {}, self.new or {}
        if wanted in ("ALL_OLD", "ALL_NEW"):
            return clone_item(old if wanted == "ALL_OLD" else new)
        return touched(old if wanted == "UPDATED_OLD" else new, self.paths) if wanted != "NONE" else {}


Plan = Callable[[Table, Request], Write]


def table_key(table: Table, attributes: Mapping[str, Any]) -> tuple[Key, Item]:
    if attributes.keys() != set(table.spec.key):
        raise Refused("The provided key element does not match the schema")
    item = {name: canonical(value) for name, value in attributes.items()}
    for name, value in item.items():
        table.check_key(name, value, "")
    return table.key_of(item), item


def _current(table: Table, key: Key, expressions: Expressions) -> Item | None:
    """The stored item, if the request's condition holds for it."""
    item = table.items.get(key)
    if not expressions.holds("ConditionExpression", item or {}):
        raise ConditionFailed(item or {})
    return item


def plan_put(table: Table, request: Request) -> Write:
    expressions = Expressions(request)
    item = {name: canonical(value) for name, value in request["Item"].items()}
    table.check(item)
    if item_size(item) > MAX_ITEM_BYTES:
        raise Refused("Item size has exceeded the maximum allowed size")
    key = table.key_of(item)
    return Write(table, key, _current(table, key, expressions), item)


def plan_delete(table: Table, request: Request) -> Write:
    expressions = Expressions(request)
    key, _ = table_key(table, request["Key"])
    return Write(table, key, _current(table, key, expressions), None)


def plan_update(table: Table, request: Request) -> Write:
    expressions = Expressions(request)
    key, key_attributes = table_key(table, request["Key"])
    clauses, scope = expressions.update(), expressions.scope("UpdateExpression", {})
    paths = target_paths(clauses, scope)
    for path in paths:
        if path[0] in table.spec.key:
            raise Refused(f"{INVALID}: Cannot update attribute {path[0]}. This attribute is part of the key")
    old = _current(table, key, expressions)
    scope.item = old or {}
    item = apply_update(clauses, paths, scope)
    if old is None and not item and paths:
        return Write(table, key, None, None)  # an update that only removes creates nothing
    item |= key_attributes
    table.check(item)
    if item_size(item) > MAX_ITEM_BYTES:
        raise Refused("Item size to update has exceeded the maximum allowed size")
    return Write(table, key, old, item, paths)
