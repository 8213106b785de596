"""The audit rows: each reveal and each drop with its count, times in UTC with a Z."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from onramp.ops import audit
from onramp.ops.backfill import backfill_command
from onramp.ops.backfill.backfill_command import BackfillCommand
from onramp.ops.backfill.wiring import BackfillWiring
from onramp.ops.common.context import OperatorContext
from onramp.ops.dlq import commands as dlq
from onramp.ops.dlq.options import FilterOptions
from onramp.ops.tables.audit import AuditRow, AuditTable
from onramp.ops.user.explain import explain_user
from onramp.ops.user.lookup import UserIdentifier
from onramp.ops.user.show import show_user
from tests.dlq_scenario import DlqScenario
from tests.operator_context import operator_context
from tests.pipeline import OPERATIONS
from tests.unit.test_backfill import mixed_pool
from tests.unit.user_scenario import EMAIL, OLD, in_pool

ADA, BEN = "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"


@pytest.fixture
def scenario() -> Iterator[DlqScenario]:
    with DlqScenario() as scenario:
        scenario.refuse("ada@example.com", ADA)
        scenario.refuse("ben@example.com", BEN)
        yield scenario


def ctx(scenario: DlqScenario) -> Any:
    return SimpleNamespace(obj=operator_context(scenario))


def rows(scenario: DlqScenario) -> list[tuple[str, int, str]]:
    return [(row["what"], row["count"], row["result"]) for row in scenario.audit()]


def test_a_reveal_of_dead_letters_has_its_count(scenario: DlqScenario, tmp_path: Path) -> None:
    dlq.list_(ctx(scenario), reveal=True)
    assert rows(scenario) == [("reveal dlq list", 1, "done")], "one address: the sample of the only group"
    no_filter = {field.name: field.default for field in fields(FilterOptions)}
    dlq.export(ctx=ctx(scenario), file=tmp_path / "letters", as_csv=False, reveal=True, **no_filter)
    assert ("reveal dlq export", 2, "done") in rows(scenario)
    letter = scenario.sqs.messages("ProvisioningDlq")[0]
    dlq.show(ctx(scenario), letter.id, reveal=True)
    assert ("reveal dlq show", 1, "done") in rows(scenario)


def test_a_drop_has_its_count(scenario: DlqScenario) -> None:
    assert scenario.drop(limit=1).dropped == 1
    assert rows(scenario) == [("dlq drop", 1, "done")]


def test_a_reveal_of_a_user_has_its_count(scenario: DlqScenario) -> None:
    context = operator_context(scenario)
    show_user(context, UserIdentifier.of(ADA), reveal=True)
    assert rows(scenario) == [("reveal user show", 1, "done")]
    in_pool(scenario, OLD, EMAIL, email_verified="false")
    for command in (show_user, explain_user):
        command(context, UserIdentifier.of(EMAIL), reveal=True)
    assert sorted(rows(scenario)) == [
        ("reveal user explain", 1, "done"), ("reveal user show", 1, "done"), ("reveal user show", 1, "done"),
    ]  # fmt: skip
    show_user(context, UserIdentifier.of("unknown@example.com"), reveal=True)
    assert ("reveal user show", 0, "done") in rows(scenario)


def test_a_revealing_dry_run_counts_the_refused_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill_command, "_estimate", lambda *_: None)
    with DlqScenario() as scenario:
        expected = mixed_pool(scenario)
        context = operator_context(scenario)
        command = BackfillCommand("", False, 1000.0, 0, tmp_path / "refused.csv", True, False, True)
        command.run(context, BackfillWiring.of(context))
        refused = sum(
            count for label, count in expected.items() if label.startswith(("refused", "conflict", "email_changed"))
        )
        assert rows(scenario) == [("reveal backfill", refused, "done")]


def test_times_have_a_z(scenario: DlqScenario, capsys: pytest.CaptureFixture[str]) -> None:
    context: OperatorContext = operator_context(scenario)
    table = AuditTable(context.client("dynamodb"), OPERATIONS)
    table.save(AuditRow("2026-11-20T09:00:00.000+00:00", "1", "arn:aws:iam::123456789012:user/olu", "attach"))
    with context.audited("detach"):
        pass
    (month,) = {row["pk"].removeprefix("AUDIT#") for row in scenario.audit() if row["what"] == "detach"}
    assert all(re.fullmatch(r"[\d-]{10}T[\d:]{8}\.\d{3}Z", row.at) for row in table.of_month(month))
    assert [row.at for row in table.of_month("2026-11") if row.what == "attach"] == ["2026-11-20T09:00:00.000Z"]
    audit.audit(ctx(scenario), month="2026-11", most=10)
    assert "2026-11-20T09:00:00Z  user/olu  attach" in capsys.readouterr().out
