"""The report of a mixed pool, twice the same, and what an applied backfill leaves behind.

The story is told once, on a stack of its own; docs/stories/backfill.md is what it printed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from scripts.stories import STORIES, UPDATE, page
from scripts.stories.teller import Teller

from onramp.local.stack import LocalStack
from tests.deployed import DeployedPipeline, eventually
from tests.ops.conftest import Onramp


class Told(NamedTuple):
    teller: Teller
    events_of: Callable[[str], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    with STORIES["backfill"].stack() as own:
        yield own


@pytest.fixture(scope="module")
def told(stack: LocalStack) -> Told:
    events_of = DeployedPipeline(stack).subscribe("UserSignedUp")
    return Told(STORIES["backfill"].told_on(stack), events_of)


def test_whoever_was_brought_in_is_provisioned_like_any_signup(told: Told, deployed: DeployedPipeline) -> None:
    users = deployed.dynamodb.scan(TableName=deployed.outputs["UsersTableName"])["Items"]
    (native,) = (user for user in users if user["userId"]["S"].startswith("native."))
    profile, sub = deployed.ready(native["userId"]["S"]), native["cognitoSub"]["S"]
    assert profile["displayName"] == "Nia"
    assert len(deployed.customers_of(sub)) == 1
    (event,) = eventually(lambda: told.events_of(sub))
    assert event["detail"]["metadata"]["origin"] == "backfill"


def test_the_audit_says_how_many_each_run_wrote(told: Told, onramp: Onramp) -> None:
    entries = [row for row in onramp("audit", "--json").json if row["what"] == "backfill"]
    assert [entry["count"] for entry in entries] == [0, 5]


def test_the_page_says_what_the_commands_say(told: Told) -> None:
    assert told.teller.markdown() == page("backfill"), UPDATE
