"""DynamoDB's condition and update expressions: the fake, moto and the emulator, held against what AWS does."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import ClientError

from tests.contracts.backends import CRASHES, LENIENT, Backend, deviates
from tests.fakes.attributes import plain

TABLE = {
    "KeySchema": [{"AttributeName": "p", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "p", "AttributeType": "S"}],
}
ITEM = {
    "s": "hello",
    "n": 5,
    "b": b"bytes",
    "yes": True,
    "nothing": None,
    "tags": {"x", "y"},
    "numbers": {1, 2, 3},
    "l": [1, "two", {"deep": [7, 8]}],
    "m": {"k": "v", "box": {"epoch": 3}},
}
# The deviations of other backends. Each case contains the behaviour of AWS (documented, or established by projects that
# tested their clones against AWS), which is also the fake's.
FALSE = "calls a refused expression a failed condition"
STRICT = "refuses a condition that is only false, since the type comes from the item"
UNSET = "compares two missing attributes as equal"
ORDER = "does not take list indexes as those before the update"
NESTING = "does not nest if_not_exists"
REFUSED, FAILED = "ValidationException", "ConditionalCheckFailedException"
serialize = TypeSerializer().serialize


def values(given: dict[str, Any]) -> dict[str, Any]:
    return {f":{name}": serialize(value) for name, value in given.items()}


@pytest.fixture(scope="module")
def db(backend: Backend) -> Any:
    return backend.tables({"Things": TABLE})


@pytest.fixture
def key(db: Any) -> dict[str, Any]:
    """A fresh item with ITEM's attributes."""
    key = {"p": {"S": str(uuid.uuid4())}}
    db.put_item(TableName="Things", Item=key | {name: serialize(value) for name, value in ITEM.items()})
    return key


def outcome(call: Callable[[], Any]) -> str:
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "done"


def case(expression: str, expected: str | bool, *, moto: str = "", emulator: str = "", **given: Any) -> Any:
    why = {name: reason for name, reason in (("moto", moto), ("emulator", emulator)) if reason}
    expected = {True: "done", False: FAILED}.get(expected, expected) if isinstance(expected, bool) else expected
    return pytest.param(expression, given, expected, id=expression, marks=deviates(**why))


