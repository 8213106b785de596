"""Two causes in one dead-letter queue: one is fixed and redriven, the other stays as it is.

The story is recorded once, on its own stack. docs/stories/two-causes.md is its output.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from scripts.stories import STORIES, UPDATE, page
from scripts.stories.recorder import Recorder

from onramp.local.stack import LocalStack
from onramp.ops.common import queue_reader


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    with pytest.MonkeyPatch.context() as patch, LocalStack.start() as stack:
        patch.setattr(queue_reader, "LONG_POLL_SECONDS", 0)  # one server: an empty receive is an empty queue
        yield STORIES["two-causes"].record(stack)


def users_of(recorder: Recorder, domain: str) -> list[dict[str, Any]]:
    items = recorder.deployed.dynamodb.scan(TableName=recorder.deployed.outputs["UsersTableName"])["Items"]
    users = (recorder.deployed.user(item["userId"]["S"]) for item in items)
    return [user for user in users if user and domain in user["userId"]]


def test_in_fewer_than_ten_commands_and_no_log_search(recorder: Recorder) -> None:
    assert recorder.commands < 10


def test_one_group_is_repaired_and_each_has_one_customer(recorder: Recorder) -> None:
    partners = users_of(recorder, "@partner.example")
    assert len(partners) == 18
    for user in partners:
        assert "owed" not in user
        assert (recorder.deployed.profile(user["cognitoSub"]) or {})["provisioningStatus"] == "ready"
        assert len(recorder.deployed.customers_of(user["cognitoSub"])) == 1


def test_the_other_group_stays(recorder: Recorder) -> None:
    guests = users_of(recorder, "@guest.example")
    assert len(guests) == 9
    for user in guests:
        assert user["owed"].startswith("operator#")
        assert (recorder.deployed.profile(user["cognitoSub"]) or {})["provisioningStatus"] == "failed"
    url = recorder.deployed.outputs["ProvisioningDlqUrl"]
    counts = recorder.deployed.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    assert counts["Attributes"]["ApproximateNumberOfMessages"] == "9", "all messages are visible again"


def test_the_page_is_the_output_of_the_commands(recorder: Recorder) -> None:
    assert recorder.markdown() == page("two-causes"), UPDATE
