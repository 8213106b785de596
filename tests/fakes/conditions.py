"""The semantics of DynamoDB's condition expressions: the nodes that `expressions.py` parses them into.

Missing attributes, as on AWS: `=`, the orders, BETWEEN, IN and every function are false when an operand does not exist,
and `<>` is true (even between two missing attributes). Values of different types are unequal
and have no order. A wrongly typed `:value` is refused before anything is read; a wrongly typed attribute only makes
the condition false.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol

from tests.fakes.attributes import ORDERED, SETS, TYPES, AttributeValue, Item, Refused, sortable, type_of

ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
Steps = tuple[str | int, ...]


@dataclass(slots=True)
class Scope:
    """What an expression is evaluated against."""

    kind: str
    item: Item
    names: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, AttributeValue] = field(default_factory=dict)

    def refuse(self, message: str) -> NoReturn:
        raise Refused(f"Invalid {self.kind}: {message}")

    def operand_type(self, operator: str, value: AttributeValue) -> NoReturn:
        self.refuse(
            "Incorrect operand type for operator or function; "
            f"operator or function: {operator}, operand type: {type_of(value)}"
        )


def walk(item: Item, steps: Steps) -> AttributeValue | None:
    value: AttributeValue | None = {"M": item}
    for step in steps:
        if value is None:
            return None
        if isinstance(step, str):
            value = value["M"].get(step) if "M" in value else None
        else:
            value = value["L"][step] if "L" in value and step < len(value["L"]) else None
    return value


class Operand(Protocol):
    def get(self, scope: Scope) -> AttributeValue | None: ...


class Condition(Protocol):
    def check(self, scope: Scope) -> None:
        """Raises Refused for errors that do not depend on the item."""

    def test(self, scope: Scope) -> bool: ...


@dataclass(frozen=True, slots=True)
class Path:
    parts: Steps

    def steps(self, names: Mapping[str, str]) -> Steps:
        return tuple(names[part] if isinstance(part, str) and part[0] == "#" else part for part in self.parts)

    def get(self, scope: Scope) -> AttributeValue | None:
        return walk(scope.item, self.steps(scope.names))


@dataclass(frozen=True, slots=True)
class Value:
    name: str

    def get(self, scope: Scope) -> AttributeValue:
        return scope.values[self.name]


@dataclass(frozen=True, slots=True)
class Size:
    of: Operand

    def get(self, scope: Scope) -> AttributeValue | None:
        value = self.of.get(scope)
        if value is None or type_of(value) in ("N", "BOOL", "NULL"):
            return None
        raw = value[type_of(value)]
        return {"N": str(len(raw.encode() if isinstance(raw, str) else raw))}


@dataclass(frozen=True, slots=True)
class Junction:
    word: str
    parts: tuple[Condition, ...]

    def check(self, scope: Scope) -> None:
        for part in self.parts:
            part.check(scope)

    def test(self, scope: Scope) -> bool:
        if self.word == "NOT":
            return not self.parts[0].test(scope)
        return (all if self.word == "AND" else any)(part.test(scope) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Comparison:
    operator: str
    operands: tuple[Operand, ...]

    def check(self, scope: Scope) -> None:
        constants = [operand.get(scope) for operand in self.operands if isinstance(operand, Value)]
        if self.operator in ORDERS or self.operator == "BETWEEN":
            for constant in constants:
                if type_of(constant) not in ORDERED:
                    scope.operand_type(self.operator, constant)
        if self.operator == "BETWEEN" and all(isinstance(bound, Value) for bound in self.operands[1:]):
            _check_bounds(scope, constants[-2], constants[-1])
        if self.operator not in ("IN", "BETWEEN"):
            check_distinct(scope, self.operator, self.operands)

    def test(self, scope: Scope) -> bool:
        left, *others = (operand.get(scope) for operand in self.operands)
        if self.operator == "<>":
            return left is None or left != others[0]
        if self.operator in ("=", "IN"):
            return left is not None and left in others
        if self.operator == "BETWEEN":
            return ordered("<=", others[0], left) and ordered("<=", left, others[1])
        return ordered(self.operator, left, others[0])


def ordered(operator: str, left: AttributeValue | None, right: AttributeValue | None) -> bool:
    if left is None or right is None or type_of(left) != type_of(right) or type_of(left) not in ORDERED:
        return False
    return ORDERS[operator](sortable(left), sortable(right))


def _check_bounds(scope: Scope, low: AttributeValue, high: AttributeValue) -> None:
    if type_of(low) != type_of(high):
        scope.refuse("The BETWEEN operator requires same data type for lower and upper bounds")
    if not ordered("<=", low, high):
        scope.refuse("The BETWEEN operator requires upper bound to be greater than or equal to lower bound")


def check_distinct(scope: Scope, operator: str, operands: tuple[Operand, ...]) -> None:
    paths = [operand.steps(scope.names) for operand in operands if isinstance(operand, Path)]
    if len(paths) == 2 and paths[0] == paths[1]:
        scope.refuse(
            "The first operand must be distinct from the remaining operands for this operator or function; "
            f"operator: {operator}, first operand: {list(paths[0])}"
        )


@dataclass(frozen=True, slots=True)
class Function:
    operator: str
    operands: tuple[Operand, ...]

    def check(self, scope: Scope) -> None:
        if self.operator.startswith("attribute_") and self.operator != "attribute_type":
            if not isinstance(self.operands[0], Path):
                scope.refuse(f"Operator or function requires a document path; operator or function: {self.operator}")
        elif self.operator == "begins_with":
            for operand in self.operands:
                if isinstance(operand, Value) and type_of(operand.get(scope)) not in ("S", "B"):
                    scope.operand_type(self.operator, operand.get(scope))
        elif self.operator == "attribute_type":
            self._check_type_name(scope)
        check_distinct(scope, self.operator, self.operands)

    def _check_type_name(self, scope: Scope) -> None:
        wanted = self.operands[1]
        if not isinstance(wanted, Value) or "S" not in wanted.get(scope):
            scope.refuse("Incorrect operand type for operator or function; operator or function: attribute_type")
        elif wanted.get(scope)["S"] not in TYPES:
            scope.refuse(
                f"Invalid attribute type name found; type: {wanted.get(scope)['S']}, valid types: {sorted(TYPES)}"
            )

    def test(self, scope: Scope) -> bool:
        left, *rest = (operand.get(scope) for operand in self.operands)
        if self.operator == "attribute_exists":
            return left is not None
        if self.operator == "attribute_not_exists":
            return left is None
        right = rest[0]
        if left is None or right is None:
            return False
        if self.operator == "attribute_type":
            return type_of(left) == str(right["S"])
        if self.operator == "begins_with":
            kind = type_of(left)
            return kind == type_of(right) and kind in ("S", "B") and bool(left[kind].startswith(right[kind]))
        return _contains(left, right)


def _contains(left: AttributeValue, right: AttributeValue) -> bool:
    kind, sought = type_of(left), type_of(right)
    if kind in ("S", "B"):
        return kind == sought and right[kind] in left[kind]
    if kind in SETS:
        return SETS[kind] == sought and right[sought] in left[kind]
    return kind == "L" and right in left["L"]
