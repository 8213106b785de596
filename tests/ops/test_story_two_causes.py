"""The first night at the desk: two causes in one queue, one mended, proven, and the other left alone.

The story is told once, on a stack of its own; docs/stories/two-causes.md is what it printed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from scripts.stories import STORIES, UPDATE, page
from scripts.stories.teller import Teller

from onramp.local.stack import LocalStack
from onramp.ops.common import queue_reader


@pytest.fixture(scope="module")
def told() -> Iterator[Teller]:
    with pytest.MonkeyPatch.context() as patch, LocalStack.start() as stack:
        patch.setattr(queue_reader, "LONG_POLL_SECONDS", 0)  # the emulator is one server: empty is empty
        yield STORIES["two-causes"].told_on(stack)


def people(teller: Teller, domain: str) -> list[dict[str, Any]]:
    users = teller.deployed.dynamodb.scan(TableName=teller.deployed.outputs["UsersTableName"])["Items"]
    return [
        found for user in users if (found := teller.deployed.user(user["userId"]["S"])) and domain in found["userId"]
    ]


def test_in_fewer_than_ten_commands_and_no_log_search(told: Teller) -> None:
    assert told.commands < 10


def test_one_group_is_repaired_and_each_has_one_customer(told: Teller) -> None:
    partners = people(told, "@partner.example")
    assert len(partners) == 18
    for user in partners:
        assert "owed" not in user
        assert (told.deployed.profile(user["cognitoSub"]) or {})["provisioningStatus"] == "ready"
        assert len(told.deployed.customers_of(user["cognitoSub"])) == 1


def test_the_other_group_stays(told: Teller) -> None:
    guests = people(told, "@guest.example")
    assert len(guests) == 9
    for user in guests:
        assert user["owed"].startswith("operator#")
        assert (told.deployed.profile(user["cognitoSub"]) or {})["provisioningStatus"] == "failed"
    url = told.deployed.outputs["ProvisioningDlqUrl"]
    counts = told.deployed.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    assert counts["Attributes"]["ApproximateNumberOfMessages"] == "9", "all given back"


def test_the_page_says_what_the_commands_say(told: Teller) -> None:
    assert told.markdown() == page("two-causes"), UPDATE
