"""DynamoDB's operations: replies, refusals, indexes and paging, over the fake, moto and the emulator."""

import uuid
from itertools import chain
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contracts.backends import CRASHES, LENIENT, Backend, deviates, error_code

USERS = {
    "KeySchema": [{"AttributeName": "userId", "KeyType": "HASH"}],
    "AttributeDefinitions": [
        {"AttributeName": "userId", "AttributeType": "S"},
        {"AttributeName": "sub", "AttributeType": "S"},
        {"AttributeName": "owed", "AttributeType": "S"},
        {"AttributeName": "dueAt", "AttributeType": "N"},
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "SubIndex",
            "KeySchema": [{"AttributeName": "sub", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        },
        {
            "IndexName": "OwedIndex",
            "KeySchema": [{"AttributeName": "owed", "KeyType": "HASH"}, {"AttributeName": "dueAt", "KeyType": "RANGE"}],
            "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["owedSince"]},
        },
    ],
}
OPERATIONS = {
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    "AttributeDefinitions": [
        {"AttributeName": "pk", "AttributeType": "S"},
        {"AttributeName": "sk", "AttributeType": "S"},
    ],
}


@pytest.fixture(scope="module")
def db(backend: Backend) -> Any:
    return backend.tables({"Users": USERS, "Operations": OPERATIONS})


@pytest.fixture
def name() -> str:
    return uuid.uuid4().hex


def text(value: str) -> dict[str, str]:
    return {"S": value}


def number(value: int) -> dict[str, str]:
    return {"N": str(value)}


def test_an_absent_item_has_no_item_in_the_reply(db: Any, name: str) -> None:
    reply = db.get_item(TableName="Users", Key={"userId": text(name)})
    assert "Item" not in reply
    assert reply["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_one_write_distinguishes_created_linked_and_retried(db: Any, name: str) -> None:
    def link(sub: str) -> Any:
        return db.update_item(
            TableName="Users",
            Key={"userId": text(name)},
            UpdateExpression="SET #sub = :sub, #roles = if_not_exists(#roles, :roles)",
            ConditionExpression="attribute_not_exists(#sub)",
            ExpressionAttributeNames={"#sub": "sub", "#roles": "roles"},
            ExpressionAttributeValues={":sub": text(sub), ":roles": {"L": [text("team_member")]}},
            ReturnValues="ALL_OLD",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )

    assert "Attributes" not in link("one")
    with pytest.raises(db.exceptions.ConditionalCheckFailedException) as raised:
        link("two")
    assert raised.value.response["Error"]["Message"] == "The conditional request failed"
    assert raised.value.response["Item"]["sub"] == text("one")
    assert raised.value.operation_name == "UpdateItem"


def test_a_failed_condition_returns_an_existing_item_on_request(db: Any, name: str) -> None:
    request = {"TableName": "Users", "ConditionExpression": "attribute_exists(userId)"}
    with pytest.raises(ClientError) as raised:
        db.put_item(Item={"userId": text(name)}, ReturnValuesOnConditionCheckFailure="ALL_OLD", **request)
    assert "Item" not in raised.value.response
    db.put_item(TableName="Users", Item={"userId": text(name)})
    with pytest.raises(ClientError) as raised:
        db.delete_item(TableName="Users", Key={"userId": text(name)}, ConditionExpression="attribute_exists(sub)")
    assert "Item" not in raised.value.response


BEFORE = {"a": text("old"), "m": {"M": {"x": number(1), "y": number(2)}}, "l": {"L": [number(0), number(1)]}}
WHOLE = "returns the whole top-level attribute"
RETURNED = [
    ("NONE", "SET a = :v", {}),
    ("ALL_OLD", "SET a = :v", BEFORE),
    ("ALL_NEW", "SET a = :v", BEFORE | {"a": text("new")}),
    ("UPDATED_OLD", "SET a = :v, b = :v", {"a": text("old")}),
    ("UPDATED_OLD", "SET b = :v", {}),
    ("UPDATED_NEW", "SET a = :v, b = :v", {"a": text("new"), "b": text("new")}),
    pytest.param(
        "UPDATED_OLD",
        "SET m.x = :v",
        {"m": {"M": {"x": number(1)}}},
        marks=deviates(moto=WHOLE),
    ),
    ("UPDATED_NEW", "SET m.x = :v", {"m": {"M": {"x": text("new")}}}),
    pytest.param(
        "UPDATED_OLD",
        "SET l[1] = :v",
        {"l": {"L": [number(1)]}},
        marks=deviates(moto=WHOLE, emulator=WHOLE),
    ),
]


@pytest.mark.parametrize(("wanted", "expression", "expected"), RETURNED)
def test_return_values(db: Any, name: str, wanted: str, expression: str, expected: Any) -> None:
    key = {"userId": text(name)}
    db.put_item(TableName="Users", Item=key | BEFORE)
    reply = db.update_item(
        TableName="Users",
        Key=key,
        UpdateExpression=expression,
        ExpressionAttributeValues={":v": text("new")},
        ReturnValues=wanted,
    )
    assert reply.get("Attributes", {}) == (expected | key if wanted.startswith("ALL") else expected)


def test_put_and_delete_return_the_old_item(db: Any, name: str) -> None:
    item = {"userId": text(name), "a": text("1")}
    assert "Attributes" not in db.put_item(TableName="Users", Item=item, ReturnValues="ALL_OLD")
    assert db.put_item(TableName="Users", Item=item, ReturnValues="ALL_OLD")["Attributes"] == item
    removed = db.delete_item(TableName="Users", Key={"userId": text(name)}, ReturnValues="ALL_OLD")
    assert removed["Attributes"] == item
    assert "Attributes" not in db.delete_item(TableName="Users", Key={"userId": text(name)}, ReturnValues="ALL_OLD")


@deviates(moto="creates an item of the key alone", emulator="creates an item of the key alone")
def test_an_update_creates_an_item_unless_it_only_removes(db: Any, name: str) -> None:
    for nothing in ("REMOVE owed", "REMOVE m.x"):
        db.update_item(TableName="Users", Key={"userId": text(name)}, UpdateExpression=nothing)
    assert "Item" not in db.get_item(TableName="Users", Key={"userId": text(name)}, ConsistentRead=True)
    db.update_item(TableName="Users", Key={"userId": text(name)})
    assert db.get_item(TableName="Users", Key={"userId": text(name)})["Item"] == {"userId": text(name)}


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        ("1.50", "1.5"),
        ("007", "7"),
        ("1e3", "1000"),
        ("-0", "0"),
        ("0.10", "0.1"),
    ],
)
@deviates(moto="keeps numbers as written")
def test_numbers_come_back_without_redundant_zeros(db: Any, name: str, stored: str, read: str) -> None:
    db.put_item(TableName="Users", Item={"userId": text(name), "n": {"N": stored}})
    assert db.get_item(TableName="Users", Key={"userId": text(name)})["Item"]["n"] == {"N": read}


