"""Each call to AWS and to a provider costs money and time: docs/architecture.md has all calls of a signup."""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import Path

import pytest

from tests.calls import Call, Observed, of_signup
from tests.pipeline import EMAIL

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| (trigger|worker|reconciler)(, [^|]+)? \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def created() -> Observed:
    return of_signup()


@pytest.fixture(scope="module")
def linked() -> Observed:
    return of_signup(lambda pipeline: pipeline.pre_create(EMAIL, "manager"))


def documented(function: str) -> list[str]:
    page = (ROOT / "docs/architecture.md").read_text()
    section = page.partition("\n## The calls of one signup\n")[2].partition("\n## ")[0]
    return [call for name, when, call, _ in ROW.findall(section) if name + when == function]


def written(calls: list[Call]) -> list[str]:
    """As in the table: repeated queries are one row with their number."""
    texts = (f"{operation} {target}".strip() for operation, target in calls)
    rows = [(text, len(list(group))) for text, group in groupby(texts)]
    return [
        row
        for text, count in rows
        for row in ([f"{count} {text}"] if count > 1 and text.startswith("Query") else [text] * count)
    ]


def test_the_trigger_makes_two_calls_in_this_order(created: Observed) -> None:
    assert created.trigger == [Call("UpdateItem", "Users"), Call("PutEvents", "UserSignedUp")]


def test_the_worker_makes_ten_calls_to_aws_and_one_to_each_provider(created: Observed) -> None:
    providers = [call for call in created.worker if call.operation.startswith("POST ")]
    assert (len(created.worker) - len(providers), len(providers)) == (10, 2)


def test_a_linked_record_costs_the_same_calls_as_a_created_one(created: Observed, linked: Observed) -> None:
    assert (linked.trigger, linked.worker) == (created.trigger, created.worker)


@pytest.mark.parametrize(
    ("function", "observed"),
    [
        ("trigger", "trigger"),
        ("worker", "worker"),
        ("worker, every 5 minutes", "at_start"),
        ("reconciler, idle run", "reconciler"),
    ],
)
def test_the_table_has_each_call_of_the_function(created: Observed, function: str, observed: str) -> None:
    assert documented(function) == written(getattr(created, observed))


def test_the_table_has_no_other_rows() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    section = page.partition("\n## The calls of one signup\n")[2].partition("\n## ")[0]
    assert len([line for line in section.splitlines() if line.startswith("| ")]) == len(ROW.findall(section)) + 1
