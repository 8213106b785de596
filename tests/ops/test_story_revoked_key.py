"""The second night at the desk: Stripe's key is revoked, the doctor names it, its cure is run, all drains by itself.

The story is told once, on a stack of its own; docs/stories/revoked-key.md is what it printed.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from scripts.stories import STORIES, UPDATE, page
from scripts.stories.revoked_key import PEOPLE, ROLLED
from scripts.stories.teller import Teller

from onramp.local.fakes.stripe import LOCAL_KEY
from onramp.local.stack import LocalStack


@pytest.fixture(scope="module")
def told() -> Iterator[Teller]:
    with LocalStack.start() as stack:
        yield STORIES["revoked-key"].told_on(stack)


def test_in_fewer_than_ten_commands_and_no_log_search(told: Teller) -> None:
    assert told.commands < 10


def test_everybody_is_ready_with_one_customer(told: Teller) -> None:
    for email in PEOPLE:
        profile = told.deployed.ready(email)
        assert len(told.deployed.customers_of(profile["userId"])) == 1


def test_the_alarm_rang_and_the_dead_letter_queue_stayed_empty(told: Teller) -> None:
    found = told.deployed.stack.client("cloudwatch").list_metrics(Namespace="Onramp")["Metrics"]
    counted = {metric["MetricName"] for metric in found}
    assert "ProviderKeyRejected" in counted
    assert not counted & {"RetriesExhausted", "PermanentFailure", "WorkerBug"}, "nothing was ever dead-lettered"


def test_no_key_is_on_the_page(told: Teller) -> None:
    assert ROLLED not in told.markdown()
    assert LOCAL_KEY not in told.markdown()


def test_the_page_says_what_the_commands_say(told: Teller) -> None:
    assert told.markdown() == page("revoked-key"), UPDATE