BAD_VALUES = [
    {"SS": []},
    pytest.param({"SS": ["a", "a"]}, marks=deviates(moto=LENIENT)),
    {"N": "twelve"},
    pytest.param({"N": "1" * 39}, marks=deviates(moto=LENIENT)),
    pytest.param({"N": "1e126"}, marks=deviates(moto=LENIENT)),
    {"M": {"x": {"SS": []}}},
    {"NULL": False},
    pytest.param({}, marks=deviates(moto=CRASHES)),
]


@pytest.mark.parametrize("value", BAD_VALUES, ids=str)
def test_values_that_cannot_be_stored(db: Any, name: str, value: Any) -> None:
    item = {"userId": text(name), "v": value}
    assert error_code(lambda: db.put_item(TableName="Users", Item=item)) == "ValidationException"


BAD_REQUESTS = {
    "empty key": {"Key": {"userId": text("")}},
    "key of another type": {"Key": {"userId": number(1)}},
    "missing key": {"Key": {}},
    "further key": {"Key": {"userId": text("x"), "sub": text("x")}},
    "long key": {"Key": {"userId": text("x" * 2049)}},
    "empty names": {"UpdateExpression": "REMOVE a", "ExpressionAttributeNames": {}},
    "empty values": {"UpdateExpression": "REMOVE a", "ExpressionAttributeValues": {}},
    "names without expression": {"ExpressionAttributeNames": {"#a": "a"}},
    "unused name": {"UpdateExpression": "REMOVE a", "ExpressionAttributeNames": {"#a": "a"}},
    "name without sign": {"UpdateExpression": "REMOVE a", "ExpressionAttributeNames": {"a": "a"}},
    "return value": {"UpdateExpression": "REMOVE a", "ReturnValues": "EVERYTHING"},
    "index key of another type": {
        "UpdateExpression": "SET dueAt = :v",
        "ExpressionAttributeValues": {":v": text("soon")},
    },
    "empty index key": {"UpdateExpression": "SET owed = :v", "ExpressionAttributeValues": {":v": text("")}},
    "too large": {"UpdateExpression": "SET a = :v", "ExpressionAttributeValues": {":v": text("x" * 409_600)}},
}
KNOWN = {
    "empty key": {"moto": CRASHES},
    "further key": {"moto": CRASHES},
    "empty names": {"moto": LENIENT},
    "too large": {"moto": "refuses it, and stores it"},
    "name without sign": {"emulator": LENIENT},
    "not equal": {"moto": CRASHES, "emulator": LENIENT},
    "or": {"moto": CRASHES, "emulator": LENIENT},
    "twice": {"moto": LENIENT},
    "wrong type": {"moto": LENIENT},
    "prefix of a number": {"moto": LENIENT},
    "no such index": {"moto": "answers ResourceNotFoundException"},
    "filter on a key": {"moto": LENIENT, "emulator": LENIENT},
    "not projected": {"moto": LENIENT, "emulator": LENIENT},
    "start key": {"moto": LENIENT},
}


