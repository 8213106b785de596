"""EventBridge, SSM and Cognito's ListUsers, over the fake, moto and the emulator."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ParamValidationError

from tests.contracts.backends import LENIENT, Backend, deviates, error_code
from tests.fakes import QueueSpec

PATTERN = {"source": ["shop"], "detail-type": ["Ordered"], "detail": {"total": [{"numeric": [">", 5]}]}}


@pytest.fixture(scope="module")
def aws(backend: Backend) -> tuple[Any, Any]:
    sqs = backend.queues({"Orders": QueueSpec(visibility_timeout=600)})
    return backend.bus("orders", PATTERN, "Orders"), sqs


def entry(**changes: Any) -> dict[str, Any]:
    whole = {"EventBusName": "orders", "Source": "shop", "DetailType": "Ordered", "Detail": '{"total": 7}'} | changes
    return {name: value for name, value in whole.items() if value is not None}


def delivered(sqs: Any, within: float = 5) -> dict[str, Any] | None:
    """The next envelope in the queue; the emulator may deliver it late."""
    url = sqs.get_queue_url(QueueName="Orders")["QueueUrl"]
    deadline = time.monotonic() + within
    while True:
        for message in sqs.receive_message(QueueUrl=url).get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            envelope: dict[str, Any] = json.loads(message["Body"])
            return envelope
        if time.monotonic() > deadline:
            return None


@deviates(moto="leaves the account out", emulator="writes the time with a numeric offset")
def test_an_event_arrives_as_the_envelope(aws: tuple[Any, Any]) -> None:
    events, sqs = aws
    reply = events.put_events(Entries=[entry(Resources=["arn:one"], Time=datetime(2026, 11, 20, 8, 30, 1, tzinfo=UTC))])
    assert reply["FailedEntryCount"] == 0
    envelope = delivered(sqs)
    assert envelope is not None
    names = {"version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"}
    assert envelope.keys() == names
    assert (envelope["id"], envelope["version"]) == (reply["Entries"][0]["EventId"], "0")
    assert (envelope["source"], envelope["detail-type"]) == ("shop", "Ordered")
    assert (envelope["detail"], envelope["resources"]) == ({"total": 7}, ["arn:one"])
    assert (envelope["time"], envelope["region"]) == ("2026-11-20T08:30:01Z", "eu-west-1")


@pytest.mark.parametrize(
    "changes", [{"Source": "other"}, {"DetailType": "Paid"}, {"Detail": '{"total": 5}'}, {"Detail": "{}"}], ids=str
)
def test_the_rule_delivers_only_matching_events(aws: tuple[Any, Any], changes: dict[str, str]) -> None:
    events, sqs = aws
    events.put_events(Entries=[entry(**changes), entry()])
    envelope = delivered(sqs)
    assert envelope is not None
    assert (envelope["source"], envelope["detail-type"], envelope["detail"]) == ("shop", "Ordered", {"total": 7})
    assert delivered(sqs, within=0) is None


def bad(name: str, changes: dict[str, Any], expected: str, moto: str = "", emulator: str = LENIENT) -> Any:
    """The bare emulator checks no entry (`onramp.local` checks them in front of it)."""
    why = {backend: reason for backend, reason in (("moto", moto), ("emulator", emulator)) if reason}
    return pytest.param(changes, expected, id=name, marks=deviates(**why))


BAD_ENTRIES = [
    bad("no source", {"Source": None}, "InvalidArgument"),
    bad("empty source", {"Source": ""}, "InvalidArgument"),
    bad("no detail type", {"DetailType": None}, "InvalidArgument"),
    bad("no detail", {"Detail": None}, "InvalidArgument"),
    bad("half an object", {"Detail": "{"}, "MalformedDetail"),
    bad("a list", {"Detail": "[]"}, "MalformedDetail", moto="only warns"),
    bad("a string", {"Detail": '"text"'}, "MalformedDetail", moto="only warns"),
    bad("not JSON", {"Detail": '{"x": NaN}'}, "MalformedDetail", moto=LENIENT),
    bad("AWS's own source", {"Source": "aws.shop"}, "NotAuthorizedForSourceException", moto=LENIENT, emulator=""),
]


@pytest.mark.parametrize(("changes", "expected"), BAD_ENTRIES)
def test_an_entry_is_refused_by_itself(aws: tuple[Any, Any], changes: dict[str, Any], expected: str) -> None:
    events, sqs = aws
    reply = events.put_events(Entries=[entry(**changes), entry()])
    assert reply["FailedEntryCount"] == 1
    assert reply["Entries"][0]["ErrorCode"] == expected
    assert "EventId" not in reply["Entries"][0]
    assert "EventId" in reply["Entries"][1]
    assert delivered(sqs) is not None


def test_a_request_is_refused_as_a_whole(aws: tuple[Any, Any]) -> None:
    events, _ = aws
    assert error_code(lambda: events.put_events(Entries=[entry()] * 11)) == "ValidationException"
    with pytest.raises(ParamValidationError):
        events.put_events(Entries=[])


@deviates(moto=LENIENT, emulator=LENIENT)
def test_a_request_is_smaller_than_one_megabyte(aws: tuple[Any, Any]) -> None:
    events, _ = aws
    large = json.dumps({"x": "y" * 1_048_576})
    assert error_code(lambda: events.put_events(Entries=[entry(Detail=large)])) == "ValidationException"


@deviates(moto="answers ResourceNotFoundException")
def test_an_event_for_an_absent_bus_is_accepted(aws: tuple[Any, Any]) -> None:
    events, _ = aws
    reply = events.put_events(Entries=[entry(EventBusName="nowhere")])
    assert reply["FailedEntryCount"] == 0
    assert "EventId" in reply["Entries"][0]


def test_a_secret(backend: Backend) -> None:
    ssm = backend.parameters({"/stripe/key": "sk_test"})
    parameter = ssm.get_parameter(Name="/stripe/key", WithDecryption=True)["Parameter"]
    assert (parameter["Name"], parameter["Type"], parameter["Value"]) == ("/stripe/key", "SecureString", "sk_test")
    assert parameter["ARN"].endswith(":parameter/stripe/key")
    assert ssm.get_parameter(Name="/stripe/key")["Parameter"]["Value"] != "sk_test"
    with pytest.raises(ssm.exceptions.ParameterNotFound):
        ssm.get_parameter(Name="/stripe/other", WithDecryption=True)


@pytest.fixture(scope="module")
def pool(backend: Backend) -> tuple[Any, str]:
    users = {f"user{place:02}": {"email": f"u{place}@example.com", "email_verified": "true"} for place in range(65)}
    return backend.pool(users)


def test_list_users_pages_by_sixty(pool: tuple[Any, str]) -> None:
    cognito, pool_id = pool
    first = cognito.list_users(UserPoolId=pool_id)
    second = cognito.list_users(UserPoolId=pool_id, PaginationToken=first["PaginationToken"])
    assert (len(first["Users"]), len(second["Users"])) == (60, 5)
    assert "PaginationToken" not in second
    assert len({user["Username"] for user in first["Users"] + second["Users"]}) == 65
    user = first["Users"][0]
    attributes = {attribute["Name"]: attribute["Value"] for attribute in user["Attributes"]}
    assert attributes["email_verified"] == "true"
    assert (user["UserStatus"], user["Enabled"]) == ("FORCE_CHANGE_PASSWORD", True)
    assert isinstance(user["UserCreateDate"], datetime)


@deviates(emulator="does not filter by status")
def test_list_users_filters(pool: tuple[Any, str]) -> None:
    cognito, pool_id = pool

    def matching(expression: str) -> set[str]:
        pages = cognito.get_paginator("list_users").paginate(UserPoolId=pool_id, Filter=expression)
        return {user["Username"] for page in pages for user in page["Users"]}

    assert matching('email = "u7@example.com"') == {"user07"}
    assert matching('email ^= "u6"') == {"user06", *(f"user{place}" for place in range(60, 65))}
    assert matching('cognito:user_status = "CONFIRMED"') == set()


@deviates(emulator="returns every attribute")
def test_list_users_returns_the_requested_attributes(pool: tuple[Any, str]) -> None:
    cognito, pool_id = pool
    users = cognito.list_users(UserPoolId=pool_id, Limit=7, AttributesToGet=["email"])["Users"]
    assert len(users) == 7
    assert {attribute["Name"] for user in users for attribute in user["Attributes"]} == {"email"}


@deviates(moto="takes any limit", emulator="takes any limit")
def test_list_users_takes_at_most_sixty(pool: tuple[Any, str]) -> None:
    cognito, pool_id = pool
    assert error_code(lambda: cognito.list_users(UserPoolId=pool_id, Limit=61)) == "InvalidParameterException"


def test_an_absent_pool(pool: tuple[Any, str]) -> None:
    cognito, _ = pool
    with pytest.raises(cognito.exceptions.ResourceNotFoundException):
        cognito.list_users(UserPoolId="eu-west-1_nowhere")


@deviates(moto="answers InvalidToken", emulator="starts again from the first page")
def test_an_invalid_token(pool: tuple[Any, str]) -> None:
    cognito, pool_id = pool
    with pytest.raises(cognito.exceptions.InvalidParameterException):
        cognito.list_users(UserPoolId=pool_id, PaginationToken="nonsense")
