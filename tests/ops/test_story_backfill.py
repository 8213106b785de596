"""A backfill of a pool with every kind of user: the same report twice, and the result of an applied backfill.

The story is recorded once, on its own stack. docs/stories/backfill.md is its output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from scripts.stories import STORIES, UPDATE, page
from scripts.stories.recorder import Recorder

from onramp.local.stack import LocalStack
from tests.deployed import DeployedPipeline, eventually
from tests.ops.conftest import Onramp


class Recorded(NamedTuple):
    recorder: Recorder
    events_of: Callable[[str], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    with STORIES["backfill"].stack() as own:
        yield own


@pytest.fixture(scope="module")
def recorded(stack: LocalStack) -> Recorded:
    events_of = DeployedPipeline(stack).subscribe("UserSignedUp")
    return Recorded(STORIES["backfill"].record(stack), events_of)


def test_a_backfilled_user_is_provisioned_like_any_signup(recorded: Recorded, deployed: DeployedPipeline) -> None:
    users = deployed.dynamodb.scan(TableName=deployed.outputs["UsersTableName"])["Items"]
    (native,) = (user for user in users if user["userId"]["S"].startswith("native."))
    profile, sub = deployed.ready(native["userId"]["S"]), native["cognitoSub"]["S"]
    assert profile["displayName"] == "Nia"
    assert len(deployed.customers_of(sub)) == 1
    (event,) = eventually(lambda: recorded.events_of(sub))
    assert event["detail"]["metadata"]["origin"] == "backfill"


def test_the_audit_log_has_the_count_of_each_run(recorded: Recorded, onramp: Onramp) -> None:
    entries = [row for row in onramp("audit", "--json").json if row["what"] == "backfill"]
    assert [entry["count"] for entry in entries] == [0, 5]


def test_the_page_is_the_output_of_the_commands(recorded: Recorded) -> None:
    assert recorded.recorder.markdown() == page("backfill"), UPDATE