@pytest.mark.parametrize(
    "change",
    [pytest.param(change, id=name, marks=deviates(**KNOWN.get(name, {}))) for name, change in BAD_REQUESTS.items()],
)
def test_updates_that_are_refused(db: Any, name: str, change: dict[str, Any]) -> None:
    request = {"TableName": "Users", "Key": {"userId": text(name)}} | change
    assert error_code(lambda: db.update_item(**request)) == "ValidationException"
    assert "Item" not in db.get_item(TableName="Users", Key={"userId": text(name)})


def test_an_absent_table(db: Any) -> None:
    with pytest.raises(db.exceptions.ResourceNotFoundException):
        db.get_item(TableName="Nothing", Key={"userId": text("x")})


def test_an_index_is_sparse_and_follows_every_write(db: Any, name: str) -> None:
    def subs() -> list[str]:
        found = db.query(
            TableName="Users",
            IndexName="SubIndex",
            KeyConditionExpression="#sub = :sub",
            ExpressionAttributeNames={"#sub": "sub"},
            ExpressionAttributeValues={":sub": text(name)},
        )
        return [item["userId"]["S"] for item in found["Items"]]

    key = {"userId": text(name)}
    db.put_item(TableName="Users", Item=key)
    assert subs() == []
    db.put_item(TableName="Users", Item=key | {"sub": text(name)})
    assert subs() == [name]
    db.update_item(TableName="Users", Key=key, UpdateExpression="REMOVE #sub", ExpressionAttributeNames={"#sub": "sub"})
    assert subs() == []
    db.put_item(TableName="Users", Item=key | {"sub": text(name)})
    db.delete_item(TableName="Users", Key=key)
    assert subs() == []


@pytest.fixture
def owing(db: Any, name: str) -> str:
    """Ten users who owe the same, due at 0, 10, ... 90."""
    for place in range(10):
        item = {"userId": text(f"{name}-{place}"), "owed": text(name), "dueAt": number(place * 10)}
        db.put_item(TableName="Users", Item=item | {"owedSince": number(place), "name": text("Ada")})
    return name


def due(db: Any, owed: str, condition: str = "", values: tuple[Any, ...] = (), **more: Any) -> Any:
    given = {f":v{place}": number(value) for place, value in enumerate(values)}
    return db.query(
        TableName="Users",
        IndexName="OwedIndex",
        KeyConditionExpression="owed = :owed" + condition,
        ExpressionAttributeValues={":owed": text(owed), **given, **more.pop("values_too", {})},
        **more,
    )


def dues(reply: Any) -> list[int]:
    return [int(item["dueAt"]["N"]) for item in reply["Items"]]


