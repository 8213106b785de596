"""Two operators redrive at the same time and one process is killed: no user is lost or gets a second customer.

The story is recorded once, on its own stack. docs/stories/two-operators.md is its output. tests/unit/test_dlq_killed.py
kills the redrive at every single call.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import pytest
from scripts.stories import STORIES, UPDATE, page
from scripts.stories.recorder import Recorder
from scripts.stories.two_operators import DLQ, REDRIVE, USERS, other_operator

from onramp.local.stack import LocalStack
from onramp.ops.common import queue_reader
from tests.deployed import DeployedPipeline

CROWD = [f"crowd{number:02}@example.com" for number in range(40)]
OPERATORS = 3


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    with pytest.MonkeyPatch.context() as patch, LocalStack.start() as stack:
        patch.setattr(queue_reader, "LONG_POLL_SECONDS", 0)  # one server: an empty receive is an empty queue
        yield STORIES["two-operators"].record(stack)


def assert_ready_with_one_customer(deployed: DeployedPipeline, emails: list[str]) -> None:
    for email in emails:
        profile = deployed.ready(email)
        assert len(deployed.customers_of(profile["userId"])) == 1
    assert deployed.depth(DLQ) == 0


def test_after_the_kill_every_user_is_ready_with_one_customer(recorder: Recorder) -> None:
    assert_ready_with_one_customer(recorder.deployed, USERS)


def test_the_page_is_the_output_of_the_commands(recorder: Recorder) -> None:
    assert recorder.markdown() == page("two-operators"), UPDATE


def test_three_concurrent_operators_send_each_user_once(recorder: Recorder) -> None:
    deployed = recorder.deployed
    deployed.stripe.fault("refused", operation="create", match="crowd", code="email_invalid", times=None)
    for email in CROWD:
        deployed.join(email)
    deployed.until_owed("operator", *CROWD)
    deployed.stripe.clear()
    before = sent_count(recorder)
    with contextlib.ExitStack() as processes:
        operators = [processes.enter_context(other_operator(deployed, *REDRIVE)) for _ in range(OPERATORS)]
        for operator in operators:
            operator.wait(timeout=60)
    recorder.run(*REDRIVE)  # the messages that the last operator had received while the others looked
    assert_ready_with_one_customer(deployed, CROWD)
    assert sent_count(recorder) - before == len(CROWD)


def sent_count(recorder: Recorder) -> int:
    """Users sent by all operators, according to the audit log."""
    return sum(row["count"] for row in json.loads(recorder.query("audit", "--json")))
