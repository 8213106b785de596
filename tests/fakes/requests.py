"""The expressions of one DynamoDB request, with their names and values, checked together."""

from collections.abc import Callable
from typing import Any

from tests.fakes.attributes import AttributeValue, Item, Refused, canonical
from tests.fakes.client import Request
from tests.fakes.conditions import Condition, Scope, Steps
from tests.fakes.expressions import Parsed, parse_condition, parse_projection
from tests.fakes.updates import Clause, parse_update

NAMES, VALUES = "ExpressionAttributeNames", "ExpressionAttributeValues"
EXPRESSIONS: dict[str, Callable[[str, str], Parsed]] = {
    "ConditionExpression": parse_condition,
    "FilterExpression": parse_condition,
    "KeyConditionExpression": parse_condition,
    "UpdateExpression": parse_update,
    "ProjectionExpression": parse_projection,
}


class Expressions:
    """All expressions are parsed, and all placeholders checked, before any is evaluated."""

    def __init__(self, request: Request) -> None:
        self.names: dict[str, str] = request.get(NAMES, {})
        self.values: dict[str, AttributeValue] = _canonical_values(request.get(VALUES, {}))
        self._parsed: dict[str, Parsed] = {}
        used: set[str] = set()
        for kind, parse in EXPRESSIONS.items():
            if kind in request:
                self._parsed[kind] = parsed = parse(kind, request[kind])
                self._check_defined(kind, parsed.placeholders)
                used |= parsed.placeholders
        for what, sign, given in ((NAMES, "#", self.names), (VALUES, ":", self.values)):
            if what in request:
                self._check_used(what, sign, given.keys(), used)
        for kind in ("ConditionExpression", "FilterExpression"):
            if condition := self.condition(kind):
                condition.check(self.scope(kind, {}))

    def _check_defined(self, kind: str, placeholders: frozenset[str]) -> None:
        for name in sorted(placeholders - self.names.keys() - self.values.keys()):
            if name[0] == "#":
                what = "name used in the document path is not defined; attribute name"
            else:
                what = "value used in expression is not defined; attribute value"
            raise Refused(f"Invalid {kind}: An expression attribute {what}: {name}")

    def _check_used(self, what: str, sign: str, given: Any, used: set[str]) -> None:
        if not self._parsed:
            raise Refused(f"{what} can only be specified when using expressions")
        if not given:
            raise Refused(f"{what} must not be empty")
        for name in given:
            if name[:1] != sign or not name[1:].replace("_", "a").isalnum() or not name.isascii():
                raise Refused(f'{what} contains invalid key: Syntax error; key: "{name}"')
        if unused := sorted(set(given) - used):
            raise Refused(f"Value provided in {what} unused in expressions: keys: {{{', '.join(unused)}}}")

    def scope(self, kind: str, item: Item) -> Scope:
        return Scope(kind, item, self.names, self.values)

    def condition(self, kind: str) -> Condition | None:
        condition: Condition | None = self._parsed[kind].root if kind in self._parsed else None
        return condition

    def holds(self, kind: str, item: Item) -> bool:
        condition = self.condition(kind)
        return condition is None or condition.test(self.scope(kind, item))

    def update(self) -> tuple[Clause, ...]:
        parsed = self._parsed.get("UpdateExpression")
        clauses: tuple[Clause, ...] = parsed.root if parsed else ()
        return clauses

    def projection(self) -> list[Steps] | None:
        parsed = self._parsed.get("ProjectionExpression")
        return None if parsed is None else [path.steps(self.names) for path in parsed.root]

    def roots(self, kind: str) -> set[str]:
        """The top-level attributes that an expression names."""
        return {self.names.get(root, root) for root in self._parsed[kind].roots} if kind in self._parsed else set()


def _canonical_values(values: dict[str, Any]) -> dict[str, AttributeValue]:
    checked = {}
    for name, value in values.items():
        try:
            checked[name] = canonical(value)
        except Refused as refused:
            raise Refused(f"{VALUES} contains invalid value: {refused} for key {name}") from refused
    return checked
