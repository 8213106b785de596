"""DynamoDB attribute values in their wire form, `{"S": "text"}`: validation, canonical form, size, order.

Every value that enters the fake goes through `canonical`, which makes equality a plain `==`: numbers lose their
redundant zeros (as in DynamoDB's own replies) and sets, which have no order, are sorted.
"""

import re
from collections.abc import Iterable, Mapping
from decimal import Context, Decimal
from typing import Any

AttributeValue = dict[str, Any]
Item = dict[str, AttributeValue]

TYPES = frozenset({"S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS"})
SETS = {"SS": "S", "NS": "N", "BS": "B"}
ORDERED = frozenset({"S", "N", "B"})
MAX_ITEM_BYTES = 400 * 1024
MAX_DEPTH = 32
INVALID = "One or more parameter values were invalid"

_PLAIN_INTEGER = re.compile(r"-?[1-9]\d{0,36}|0", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
UNPAIRED = re.compile("[\ud800-\udfff]")
_EXACT = Context(prec=400, Emax=9999, Emin=-9999)


class Refused(Exception):
    """Becomes a ValidationException of the client."""


def type_of(value: AttributeValue) -> str:
    return next(iter(value))


def canonical_number(text: str) -> str:
    if _PLAIN_INTEGER.fullmatch(text):
        return text
    if not _NUMBER.fullmatch(text):
        raise Refused(f"The parameter cannot be converted to a numeric value: {text}")
    number = _EXACT.create_decimal(text).normalize(_EXACT)
    if len(number.as_tuple().digits) > 38:
        raise Refused("Attempting to store more than 38 significant digits in a Number")
    if number and not -130 <= number.adjusted() <= 125:
        size = "overflow" if number.adjusted() > 0 else "underflow"
        raise Refused(f"Number {size}. Attempting to store a number with magnitude outside the supported range")
    return format(number, "f") if number else "0"


def add_numbers(left: str, right: str, sign: int = 1) -> str:
    return canonical_number(str(_EXACT.add(Decimal(left), sign * Decimal(right))))


def canonical(value: Mapping[str, Any], depth: int = 1) -> AttributeValue:
    """A checked copy; raises Refused for a value that DynamoDB does not store."""
    if len(value) != 1:
        problem = "is empty" if not value else "has more than one datatypes set"
        raise Refused(f"Supplied AttributeValue {problem}, must contain exactly one of the supported datatypes")
    ((kind, raw),) = value.items()
    if kind == "BOOL":
        return {"BOOL": raw}
    if kind == "S":
        if not raw.isascii() and UNPAIRED.search(raw):
            raise Refused("A string holds an unpaired surrogate")  # AWS cannot parse such a request
        return {"S": raw}
    if kind == "N":
        return {"N": canonical_number(raw)}
    if kind == "B":
        return {"B": bytes(raw)}
    if kind == "NULL":
        if raw is not True:
            raise Refused(f"{INVALID}: Null attribute value types must have the value of true")
        return {"NULL": True}
    if depth > MAX_DEPTH:
        raise Refused("Nesting Levels have exceeded supported limits")
    if kind == "M":
        return {"M": {name: canonical(child, depth + 1) for name, child in raw.items()}}
    if kind == "L":
        return {"L": [canonical(child, depth + 1) for child in raw]}
    return {kind: _canonical_set(kind, raw)}


def _canonical_set(kind: str, raw: Iterable[Any]) -> list[Any]:
    members = [canonical({SETS[kind]: member})[SETS[kind]] for member in raw]
    if not members:
        raise Refused(f"{INVALID}: An set may not be empty")
    if len(set(members)) < len(members):
        raise Refused(f"{INVALID}: Input collection {members} contains duplicates.")
    return in_order(kind, members)


def in_order(kind: str, members: Iterable[Any]) -> list[Any]:
    return sorted(members, key=Decimal) if kind == "NS" else sorted(members)


def clone(value: AttributeValue) -> AttributeValue:
    """A copy for a reply: a caller that edits a reply must not edit the table."""
    ((kind, raw),) = value.items()
    if kind == "M":
        return {"M": {name: clone(child) for name, child in raw.items()}}
    if kind == "L":
        return {"L": [clone(child) for child in raw]}
    return {kind: list(raw) if kind in SETS else raw}


def clone_item(item: Item) -> Item:
    return {name: clone(value) for name, value in item.items()}


def size_of(value: AttributeValue) -> int:
    """Bytes as DynamoDB counts them towards the 400 KB of an item."""
    ((kind, raw),) = value.items()
    if kind == "S":
        return len(raw.encode())
    if kind == "N":
        return min(len(raw) // 2 + 2, 21)
    if kind == "B":
        return len(raw)
    if kind == "M":
        return 3 + sum(len(name.encode(errors="surrogatepass")) + size_of(child) + 1 for name, child in raw.items())
    if kind == "L":
        return 3 + sum(size_of(child) + 1 for child in raw)
    if kind in SETS:
        return sum(size_of({SETS[kind]: member}) for member in raw)
    return 1


def item_size(item: Item) -> int:
    return sum(len(name.encode(errors="surrogatepass")) + size_of(value) for name, value in item.items())


def sortable(value: AttributeValue) -> Any:
    """A Python value with DynamoDB's order: numbers by value, text by code point (= UTF-8 bytes), binary by byte."""
    ((kind, raw),) = value.items()
    return Decimal(raw) if kind == "N" else raw


def plain(value: AttributeValue) -> Any:
    """The value as Python, for assertions; whole numbers become int."""
    ((kind, raw),) = value.items()
    if kind == "N":
        number = Decimal(raw)
        return int(number) if number == number.to_integral_value() else number
    if kind == "M":
        return {name: plain(child) for name, child in raw.items()}
    if kind == "L":
        return [plain(child) for child in raw]
    if kind in SETS:
        return {plain({SETS[kind]: member}) for member in raw}
    return None if kind == "NULL" else raw
