"""All mutants of the shipped code: for each expression and statement, the small errors that a programmer could make.

Not mutated: strings, annotations, decorators, Protocols and f-strings. Their mutants are mostly equivalent, or the type
checker finds them. Nor the modules that the fast tests replace (CONNECTIONS): the integration tests check those.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORE = [ROOT / "shared/onramp" / part for part in ("domain", "usecases", "enrichers", "adapters", "wiring")]
SHIPPED = [*CORE, *(ROOT / "shared/onramp").glob("*.py"), ROOT / "functions"]
CONNECTIONS = tuple(f"wiring/{name}.py" for name in ("clients", "connections", "http", "warm_up"))
COMPARISONS: dict[type[ast.cmpop], ast.cmpop] = {
    ast.Lt: ast.LtE(),
    ast.LtE: ast.Lt(),
    ast.Gt: ast.GtE(),
    ast.GtE: ast.Gt(),
    ast.Eq: ast.NotEq(),
    ast.NotEq: ast.Eq(),
    ast.In: ast.NotIn(),
    ast.NotIn: ast.In(),
    ast.Is: ast.IsNot(),
    ast.IsNot: ast.Is(),
}
ARITHMETIC: dict[type[ast.operator], ast.operator] = {
    ast.Add: ast.Sub(),
    ast.Sub: ast.Add(),
    ast.Mult: ast.Div(),
    ast.Div: ast.Mult(),
    ast.FloorDiv: ast.Mult(),
    ast.Mod: ast.Mult(),
    ast.Pow: ast.Mult(),
}
FUNCTIONS = {"max": "min", "min": "max", "any": "all", "all": "any"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """`source` is the whole file with the error; `owner` the function around it, "" at the level of the module."""

    path: Path
    line: int
    owner: str
    before: str
    after: str
    source: bytes = field(repr=False)
    rank: str = field(repr=False, default="")

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}\n    - {self.before}\n    + {self.after}"


def sample(seed: int, count: int, only: str = "") -> list[Mutant]:
    """The mutants with the lowest hashes: a changed line replaces its own mutants in the sample, and no others."""
    found = [mutant for path in sources() if only in str(path) for mutant in mutants_of(path, seed)]
    return sorted(found, key=lambda mutant: mutant.rank)[:count]


def sources() -> list[Path]:
    files = (path for part in SHIPPED for path in ([part] if part.is_file() else part.rglob("*.py")))
    return sorted(path for path in files if not str(path).endswith(CONNECTIONS))


def mutants_of(path: Path, seed: int) -> Iterator[Mutant]:
    source = path.read_bytes()
    for owner, node in _nodes(ast.parse(source), ""):
        for replacement in _replacements(node):
            yield _spliced(path, source, owner, node, replacement, seed)


def _nodes(node: ast.AST, owner: str) -> Iterator[tuple[str, ast.AST]]:
    """Every node that may be mutated, with the outermost function around it as `Class.method`."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "bases", "slice"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or _is_left_out(child):
                continue
            yield owner, child
            yield from _nodes(child, _owner(child, node, owner))


def _owner(child: ast.AST, parent: ast.AST, owner: str) -> str:
    if not isinstance(child, ast.FunctionDef) or owner:
        return owner
    return f"{parent.name}.{child.name}" if isinstance(parent, ast.ClassDef) else child.name


def _is_left_out(node: ast.AST) -> bool:
    match node:
        case ast.JoinedStr() | ast.Import() | ast.ImportFrom():
            return True
        case ast.ClassDef(bases=bases):
            return any(ast.unparse(base) == "Protocol" for base in bases)
        case ast.If(test=ast.Name(id="TYPE_CHECKING")) | ast.Expr(value=ast.Constant()):
            return True
    return False


def _replacements(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.expr():
            yield from _expressions(node)
        case ast.Expr() | ast.Raise():
            yield "pass"
        case ast.Return(value=value) if value is not None and not isinstance(value, ast.Constant):
            yield "return None"
        case ast.AugAssign(target, op, value) if other := ARITHMETIC.get(type(op)):
            yield ast.unparse(ast.AugAssign(target, other, value))
        case ast.Break():
            yield "continue"
        case ast.Continue():
            yield "break"


def _expressions(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Compare(left, [op], [right]):
            yield _text(ast.Compare(left, [COMPARISONS[type(op)]], [right]))
        case ast.Compare(left, [first, *rest], rights):
            yield _text(ast.Compare(left, [COMPARISONS[type(first)], *rest], rights))
        case ast.BoolOp(op, values):
            yield _text(ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values))
            yield from (_text(value) for value in values[:2])
        case ast.UnaryOp(ast.Not(), operand):
            yield _text(operand)
        case ast.IfExp(body=body, orelse=orelse):
            yield _text(body)
            yield _text(orelse)
        case ast.BinOp(left, op, right) if other := ARITHMETIC.get(type(op)):
            yield _text(ast.BinOp(left, other, right))
        case ast.Constant(bool() as value):
            yield str(not value)
        case ast.Constant(int() | float() as value):
            yield repr(value + 1)
        case ast.Call(ast.Name(id=name), arguments, keywords) if name in FUNCTIONS:
            yield _text(ast.Call(ast.Name(FUNCTIONS[name]), arguments, keywords))


def _text(node: ast.expr) -> str:
    return f"({ast.unparse(node)})"


def _spliced(path: Path, source: bytes, owner: str, node: ast.AST, text: str, seed: int) -> Mutant:
    assert isinstance(node, ast.expr | ast.stmt)
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    lines = source.splitlines(keepends=True)
    start = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
    end = sum(map(len, lines[: node.end_lineno - 1])) + node.end_col_offset
    mutated = source[:start] + text.encode() + source[end:]
    before = b" ".join(line.strip() for line in lines[node.lineno - 1 : node.end_lineno]).decode()
    head, tail = lines[node.lineno - 1][: node.col_offset], lines[node.end_lineno - 1][node.end_col_offset :]
    after = (head + text.encode() + tail).decode().strip()
    rank = hashlib.sha256(f"{seed} {path.relative_to(ROOT)} {owner} {before} {after}".encode()).hexdigest()
    return Mutant(path, node.lineno, owner, before, after, mutated, rank)