CONDITIONS = [
    case("s = :v", True, v="hello"),
    case("s = :v", False, v="other"),
    case("s = :v", False, v=5),
    case("n = :v", True, v=5),
    case("tags = :v", True, v={"y", "x"}),
    case("m = :v", True, v={"box": {"epoch": 3}, "k": "v"}),
    case("absent = :v", False, v=1),
    case("absent = rival", False, moto=UNSET, emulator=UNSET),
    case("absent <> :v", True, v=1),
    case("absent <> rival", True, moto=UNSET, emulator=UNSET),
    case("s <> :v", True, v=5),
    case("n <> :v", False, v=5),
    case("NOT absent = :v", True, v=1),
    case("NOT n = :v", False, v=5),
    case("n < :v", True, v=10),
    case("n > :v", False, v=10),
    case("n >= :v", True, v=5),
    case("s < :v", True, v="hellp"),
    case("n < :v", False, moto=CRASHES, v="6"),
    case("absent < :v", False, v=1),
    case(":v > absent", False, v=1),
    case("s < :v", REFUSED, moto=CRASHES, emulator=FALSE, v=[1]),
    case("l < :v", False, moto=CRASHES, v=1),
    case("n BETWEEN :a AND :b", True, a=5, b=6),
    case("n between :a and :b", False, a=6, b=7),
    case("n BETWEEN :a AND :b", REFUSED, moto=FALSE, a=7, b=6),
    case("n BETWEEN :a AND :b", REFUSED, moto=CRASHES, emulator=FALSE, a=1, b="x"),
    case("n BETWEEN :a AND :b AND s = :h", True, a=1, b=9, h="hello"),
    case("absent BETWEEN :a AND :b", False, a=1, b=2),
    case("n IN (:a, :b)", True, a="x", b=5),
    case("n IN (:a)", False, a=6),
    case("absent IN (:a)", False, a=6),
    case("n IN ()", REFUSED, moto=CRASHES),
    case("attribute_exists(m.box.epoch)", True),
    case("attribute_exists(m.box.gone)", False),
    case("attribute_exists(l[2].deep[1])", True),
    case("attribute_exists(l[9])", False),
    case("attribute_exists(s.gone)", False),
    case("attribute_not_exists(m.box.gone)", True),
    case("attribute_not_exists(absent.gone)", True),
    case("attribute_not_exists(s)", False),
    case("attribute_exists(:v)", REFUSED, moto=CRASHES, v="s"),
    case("attribute_type(n, :t)", True, t="N"),
    case("attribute_type(nothing, :t)", True, t="NULL"),
    case("attribute_type(absent, :t)", False, t="N"),
    case("attribute_type(n, :t)", REFUSED, moto=FALSE, emulator=FALSE, t="X"),
    case("attribute_type(n, s)", REFUSED, moto=CRASHES, emulator=FALSE),
    case("begins_with(s, :v)", True, v="hel"),
    case("begins_with(s, :v)", False, v="lo"),
    case("begins_with(absent, :v)", False, v="h"),
    case("begins_with(n, :v)", False, emulator=STRICT, v="5"),
    case("begins_with(s, :v)", REFUSED, moto=FALSE, v=5),
    case("contains(s, :v)", True, v="ell"),
    case("contains(tags, :v)", True, v="x"),
    case("contains(numbers, :v)", True, v=2),
    case("contains(l, :v)", True, v="two"),
    case("contains(l, :v)", False, v="tw"),
    case("contains(absent, :v)", False, v="x"),
    case("contains(n, :v)", False, v=5),
    case("size(s) = :v", True, v=5),
    case("size(tags) = :v", True, v=2),
    case("size(l) > :v", True, v=2),
    case("size(m) = :v", True, v=2),
    case("size(n) = :v", False, moto=CRASHES, v=1),
    case("size(absent) = :v", False, moto=CRASHES, v=0),
    case("size(absent) <> :v", True, moto=CRASHES, v=0),
    case("size(s)", REFUSED, moto=CRASHES),
    case("s = :v OR n = :w AND yes = :y", True, v="hello", w=0, y=False),
    case("(s = :v OR n = :w) AND yes = :y", False, v="hello", w=0, y=False),
    case("NOT s = :v AND n = :w", False, v="hello", w=5),
    case("NOT (s = :v AND n = :w)", True, v="hello", w=6),
    case("NOT NOT s = :v", True, moto=CRASHES, v="hello"),
    case("((s = :v))", REFUSED, v="hello"),
    case("s = s", REFUSED, moto=LENIENT, emulator=LENIENT),
    case("s", REFUSED, moto=CRASHES),
    case("s == :v", REFUSED, moto=CRASHES, v="hello"),
    case("s = :v extra", REFUSED, moto=CRASHES, v="hello"),
    case("s = :undefined", REFUSED, moto=CRASHES, v="hello"),
    case("#undefined = :v", REFUSED, moto=CRASHES, v="hello"),
    case("dog(s)", REFUSED, moto=CRASHES, emulator=FALSE),
    case("if_not_exists(s, :v) = :v", REFUSED, moto=CRASHES, v="x"),
    case("roles = :v", REFUSED, v="reserved word"),
    case("m.status = :v", REFUSED, v="reserved word"),
    case("", REFUSED, moto=LENIENT),
    case("s = :v", REFUSED, moto=LENIENT, v="hello", unused=1),
]


@pytest.mark.parametrize(("expression", "given", "expected"), CONDITIONS)
def test_a_condition(db: Any, key: Any, expression: str, given: dict[str, Any], expected: str) -> None:
    extra = {"ExpressionAttributeValues": values(given)} if given else {}
    assert (
        outcome(lambda: db.delete_item(TableName="Things", Key=key, ConditionExpression=expression, **extra))
        == expected
    )
    assert ("Item" in db.get_item(TableName="Things", Key=key, ConsistentRead=True)) == (expected != "done")


