"""`onramp user list`: who waits, for which step, with which code: paged, masked, with bounded reads."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from onramp.domain.users import Owed
from onramp.local.fakes.faults import Fault
from onramp.ops.common.deployment import Deployment
from onramp.ops.common.errors import UsageError
from onramp.ops.common.output import Output
from onramp.ops.doctor.owed import owed
from onramp.ops.doctor.wiring import DoctorWiring
from onramp.ops.user.list_users import list_users
from tests.dlq_scenario import DlqScenario
from tests.operator_context import operator_context
from tests.pipeline import USERS

STRIPE, REVENUECAT, REFUSED = "ada@example.com", "ben@example.com", "cyd@example.com"


@pytest.fixture
def scenario() -> Iterator[DlqScenario]:
    with DlqScenario() as scenario:
        yield scenario


@pytest.fixture
def outage(scenario: DlqScenario) -> DlqScenario:
    """Ada waits for Stripe, Ben for RevenueCat, Cyd was refused by Stripe."""
    subs = {email: str(uuid.uuid4()) for email in (STRIPE, REVENUECAT)}
    scenario.refuse(REFUSED, str(uuid.uuid4()))
    scenario.stripe.faults.add(Fault("server_error", operation="create", match=STRIPE, times=None))
    scenario.revenuecat.faults.add(Fault("server_error", match=subs[REVENUECAT], times=None))
    for email, sub in subs.items():
        scenario.sign_up(email, sub)
    scenario.run_worker_for(0.1)
    return scenario


def listed(scenario: DlqScenario, capsys: pytest.CaptureFixture[str], **options: Any) -> Any:
    context = operator_context(scenario, out=Output(as_json=True))
    defaults: dict[str, Any] = {
        "owed": None,
        "failed": False,
        "waiting_for": None,
        "limit": 50,
        "after": None,
        "reveal": False,
    }
    capsys.readouterr()
    list_users(context, **defaults | options)
    return json.loads(capsys.readouterr().out)


def emails(data: Any) -> set[str]:
    return {row["user"] for row in data["users"]}


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, {"a", "b", "c"}),
        ({"waiting_for": "stripe"}, {"a"}),
        ({"waiting_for": "revenuecat"}, {"b"}),
        ({"failed": True}, {"c"}),
        ({"owed": Owed.ENRICH}, {"a", "b"}),
        ({"owed": Owed.OPERATOR}, {"c"}),
        ({"owed": Owed.EMIT}, set()),
    ],
)
def test_each_selection(
    outage: DlqScenario, capsys: pytest.CaptureFixture[str], options: dict[str, Any], names: set[str]
) -> None:
    data = listed(outage, capsys, **options)
    assert emails(data) == {f"{name}***@example.com" for name in names}, "masked"
    assert data["after"] is None


def test_a_row_has_step_code_and_reason(outage: DlqScenario, capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = listed(outage, capsys, failed=True)["users"]
    assert (row["step"], row["state"], row["reason"]) == ("stripe", "failed", "stripe_refused_400")
    (row,) = listed(outage, capsys, waiting_for="revenuecat")["users"]
    assert (row["step"], row["state"], row["errorCode"]) == ("revenuecat", "retrying", "revenuecat_500")


def test_reveal_is_audited(outage: DlqScenario, capsys: pytest.CaptureFixture[str]) -> None:
    assert emails(listed(outage, capsys, reveal=True)) == {STRIPE, REVENUECAT, REFUSED}
    assert [(row["what"], row["count"]) for row in outage.audit()] == [("reveal user list", 3)]


def test_pages_hold_each_user_once_and_positions_no_address(
    scenario: DlqScenario, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(25):
        scenario.sign_up(f"u{number}@example.com", str(uuid.uuid4()))
    after, subs, pages = None, [], 0
    while pages == 0 or after:
        data = listed(scenario, capsys, owed=Owed.EMIT, limit=4, after=after)
        subs += [row["sub"] for row in data["users"]]
        after, pages = data["after"], pages + 1
        assert "@" not in str(after)
        assert pages < 10
    assert (len(subs), len(set(subs)), pages) == (25, 25, 7)


def test_a_page_of_a_rare_step_reads_a_bounded_number_of_users(
    scenario: DlqScenario, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onramp.ops.user.list_users.READ_MOST", 3)
    scenario.stripe.faults.add(Fault("server_error", operation="create", times=None))
    for number in range(5):
        scenario.sign_up(f"u{number}@example.com", str(uuid.uuid4()))
    scenario.run_worker_for(0.1)
    first = listed(scenario, capsys, waiting_for="stripe")
    second = listed(scenario, capsys, waiting_for="stripe", after=first["after"])
    assert [len(page["users"]) for page in (first, second)] == [3, 2]


def test_what_is_typed_wrongly_is_one_sentence(outage: DlqScenario, capsys: pytest.CaptureFixture[str]) -> None:
    for options in (
        {"failed": True, "waiting_for": "stripe"},
        {"after": "nonsense"},
        {"owed": Owed.EMIT, "after": f"enrich.1.5.{uuid.uuid4()}"},
        {"owed": Owed.EMIT, "after": f"emit.1.5.{uuid.uuid4()}"},
    ):
        with pytest.raises(UsageError):
            listed(outage, capsys, **options)


def test_the_causes_name_provider_and_code(outage: DlqScenario) -> None:
    causes = Deployment.of(operator_context(outage)).owed_causes
    assert causes.users == 3
    assert causes.of_step("revenuecat") == [("revenuecat_500", 1)]
    assert {code for code, _ in causes.of_step("stripe")} == {"stripe_500", "email_invalid"}


@pytest.mark.parametrize("kind", [Owed.ENRICH, Owed.OPERATOR])
def test_the_doctor_names_provider_and_code(outage: DlqScenario, kind: Owed) -> None:
    outage.clock.advance(2 * 86_400)
    stack = DoctorWiring.of(operator_context(outage)).stack
    (line,) = [finding.what for finding in owed(stack) if f"`{kind}`" in finding.what]
    _, _, errors = line.partition(" Last errors of 3 owed users: ")
    causes, _, advice = errors.partition("; ")
    assert set(causes.split(", ")) == {
        "stripe stripe_500 (1)",
        "stripe email_invalid (1)",
        "revenuecat revenuecat_500 (1)",
    }
    assert advice == "see onramp user list."


def test_the_sample_of_the_causes_is_bounded(scenario: DlqScenario, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onramp.ops.common.owed_users.SAMPLE", 1)
    for number in range(20):
        scenario.refuse(f"u{number}@example.com", str(uuid.uuid4()))
    shards = {row["owed"] for row in scenario.dynamodb.rows(USERS)}
    assert Deployment.of(operator_context(scenario)).owed_causes.users == len(shards)
