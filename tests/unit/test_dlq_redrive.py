"""`onramp dlq redrive`: by cause, with a canary, one message per user, in the protocol's order."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import pytest

from onramp.adapters.tombstones import tombstone_key
from onramp.local.fakes.faults import Fault
from onramp.ops.common.errors import CommandInterrupted, UsageError
from onramp.ops.common.queue_reader import WORKING_SECONDS
from tests.dlq_scenario import RULE_DLQ, DlqScenario, Sends
from tests.fakes.faults import Plan
from tests.pipeline import DLQ, OPERATIONS, QUEUE, USERS

ADA, BEN, CYD = (f"7d1f3a52-90b1-70c4-5e0f-2b8c1a6d4e0{n}" for n in (1, 2, 3))
STRIPE, REVENUECAT = "stripe_refused_400", "revenuecat_refused_422"


@pytest.fixture
def scenario() -> Iterator[DlqScenario]:
    with DlqScenario() as scenario:
        yield scenario


def owed(scenario: DlqScenario, email: str) -> str:
    return str((scenario.user(email) or {}).get("owed", "nothing")).partition("#")[0]


def interrupt_second_send() -> Plan:
    sends = 0

    def interrupt(_call: int, _service: str, name: str) -> None:
        nonlocal sends
        sends += name == "send_message_batch"
        if name == "send_message_batch" and sends == 2:
            raise KeyboardInterrupt

    return interrupt


class TestByCause:
    def test_the_selected_group_is_repaired_and_the_other_stays(self, scenario: DlqScenario) -> None:
        scenario.refuse("ada@example.com", ADA)
        scenario.refuse_by_revenuecat("ben@example.com", BEN)
        scenario.stripe.faults.clear()
        report = scenario.redrive(reasons=(STRIPE,))
        assert report.summary() == {"sent": 1, "repaired": 1, "failed_again": 0, "on_the_way": 0}
        assert not report.needs_attention
        assert scenario.is_ready("ada@example.com")
        assert (owed(scenario, "ben@example.com"), scenario.letters_of("ben@example.com")) == ("operator", 1)

    def test_by_error_code_user_and_step(self, scenario: DlqScenario) -> None:
        scenario.refuse("ada@example.com", ADA, code="email_invalid")
        scenario.refuse("ben@example.com", BEN, code="name_invalid")
        scenario.refuse("cyd@example.com", CYD, code="tax_id_invalid")
        scenario.stripe.faults.clear()
        assert scenario.redrive(reasons=("name_invalid",)).counts.sent == 1
        assert scenario.redrive(user=CYD, steps=("stripe",)).counts.sent == 1
        assert [scenario.is_ready(f"{name}@example.com") for name in ("ada", "ben", "cyd")] == [False, True, True]

    def test_by_time_of_the_first_failure(self, scenario: DlqScenario) -> None:
        scenario.refuse("ada@example.com", ADA)
        scenario.clock.advance(3600)
        since = round(scenario.clock() * 1000)
        scenario.refuse("ben@example.com", BEN)
        scenario.stripe.faults.clear()
        scenario.redrive(since=since)
        assert [scenario.is_ready(f"{name}@example.com") for name in ("ada", "ben")] == [False, True]
        scenario.redrive(until=since)
        assert scenario.is_ready("ada@example.com")

    def test_a_filter_that_matches_nothing_is_an_error_that_names_the_reasons(self, scenario: DlqScenario) -> None:
        scenario.refuse("ada@example.com", ADA)
        with pytest.raises(
            UsageError, match=r"--reason no_such; the reasons there are: email_invalid, stripe_refused_400"
        ):
            scenario.redrive(reasons=("no_such",))
        assert scenario.audit() == []

    def test_poison_stays_unless_its_reason_is_named(self, scenario: DlqScenario) -> None:
        scenario.sqs.put(QUEUE, "no JSON at all")
        scenario.run_worker()
        assert scenario.redrive().counts.sent == 0
        report = scenario.redrive(reasons=("malformed_event",), wait=0)
        assert report.counts.sent == 1
        scenario.run_worker()
        assert [letter["reason"] for letter in scenario.dead_letters()] == ["malformed_event"], "it failed again, once"

    def test_at_most_limit_users(self, scenario: DlqScenario) -> None:
        for number in range(5):
            scenario.refuse(f"u{number}@example.com", str(uuid.uuid4()))
        scenario.stripe.faults.clear()
        assert scenario.redrive(limit=3).counts.sent == 3
        assert len(scenario.dead_letters()) == 2


class TestOrder:
    def test_the_flip_comes_before_the_send_and_the_send_before_the_delete(self, scenario: DlqScenario) -> None:
        scenario.refuse("ada@example.com", ADA)
        seen: list[tuple[str, str]] = []

        def look(_call: int, _service: str, operation: str) -> None:
            if operation in ("send_message_batch", "delete_message_batch"):
                seen.append((operation, owed(scenario, "ada@example.com")))

        scenario.redrive(look, wait=0)
        assert seen == [("send_message_batch", "enrich"), ("delete_message_batch", "enrich")]
        due = (scenario.user("ada@example.com") or {})["dueAt"]
        assert due == round(scenario.clock() * 1000) + 43_200_000

    def test_a_letter_whose_message_is_not_confirmed_stays(self, scenario: DlqScenario) -> None:
        """Every other entry of a batch fails."""
        for name, sub in (("ada", ADA), ("ben", BEN)):
            scenario.refuse(f"{name}@example.com", sub)
        scenario.stripe.faults.clear()
        report = scenario.redrive(lambda _, __, name: "partial" if name == "send_message_batch" else None, canary=False)
        assert (report.counts.sent, report.counts.kept, report.needs_attention) == (1, 1, True)
        assert len(scenario.dead_letters()) == 1
        assert scenario.redrive().counts.sent == 1
        assert scenario.is_ready("ada@example.com")
        assert scenario.is_ready("ben@example.com")

    def test_one_message_per_user_and_every_copy_is_deleted(self, scenario: DlqScenario) -> None:
        scenario.refuse("ada@example.com", ADA)
        scenario.copy("ada@example.com")
        scenario.copy("ada@example.com")
        scenario.stripe.faults.clear()
        sends = Sends(scenario)
        report = scenario.redrive()
        assert (report.counts.sent, report.counts.copies) == (1, 2)
        assert sends.by_email == {"ada@example.com": 1}
        assert scenario.dead_letters() == []

    def test_copies_stay_where_the_first_message_is_not_confirmed(self, scenario: DlqScenario) -> None:
        scenario.refuse("ada@example.com", ADA)
        scenario.copy("ada@example.com")
        scenario.redrive(lambda _, __, name: "partial" if name == "send_message_batch" else None, canary=False)
        assert len(scenario.dead_letters()) == 2

    def test_a_ready_user_needs_no_message(self, scenario: DlqScenario) -> None:
        scenario.refuse("ada@example.com", ADA)
        (letter,) = scenario.sqs.messages(DLQ)
        scenario.stripe.faults.clear()
        scenario.redrive()
        scenario.sqs.put(DLQ, letter.body, letter.attributes)
        sends = Sends(scenario)
        report = scenario.redrive()
        assert (report.counts.sent, report.counts.needless, report.needs_attention) == (0, 1, False)
        assert sends.by_email == {}
        assert scenario.dead_letters() == []

    def test_a_letter_whose_hold_is_over_is_not_sent(self, scenario: DlqScenario) -> None:
        """A flip took two minutes; another operator may hold the letter by now."""
        scenario.refuse("ada@example.com", ADA)
        sends = Sends(scenario)

        def slow(_call: int, _service: str, operation: str) -> None:
            if operation == "transact_write_items":
                scenario.clock.advance(WORKING_SECONDS)

        report = scenario.redrive(slow, wait=0)
        assert (report.counts.sent, report.counts.kept) == (0, 1)
        assert sends.by_email == {}
        assert scenario.letters_of("ada@example.com") == 1

    def test_a_user_whose_flip_is_refused_is_not_sent(self, scenario: DlqScenario) -> None:
        """The other users of the batch are sent."""
        for name, sub in (("ada", ADA), ("ben", BEN)):
            scenario.refuse(f"{name}@example.com", sub)
        sends = Sends(scenario)

        def change_record(_call: int, _service: str, operation: str) -> None:
            if operation == "transact_write_items":
                scenario.dynamodb.update_item(
                    TableName=USERS,
                    Key={"userId": {"S": "ada@example.com"}},
                    UpdateExpression="SET owed = :enrich",
                    ExpressionAttributeValues={":enrich": {"S": "enrich#1"}},
                )

        report = scenario.redrive(change_record, wait=0)
        assert (report.counts.sent, report.counts.kept, scenario.letters_of("ada@example.com")) == (1, 1, 1)
        assert sends.by_email == {"ben@example.com": 1}
        assert owed(scenario, "ben@example.com") == "enrich"

    def test_a_letter_of_a_forgotten_user_is_only_deleted(self, scenario: DlqScenario) -> None:
        scenario.refuse("ada@example.com", ADA)
        scenario.dynamodb.put_item(TableName=OPERATIONS, Item=tombstone_key(ADA))
        scenario.dynamodb.delete_item(TableName=USERS, Key={"userId": {"S": "ada@example.com"}})
        report = scenario.redrive()
        assert (report.counts.sent, report.counts.needless, scenario.dead_letters()) == (0, 1, [])


class TestCanary:
    def test_one_then_ten_then_the_rest(self, scenario: DlqScenario) -> None:
        for number in range(15):
            scenario.refuse(f"u{number:02}@example.com", str(uuid.uuid4()))
        scenario.stripe.faults.clear()
        batches: list[int] = []

        def look(_call: int, _service: str, operation: str) -> None:
            if operation == "send_message_batch":
                batches.append(15 - len(scenario.dead_letters()))

        assert scenario.redrive(look).summary()["repaired"] == 15
        assert batches == [0, 1, 11]

    def test_stops_when_the_same_reason_comes_back(self, scenario: DlqScenario) -> None:
        for number in range(15):
            scenario.refuse(f"u{number:02}@example.com", str(uuid.uuid4()))
        report = scenario.redrive()
        assert report.summary()["failed_again"] == 1
        assert report.stages.stopped == "the same reason came back (stripe: email_invalid)"
        assert report.needs_attention
        assert len(scenario.dead_letters()) == 15, "the canary has a new letter, the others were not touched"

    def test_stops_when_no_user_is_repaired(self, scenario: DlqScenario) -> None:
        for number in range(3):
            scenario.refuse(f"u{number}@example.com", str(uuid.uuid4()))
        scenario.stripe.faults.clear()
        scenario.revenuecat.faults.clear()
        scenario.stripe.faults.add(Fault("refused", times=None, code="another_cause"))
        report = scenario.redrive()
        assert report.stages.stopped == "no user was repaired (stripe: another_cause)"
        assert report.counts.sent == 1

    def test_stops_when_the_canary_is_still_on_the_way(self, scenario: DlqScenario) -> None:
        for number in range(3):
            scenario.refuse(f"u{number}@example.com", str(uuid.uuid4()))
        scenario.stripe.faults.clear()
        scenario.stripe.faults.add(Fault("server_error", times=None))
        report = scenario.redrive(wait=5.0)
        assert report.stages.stopped == "1 of the canary is still on the way"
        assert report.stages.verified.on_the_way == {("stripe", "stripe_500"): 1}

    def test_a_user_who_fails_again_is_neither_sent_again_nor_deleted_as_a_copy(self, scenario: DlqScenario) -> None:
        for number in range(15):
            scenario.refuse(f"u{number:02}@example.com", str(uuid.uuid4()))
        scenario.stripe.faults.clear()
        scenario.stripe.faults.add(Fault("refused", match="u05@", times=None, code="another_cause"))
        sends = Sends(scenario)
        report = scenario.redrive()
        assert (report.summary()["repaired"], report.summary()["failed_again"]) == (14, 1)
        assert report.stages.stopped is None, "another cause than before, and the others were repaired"
        assert set(sends.by_email.values()) == {1}
        (letter,) = scenario.dead_letters()
        assert letter["errorCode"] == "another_cause"


class TestCtrlC:
    @pytest.mark.parametrize(
        "operation", ["receive_message", "transact_write_items", "send_message_batch", "batch_get_item"]
    )
    def test_releases_every_letter_and_is_recorded_in_the_audit_log(
        self, scenario: DlqScenario, operation: str
    ) -> None:
        for number in range(5):
            scenario.refuse(f"u{number}@example.com", str(uuid.uuid4()))
        scenario.stripe.faults.clear()
        armed = False

        def interrupt(_call: int, _service: str, name: str) -> None:
            nonlocal armed
            armed = armed or name == "put_item"  # the audit's first row: the plan was confirmed
            if armed and name == operation:
                raise KeyboardInterrupt

        with pytest.raises(CommandInterrupted):
            scenario.redrive(interrupt)
        assert [row["result"] for row in scenario.audit()] == ["interrupted"]
        assert all(message.visible_at <= scenario.clock() for message in scenario.sqs.messages(DLQ))
        assert scenario.redrive().counts.sent == 5, "at once: no hold has to end first"

    def test_the_messages_sent_before_it_are_counted(self, scenario: DlqScenario) -> None:
        for number in range(5):
            scenario.refuse(f"u{number}@example.com", str(uuid.uuid4()))
        scenario.stripe.faults.clear()
        with pytest.raises(CommandInterrupted):
            scenario.redrive(interrupt_second_send())
        (row,) = scenario.audit()
        assert (row["count"], row["result"]) == (1, "interrupted")

    def test_it_says_how_far_it_came_and_the_command_that_goes_on(self, scenario: DlqScenario) -> None:
        for number in range(5):
            scenario.refuse(f"u{number}@example.com", str(uuid.uuid4()))
        scenario.stripe.faults.clear()
        with pytest.raises(CommandInterrupted) as interrupted:
            scenario.redrive(interrupt_second_send(), reasons=(STRIPE,), since=1_790_000_000_000, limit=4)
        assert interrupted.value.exit_code == 130
        how_far, _, command = str(interrupted.value).partition("; to go on: ")
        assert how_far.startswith("interrupted: 1 sent, of which 1 are repaired so far")
        assert command == (
            f"onramp dlq redrive --reason {STRIPE} --since 2026-09-21T14:13:20Z --limit 3 --rate 0 --wait 60"
        )
        (row,) = scenario.audit()
        assert row["outcome"] == {"sent": 1, "repaired": 1, "failed_again": 0, "on_the_way": 0}
        assert scenario.redrive(reasons=(STRIPE,), limit=3).counts.sent == 3

    def test_what_was_verified_before_ctrl_c_counts(self, scenario: DlqScenario) -> None:
        """Ada is repaired; Stripe refuses Ben slowly: the redrive still waits for him when the operator stops."""
        scenario.refuse("ada@example.com", ADA)
        scenario.refuse("ben@example.com", BEN)
        scenario.stripe.faults.clear()
        scenario.stripe.faults.add(Fault("server_error", operation="create", match="ben@example.com", times=None))
        sent = 0

        def interrupt(_call: int, _service: str, name: str) -> None:
            nonlocal sent
            sent += name == "send_message_batch"
            if sent and name == "batch_get_item" and scenario.is_ready("ada@example.com") and scenario.clock() > late:
                raise KeyboardInterrupt

        late = scenario.clock() + 5
        with pytest.raises(CommandInterrupted, match="2 sent, of which 1 are repaired so far"):
            scenario.redrive(interrupt, canary=False)
        (row,) = scenario.audit()
        assert (row["outcome"]["repaired"], row["outcome"]["on_the_way"]) == (1, 1)


class TestThePlan:
    def plan_text(self, scenario: DlqScenario, capsys: pytest.CaptureFixture[str], **options: object) -> str:
        scenario.redrive(**options)  # type: ignore[arg-type]
        return capsys.readouterr().err

    def test_warns_where_the_code_that_failed_is_still_deployed(
        self, scenario: DlqScenario, capsys: pytest.CaptureFixture[str]
    ) -> None:
        scenario.refuse("ada@example.com", ADA)
        text = self.plan_text(scenario, capsys, wait=0)
        assert "Warning: the code that failed, test-1, is still deployed" in text
        assert "all at once; no rate limit; not verified." in text

    def test_keeps_the_rate(self, scenario: DlqScenario) -> None:
        """No letter is held longer than its visibility timeout, however slow the rate is."""
        for number in range(60):
            scenario.refuse(f"u{number:02}@example.com", str(uuid.uuid4()))
        before = scenario.clock()
        report = scenario.redrive(rate=1, wait=0)
        assert (report.counts.sent, report.counts.kept) == (60, 0)
        assert 49 <= scenario.clock() - before <= 61

    def test_no_warning_where_other_code_is_deployed(
        self, scenario: DlqScenario, capsys: pytest.CaptureFixture[str]
    ) -> None:
        scenario.refuse("ada@example.com", ADA)
        scenario.settings["CODE_VERSION"] = "test-2"
        text = self.plan_text(scenario, capsys, rate=50, limit=7)
        assert "Warning" not in text
        assert "(users: 1, at most 7 of them)" in text
        assert "1 user, then 10, then the rest; at most 50 a second; each stage verified for up to 60 s." in text


class TestOtherLetters:
    def test_of_the_eventbridge_queue(self, scenario: DlqScenario) -> None:
        """The attributes are EventBridge's; the body is the event; `emit` is owed."""
        scenario.fail_delivery("ada@example.com", ADA)
        report = scenario.redrive(reasons=("NO_PERMISSIONS",))
        assert report.summary()["repaired"] == 1
        assert scenario.is_ready("ada@example.com")
        assert scenario.sqs.messages(RULE_DLQ) == []

    def test_of_a_queue_that_is_not_selected_stays(self, scenario: DlqScenario) -> None:
        scenario.fail_delivery("ada@example.com", ADA)
        assert scenario.redrive(queues=("provisioning",)).counts.sent == 0
        assert len(scenario.sqs.messages(RULE_DLQ)) == 1

    def test_of_sqs_itself_gets_its_reason_from_the_profile(self, scenario: DlqScenario) -> None:
        scenario.stripe.faults.add(Fault("server_error", times=None))
        scenario.sign_up("ada@example.com", ADA)
        scenario.run_worker()
        (message,) = scenario.sqs.messages(QUEUE)
        scenario.sqs.queues[QUEUE].delete(message)
        scenario.sqs.put(DLQ, message.body)
        scenario.stripe.faults.clear()
        report = scenario.redrive(reasons=("stripe_500",))
        assert list(report.plan.groups) == [("provisioning", "stripe", "stripe_500")]
        assert scenario.is_ready("ada@example.com")

    def test_of_a_user_without_a_record_fails_again_at_once(self, scenario: DlqScenario) -> None:
        scenario.sign_up("ada@example.com", ADA)
        scenario.dynamodb.delete_item(TableName=USERS, Key={"userId": {"S": "ada@example.com"}})
        scenario.run_worker()
        report = scenario.redrive(reasons=("unknown_user",), canary=False)
        assert report.stages.verified.failed == {("receive", "unknown_user"): 1}


