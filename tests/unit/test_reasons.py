"""What `user explain` advises for a user without a record: each advice is followed, and the user gets a record.

Where there is nothing to do, or the advice is only to look, nothing changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from onramp.domain.decision import Decision, Kind
from onramp.domain.errors import Cause
from onramp.ops.common import reasons
from onramp.ops.common.shell import call_options
from tests.dlq_scenario import DlqScenario
from tests.pipeline import USERS
from tests.unit.typing_operator import OPTIONS, Operator, commands_of
from tests.unit.user_scenario import EMAIL, NEW, OLD, UserScenario, in_pool


class Case(NamedTuple):
    """`fix` is what the advice tells the operator to do outside of the commands; the advice is read again after it."""

    label: str
    plant: Callable[[DlqScenario], object]
    linked_to: str | None
    fix: Callable[[DlqScenario], object] | None = None
    sub: str = OLD


def refused(cause: Cause) -> str:
    return Decision(Kind.REFUSED, cause).label


def in_cognito(**attributes: str) -> Callable[[DlqScenario], None]:
    return lambda scenario: in_pool(scenario, OLD, **attributes)


def verify(scenario: DlqScenario) -> None:
    scenario.cognito.add_user(OLD, {"sub": OLD, "email": EMAIL, "email_verified": "true"}, "CONFIRMED")


def pre_created(scenario: DlqScenario) -> None:
    scenario.pre_create(EMAIL, "manager")
    in_pool(scenario, OLD)


def unverified_and_pre_created(scenario: DlqScenario) -> None:
    scenario.settings["ALLOW_UNVERIFIED_SIGNUPS"] = "true"  # the stack's parameter
    scenario.pre_create(EMAIL, "manager")
    in_pool(scenario, OLD, email_verified="false")


def back_under_a_new_sub(scenario: DlqScenario) -> None:
    scenario.sign_up(EMAIL, OLD)
    scenario.run_worker()
    in_pool(scenario, NEW)


def with_another_address(scenario: DlqScenario) -> None:
    scenario.sign_up(EMAIL, OLD)
    in_pool(scenario, OLD, email="new@example.com")


def forgotten(scenario: DlqScenario) -> None:
    scenario.sign_up(EMAIL, OLD)
    scenario.run_worker()
    in_pool(scenario, OLD)
    UserScenario(scenario).forget(EMAIL)


CASES = [
    Case("create", in_cognito(), OLD),
    Case("link", pre_created, OLD),
    Case("conflict", back_under_a_new_sub, NEW, sub=NEW),
    Case("forgotten", forgotten, None),
    Case("skipped_unconfirmed", lambda scenario: in_pool(scenario, OLD, status="UNCONFIRMED"), OLD, verify),
    Case(refused(Cause.NOBODY_VOUCHES), in_cognito(email_verified="false"), OLD, verify),
    Case(refused(Cause.LINK_NEEDS_VERIFIED_EMAIL), unverified_and_pre_created, OLD, verify),
    Case(refused(Cause.UNUSABLE_EMAIL), in_cognito(email="no address"), OLD, verify),
]
NOT_EXPLAINED = {
    "has_record": "the story of the record is shown",
    "email_changed": "the same: `show` and `explain` find the record by the sub",
    "failed": "only counted by the backfill",
    refused(Cause.UNUSABLE_SUB): "Cognito gives every user a UUID",
    refused(Cause.UNKNOWN_USER_POOL): "explain looks into the stack's pools only",
}


@pytest.fixture
def operator(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Operator]:
    with DlqScenario() as scenario:
        yield Operator(scenario, monkeypatch, capsys, tmp_path / "letters.jsonl")


def test_every_reason_has_a_case() -> None:
    assert {case.label for case in CASES} | NOT_EXPLAINED.keys() == {*reasons._REASONS, "skipped_unconfirmed"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_the_advice_leads_to_a_record(operator: Operator, case: Case) -> None:
    scenario = operator.scenario
    case.plant(scenario)
    match = explained(operator, case.sub)
    assert match["outcome"] == case.label
    if case.fix:
        assert not commands_of(match["next"]), "a command before the cause is fixed"
        case.fix(scenario)
        match = explained(operator, case.sub)
    if case.linked_to is None:
        assert match["next"] == reasons.NOTHING
    else:
        operator.follow(match["next"])
    assert [row.get("cognitoSub") for row in scenario.dynamodb.rows(USERS)] == [case.linked_to] * bool(case.linked_to)


def test_a_changed_address_is_looked_at(operator: Operator) -> None:
    with_another_address(operator.scenario)
    before = operator.state()
    with call_options(OPTIONS):
        advice = reasons.reason_of("email_changed", OLD).cure
    assert OLD in operator.follow(advice)
    assert operator.state() == before


def explained(operator: Operator, sub: str) -> dict[str, str]:
    (match,) = operator.json("user", "explain", sub)["cognito"]
    return dict(match)
