"""Parses DynamoDB's condition, filter, key condition and projection expressions; parsed texts are cached."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path as File
from typing import Any, NoReturn

from tests.fakes.attributes import Refused
from tests.fakes.conditions import ORDERS, Comparison, Condition, Function, Junction, Operand, Path, Size, Value

RESERVED = frozenset(File(__file__).with_name("reserved_words.txt").read_text().split())
KEYWORDS = frozenset({"AND", "OR", "NOT", "BETWEEN", "IN"})
TOKEN = re.compile(r"\s*(?:(<>|<=|>=|[=<>(),.\[\]+-]|[#:][A-Za-z0-9_]+|[A-Za-z][A-Za-z0-9_]*|[0-9]+)|$)")
END = "<EOF>"
ARGUMENTS = {
    "attribute_exists": 1,
    "attribute_not_exists": 1,
    "attribute_type": 2,
    "begins_with": 2,
    "contains": 2,
    "size": 1,
}


class Parser:
    """Recursive descent over one expression; collects the placeholders and attributes that it uses."""

    def __init__(self, kind: str, text: str) -> None:
        self.kind = kind
        self.placeholders: set[str] = set()
        self.roots: set[str] = set()
        self._text = text
        self._tokens: list[str] = []
        self._at = 0
        self._closed = (-1, -1)  # the last pair of parentheses, to find redundant ones
        if not text.strip():
            self.refuse("The expression can not be empty;")
        if len(text.encode()) > 4096:
            self.refuse("Expression size has exceeded the maximum allowed size;")
        self._tokenize()

    def refuse(self, message: str) -> NoReturn:
        raise Refused(f"Invalid {self.kind}: {message}")

    def _tokenize(self) -> None:
        end = 0
        while end < len(self._text):
            match = TOKEN.match(self._text, end)
            if match is None:
                self.refuse(
                    f'Syntax error; token: "{self._text[end:].strip()[:1]}", near: "{self._text[end : end + 20]}"'
                )
            if match[1]:
                self._tokens.append(match[1])
            end = max(match.end(), end + 1)

    def peek(self, ahead: int = 0) -> str:
        return self._tokens[self._at + ahead] if self._at + ahead < len(self._tokens) else END

    def take(self, expected: str = "") -> str:
        token = self.peek()
        if token == END or (expected and token.upper() != expected):
            self._unexpected()
        self._at += 1
        return token

    def _unexpected(self) -> NoReturn:
        near = "".join(self._tokens[max(self._at - 1, 0) : self._at + 2])
        self.refuse(f'Syntax error; token: "{self.peek()}", near: "{near}"')

    def accept(self, *wanted: str) -> str:
        """The next token, upper-cased, if it is one of these."""
        return self.take().upper() if self.peek().upper() in wanted else ""

    def end(self) -> None:
        if self.peek() != END:
            self._unexpected()

    def condition(self) -> Condition:
        return self._junction("OR", lambda: self._junction("AND", self._negation))

    def _junction(self, word: str, part: Callable[[], Condition]) -> Condition:
        parts = [part()]
        while self.accept(word):
            parts.append(part())
        return Junction(word, tuple(parts)) if len(parts) > 1 else parts[0]

    def _negation(self) -> Condition:
        if self.accept("NOT"):
            return Junction("NOT", (self._negation(),))
        if self.peek() != "(":
            return self._comparison()
        start = self._at
        self.take("(")
        inner = self.condition()
        self.take(")")
        if self._closed == (start + 1, self._at - 2):
            self.refuse("The expression has redundant parentheses;")
        self._closed = (start, self._at - 1)
        return inner

    def _comparison(self) -> Condition:
        if self.peek(1) == "(" and self.peek() != "size":
            return self._function()
        left = self.operand()
        if operator := self.accept("=", "<>", *ORDERS):
            return Comparison(operator, (left, self.operand()))
        if self.accept("BETWEEN"):
            low = self.operand()
            self.take("AND")
            return Comparison("BETWEEN", (left, low, self.operand()))
        if not self.accept("IN"):
            self.take("=")
        self.take("(")
        choices = [self.operand()]
        while self.accept(","):
            choices.append(self.operand())
        self.take(")")
        return Comparison("IN", (left, *choices))

    def _function(self) -> Function:
        name = self.take()
        if name not in ARGUMENTS:
            known = "The function is not allowed in this expression" if name in ("if_not_exists", "list_append") else ""
            self.refuse(f"{known or 'Invalid function name'}; function: {name}")
        return Function(name, self.arguments(name, ARGUMENTS[name]))

    def arguments(self, name: str, number: int) -> tuple[Operand, ...]:
        self.take("(")
        operands = [self.operand()]
        while self.accept(","):
            operands.append(self.operand())
        self.take(")")
        if len(operands) != number:
            self.refuse(
                "Incorrect number of operands for operator or function; "
                f"operator or function: {name}, number of operands: {len(operands)}"
            )
        return tuple(operands)

    def operand(self) -> Operand:
        if self.peek() == "size" and self.peek(1) == "(":
            self.take()
            return Size(self.arguments("size", 1)[0])
        return self.value() if self.peek()[0] == ":" else self.path()

    def value(self) -> Value:
        if self.peek()[0] != ":":
            self._unexpected()
        name = self.take()
        self.placeholders.add(name)
        return Value(name)

    def path(self) -> Path:
        root = self._name()
        self.roots.add(root)
        parts: list[str | int] = [root]
        while separator := self.accept(".", "["):
            if separator == ".":
                parts.append(self._name())
                continue
            if not self.peek().isdigit():
                self._unexpected()
            parts.append(int(self.take()))
            self.take("]")
        return Path(tuple(parts))

    def _name(self) -> str:
        if not (self.peek()[0] == "#" or self.peek()[0].isalpha()) or self.peek().upper() in KEYWORDS:
            self._unexpected()
        name = self.take()
        if name[0] == "#":
            self.placeholders.add(name)
        elif name.upper() in RESERVED:
            self.refuse(f"Attribute name is a reserved keyword; reserved keyword: {name}")
        return name


@dataclass(frozen=True, slots=True)
class Parsed:
    root: Any
    placeholders: frozenset[str]
    roots: frozenset[str]
    """The top-level attributes that it names; placeholders are not resolved."""


@lru_cache(maxsize=1024)
def parse_condition(kind: str, text: str) -> Parsed:
    return parsed(parser := Parser(kind, text), parser.condition())


@lru_cache(maxsize=1024)
def parse_projection(kind: str, text: str) -> Parsed:
    parser = Parser(kind, text)
    paths = [parser.path()]
    while parser.accept(","):
        paths.append(parser.path())
    return parsed(parser, tuple(paths))


def parsed(parser: Parser, root: Any) -> Parsed:
    parser.end()
    return Parsed(root, frozenset(parser.placeholders), frozenset(parser.roots))