ABSENT = object()


def update(expression: str, expected: Any, *, moto: str = "", emulator: str = "", **given: Any) -> Any:
    why = {name: reason for name, reason in (("moto", moto), ("emulator", emulator)) if reason}
    return pytest.param(expression, given, expected, id=expression, marks=deviates(**why))


UPDATES = [
    update("SET s = :v", {"s": "new"}, v="new"),
    update("set s=:v", {"s": "new"}, v="new"),
    update("SET fresh = n, n = :v", {"fresh": 5, "n": 6}, v=6),
    update("SET n = n + :v", {"n": 7}, v=2),
    update("SET n = :v - n", {"n": 5}, v=10),
    update("SET x = if_not_exists(x, :v) + :w", {"x": 3}, v=1, w=2),
    update("SET s = if_not_exists(s, :v)", {"s": "hello"}, v="new"),
    update("SET x = if_not_exists(s, :v)", {"x": "hello"}, v="new"),
    update("SET x = if_not_exists(absent.box, :v)", {"x": "new"}, v="new"),
    update("SET x = if_not_exists(absent, if_not_exists(s, :v))", {"x": "hello"}, moto=NESTING, v="new"),
    update("SET l = list_append(l, :v)", {"l": [*ITEM["l"], 9]}, v=[9]),  # type: ignore[misc]
    update("SET l = list_append(:v, l)", {"l": [9, *ITEM["l"]]}, v=[9]),  # type: ignore[misc]
    update("SET x = list_append(if_not_exists(x, :v), :v)", {"x": [9, 9]}, v=[9]),
    update("SET m.box.epoch = :v", {"m": {"k": "v", "box": {"epoch": 4}}}, v=4),
    update("SET m.box.fresh = :v", {"m": {"k": "v", "box": {"epoch": 3, "fresh": 4}}}, v=4),
    update("SET l[0] = :v, l[2].deep[0] = :v", {"l": [9, "two", {"deep": [9, 8]}]}, v=9),
    update("SET l[7] = :v, l[5] = :w", {"l": [*ITEM["l"], "w", "v"]}, moto=ORDER, emulator=ORDER, v="v", w="w"),  # type: ignore[misc]
    update("REMOVE s", {"s": ABSENT}),
    update("REMOVE absent", {}),
    update("REMOVE m.box.epoch", {"m": {"k": "v", "box": {}}}),
    update("REMOVE m.absent", {}),
    update("REMOVE l[0], l[1]", {"l": [{"deep": [7, 8]}]}, emulator=ORDER),
    update("REMOVE l[0] SET l[2] = :v", {"l": ["two", 9]}, moto=ORDER, v=9),
    update("REMOVE s SET x = s", {"s": ABSENT, "x": "hello"}),
    update("ADD n :v", {"n": 8}, v=3),
    update("ADD x :v", {"x": 3}, v=3),
    update("ADD tags :v", {"tags": {"x", "y", "z"}}, v={"y", "z"}),
    update("ADD x :v", {"x": {"z"}}, v={"z"}),
    update("DELETE tags :v", {"tags": {"y"}}, v={"x", "z"}),
    update("DELETE tags :v", {"tags": ABSENT}, v={"x", "y"}),
    update("DELETE x :v", {}, v={"x"}),
    update(
        "SET x = :v REMOVE s ADD n :w DELETE tags :t", {"x": 1, "s": ABSENT, "n": 6, "tags": {"y"}}, v=1, w=1, t={"x"}
    ),
    update("SET x = :v", {"x": []}, v=[]),
    update("SET x = :v", {"x": {}}, v={}),
    update("SET x = :v", {"x": ""}, v=""),
    update("SET x = absent", REFUSED),
    update("SET x = absent + :v", REFUSED, v=1),
    update("SET x = s + :v", REFUSED, emulator=LENIENT, v=1),
    update("SET x = :v + :v", REFUSED, emulator=LENIENT, v="a"),
    update("SET x = :v + :v + :v", REFUSED, moto=LENIENT, emulator=LENIENT, v=1),
    update("SET x = list_append(absent, :v)", REFUSED, v=[1]),
    update("SET x = list_append(s, :v)", REFUSED, emulator=LENIENT, v=[1]),
    update("SET x = list_append(l, :v)", REFUSED, emulator=LENIENT, v="a"),
    update("SET x = list_append(l)", REFUSED),
    update("SET x = list_append(list_append(l, :v), :v)", REFUSED, moto=LENIENT, emulator=LENIENT, v=[1]),
    update("SET x = if_not_exists(:v, :v)", REFUSED, emulator=LENIENT, v=1),
    update("SET x = LIST_APPEND(l, :v)", REFUSED, emulator=LENIENT, v=[1]),
    update("SET x = size(s)", REFUSED),
    update("SET absent.box = :v", REFUSED, v=1),
    update("SET s.box = :v", REFUSED, moto=LENIENT, v=1),
    update("SET l.box = :v", REFUSED, moto=LENIENT, v=1),
    update("SET m[0] = :v", REFUSED, emulator=LENIENT, v=1),
    update("SET absent[0] = :v", REFUSED, v=1),
    update("REMOVE absent.box", REFUSED, emulator=LENIENT),
    update("REMOVE s.box", REFUSED, moto=CRASHES, emulator=LENIENT),
    update("SET s = :v, s = :v", REFUSED, emulator=LENIENT, v=1),
    update("SET s = :v REMOVE s", REFUSED, emulator=LENIENT, v=1),
    update("SET m = :v, m.box = :v", REFUSED, v=1),
    update("SET m.box.epoch = :v REMOVE m.box", REFUSED, emulator=LENIENT, v=1),
    update("SET m.k = :v, m[1] = :v", REFUSED, emulator=LENIENT, v=1),
    update("SET x = :v SET s = :v", REFUSED, emulator=LENIENT, v=1),
    update("SET p = :v", REFUSED, v="other"),
    update("REMOVE p", REFUSED),
    update("ADD p :v", REFUSED, v=1),
    update("ADD n :v", REFUSED, v="a"),
    update("ADD s :v", REFUSED, v=1),
    update("ADD l :v", REFUSED, v=[1]),
    update("ADD tags :v", REFUSED, v={1}),
    update("DELETE tags :v", REFUSED, v="x"),
    update("DELETE n :v", REFUSED, v=1),
    update("SET x = :undefined", REFUSED, v=1),
    update("SET #x = :v", REFUSED, moto=CRASHES, v=1),
    update("SET x = :v", REFUSED, v=1, unused=1),
    update("SET status = :v", REFUSED, v="reserved word"),
    update("SET _x = :v", REFUSED, emulator=LENIENT, v=1),
    update("SET x = :v,", REFUSED, emulator=LENIENT, v=1),
    update("SET x", REFUSED, emulator=LENIENT),
    update("HELLO x = :v", REFUSED, v=1),
    update("", REFUSED),
]


@pytest.mark.parametrize(("expression", "given", "expected"), UPDATES)
def test_an_update(db: Any, key: Any, expression: str, given: dict[str, Any], expected: Any) -> None:
    extra = {"ExpressionAttributeValues": values(given)} if given else {}
    refused = expected == REFUSED
    assert outcome(lambda: db.update_item(TableName="Things", Key=key, UpdateExpression=expression, **extra)) == (
        REFUSED if refused else "done"
    )
    stored = db.get_item(TableName="Things", Key=key, ConsistentRead=True)["Item"]
    wanted = {name: value for name, value in (ITEM | ({} if refused else expected)).items() if value is not ABSENT}
    assert {name: plain(value) for name, value in stored.items() if name != "p"} == wanted