@pytest.mark.parametrize(
    ("condition", "values", "expected"),
    [
        ("", (), [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]),
        (" AND dueAt = :v0", (30,), [30]),
        (" AND dueAt < :v0", (20,), [0, 10]),
        (" AND dueAt <= :v0", (20,), [0, 10, 20]),
        (" AND dueAt > :v0", (75,), [80, 90]),
        (" AND dueAt >= :v0", (80,), [80, 90]),
        (" AND dueAt BETWEEN :v0 AND :v1", (15, 40), [20, 30, 40]),
    ],
)
def test_an_index_query_selects_a_range_in_order(
    db: Any, owing: str, condition: str, values: Any, expected: Any
) -> None:
    assert dues(due(db, owing, condition, values)) == expected
    assert dues(due(db, owing, condition, values, ScanIndexForward=False)) == expected[::-1]


def test_an_index_holds_its_keys_and_what_it_includes(db: Any, owing: str) -> None:
    item = due(db, owing, " AND dueAt = :v0", (30,))["Items"][0]
    assert item == {
        "userId": text(f"{owing}-3"),
        "owed": text(owing),
        "dueAt": number(30),
        "owedSince": number(3),
    }


def test_pages_follow_one_another(db: Any, owing: str) -> None:
    for forward, expected in ((True, [*range(0, 100, 10)]), (False, [*range(90, -10, -10)])):
        pages: list[list[int]] = []
        start: dict[str, Any] = {}
        while not pages or start:
            reply = due(db, owing, Limit=3, ScanIndexForward=forward, **start)
            pages.append(dues(reply))
            last = reply.get("LastEvaluatedKey")
            start = {"ExclusiveStartKey": last} if last else {}
            assert not last or last.keys() == {"userId", "owed", "dueAt"}
        assert [*chain.from_iterable(pages)] == expected
        assert len(pages) == 4


@deviates(moto="leaves LastEvaluatedKey out when nothing follows")
def test_a_full_last_page_still_names_a_next_one(db: Any, owing: str) -> None:
    reply = due(db, owing, Limit=10)
    assert "LastEvaluatedKey" in reply
    assert due(db, owing, Limit=10, ExclusiveStartKey=reply["LastEvaluatedKey"])["Items"] == []


def test_the_limit_counts_before_the_filter(db: Any, owing: str) -> None:
    reply = due(db, owing, Limit=5, FilterExpression="owedSince > :since", values_too={":since": number(3)})
    assert (dues(reply), reply["Count"], reply["ScannedCount"]) == ([40], 1, 5)
    assert due(db, owing, Select="COUNT")["Count"] == 10
    assert "Items" not in due(db, owing, Select="COUNT")


def test_a_projection_keeps_what_it_names(db: Any, name: str) -> None:
    item = {"userId": text(name), "m": {"M": {"x": number(1), "y": number(2)}}, "a": text("a")}
    db.put_item(TableName="Users", Item=item)
    found = db.get_item(TableName="Users", Key={"userId": text(name)}, ProjectionExpression="m.x, absent")
    assert found["Item"] == {"m": {"M": {"x": number(1)}}}


BAD_QUERIES = {
    "no partition key": ("dueAt = :n", {":n": number(1)}, {}),
    "range on the partition key": ("owed > :s", {":s": text("x")}, {}),
    "no such key": ("owed = :s AND sub = :t", {":s": text("x"), ":t": text("y")}, {}),
    "not equal": ("owed = :s AND dueAt <> :n", {":s": text("x"), ":n": number(1)}, {}),
    "or": ("owed = :s OR dueAt = :n", {":s": text("x"), ":n": number(1)}, {}),
    "twice": ("owed = :s AND dueAt > :n AND dueAt < :m", {":s": text("x"), ":n": number(1), ":m": number(2)}, {}),
    "wrong type": ("owed = :s", {":s": number(1)}, {}),
    "prefix of a number": ("owed = :s AND begins_with(dueAt, :n)", {":s": text("x"), ":n": number(1)}, {}),
    "consistent": ("owed = :s", {":s": text("x")}, {"ConsistentRead": True}),
    "no such index": ("owed = :s", {":s": text("x")}, {"IndexName": "Nothing"}),
    "filter on a key": ("owed = :s", {":s": text("x")}, {"FilterExpression": "attribute_exists(dueAt)"}),
    "not projected": ("owed = :s", {":s": text("x")}, {"ProjectionExpression": "roles_"}),
    "start key": ("owed = :s", {":s": text("x")}, {"ExclusiveStartKey": {"userId": text("x")}}),
}


