"""`onramp status`: a number for each part, or a dash and the reason where a part cannot be read."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from onramp.local.stack import LocalStack
from onramp.ops.common.output import Output
from onramp.ops.status.report import PARTS, PROVIDER_METRICS, QUEUES, StatusReport
from onramp.ops.status.screen import watch
from tests.deployed import DeployedPipeline, eventually, unique_email
from tests.ops.conftest import Onramp


@pytest.fixture
def waiting(deployed: DeployedPipeline) -> Iterator[str]:
    """A user who waits a few seconds for Stripe."""
    email = unique_email("waiting")
    deployed.stripe.fault(kind="server_error", operation="create", match=email, times=2)
    deployed.join(email)
    yield email
    deployed.ready(email)


def test_every_part_is_reported(onramp: Onramp, deployed: DeployedPipeline, waiting: str) -> None:
    deployed.join(joined := unique_email("joined"))
    deployed.ready(joined)

    def reported() -> dict[str, Any] | None:
        found: dict[str, Any] = onramp("status", "--json").json
        return found if found["providers"]["Retried"]["lastHour"] and found["owed"]["enrich"] else None

    found = eventually(reported, what="a retry and an owed enrichment")
    assert found.keys() == {"at", *PARTS, "unreadable"}
    assert found["unreadable"] == {}
    assert found["signups"]["lastHour"] >= 2
    assert found["signups"]["perMinute"] >= 0.4
    assert found["owed"]["oldestSeconds"] >= 0
    assert found["users"]["records"] >= 2
    assert found["queues"].keys() == set(QUEUES)
    assert {"SignupHealQueue", "SignupHealDlq"} < set(QUEUES)
    assert found["providers"].keys() == PROVIDER_METRICS.keys()
    causes_of_waits = {(cause["step"], cause["errorCode"]) for cause in found["waitingFor"]["causes"]}
    assert ("stripe", "stripe_500") in causes_of_waits, "the provider and its code"
    text = onramp("status").out
    assert "retried" in text
    assert "the oldest for" in text


def test_the_last_run_of_the_reconciler_is_reported(onramp: Onramp, deployed: DeployedPipeline) -> None:
    function = deployed.outputs["ReconcileFunctionName"]
    deployed.stack.client("lambda").invoke(FunctionName=function, Qualifier="live", Payload=b"{}")
    eventually(lambda: onramp("status", "--json").json["reconciler"]["lastCompleted"], what="ReconcileCompleted")
    assert "completed a run" in onramp("status").out


def test_a_part_that_cannot_be_read_is_a_dash_with_the_reason(onramp: Onramp, deployed: DeployedPipeline) -> None:
    deployed.stack.control.fault("dynamodb", "Query", "refused", times=None, code="AccessDeniedException", status=400)
    ran = onramp("status")
    assert ran.code == 0
    assert "owed        -" in ran.out
    assert "owed: Query (AccessDeniedException)" in ran.out
    assert "ProvisioningQueue" in ran.out, "the other parts are read"
    found = onramp("status", "--json").json
    assert found["owed"] is None
    assert found["unreadable"].keys() == {"owed", "users", "waitingFor"}


def test_watch_and_json_exclude_each_other(onramp: Onramp) -> None:
    ran = onramp("status", "--watch", "--json")
    assert (ran.code, "--watch" in ran.err) == (2, True)


def test_watching_stops_after_the_given_number_of_refreshes(onramp: Onramp) -> None:
    ran = onramp("status", "--watch", "--every", "0.1", "--times", "2")
    assert ran.code == 0
    assert "queues" in ran.out


class TestWatching:
    EMPTY = StatusReport(1_790_000_000_000, dict.fromkeys(PARTS), dict.fromkeys(PARTS, "not read"))

    def test_it_refreshes_until_ctrl_c(self) -> None:
        out, drawn = Output(as_json=False), io.StringIO()
        out.screen = Console(file=drawn, force_terminal=True, width=80)
        reports = iter([self.EMPTY, replace(self.EMPTY, at=self.EMPTY.at + 5000)])

        def read() -> StatusReport:
            report = next(reports, None)
            if report is None:
                raise KeyboardInterrupt
            return report

        slept: list[float] = []
        watch(out, read, 5.0, None, slept.append)
        assert slept == [5.0, 5.0]
        assert "\x1b[" in drawn.getvalue()
        assert drawn.getvalue().count("reconciler") >= 2

    def test_a_reason_cannot_move_the_cursor(self, stack: LocalStack) -> None:
        out, drawn = Output(as_json=False), io.StringIO()
        out.screen = Console(file=drawn, width=80)
        hostile = replace(self.EMPTY, reasons={"owed": "\x1b[2Jgone\u202e"})
        watch(out, lambda: hostile, 0.0, 1, time.sleep)
        assert "\x1b[2J" not in drawn.getvalue()
        assert "\\x1b[2Jgone\\u202e" in drawn.getvalue()
