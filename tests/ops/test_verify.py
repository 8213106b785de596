"""`onramp verify` against the local stack: kept and broken promises, and that nothing of a run stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from onramp.local.parameters import STACK_NAME
from onramp.local.stack import ROOT, LocalStack
from onramp.ops.common import erasure
from onramp.ops.common.errors import UsageError
from onramp.ops.verify import facts
from onramp.ops.verify import promises as module
from onramp.ops.verify.event_tap import EventTap
from onramp.ops.verify.pool_users import PoolUsers, SyntheticUser
from onramp.ops.verify.wiring import VerifyWiring
from tests.conftest import QUICK
from tests.deployed import DeployedPipeline, eventually, restore_sigint
from tests.operator_context import operator_context
from tests.ops.conftest import Onramp, Ran
from tests.ops.verifier import Call, billed, costs, credentials, granted, invocations, needed, record_calls
from tests.pipeline import InMemoryPipeline

PREFIX = "onramp-verify"


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    """For this module alone: the faults would hit the users of other tests."""
    with LocalStack.start(enforce_iam=True, parameters=QUICK | {"MaxReceiveCount": "60"}) as own:
        yield own


@pytest.fixture(autouse=True)
def _waits_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "WORKER_LIFETIME", 500)
    monkeypatch.setattr(facts, "SETTLE_SECONDS", 0.5)


def verify(onramp: Onramp, *options: str, patience: int = 30) -> Ran:
    return onramp("verify", "--yes", "--json", "--patience", str(patience), *options)


def promises(ran: Ran) -> dict[str, str]:
    """Of the broken promises: name -> what was seen."""
    assert ran.out, ran.err
    return {one["promise"]: one["what"] for one in ran.json["promises"] if not one["kept"]}


def leftovers(deployed: DeployedPipeline) -> list[str]:
    """Every name that begins as those of a run, in the pool, the tables, the queues, the bus and at the providers."""
    users = deployed.cognito.list_users(UserPoolId=deployed.outputs["UserPoolId"])["Users"]
    rows = [
        item
        for table in ("UsersTableName", "UserProfilesTableName")
        for item in deployed.dynamodb.scan(TableName=deployed.outputs[table])["Items"]
    ]
    queues = deployed.sqs.list_queues(QueueNamePrefix=PREFIX).get("QueueUrls", [])
    rules = deployed.events.list_rules(EventBusName=deployed.outputs["EventBusName"], NamePrefix=PREFIX)["Rules"]
    letters = [deployed.depth("ProvisioningDlqUrl")] if deployed.depth("ProvisioningDlqUrl") else []
    customers = [*deployed.stripe.customers(), *deployed.revenuecat.customers()]
    found: list[Any] = [*users, *rows, *queues, *rules, *letters, *customers]
    return [repr(one) for one in found if PREFIX in repr(one) or one in letters]


@dataclass
class SoundRun:
    """One verification of the stack without faults, for several tests, with the policy of docs/real-aws.md."""

    ran: Ran
    calls: Counter[Call]
    invocations: int


@pytest.fixture(scope="module")
def runs() -> list[SoundRun]:
    return []


@pytest.fixture
def sound_run(runs: list[SoundRun], onramp: Onramp, stack: LocalStack) -> SoundRun:
    if not runs:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in credentials(stack).items():
                patch.setenv(name, value)
            before, calls = invocations(stack), record_calls(patch)
            ran = verify(onramp)
        runs.append(SoundRun(ran, calls, invocations(stack) - before))
    return runs[0]


@pytest.fixture
def sound(sound_run: SoundRun) -> Ran:
    return sound_run.ran


class TestKept:
    def test_every_promise_is_kept(self, sound: Ran) -> None:
        assert promises(sound) == {}
        assert sound.code == 0
        report = sound.json
        assert report["passed"]
        assert [one["promise"] for one in report["promises"]] == ["signup", "takeover", "poison", "redrive"]
        seen = {one["promise"]: one["what"] for one in report["promises"]}
        assert "UserSignedUp after" in seen["signup"]
        assert "malformed_event" in seen["poison"]
        assert "one redrive provisioned the user" in seen["redrive"]

    def test_the_facts_are_measured(self, sound: Ran) -> None:
        """With the answers of the emulator, which follow AWS's documentation."""
        answers = {fact["question"]: fact["answer"] for fact in sound.json["facts"]}
        assert answers.pop("PutEvents to a bus that does not exist").startswith("no error")
        assert answers == {
            "state of a user whose trigger raised": "CONFIRMED after UserLambdaValidationException,"
            " email_verified absent",
            "calls of the trigger for this one error": "1 within 0 s",
            "a second confirmation of that user": "refused, NotAuthorizedException",
        }

    def test_nothing_stays(self, sound: Ran, deployed: DeployedPipeline) -> None:
        steps = sound.json["cleanup"]
        assert len(steps) == 8
        assert all(step["deleted"] for step in steps)
        assert leftovers(deployed) == []

    def test_the_policy_grants_exactly_what_a_run_calls(self, sound_run: SoundRun) -> None:
        assert needed(sound_run.calls) == granted()

    def test_it_costs_what_the_page_says(self, sound_run: SoundRun) -> None:
        """Cognito's monthly users are not calls: the page has them beside the table."""
        said, counted = costs(), billed(sound_run.calls, sound_run.invocations)
        assert said.keys() == counted.keys()
        assert {
            unit: count for unit, count in counted.items() if not said[unit].most / 10 < count <= said[unit].most
        } == {}
        for cost in said.values():
            assert cost.most * cost.each_million / 1e6 <= cost.dollars
        assert sum(cost.dollars for cost in said.values()) < 0.001

    def test_it_is_in_the_audit_log(self, onramp: Onramp) -> None:
        (row,) = (row for row in onramp("audit", "--json").json if row["what"] == "verify")
        assert (row["result"], row["count"], row["outcome"]) == ("done", 4, {"broken": 0, "not_deleted": 0})


