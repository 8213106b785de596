"""Tests on the fakes alone: hours and days of AWS on a virtual clock."""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.fakes import (
    FakeCognito,
    FakeDynamoDB,
    FakeEventBridge,
    FakeSqs,
    FakeSsm,
    IndexSpec,
    QueueSpec,
    TableSpec,
    VirtualClock,
)

DAY = 86_400
POOL = "eu-west-1_fake"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def sqs(clock: VirtualClock) -> FakeSqs:
    work = QueueSpec(visibility_timeout=360, retention=4 * DAY, dead_letter_queue="Dead", max_receive_count=2)
    return FakeSqs({"Work": work, "Dead": QueueSpec(retention=14 * DAY)}, clock)


def bodies(sqs: FakeSqs, queue: str = "Work") -> list[str]:
    return [message.body for message in sqs.messages(queue)]


def batch(sqs: FakeSqs, queue: str = "Work") -> list[str]:
    return [record["body"] for record in sqs.lambda_batch(queue)["Records"]]


def test_a_message_is_received_again_after_its_visibility_timeout(sqs: FakeSqs, clock: VirtualClock) -> None:
    sqs.put("Work", "one")
    assert batch(sqs) == ["one"]
    clock.advance(359)
    assert batch(sqs) == []
    clock.advance(1)
    assert batch(sqs) == ["one"]


def test_the_first_receive_is_remembered(sqs: FakeSqs, clock: VirtualClock) -> None:
    sqs.put("Work", "one")
    received = []
    for _ in range(2):
        (record,) = sqs.lambda_batch("Work")["Records"]
        received.append(record["attributes"])
        clock.advance(360)
    assert [attributes["ApproximateReceiveCount"] for attributes in received] == ["1", "2"]
    for name in ("SentTimestamp", "ApproximateFirstReceiveTimestamp"):
        assert received[0][name] == received[1][name]


@pytest.mark.parametrize("seconds", [10, 900])
def test_a_changed_visibility_replaces_the_timeout(sqs: FakeSqs, clock: VirtualClock, seconds: int) -> None:
    sqs.put("Work", "one")
    (record,) = sqs.lambda_batch("Work")["Records"]
    request = {"QueueUrl": sqs.url("Work"), "ReceiptHandle": record["receiptHandle"]}
    sqs.change_message_visibility(**request, VisibilityTimeout=seconds)
    clock.advance(seconds - 1)
    assert batch(sqs) == []
    clock.advance(1)
    assert batch(sqs) == ["one"]


def test_retention_counts_from_the_first_enqueueing(sqs: FakeSqs, clock: VirtualClock) -> None:
    sqs.put("Work", "poison")
    for _ in range(2):
        clock.advance(DAY)
        assert batch(sqs) == ["poison"]
    clock.advance(DAY)
    assert batch(sqs) == []
    assert bodies(sqs, "Dead") == ["poison"]
    clock.advance(11 * DAY)
    assert bodies(sqs, "Dead") == []


def test_an_expired_message_is_never_received(sqs: FakeSqs, clock: VirtualClock) -> None:
    sqs.put("Work", "old")
    clock.advance(4 * DAY)
    assert batch(sqs) == []
    assert bodies(sqs) == []


def test_a_delay_ends(sqs: FakeSqs, clock: VirtualClock) -> None:
    sqs.send_message(QueueUrl=sqs.url("Work"), MessageBody="later", DelaySeconds=900)
    assert batch(sqs) == []
    clock.advance(900)
    assert batch(sqs) == ["later"]


def test_no_message_stays_hidden_longer_than_twelve_hours(sqs: FakeSqs, clock: VirtualClock) -> None:
    sqs.put("Work", "one")
    (record,) = sqs.lambda_batch("Work")["Records"]
    clock.advance(300)
    request = {"QueueUrl": sqs.url("Work"), "ReceiptHandle": record["receiptHandle"]}
    with pytest.raises(ClientError, match="Total VisibilityTimeout"):
        sqs.change_message_visibility(**request, VisibilityTimeout=12 * 3600)
    sqs.change_message_visibility(**request, VisibilityTimeout=12 * 3600 - 300)


def test_any_order_and_duplicates(clock: VirtualClock) -> None:
    sqs = FakeSqs({"Work": QueueSpec()}, clock, rng=random.Random(1))
    sent = [sqs.put("Work", str(place)) for place in range(10)]
    received = batch(sqs)
    assert received != [str(place) for place in range(10)]
    assert sorted(received) == [str(place) for place in range(10)]
    sqs.duplicate("Work", sent[3])
    (again,) = sqs.lambda_batch("Work")["Records"]
    assert (again["messageId"], again["body"]) == (sent[3].id, "3")


def test_many_messages_take_linear_time(clock: VirtualClock) -> None:
    sqs = FakeSqs({"Work": QueueSpec()}, clock, validate=False)
    for place in range(30_000):
        sqs.put("Work", str(place))
    taken = 0
    while records := sqs.lambda_batch("Work")["Records"]:
        taken += len(records)
        sqs.settle({"Records": records}, None)
    assert taken == 30_000
    assert sqs.messages("Work") == []


@pytest.fixture
def db(clock: VirtualClock) -> FakeDynamoDB:
    users = TableSpec(("userId",), {"SubIndex": IndexSpec(("cognitoSub",))})
    return FakeDynamoDB({"Users": users}, clock)


def by_sub(db: FakeDynamoDB) -> int:
    reply = db.query(
        TableName="Users",
        IndexName="SubIndex",
        KeyConditionExpression="cognitoSub = :sub",
        ExpressionAttributeValues={":sub": {"S": "s"}},
    )
    return int(reply["Count"])


