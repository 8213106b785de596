"""The operator's commands beside profiles that another writer broke: each works, for those users and for others.

Every row of `tests.unit.test_profile_reading` is the profile of one user. Stripe has refused them all, and one more.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from onramp.ops.common import queue_reader
from tests.dlq_scenario import DlqScenario
from tests.pipeline import DLQ, PROFILES, USERS, InMemoryPipeline
from tests.unit.test_profile_reading import ALL, BROKEN, BROKEN_INTENTS, HUGE
from tests.unit.typing_operator import Operator, without_options
from tests.unit.user_scenario import UserScenario

SUBS = {name: str(uuid.UUID(int=number)) for number, name in enumerate([*ALL, "other"], start=1)}
EMAILS = {name: f"user{number}@example.com" for number, name in enumerate(SUBS)}
UNREADABLE = {name: path for name, (path, _) in BROKEN.items()}
UNREADABLE |= dict.fromkeys(BROKEN_INTENTS, "provisioning.stripeIntent")


def refuse_all() -> Iterator[DlqScenario]:
    """The letters have no reason, so it is read from the profiles."""
    with DlqScenario() as scenario:
        for name, sub in SUBS.items():
            scenario.refuse(EMAILS[name], sub)
        for message in scenario.sqs.messages(DLQ):
            scenario.sqs.queues[DLQ].delete(message)
            scenario.sqs.put(DLQ, message.body)
        scenario.stripe.faults.clear()
        for name, row in ALL.items():
            break_profile(scenario, name, row)
        yield scenario


def break_profile(scenario: DlqScenario, name: str, row: dict[str, Any]) -> None:
    scenario.dynamodb.put_item(TableName=PROFILES, Item={"userId": {"S": SUBS[name]}} | row)


@pytest.fixture(autouse=True)
def _no_long_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_reader, "LONG_POLL_SECONDS", 0)


class TypedCommands(Operator):
    def prints(self, *words: str) -> str:
        code, printed = self.run(*words)
        assert code in (0, 1), printed
        assert "ONRAMP_DEBUG" not in printed, printed
        return without_options(printed)


@pytest.fixture
def typed(
    scenario: DlqScenario, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> TypedCommands:
    return TypedCommands(scenario, monkeypatch, capsys, tmp_path / "letters.jsonl")


class TestReading:
    """None of these commands changes anything."""

    @pytest.fixture(scope="class")
    @classmethod
    def scenario(cls) -> Iterator[DlqScenario]:
        yield from refuse_all()

    @pytest.mark.parametrize("name", SUBS)
    def test_dlq_show(self, typed: TypedCommands, name: str) -> None:
        letter = next(one.id for one in typed.scenario.sqs.messages(DLQ) if EMAILS[name] in one.body)
        assert f"Next: onramp dlq redrive --id {letter[:8]}" in typed.prints("dlq", "show", letter)

    @pytest.mark.parametrize("name", ALL)
    def test_explain_has_one_line_for_what_cannot_be_read(self, typed: TypedCommands, name: str) -> None:
        lines = typed.prints("user", "explain", SUBS[name]).splitlines()
        line = f"Another writer changed the profile: {UNREADABLE[name]} cannot be read."
        assert [line for line in lines if "cannot be read" in line] == [line]

    def test_explain_has_no_such_line_for_what_the_worker_wrote(self, typed: TypedCommands) -> None:
        assert typed.json("user", "explain", SUBS["other"])["unreadable"] == []
        assert "cannot be read" not in typed.prints("user", "explain", SUBS["other"])

    @pytest.mark.parametrize("name", SUBS)
    def test_user_show(self, typed: TypedCommands, name: str) -> None:
        assert SUBS[name] in typed.prints("user", "show", SUBS[name])

    def test_user_show_of_a_binary_value(self, typed: TypedCommands) -> None:
        row = typed.json("user", "show", SUBS["the version is binary"])["profile"]
        assert row["provisioning"]["stripe"]["codeVersion"] == "b'1'"

    def test_lists_and_exports(self, typed: TypedCommands) -> None:
        assert typed.json("dlq", "list")["count"] == len(SUBS)
        assert "stripe" in typed.prints("dlq", "list")
        assert {row["sub"] for row in typed.json("user", "list", "--failed")["users"]} == set(SUBS.values())
        assert "stripe" in typed.prints("user", "list")
        typed.prints("dlq", "export", str(typed.file))
        assert len(typed.file.read_text().splitlines()) == len(SUBS)


class TestChanges:
    @pytest.fixture
    def scenario(self) -> Iterator[DlqScenario]:
        yield from refuse_all()

    @pytest.mark.parametrize("source", ["the queue", "the table"])
    def test_dlq_redrive_provisions_all_but_those_with_a_broken_intent(self, typed: TypedCommands, source: str) -> None:
        options = ["--no-canary"]
        if source == "the table":
            typed.prints("dlq", "drop", "--all", "--reason-why", "a test", "--yes")
            assert typed.letters == 0
            options.append("--from-table")
        typed.prints("dlq", "redrive", *options, "--yes")
        ready = {name for name, email in EMAILS.items() if typed.scenario.is_ready(email)}
        assert ready == SUBS.keys() - BROKEN_INTENTS.keys()

    def test_an_unrelated_user_is_forgotten(self, scenario: DlqScenario) -> None:
        UserScenario(scenario).forget(EMAILS["other"])
        assert (scenario.user(EMAILS["other"]), scenario.profile(SUBS["other"])) == (None, None)
        assert scenario.letters_of(EMAILS["other"]) == 0
        assert len(scenario.dynamodb.rows(PROFILES)) == len(scenario.sqs.messages(DLQ)) == len(ALL)

    def test_each_user_is_forgotten(self, scenario: DlqScenario) -> None:
        for email in EMAILS.values():
            UserScenario(scenario).forget(email)
        assert scenario.dynamodb.rows(USERS) == scenario.dynamodb.rows(PROFILES) == []

    @pytest.mark.parametrize("owed", ["emit#1", "enrich#1", "operator#1"])
    def test_huge_times_in_a_record(self, typed: TypedCommands, owed: str) -> None:
        typed.scenario.dynamodb.update_item(
            TableName=USERS,
            Key={"userId": {"S": EMAILS["other"]}},
            UpdateExpression="SET owed = :owed, dueAt = :huge, owedSince = :huge, createdAt = :huge",
            ExpressionAttributeValues={":huge": HUGE, ":owed": {"S": owed}},
        )
        for command in ("explain", "show"):
            assert SUBS["other"] in typed.prints("user", command, SUBS["other"])


def test_an_erasure_does_not_wait_for_a_work_in_a_year_to_come(pipeline: InMemoryPipeline) -> None:
    """It waits as long as a worker may run that began before the profile's `updatedAt`."""
    sub = SUBS["other"]
    pipeline.sign_up(EMAILS["other"], sub)
    pipeline.run_worker()
    pipeline.dynamodb.update_item(
        TableName=PROFILES,
        Key={"userId": {"S": sub}},
        UpdateExpression="SET updatedAt = :huge",
        ExpressionAttributeValues={":huge": HUGE},
    )
    waits: list[float] = []
    UserScenario(pipeline).forget(sub, waits=waits)
    assert pipeline.profile(sub) is None
    assert sum(waits) < 3600