class TestBroken:
    def test_a_stack_that_writes_no_record(self, onramp: Onramp, deployed: DeployedPipeline) -> None:
        deployed.stack.control.fault(
            "dynamodb", "UpdateItem", "refused", times=None, match="-signup@", code="Denied", status=400
        )
        ran = verify(onramp, "--only", "signup")
        assert ran.code == 1
        assert promises(ran) == {"signup": "AdminConfirmSignUp (UserLambdaValidationException) failed."}
        assert leftovers(deployed) == []

    def test_a_bus_that_delivers_nothing(self, onramp: Onramp, deployed: DeployedPipeline) -> None:
        deployed.stack.control.fault("events", "PutEvents", "partial_failure", times=None)
        ran = verify(onramp, "--only", "signup", patience=2)
        assert "the temporary rule delivers nothing" in promises(ran)["signup"]
        assert leftovers(deployed) == []

    def test_a_provider_that_refuses(self, onramp: Onramp, deployed: DeployedPipeline) -> None:
        deployed.stripe.fault(kind="refused", operation="create", match=PREFIX, times=None)
        ran = verify(onramp, "--only", "signup", "--only", "redrive", patience=5)
        broken = promises(ran)
        assert "UserProvisioned did not arrive on the bus; the user owes operator" in broken["signup"]
        assert "the redrive repaired no user" in broken["redrive"]
        assert ran.code == 1
        eventually(lambda: leftovers(deployed) == [], what="nothing left")

    def test_a_trigger_that_links_an_unverified_user(
        self, onramp: Onramp, deployed: DeployedPipeline, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        confirm = PoolUsers.confirm

        def verified(pool: PoolUsers, user: SyntheticUser) -> None:
            pool.mark_verified(user)
            confirm(pool, user)

        monkeypatch.setattr(PoolUsers, "confirm", verified)
        ran = verify(onramp, "--only", "takeover")
        assert promises(ran) == {"takeover": "an unverified user was confirmed without an error."}
        assert ran.json["facts"][1:] == []
        assert leftovers(deployed) == [], "the record is deleted, though it is linked now"

    def test_a_refusal_that_changes_the_record(
        self, onramp: Onramp, deployed: DeployedPipeline, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        confirm = PoolUsers.confirm

        def changing(pool: PoolUsers, user: SyntheticUser) -> None:
            deployed.dynamodb.update_item(
                TableName=deployed.outputs["UsersTableName"],
                Key={"userId": {"S": user.email}},
                UpdateExpression="SET givenName = :any",
                ExpressionAttributeValues={":any": {"S": "Mallory"}},
            )
            confirm(pool, user)

        monkeypatch.setattr(PoolUsers, "confirm", changing)
        assert promises(verify(onramp, "--only", "takeover")) == {"takeover": "the pre-created record was changed."}
        assert leftovers(deployed) == []

    def test_a_dead_letter_with_another_reason(
        self, onramp: Onramp, deployed: DeployedPipeline, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "POISON", "another_reason")
        broken = promises(verify(onramp, "--only", "poison"))
        assert broken == {"poison": "the reason of its dead letter is malformed_event, not another_reason."}
        assert leftovers(deployed) == []

    def test_a_worker_that_does_not_run(self, onramp: Onramp, deployed: DeployedPipeline) -> None:
        functions = deployed.stack.client("lambda")
        worker = deployed.outputs["EnrichProfileFunctionName"]
        (mapping,) = functions.list_event_source_mappings(FunctionName=worker)["EventSourceMappings"]
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
        try:
            ran = verify(onramp, "--only", "poison", patience=2)
            assert "no dead letter arrived" in promises(ran)["poison"]
        finally:
            functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
        assert PREFIX in deployed.dead_letter(PREFIX)["body"]


class TestCleanup:
    def test_after_ctrl_c(self, onramp: Onramp, deployed: DeployedPipeline, monkeypatch: pytest.MonkeyPatch) -> None:
        """At the moment at which everything of the signup exists."""

        def interrupt(tap: EventTap, kind: str) -> bool:
            if kind == "UserSignedUp":
                raise KeyboardInterrupt
            return has(tap, kind)

        has = EventTap.has
        monkeypatch.setattr(EventTap, "has", interrupt)
        ran = verify(onramp)
        assert (ran.code, ran.out) == (130, "")
        assert "Not deleted" not in ran.err
        assert leftovers(deployed) == []
        assert onramp("audit", "--json").json[0]["result"] == "interrupted"

    @pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
    def test_of_a_process_that_is_ended(self, deployed: DeployedPipeline, sent: signal.Signals) -> None:
        """While it waits for its rule: a real process, a real signal."""
        deployed.stack.control.fault("events", "PutEvents", "partial_failure", times=None)
        process = subprocess.Popen(
            [sys.executable, "-c", "from onramp.ops.cli import main; main()", "verify", "--yes", "--stack", STACK_NAME],
            env={**os.environ, **deployed.stack.environment()},
            preexec_fn=restore_sigint,
            stderr=subprocess.PIPE,
            text=True,
        )
        bus = deployed.outputs["EventBusName"]
        eventually(lambda: deployed.events.list_rules(EventBusName=bus, NamePrefix=PREFIX)["Rules"], what="the rule")
        deployed.stack.control.clear()
        process.send_signal(sent)
        _, said = process.communicate(timeout=120)
        assert process.returncode == 130, said
        assert "Not deleted" not in said
        assert leftovers(deployed) == []

    def test_a_second_ctrl_c_skips_one_step(
        self, onramp: Onramp, deployed: DeployedPipeline, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupt(tap: EventTap) -> None:
            raise KeyboardInterrupt

        delete = EventTap.delete_queue
        monkeypatch.setattr(EventTap, "delete_queue", interrupt)
        ran = verify(onramp, "--only", "signup")
        assert ran.code == 1
        (left,) = (step for step in ran.json["cleanup"] if not step["deleted"])
        assert (left["what"].partition(" ")[0], left["error"]) == ("queue", "interrupted")
        name = left["what"].partition(" ")[2]
        delete(EventTap(deployed.events, deployed.sqs, deployed.outputs["EventBusName"], name))
        assert leftovers(deployed) == []

    def test_after_an_unexpected_error(
        self, onramp: Onramp, deployed: DeployedPipeline, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(tap: EventTap, kind: str) -> bool:
            raise RuntimeError(kind)

        monkeypatch.setattr(EventTap, "has", fail)
        assert verify(onramp).code == 1
        assert leftovers(deployed) == []

    def test_what_was_not_deleted_is_named_with_its_command(self, onramp: Onramp, deployed: DeployedPipeline) -> None:
        deployed.revenuecat.fault("server_error", operation="delete", times=None)
        ran = verify(onramp, "--only", "signup")
        assert ran.code == 1, "the promise is kept, and a customer is left"
        assert promises(ran) == {}
        (left,) = (step for step in ran.json["cleanup"] if not step["deleted"])
        assert f"Not deleted: {left['what']}" in ran.err
        deployed.revenuecat.clear()
        assert onramp(*left["byHand"].split()[1:], "--yes").code == 0
        assert leftovers(deployed) == []


def test_without_yes_it_prints_the_plan_and_creates_nothing(onramp: Onramp, deployed: DeployedPipeline) -> None:
    before = len(deployed.stripe.calls())
    ran = onramp("verify")
    assert (ran.code, ran.out) == (2, "")
    assert "Verifies signup, takeover, poison, redrive with synthetic users" in ran.err
    assert (len(deployed.stripe.calls()), leftovers(deployed)) == (before, [])


def test_an_unknown_promise_is_a_usage_error(onramp: Onramp) -> None:
    ran = onramp("verify", "--only", "speed")
    assert ran.code == 2
    assert "there is no promise 'speed'" in ran.err


def test_for_people_it_prints_tables(onramp: Onramp) -> None:
    ran = onramp("verify", "--yes", "--only", "takeover")
    assert ran.code == 0, ran.err
    assert "kept" in ran.out
    assert "onramp-local keeps its promises." in ran.out


def test_make_verify_runs_it_without_asking() -> None:
    command = ["make", "--dry-run", "verify", "STACK=prod", "OPTIONS=--json"]
    shown = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert 'onramp verify --yes --stack "prod" --json' in shown


def test_a_stack_with_an_existing_pool_needs_a_client() -> None:
    context = operator_context(InMemoryPipeline())
    with pytest.raises(UsageError, match="--client"):
        VerifyWiring.of(context, "", "example.com", 1, lambda words: None)
