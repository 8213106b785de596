"""Botocore sets `MaxAttemptsReached` on every reply of its last attempt; a valid reply must still be accepted."""

from __future__ import annotations

import io
import zlib
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config

from onramp.adapters.users import UserTable
from onramp.domain.errors import RetryableError
from onramp.local.sessions import local_session
from onramp.local.stack import LocalStack
from tests.deployed import DeployedPipeline, unique_email

ONE_ATTEMPT = Config(retries={"mode": "standard", "total_max_attempts": 1})
ITEM = b'{"Item": {"userId": {"S": "nia@example.com"}}}'


class Raw(io.BytesIO):
    """The part of urllib3's response that botocore reads."""

    def stream(self, *_: Any, **__: Any) -> Any:
        yield self.read()


def users(sent: bytes, arrived: bytes) -> UserTable:
    """A table whose reply is `arrived` instead of `sent`. The real client, without a socket."""
    client = local_session("eu-west-1").client("dynamodb", config=ONE_ATTEMPT)
    headers: Any = {"content-length": str(len(arrived)), "x-amz-crc32": str(zlib.crc32(sent))}

    def answer(**_: Any) -> Any:
        return AWSResponse("https://dynamodb.invalid", 200, headers, Raw(arrived))

    client.meta.events.register("before-send.dynamodb", answer)
    return UserTable(client, "Users")


def test_an_item_in_the_last_attempt_is_an_item() -> None:
    user = users(ITEM, ITEM).get("nia@example.com")
    assert user is not None
    assert user.user_id == "nia@example.com"


def test_no_item_in_the_last_attempt_is_no_item() -> None:
    assert users(b"{}", b"{}").get("nia@example.com") is None


def test_an_unreadable_answer_does_not_mean_no_item() -> None:
    with pytest.raises(RetryableError, match="users_get_unreadable"):
        users(ITEM, ITEM[:20]).get("nia@example.com")


def test_a_write_that_succeeds_in_the_last_attempt_is_a_signup(stack: LocalStack) -> None:
    email = unique_email("throttled")
    throttled: dict[str, Any] = {"code": "ThrottlingException", "status": 400}
    stack.control.fault("dynamodb", "UpdateItem", "refused", match=email, **throttled)
    deployed = DeployedPipeline(stack)
    deployed.join(email)
    deployed.ready(email)
