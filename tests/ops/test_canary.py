"""The canary: it is provisioned and erased, or the stage at which it is stuck is named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from onramp.local.stack import LocalStack
from onramp.ops.common import erasure
from tests.conftest import QUICK
from tests.deployed import DeployedPipeline, eventually
from tests.ops.conftest import Onramp

Finding = dict[str, Any]


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    """For this module alone: the faults would hit the users of other tests."""
    with LocalStack.start(enforce_iam=True, parameters=QUICK | {"MaxReceiveCount": "60"}) as own:
        yield own


@pytest.fixture(autouse=True)
def _workers_are_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "WORKER_LIFETIME", 500)


def send_canary(onramp: Onramp, patience: int = 30) -> list[Finding]:
    ran = onramp("doctor", "--canary", "--yes", "--patience", str(patience), "--json")
    found: list[Finding] = ran.json["findings"]
    assert ran.code == (1 if any(finding["level"] == "trouble" for finding in found) else 0), ran.err
    return found


def sub_of(onramp: Onramp) -> str:
    return str(onramp("audit", "--json").json[0]["details"]["sub"])


def remaining_data(deployed: DeployedPipeline, sub: str) -> list[object]:
    """What is stored of the canary, without its tombstone."""
    customers = [customer for customer in deployed.revenuecat.customers() if customer["id"] == sub]
    found = [deployed.user(f"canary+{sub}@example.com"), deployed.profile(sub), *deployed.customers_of(sub), *customers]
    return [one for one in found if one]


def test_it_arrives_and_is_erased(onramp: Onramp, deployed: DeployedPipeline) -> None:
    received = deployed.subscribe("UserSignedUp", "UserProvisioned", "UserForgotten")
    arrived, erased = send_canary(onramp)
    assert (arrived["check"], arrived["level"]) == ("canary", "ok")
    assert "revenuecat done, stripe done, ready" in arrived["what"]
    assert erased["what"] == "erased: stripe 1, revenuecat 1, profile 1, record 1, deadLetters 0, announced 1."
    sub = sub_of(onramp)
    assert remaining_data(deployed, sub) == []
    eventually(lambda: len(received(sub)) == 3, what="all three events")
    (row,) = (row for row in onramp("audit", "--json").json if row["details"].get("sub") == sub)
    assert (row["what"], row["count"], row["result"]) == ("doctor --canary", 1, "done")
    assert row["outcome"] == {"arrived": "yes", "erased": "ok"}


def test_stuck_at_the_trigger(onramp: Onramp, deployed: DeployedPipeline) -> None:
    deployed.stack.control.fault(
        "dynamodb", "UpdateItem", "refused", times=None, match="canary+", code="Denied", status=400
    )
    stuck, erased = send_canary(onramp)
    assert (stuck["level"], erased["level"]) == ("trouble", "ok")
    assert stuck["what"].startswith("stuck at the trigger: We could not complete your sign-up.")
    assert stuck["cure"] == "aws logs tail /aws/lambda/onramp-local-PostConfirmation --since 10m"


def test_stuck_between_the_bus_and_the_worker(onramp: Onramp, deployed: DeployedPipeline) -> None:
    deployed.stack.control.fault("events", "PutEvents", "partial_failure", times=1)
    stuck, erased = send_canary(onramp, patience=1)
    assert (stuck["level"], erased["level"]) == ("trouble", "ok")
    assert stuck["what"].startswith("stuck between the bus and the worker")
    assert stuck["cure"] == "onramp doctor --only bus --only queues --only functions"
    assert remaining_data(deployed, sub_of(onramp)) == []


@pytest.mark.parametrize(
    ("kind", "state"), [("server_error", "retrying, stripe_500"), ("refused", "failed, parameter_invalid_string")]
)
def test_stuck_at_a_provider(onramp: Onramp, deployed: DeployedPipeline, kind: Any, state: str) -> None:
    deployed.stripe.fault(kind=kind, operation="create", match="canary", times=None)
    stuck, erased = send_canary(onramp, patience=3)
    assert stuck["what"] == f"stuck at stripe: {state}."
    assert stuck["cure"] == "onramp doctor --only stripe"
    assert erased["level"] == "ok"
    sub = sub_of(onramp)
    assert remaining_data(deployed, sub) == []
    deployed.stripe.clear()
    eventually(lambda: deployed.depth("ProvisioningQueueUrl") == 0, what="an empty queue")
    assert remaining_data(deployed, sub) == [], "the late message stored nothing"
    assert onramp("doctor", "--only", "owed").code == 0, "and left no dead letter"


def test_a_failed_erasure_is_reported_with_the_command(onramp: Onramp, deployed: DeployedPipeline) -> None:
    deployed.revenuecat.fault("server_error", operation="delete", times=None)
    not_erased, arrived = send_canary(onramp)  # the worst first
    assert (arrived["level"], not_erased["level"]) == ("ok", "trouble")
    sub = sub_of(onramp)
    assert not_erased["cure"] == f"onramp user forget {sub} --stripe --revenuecat"
    deployed.revenuecat.clear()
    assert onramp(*not_erased["cure"].split()[1:], "--yes").code == 0
    assert remaining_data(deployed, sub) == []


def test_without_yes_it_prints_the_plan_and_sends_nothing(onramp: Onramp, deployed: DeployedPipeline) -> None:
    before = len(deployed.stripe.calls())
    ran = onramp("doctor", "--canary")
    assert (ran.code, ran.out) == (2, "")
    assert "erases it. Consumers of onramp-local receive" in ran.err
    assert len(deployed.stripe.calls()) == before
