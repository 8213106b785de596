"""Two operators at once, one of them killed for real: nobody is lost, nobody is doubled.

The story is told once, on a stack of its own; docs/stories/two-operators.md is what it printed. A kill at every single
call is in tests/unit/test_dlq_killed.py.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import pytest
from scripts.stories import STORIES, UPDATE, page
from scripts.stories.teller import Teller
from scripts.stories.two_operators import DLQ, PEOPLE, REDRIVE, colleague

from onramp.local.stack import LocalStack
from onramp.ops.common import queue_reader
from tests.deployed import DeployedPipeline

CROWD = [f"crowd{number:02}@example.com" for number in range(40)]
OPERATORS = 3


@pytest.fixture(scope="module")
def told() -> Iterator[Teller]:
    with pytest.MonkeyPatch.context() as patch, LocalStack.start() as stack:
        patch.setattr(queue_reader, "LONG_POLL_SECONDS", 0)  # the emulator is one server: empty is empty
        yield STORIES["two-operators"].told_on(stack)


def each_is_one_customer(deployed: DeployedPipeline, people: list[str]) -> None:
    for email in people:
        profile = deployed.ready(email)
        assert len(deployed.customers_of(profile["userId"])) == 1
    assert deployed.depth(DLQ) == 0


def test_after_the_kill_nobody_is_lost_and_nobody_is_doubled(told: Teller) -> None:
    each_is_one_customer(told.deployed, PEOPLE)


def test_the_page_says_what_the_commands_say(told: Teller) -> None:
    assert told.markdown() == page("two-operators"), UPDATE


def test_three_at_once_send_everybody_once(told: Teller) -> None:
    deployed = told.deployed
    deployed.stripe.fault("refused", operation="create", match="crowd", code="email_invalid", times=None)
    for email in CROWD:
        deployed.join(email)
    deployed.until_owed("operator", *CROWD)
    deployed.stripe.clear()
    before = sent(told)
    with contextlib.ExitStack() as all_at_once:
        operators = [all_at_once.enter_context(colleague(deployed, *REDRIVE)) for _ in range(OPERATORS)]
        for operator in operators:
            operator.wait(timeout=60)
    told.runs(*REDRIVE)  # whatever the last of them held while the others looked
    each_is_one_customer(deployed, CROWD)
    assert sent(told) - before == len(CROWD)


def sent(told: Teller) -> int:
    """By all operators together, as the audit counts."""
    return sum(row["count"] for row in json.loads(told.asks("audit", "--json")))
