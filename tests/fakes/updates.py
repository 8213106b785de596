"""DynamoDB's update expressions: SET, REMOVE, ADD, DELETE.

All values are read from the item before the update; then SETs and ADDs are written, then paths are removed, in lists
from the last index down, so that every index refers to its position before the update.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Any, NoReturn

from tests.fakes.attributes import (
    SETS,
    AttributeValue,
    Item,
    Refused,
    add_numbers,
    clone,
    clone_item,
    in_order,
    type_of,
)
from tests.fakes.conditions import Operand, Path, Scope, Steps, Value, walk
from tests.fakes.expressions import Parsed, Parser, parsed

SECTIONS = ("SET", "REMOVE", "ADD", "DELETE")
ABSENT = "The provided expression refers to an attribute that does not exist in the item"
WRONG_TYPE = "An operand in the update expression has an incorrect data type"
BAD_PATH = "The document path provided in the update expression is invalid for update"


def existing(operand: Operand, scope: Scope) -> AttributeValue:
    value = operand.get(scope)
    if value is None:
        raise Refused(ABSENT)
    return value


def _of_type(kind: str, operator: str, operand: Operand, scope: Scope) -> Any:
    value = existing(operand, scope)
    if kind in value:
        return value[kind]
    if isinstance(operand, Value):
        scope.operand_type(operator, value)
    raise Refused(WRONG_TYPE)


@dataclass(frozen=True, slots=True)
class IfNotExists:
    path: Path
    default: Operand

    def get(self, scope: Scope) -> AttributeValue:
        return self.path.get(scope) or existing(self.default, scope)


@dataclass(frozen=True, slots=True)
class ListAppend:
    parts: tuple[Operand, ...]

    def get(self, scope: Scope) -> AttributeValue:
        return {"L": [child for part in self.parts for child in _of_type("L", "list_append", part, scope)]}


@dataclass(frozen=True, slots=True)
class Arithmetic:
    operator: str
    left: Operand
    right: Operand

    def get(self, scope: Scope) -> AttributeValue:
        left, right = (_of_type("N", self.operator, side, scope) for side in (self.left, self.right))
        return {"N": add_numbers(left, right, 1 if self.operator == "+" else -1)}


@dataclass(frozen=True, slots=True)
class Clause:
    section: str
    path: Path
    operand: Operand | None = None

    def result(self, scope: Scope) -> AttributeValue | None:
        """The value the path gets; None removes it."""
        if self.operand is None:
            return None
        if self.section == "SET":
            return existing(self.operand, scope)
        operand, current = existing(self.operand, scope), self.path.get(scope)
        kind = type_of(operand)
        if kind not in SETS and not (kind == "N" and self.section == "ADD"):
            scope.operand_type(self.section, operand)
        if current is None:
            return operand if self.section == "ADD" else None
        if kind not in current:
            raise Refused(WRONG_TYPE)
        if kind == "N":
            return {"N": add_numbers(current["N"], operand["N"])}
        before, change = set(current[kind]), set(operand[kind])
        members = before | change if self.section == "ADD" else before - change
        return {kind: in_order(kind, members)} if members else None


class UpdateParser(Parser):
    def clauses(self) -> tuple[Clause, ...]:
        found: list[Clause] = []
        seen: set[str] = set()
        while section := self.accept(*SECTIONS):
            if section in seen:
                self.refuse(f'The "{section}" section can only be used once in an update expression;')
            seen.add(section)
            found.append(self._clause(section))
            while self.accept(","):
                found.append(self._clause(section))
        return tuple(found)

    def _clause(self, section: str) -> Clause:
        path = self.path()
        if section == "REMOVE":
            return Clause(section, path)
        if section != "SET":
            return Clause(section, path, self.value())
        self.take("=")
        left = self.operand()
        if operator := self.accept("+", "-"):
            return Clause(section, path, Arithmetic(operator, left, self.operand()))
        return Clause(section, path, left)

    def operand(self) -> Operand:
        if self.peek(1) != "(":
            return self.value() if self.peek()[0] == ":" else self.path()
        name = self.take()
        if name not in ("if_not_exists", "list_append"):
            known = name in ("size", "attribute_exists", "attribute_not_exists", "begins_with", "contains")
            self.refuse(
                f"{'The function is not allowed in an update' if known else 'Invalid function name'}; function: {name}"
            )
        operands = self.arguments(name, 2)
        if name == "list_append":
            if any(isinstance(operand, ListAppend) for operand in operands):
                self.refuse("The function is not allowed to be used this way in an expression; function: list_append")
            return ListAppend(operands)
        if not isinstance(operands[0], Path):
            self.refuse("Operator or function requires a document path; operator or function: if_not_exists")
        return IfNotExists(operands[0], operands[1])


@lru_cache(maxsize=1024)
def parse_update(kind: str, text: str) -> Parsed:
    return parsed(parser := UpdateParser(kind, text), parser.clauses())


def target_paths(clauses: tuple[Clause, ...], scope: Scope) -> list[Steps]:
    """The paths that the clauses write; no two of them may overlap."""
    paths = [clause.path.steps(scope.names) for clause in clauses]
    if len({path[0] for path in paths}) == len(paths):
        return paths
    for one, other in combinations(paths, 2):
        shared = min(len(one), len(other))
        fork = next((place for place in range(shared) if one[place] != other[place]), None)
        if fork is None:
            _refuse_pair(scope, "overlap", one, other)
        elif fork and type(one[fork]) is not type(other[fork]):
            _refuse_pair(scope, "conflict", one, other)
    return paths


def _refuse_pair(scope: Scope, how: str, one: Steps, other: Steps) -> NoReturn:
    scope.refuse(
        f"Two document paths {how} with each other; must remove or rewrite one of these paths; "
        f"path one: {list(one)}, path two: {list(other)}"
    )


def apply_update(clauses: tuple[Clause, ...], paths: list[Steps], scope: Scope) -> Item:
    results = [(path, clause.result(scope)) for path, clause in zip(paths, clauses, strict=True)]
    item = clone_item(scope.item)
    for path, value in sorted(results, key=lambda write: _index(write[0])):
        if value is not None:
            _set(item, path, clone(value))
    for path, value in sorted(results, key=lambda write: (-len(write[0]), -_index(write[0]))):
        if value is None and scope.item:
            _remove(item, path)
    return item


def _index(path: Steps) -> int:
    return path[-1] if isinstance(path[-1], int) else -1


def _parent(item: Item, path: Steps) -> Any:
    """The map or list that holds the path's last step."""
    parent = walk(item, path[:-1])
    kind = "M" if isinstance(path[-1], str) else "L"
    if parent is None or kind not in parent:
        raise Refused(BAD_PATH)
    return parent[kind]


def _set(item: Item, path: Steps, value: AttributeValue) -> None:
    parent, step = _parent(item, path), path[-1]
    if isinstance(step, int) and step >= len(parent):
        parent.append(value)
    else:
        parent[step] = value


def _remove(item: Item, path: Steps) -> None:
    parent, step = _parent(item, path), path[-1]
    if isinstance(step, str):
        parent.pop(step, None)
    elif step < len(parent):
        del parent[step]


def touched(item: Item, paths: list[Steps]) -> Item:
    """The reply of UPDATED_OLD and UPDATED_NEW: only the touched paths, list gaps removed."""
    tree: dict[str | int, Any] = {}
    for path in paths:
        if (value := walk(item, path)) is not None:
            branch = tree
            for step in path[:-1]:
                branch = branch.setdefault(step, {})
            branch[path[-1]] = (value,)
    return {str(name): _document(branch) for name, branch in tree.items()}


def _document(branch: Any) -> AttributeValue:
    if isinstance(branch, tuple):
        return clone(branch[0])
    if isinstance(next(iter(branch)), int):
        return {"L": [_document(branch[step]) for step in sorted(branch)]}
    return {"M": {name: _document(child) for name, child in branch.items()}}
