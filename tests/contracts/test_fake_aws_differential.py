"""Random expressions: the fake DynamoDB and moto must agree where moto is known to follow AWS.

The strategies omit the deviations of moto that `test_fake_aws_dynamodb_expressions.py` marks: orders between types,
`size` of values without a size, two missing attributes, list indexes, and all expressions that AWS refuses.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contracts import backends
from tests.contracts.backends import FakeBackend
from tests.fakes import FakeDynamoDB
from tests.fakes.attributes import plain

TABLE = {
    "KeySchema": [{"AttributeName": "p", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "p", "AttributeType": "S"}],
}
KEY = {"p": {"S": "one"}}
EXAMPLES = settings(
    max_examples=120, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
serialize = TypeSerializer().serialize

numbers, texts, flags = st.integers(-3, 3), st.sampled_from(["", "a", "ab", "b"]), st.booleans()
items = st.fixed_dictionaries(
    {},
    optional={
        "n": numbers,
        "k": numbers,
        "s": texts,
        "t": texts,
        "f": flags,
        "m": st.fixed_dictionaries({"x": numbers}),
    },
)


@pytest.fixture(scope="module")
def both() -> Iterator[list[Any]]:
    with backends.moto() as moto:
        yield [backend.tables({"Things": TABLE}) for backend in (FakeBackend(), moto)]


class Values:
    """Collects an expression's constants under generated names."""

    def __init__(self) -> None:
        self.constants: dict[str, Any] = {}

    def add(self, value: Any) -> str:
        name = f":v{len(self.constants)}"
        self.constants[name] = serialize(value)
        return name


@st.composite
def conditions(draw: st.DrawFn, values: Values, depth: int = 2) -> str:
    if depth and draw(flags):
        left, right = (draw(conditions(values, depth - 1)) for _ in range(2))
        return draw(st.sampled_from([f"({left}) AND ({right})", f"({left}) OR ({right})", f"NOT ({left})"]))
    name, kind = draw(st.sampled_from([("n", numbers), ("k", numbers), ("s", texts), ("t", texts), ("m.x", numbers)]))
    constant = values.add(draw(kind))
    simple = [f"{name} {comparison} {constant}" for comparison in ("=", "<>", "<", "<=", ">", ">=")]
    presence = [f"attribute_exists({name})", f"attribute_not_exists({name})"]
    among = f"{name} IN ({constant}, {values.add(draw(kind))})"
    low, high = sorted([draw(kind), draw(kind)], key=lambda bound: (type(bound).__name__, bound))
    between = f"{name} BETWEEN {values.add(low)} AND {values.add(high)}"
    return draw(
        st.sampled_from([*simple, *presence, among, between, *([f"begins_with({name}, {constant})"] * (kind is texts))])
    )


@st.composite
def updates(draw: st.DrawFn, values: Values) -> str:
    targets = draw(st.lists(st.sampled_from(["n", "k", "s", "t", "x", "y"]), min_size=1, max_size=4, unique=True))
    sections: dict[str, list[str]] = {}
    for target in targets:
        constant, one = values.add(draw(st.one_of(numbers, texts))), values.add(1)
        section, clause = draw(
            st.sampled_from(
                [
                    ("SET", f"{target} = {constant}"),
                    ("SET", f"{target} = if_not_exists({target}, {constant})"),
                    ("SET", f"{target} = n"),
                    ("SET", f"{target} = n + {one}"),
                    ("SET", f"{target} = if_not_exists(n, {one}) - {one}"),
                    ("REMOVE", target),
                    ("ADD", f"{target} {one}"),
                ]
            )
        )
        sections.setdefault(section, []).append(clause)
    return " ".join(f"{section} {', '.join(clauses)}" for section, clauses in sections.items())


def used(values: Values, expression: str) -> dict[str, Any]:
    """Only the constants that occur in the expression: AWS refuses unused ones."""
    words = set(expression.replace("(", " ").replace(")", " ").replace(",", " ").split())
    return {name: value for name, value in values.constants.items() if name in words}


def outcome(db: Any, item: dict[str, Any], request: dict[str, Any]) -> Any:
    db.put_item(TableName="Things", Item=KEY | {name: serialize(value) for name, value in item.items()})
    try:
        db.update_item(TableName="Things", Key=KEY, **request)
        result = "done"
    except ClientError as error:
        result = error.response["Error"]["Code"]
    stored = db.get_item(TableName="Things", Key=KEY)["Item"]
    if result == "done":
        return result, {name: plain(value) for name, value in stored.items()}
    if isinstance(db, FakeDynamoDB):  # moto keeps the changes it made before it refused the rest
        assert {name: plain(value) for name, value in stored.items()} == item | {"p": "one"}
    return result, None


@given(item=items, data=st.data())
@EXAMPLES
def test_conditions_agree(both: list[Any], item: dict[str, Any], data: st.DataObject) -> None:
    values = Values()
    condition = data.draw(conditions(values))
    request: dict[str, Any] = {"UpdateExpression": "SET touched = :one", "ConditionExpression": condition}
    request["ExpressionAttributeValues"] = used(values, condition) | {":one": serialize(1)}
    fake, moto = (outcome(db, item, request) for db in both)
    assert fake == moto, condition


@given(item=items, data=st.data())
@EXAMPLES
def test_updates_agree(both: list[Any], item: dict[str, Any], data: st.DataObject) -> None:
    values = Values()
    expression = data.draw(updates(values))
    request: dict[str, Any] = {"UpdateExpression": expression}
    if constants := used(values, expression):
        request["ExpressionAttributeValues"] = constants
    fake, moto = (outcome(db, item, request) for db in both)
    assert fake == moto, expression
