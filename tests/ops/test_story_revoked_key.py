"""Stripe's key is revoked: the doctor finds it, its cure is run, and the queue drains without a redrive.

The story is recorded once, on its own stack. docs/stories/revoked-key.md is its output.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from scripts.stories import STORIES, UPDATE, page
from scripts.stories.recorder import Recorder
from scripts.stories.revoked_key import ROLLED, USERS

from onramp.local.fakes.stripe import LOCAL_KEY
from onramp.local.stack import LocalStack


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    with LocalStack.start() as stack:
        yield STORIES["revoked-key"].record(stack)


def test_in_fewer_than_ten_commands_and_no_log_search(recorder: Recorder) -> None:
    assert recorder.commands < 10


def test_every_user_is_ready_with_one_customer(recorder: Recorder) -> None:
    for email in USERS:
        profile = recorder.deployed.ready(email)
        assert len(recorder.deployed.customers_of(profile["userId"])) == 1


def test_the_alarm_fired_and_the_dead_letter_queue_stayed_empty(recorder: Recorder) -> None:
    metrics = recorder.deployed.stack.client("cloudwatch").list_metrics(Namespace="Onramp")["Metrics"]
    names = {metric["MetricName"] for metric in metrics}
    assert "ProviderKeyRejected" in names
    assert not names & {"RetriesExhausted", "PermanentFailure", "WorkerBug"}, "no message was dead-lettered"


def test_no_key_is_on_the_page(recorder: Recorder) -> None:
    assert ROLLED not in recorder.markdown()
    assert LOCAL_KEY not in recorder.markdown()


def test_the_page_is_the_output_of_the_commands(recorder: Recorder) -> None:
    assert recorder.markdown() == page("revoked-key"), UPDATE