def test_reads_that_are_not_consistent_may_be_stale(db: FakeDynamoDB, clock: VirtualClock) -> None:
    db.read_lag = 2.0
    key = {"userId": {"S": "ada"}}

    def seen(**consistent: bool) -> Any:
        return db.get_item(TableName="Users", Key=key, **consistent).get("Item", {}).get("cognitoSub")

    db.put_item(TableName="Users", Item=key | {"cognitoSub": {"S": "s"}})
    assert (seen(), seen(ConsistentRead=True), by_sub(db)) == (None, {"S": "s"}, 0)
    assert db.scan(TableName="Users")["Count"] == 0
    clock.advance(2)
    assert (seen(), by_sub(db)) == ({"S": "s"}, 1)
    db.delete_item(TableName="Users", Key=key)
    assert (seen(), seen(ConsistentRead=True), by_sub(db)) == ({"S": "s"}, None, 1)
    clock.advance(2)
    assert (seen(), by_sub(db)) == (None, 0)


def test_threads_do_not_lose_each_others_writes(db: FakeDynamoDB) -> None:
    def add(_: int) -> None:
        db.update_item(
            TableName="Users",
            Key={"userId": {"S": "ada"}},
            UpdateExpression="SET visits = if_not_exists(visits, :zero) + :one",
            ExpressionAttributeValues={":zero": {"N": "0"}, ":one": {"N": "1"}},
        )

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(200)))
    assert db.rows("Users") == [{"userId": "ada", "visits": 200}]


def test_an_unpaired_surrogate_is_refused(db: FakeDynamoDB) -> None:
    with pytest.raises(ClientError, match="surrogate"):
        db.put_item(TableName="Users", Item={"userId": {"S": "\ud800"}})


def test_a_reply_is_a_copy(db: FakeDynamoDB) -> None:
    roles = {"L": [{"S": "team_member"}]}
    db.put_item(TableName="Users", Item={"userId": {"S": "ada"}, "access": roles})
    roles["L"].append({"S": "admin"})
    db.get_item(TableName="Users", Key={"userId": {"S": "ada"}})["Item"]["access"]["L"].append({"S": "admin"})
    assert db.rows("Users") == [{"userId": "ada", "access": ["team_member"]}]


def test_an_unsupported_argument_raises(db: FakeDynamoDB) -> None:
    with pytest.raises(NotImplementedError, match="ReturnConsumedCapacity"):
        db.get_item(TableName="Users", Key={"userId": {"S": "ada"}}, ReturnConsumedCapacity="TOTAL")


def test_an_archive_replays_to_the_rules(clock: VirtualClock) -> None:
    delivered: list[dict[str, Any]] = []
    events = FakeEventBridge(clock, buses=["bus"])
    events.add_rule("bus", {"source": [{"prefix": "onramp."}]}, delivered.append)
    for source in ("onramp.signup", "other"):
        detail = {"EventBusName": "bus", "Source": source, "DetailType": "x", "Detail": "{}"}
        events.put_events(Entries=[detail])
    clock.advance(20 * DAY)
    events.replay("bus", events.events)
    assert [envelope.get("replay-name") for envelope in delivered] == [None, "replay"]
    assert delivered[0] == {name: value for name, value in delivered[1].items() if name != "replay-name"}


def test_a_rule_delivers_to_a_queue(sqs: FakeSqs, clock: VirtualClock) -> None:
    events = FakeEventBridge(clock)
    events.add_rule("default", {"detail": {"id": [{"anything-but": ["7"]}]}}, sqs.sink("Work"))
    for identity in ("7", "8"):
        detail = json.dumps({"id": identity})
        events.put_events(Entries=[{"Source": "onramp.signup", "DetailType": "x", "Detail": detail}])
    assert [json.loads(body)["detail"] for body in bodies(sqs)] == [{"id": "8"}]


def test_tokens_expire_and_pages_may_be_empty(clock: VirtualClock) -> None:
    pool = FakeCognito(POOL, clock)
    for place in range(70):
        pool.add_user(f"u{place}", {"sub": str(place)})
    pool.empty_page = lambda number: number == 2
    token = pool.list_users(UserPoolId=POOL)["PaginationToken"]
    empty = pool.list_users(UserPoolId=POOL, PaginationToken=token)
    assert (empty["Users"], "PaginationToken" in empty) == ([], True)
    del pool.users["u3"]  # a deleted user does not move others to another page
    rest = pool.list_users(UserPoolId=POOL, PaginationToken=empty["PaginationToken"])
    assert [user["Username"] for user in rest["Users"]] == [f"u{place}" for place in range(60, 70)]
    clock.advance(3601)
    with pytest.raises(pool.exceptions.InvalidParameterException):
        pool.list_users(UserPoolId=POOL, PaginationToken=token)


def test_users_are_listed_late(clock: VirtualClock) -> None:
    pool = FakeCognito(POOL, clock)
    pool.list_lag = 5
    pool.add_user("ada", {}, "EXTERNAL_PROVIDER")
    assert pool.list_users(UserPoolId=POOL)["Users"] == []
    clock.advance(5)
    (user,) = pool.list_users(UserPoolId=POOL)["Users"]
    assert user["UserStatus"] == "EXTERNAL_PROVIDER"


def test_a_secret_is_rotated_and_removed(clock: VirtualClock) -> None:
    ssm = FakeSsm({"/key": "old"}, clock)
    ssm.set("/key", "new")
    parameter = ssm.get_parameter(Name="/key", WithDecryption=True)["Parameter"]
    assert (parameter["Value"], parameter["Version"]) == ("new", 2)
    ssm.remove("/key")
    with pytest.raises(ssm.exceptions.ParameterNotFound):
        ssm.get_parameter(Name="/key", WithDecryption=True)