@pytest.mark.parametrize(
    "query",
    [pytest.param(query, id=name, marks=deviates(**KNOWN.get(name, {}))) for name, query in BAD_QUERIES.items()],
)
def test_queries_that_are_refused(db: Any, query: tuple[str, dict[str, Any], dict[str, Any]]) -> None:
    condition, values, more = query
    request = {"IndexName": "OwedIndex", "ExpressionAttributeValues": values} | more
    assert (
        error_code(lambda: db.query(TableName="Users", KeyConditionExpression=condition, **request))
        == "ValidationException"
    )


def test_a_prefix_of_the_sort_key(db: Any, name: str) -> None:
    for day in ("2026-09-30", "2026-10-01", "2026-10-31", "2026-11-01"):
        db.put_item(TableName="Operations", Item={"pk": text(name), "sk": text(day)})
    found = db.query(
        TableName="Operations",
        KeyConditionExpression="pk = :pk AND begins_with(sk, :month)",
        ExpressionAttributeValues={":pk": text(name), ":month": text("2026-10")},
        ConsistentRead=True,
    )
    assert [item["sk"]["S"] for item in found["Items"]] == ["2026-10-01", "2026-10-31"]


def test_a_scan_sees_every_item_once(db: Any, owing: str) -> None:
    seen: list[str] = []
    for scanned in db.get_paginator("scan").paginate(
        TableName="Users",
        FilterExpression="owed = :owed",
        ExpressionAttributeValues={":owed": text(owing)},
        PaginationConfig={"PageSize": 3},
    ):
        seen += [item["userId"]["S"] for item in scanned["Items"]]
    assert sorted(seen) == [f"{owing}-{place}" for place in range(10)]


@pytest.mark.parametrize("segments", [1, 3, 40])
def test_the_segments_of_a_scan_contain_every_item_once(db: Any, owing: str, segments: int) -> None:
    seen = [
        item["userId"]["S"]
        for segment in range(segments)
        for scanned in db.get_paginator("scan").paginate(
            TableName="Users",
            FilterExpression="owed = :owed",
            ExpressionAttributeValues={":owed": text(owing)},
            Segment=segment,
            TotalSegments=segments,
            PaginationConfig={"PageSize": 3},
        )
        for item in scanned["Items"]
    ]
    assert sorted(seen) == [f"{owing}-{place}" for place in range(10)]


def test_a_batch_get_returns_the_existing_items(db: Any, owing: str) -> None:
    keys = [{"userId": text(f"{owing}-{place}")} for place in (3, 99, 5)]
    reply = db.batch_get_item(RequestItems={"Users": {"Keys": keys, "ProjectionExpression": "userId"}})
    assert sorted(item["userId"]["S"] for item in reply["Responses"]["Users"]) == [f"{owing}-3", f"{owing}-5"]
    assert reply["UnprocessedKeys"] == {}
    assert (
        error_code(lambda: db.batch_get_item(RequestItems={"Users": {"Keys": keys[:1] * 2}})) == "ValidationException"
    )


def test_a_transaction_is_all_or_nothing(db: Any, name: str) -> None:
    def actions(sub: str) -> list[dict[str, Any]]:
        condition = {"TableName": "Users", "ConditionExpression": "attribute_not_exists(userId)"}
        return [
            {"Put": condition | {"Item": {"userId": text(sub)}}},
            {"Put": condition | {"Item": {"userId": text(name)}, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}},
        ]

    db.transact_write_items(TransactItems=actions(f"{name}-1"))
    with pytest.raises(db.exceptions.TransactionCanceledException) as raised:
        db.transact_write_items(TransactItems=actions(f"{name}-2"))
    none, failed = raised.value.response["CancellationReasons"]
    assert none["Code"] == "None"
    assert (failed["Code"], failed["Item"]) == ("ConditionalCheckFailed", {"userId": text(name)})
    assert "Item" not in db.get_item(TableName="Users", Key={"userId": text(f"{name}-2")})