class TestFromTheTable:
    def test_a_user_whose_letter_has_expired(self, scenario: DlqScenario) -> None:
        scenario.refuse("ada@example.com", ADA)
        scenario.clock.advance(15 * 86_400)
        assert scenario.sqs.messages(DLQ) == []
        scenario.stripe.faults.clear()
        report = scenario.redrive(from_table=True, steps=("stripe",))
        assert (report.counts.sent, report.summary()["repaired"]) == (1, 1)
        assert scenario.is_ready("ada@example.com")
        assert scenario.customers_of(ADA) == 1

    def test_not_a_user_who_still_has_a_letter(self, scenario: DlqScenario) -> None:
        scenario.refuse("ada@example.com", ADA)
        scenario.refuse("ben@example.com", BEN)
        (expired,) = [message for message in scenario.sqs.messages(DLQ) if "ben@" in message.body]
        scenario.sqs.queues[DLQ].delete(expired)
        sends = Sends(scenario)
        scenario.redrive(from_table=True, wait=0)
        assert sends.by_email == {"ben@example.com": 1}

    def test_the_message_is_the_event_as_a_replay(self, scenario: DlqScenario) -> None:
        scenario.refuse("ada@example.com", ADA)
        (letter,) = scenario.sqs.messages(DLQ)
        scenario.sqs.queues[DLQ].delete(letter)
        scenario.redrive(from_table=True, wait=0)
        (message,) = scenario.sqs.messages(QUEUE)
        old, new = (json.loads(item.body)["detail"] for item in (letter, message))
        assert new["data"] == old["data"]
        assert new["metadata"]["eventId"] == old["metadata"]["eventId"]
        assert new["metadata"]["origin"] == "replay"

    def test_a_canary_that_fails_again_is_not_taken_for_another_user(self, scenario: DlqScenario) -> None:
        scenario.refuse("ada@example.com", ADA)
        scenario.clock.advance(15 * 86_400)
        sends = Sends(scenario)
        scenario.redrive(from_table=True, canary=False)
        assert sends.by_email == {"ada@example.com": 1}

    def test_the_reason_is_that_of_the_step_record(self, scenario: DlqScenario) -> None:
        """Not only the error code: `--reason` means the same with and without a letter."""
        scenario.refuse("ada@example.com", ADA)
        scenario.drop(reasons=(STRIPE,))
        scenario.stripe.faults.clear()
        report = scenario.redrive(from_table=True, reasons=(STRIPE,))
        assert [row["reason"] for row in report.plan.groups.rows()] == [STRIPE]
        assert scenario.is_ready("ada@example.com")

    def test_a_user_without_a_letter_is_redriven_from_the_table_unasked(self, scenario: DlqScenario) -> None:
        scenario.refuse("ada@example.com", ADA)
        scenario.refuse("ben@example.com", BEN)
        scenario.drop(user=ADA)
        scenario.stripe.faults.clear()
        assert scenario.redrive(user=ADA).counts.sent == 1
        assert (scenario.is_ready("ada@example.com"), scenario.is_ready("ben@example.com")) == (True, False)

    def test_never_while_another_reader_may_hold_the_users_letter(self, scenario: DlqScenario) -> None:
        scenario.refuse("ada@example.com", ADA)
        scenario.sqs.receive_message(QueueUrl=scenario.sqs.url(DLQ), MaxNumberOfMessages=1, VisibilityTimeout=120)
        report = scenario.redrive(user=ADA)
        assert (report.counts.sent, report.held_by_others) == (0, 1)
        assert owed(scenario, "ada@example.com") == "operator"


