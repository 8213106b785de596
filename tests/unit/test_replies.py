"""Replies of AWS that no fake gives: a missing part is never read as a success."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from onramp.adapters.aws import readable
from onramp.adapters.cognito import UserPools
from onramp.adapters.eventbridge import EventBus
from onramp.adapters.items import get_items
from onramp.adapters.secrets import SsmSecret
from onramp.adapters.sqs import ProvisioningQueue
from onramp.domain.errors import EventsRefused, RetryableError, TokenExpired
from onramp.domain.event_data import Event, user_forgotten
from onramp.usecases.messages import DeadLetter
from onramp.usecases.sweep import Page
from tests.fakes.client import client_error
from tests.pipeline import POOL, SUB

KEY: Any = {"userId": {"S": "nia@example.com"}}
LETTER = DeadLetter("{}", "stripe", "stripe_refused_400", "email_invalid", 1, 0, "test-1")


def event() -> Event:
    return user_forgotten(SUB, POOL, at=0, correlation_id="c")


def bus(reply: Mapping[str, Any]) -> EventBus:
    client: Any = SimpleNamespace(put_events=lambda **_: reply)
    return EventBus(client, "onramp")


def queue(**replies: Any) -> ProvisioningQueue:
    client: Any = SimpleNamespace(**{name: lambda reply=reply, **_: reply for name, reply in replies.items()})
    return ProvisioningQueue(client, "queue", "dead")


class TestPutEvents:
    @pytest.mark.parametrize(
        "reply",
        [
            {},
            {"FailedEntryCount": 2, "Entries": [{}, {}]},
            {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]},
            {"FailedEntryCount": 1, "Entries": [{"EventId": "1"}, {"ErrorCode": ""}]},
        ],
    )
    def test_without_readable_codes_every_event_counts_as_refused(self, reply: dict[str, Any]) -> None:
        with pytest.raises(EventsRefused) as raised:
            bus(reply).publish(event(), event())
        assert raised.value.codes == {0: "Unreadable", 1: "Unreadable"}

    def test_only_the_events_with_a_code_are_refused(self) -> None:
        entries = [{"EventId": "1"}, {"ErrorCode": "InternalFailure"}, {"ErrorCode": "ThrottlingException"}]
        with pytest.raises(EventsRefused) as raised:
            bus({"FailedEntryCount": 2, "Entries": entries}).publish(event(), event(), event())
        assert raised.value.codes == {1: "InternalFailure", 2: "ThrottlingException"}


class TestQueue:
    def test_a_dead_letter_without_its_message_id_was_not_sent(self) -> None:
        with pytest.raises(RetryableError, match="dead_letter_Unreadable"):
            queue(send_message={"ResponseMetadata": {}}).dead_letter(LETTER)
        queue(send_message={"MessageId": "1"}).dead_letter(LETTER)

    @pytest.mark.parametrize("reply", [{}, {"Attributes": {}}])
    def test_a_backlog_that_is_not_told_is_not_zero(self, reply: dict[str, Any]) -> None:
        with pytest.raises(RetryableError, match="queue_attributes_Unreadable"):
            queue(get_queue_attributes=reply).backlog()

    @pytest.mark.parametrize(
        ("reply", "code"),
        [
            ({}, "queue_send_Unreadable"),
            ({"Successful": [{"Id": "0"}]}, "queue_send_Unreadable"),
            ({"Failed": [{"Id": "0", "Code": "B"}, {"Id": "1", "Code": "A"}]}, "queue_send_A_B"),
        ],
    )
    def test_a_message_without_a_confirmation_was_not_sent(self, reply: dict[str, Any], code: str) -> None:
        with pytest.raises(RetryableError) as raised:
            queue(send_message_batch=reply).send(event(), event())
        assert raised.value.code == code


class TestBatchGet:
    def read(self, *replies: Mapping[str, Any]) -> list[dict[str, Any]]:
        waiting = list(replies)
        client: Any = SimpleNamespace(batch_get_item=lambda **_: waiting.pop(0))
        return list(get_items(client, "Users", [KEY]))

    def test_a_reply_without_responses_is_not_an_absent_record(self) -> None:
        with pytest.raises(RetryableError, match="batch_get_unreadable"):
            self.read({"UnprocessedKeys": {}})

    def test_unprocessed_keys_are_read_in_three_attempts(self) -> None:
        later = {"Responses": {}, "UnprocessedKeys": {"Users": {"Keys": [KEY]}}}
        assert self.read(later, later, {"Responses": {"Users": [KEY]}}) == [KEY]
        with pytest.raises(RetryableError, match="batch_get_unprocessed"):
            self.read(later, later, later)


class TestSecret:
    def test_is_cached_for_at_most_five_minutes(self) -> None:
        asked: list[tuple[bool, bool, int]] = []

        def get(name: str, *, decrypt: bool, max_age: int, force_fetch: bool) -> str:
            asked.append((decrypt, force_fetch, max_age))
            return " key "

        provider: Any = SimpleNamespace(get=get)
        secret = SsmSecret(provider, "/stripe")
        assert (secret.get(), secret.get(fresh=True)) == ("key", "key")
        assert asked == [(True, False, 300), (True, True, 300)]


class TestListUsers:
    def page(self, answer: Mapping[str, Any] | Exception, token: str | None = None) -> Page:
        def list_users(**_: Any) -> Mapping[str, Any]:
            if isinstance(answer, Exception):
                raise answer
            return answer

        client: Any = SimpleNamespace(list_users=list_users)
        return UserPools(client).page(POOL, token)

    def test_a_reply_without_users_is_not_an_empty_page(self) -> None:
        with pytest.raises(RetryableError, match="list_users_unreadable"):
            self.page({"PaginationToken": "next"})

    @pytest.mark.parametrize("search", ["matching", "starting_with", "first_starting_with"])
    def test_a_search_with_an_unreadable_reply_is_not_empty(self, search: str) -> None:
        paginator = SimpleNamespace(paginate=lambda **_: iter([{"Users": []}, {}]))
        client: Any = SimpleNamespace(list_users=lambda **_: {}, get_paginator=lambda _: paginator)
        with pytest.raises(RetryableError, match="list_users_unreadable"):
            getattr(UserPools(client), search)(POOL, "email", "ada@example.com")

    @pytest.mark.parametrize(
        ("code", "token", "error"),
        [
            ("InvalidParameterException", "old", TokenExpired),
            ("InvalidParameterException", None, RetryableError),
            ("TooManyRequestsException", "old", RetryableError),
        ],
    )
    def test_only_a_refused_token_has_expired(self, code: str, token: str | None, error: type[Exception]) -> None:
        with pytest.raises(error) as raised:
            self.page(client_error("cognito-idp", "list_users", code, "message"), token)
        assert type(raised.value) is error

    @pytest.mark.parametrize("modified", [None, datetime(2026, 1, 2, microsecond=1600, tzinfo=UTC)])
    def test_a_user_who_was_never_changed_has_the_time_of_creation(self, modified: datetime | None) -> None:
        created = datetime(2026, 1, 1, microsecond=1600, tzinfo=UTC)
        row = {"UserCreateDate": created} | ({"UserLastModifiedDate": modified} if modified else {})
        page = self.page({"Users": [row]})
        assert [listed.modified_at for listed in page.users] == [int((modified or created).timestamp()) * 1000 + 2]
        assert page.next_token is None


@pytest.mark.parametrize(
    ("reply", "length", "is_readable"),
    [
        ({}, 2, True),
        ({}, 0, False),
        ({}, 200, False),
        ({"Item": {}}, 200, True),
    ],
)
def test_an_empty_reply_is_believed_only_if_it_was_sent_empty(
    reply: dict[str, Any], length: int, is_readable: bool
) -> None:
    """botocore returns an answer whose checksum was wrong in every attempt as an empty one."""
    headers = {"content-length": str(length)} if length else {}
    whole = reply | {"ResponseMetadata": {"MaxAttemptsReached": True, "HTTPHeaders": headers}}
    if is_readable:
        assert readable("operation", whole) is whole
    else:
        with pytest.raises(RetryableError, match="operation_unreadable"):
            readable("operation", whole)
    first = reply | {"ResponseMetadata": {"HTTPHeaders": headers}}
    assert readable("operation", first) is first, "the first attempt was read"
