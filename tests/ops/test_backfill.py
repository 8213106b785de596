"""`onramp backfill` on a stack of its own: the pool contains exactly the users of `mixed_pool`."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from onramp.local.parameters import STACK_NAME
from onramp.local.stack import LocalStack
from tests.conftest import QUICK
from tests.deployed import DeployedPipeline, eventually, unique_email
from tests.ops.conftest import Onramp
from tests.ops.mixed_pool import people, settle

CROWD = 480


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    with LocalStack.start(enforce_iam=True, parameters=QUICK) as running:
        yield running


@pytest.fixture(scope="module")
def mixed(stack: LocalStack) -> dict[str, Any]:
    return settle(stack)


def test_a_dry_run_reports_what_the_rules_demand_and_is_repeatable(
    onramp: Onramp, mixed: dict[str, Any], deployed: DeployedPipeline, tmp_path: Path
) -> None:
    before = deployed.dynamodb.scan(TableName=deployed.outputs["UsersTableName"])["Items"]
    first = onramp("backfill", "--csv", str(tmp_path / "one.csv"), "--json")
    second = onramp("backfill", "--csv", str(tmp_path / "two.csv"), "--json")
    assert (first.code, second.code) == (0, 0)
    assert first.json["found"] == mixed
    assert (first.json["users"], first.json["refused"], first.json["skipped"]) == (16, 7, 2)
    assert first.out == second.out
    assert (tmp_path / "one.csv").read_text() == (tmp_path / "two.csv").read_text()
    assert deployed.dynamodb.scan(TableName=deployed.outputs["UsersTableName"])["Items"] == before


def test_the_refusals_file_is_masked_and_has_no_control_characters(
    onramp: Onramp, mixed: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "refused.csv"
    ran = onramp("backfill", "--csv", str(path))
    assert "dry run" in ran.out
    assert str(path) in ran.err
    assert path.stat().st_mode & 0o777 == 0o600
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 7
    assert "\x1b" not in path.read_text()
    assert all("***" in row["email"] for row in rows)
    assert onramp("backfill", "--csv", str(path), "--reveal").code == 0
    assert "unverified." in path.read_text()
    (row, *_) = onramp("audit", "--json").json
    assert (row["what"], row["result"]) == ("reveal backfill", "done")


def rows_of(deployed: DeployedPipeline) -> list[dict[str, Any]]:
    pages = deployed.dynamodb.get_paginator("scan").paginate(TableName=deployed.outputs["UsersTableName"])
    return [item for page in pages for item in page["Items"]]


def test_a_killed_process_run_again_loses_and_duplicates_no_user(
    onramp: Onramp, stack: LocalStack, deployed: DeployedPipeline
) -> None:
    worker = deployed.outputs["EnrichProfileFunctionName"]
    (found,) = deployed.stack.client("lambda").list_event_source_mappings(FunctionName=worker)["EventSourceMappings"]
    mapping = found["UUID"]
    # Nothing empties the queue, so the backfills wait for no room in it.
    deployed.stack.client("lambda").update_event_source_mapping(UUID=mapping, Enabled=False)
    events_of = deployed.subscribe("UserSignedUp")
    emails = [unique_email("crowd") for _ in range(CROWD)]
    subs = people(stack, *((email, "CONFIRMED", {}) for email in emails))
    expected = onramp("backfill", "--json").json["found"]["create"]
    environment = {**os.environ, **stack.environment(), "ONRAMP_STACK": STACK_NAME}
    command = (
        "from onramp.ops.cli import main; main(['backfill', '--apply', '--yes', '--rate', '5', '--max-queue', '0'])"
    )
    process = subprocess.Popen([sys.executable, "-c", command], env=environment, stderr=subprocess.DEVNULL)
    checkpoint = {"pk": {"S": "BACKFILL#run"}, "sk": {"S": "run"}}
    table = deployed.outputs["OperationsTableName"]

    def has_written() -> bool:
        row = deployed.dynamodb.get_item(TableName=table, Key=checkpoint).get("Item", {})
        return int(row.get("found", {"M": {}})["M"].get("create", {"N": "0"})["N"]) >= 100

    eventually(has_written)
    process.send_signal(signal.SIGKILL)
    process.wait()
    written = sum(row["userId"]["S"].startswith("crowd.") for row in rows_of(deployed))
    assert 100 <= written < CROWD
    done = onramp("backfill", "--apply", "--yes", "--max-queue", "0", "--json")
    assert done.json["found"]["create"] == expected >= CROWD
    crowd = {r["userId"]["S"]: r["cognitoSub"]["S"] for r in rows_of(deployed) if r["userId"]["S"].startswith("crowd.")}
    assert crowd == dict(zip(emails, subs, strict=True))
    assert "Item" not in deployed.dynamodb.get_item(TableName=table, Key=checkpoint)
    received = eventually(lambda: all_received(events_of, subs), within=20)
    owed = [row for row in rows_of(deployed) if row.get("owed", {"S": ""})["S"].startswith("emit#")]
    assert received <= set(subs), "a record whose event was lost with the process still owes it"
    assert set(subs) - received <= {row["cognitoSub"]["S"] for row in owed}


def all_received(events_of: Any, subs: list[str]) -> set[str] | None:
    """The subs whose event has arrived, polled until the queue has no new one."""
    received: set[str] = set()
    while True:
        before = len(received)
        received |= {sub for sub in subs if events_of(sub)}
        if len(received) == before:
            return received or None


class TestUsageErrors:
    def test_another_pool(self, onramp: Onramp) -> None:
        ran = onramp("backfill", "--pool", "eu-west-1_Other")
        assert ran.code == 2
        assert "not a pool of this stack" in ran.err

    def test_a_file_of_another_kind_is_not_overwritten(self, onramp: Onramp, tmp_path: Path) -> None:
        (tmp_path / "thesis.csv").write_text("precious")
        ran = onramp("backfill", "--csv", str(tmp_path / "thesis.csv"))
        assert (ran.code, ran.err.count("\n")) == (2, 1)
        assert (tmp_path / "thesis.csv").read_text() == "precious"

    def test_a_file_that_cannot_be_created(self, onramp: Onramp, tmp_path: Path) -> None:
        ran = onramp("backfill", "--csv", str(tmp_path / "no/such/folder.csv"))
        assert (ran.code, ran.err.count("\n")) == (2, 1)

    def test_without_a_terminal_it_needs_yes(self, onramp: Onramp) -> None:
        ran = onramp("backfill", "--apply")
        assert ran.code == 2
        assert "--yes" in ran.err

    def test_a_denied_permission_is_named(self, onramp: Onramp, stack: LocalStack) -> None:
        stack.control.fault("cognito-idp", "ListUsers", "refused", times=None, code="AccessDeniedException", status=400)
        try:
            ran = onramp("backfill")
        finally:
            stack.control.clear()
        assert ran.code == 2
        assert "may not" in ran.err