def test_drop_deletes_the_selected_letters_and_the_users_stay_failed(scenario: DlqScenario) -> None:
    scenario.refuse("ada@example.com", ADA)
    scenario.refuse_by_revenuecat("ben@example.com", BEN)
    scenario.sqs.put(QUEUE, "no JSON at all")
    scenario.run_worker()
    assert scenario.drop(reasons=("malformed_event",)).dropped == 1
    assert scenario.drop(reasons=(STRIPE,)).dropped == 1
    assert [letter["reason"] for letter in scenario.dead_letters()] == [REVENUECAT]
    assert owed(scenario, "ada@example.com") == "operator"
    assert (scenario.profile(ADA) or {})["provisioningStatus"] == "failed"
    rows = {row["details"]["reason"]: row for row in scenario.audit()}
    assert rows.keys() == {"malformed_event", STRIPE}
    assert (rows[STRIPE]["what"], rows[STRIPE]["details"]["why"], rows[STRIPE]["count"]) == ("dlq drop", "a test", 1)


def test_the_audit_log_has_the_result(scenario: DlqScenario) -> None:
    scenario.refuse("ada@example.com", ADA)
    scenario.stripe.faults.clear()
    scenario.redrive(user="ada@example.com")
    (row,) = scenario.audit()
    assert (row["what"], row["count"], row["result"]) == ("dlq redrive", 1, "done")
    assert row["details"] == {"user": "a***@example.com", "from": "provisioning+delivery"}
    assert row["outcome"] == {"sent": 1, "repaired": 1, "failed_again": 0, "on_the_way": 0}
