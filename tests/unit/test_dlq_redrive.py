"""`onramp dlq redrive`: by cause, with a canary, one send a user, in the protocol's order."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import pytest

from onramp.adapters.tombstones import tombstone_key
from onramp.local.fakes.faults import Fault
from onramp.ops.common.errors import UsageError
from onramp.ops.common.queue_reader import WORKING_SECONDS
from tests.dlq_scenario import RULE_DLQ, DlqScenario, Sends
from tests.pipeline import DLQ, OPERATIONS, QUEUE, USERS

ADA, BEN, CYD = (f"7d1f3a52-90b1-70c4-5e0f-2b8c1a6d4e0{n}" for n in (1, 2, 3))
STRIPE, REVENUECAT = "stripe_refused_400", "revenuecat_refused_422"


@pytest.fixture
def scenario() -> Iterator[DlqScenario]:
    with DlqScenario() as scenario:
        yield scenario


def owed(scenario: DlqScenario, email: str) -> str:
    return str((scenario.user(email) or {}).get("owed", "nothing")).partition("#")[0]


class TestByCause:
    def test_the_group_asked_for_is_repaired_and_the_other_stays(self, scenario: DlqScenario) -> None:
        scenario.refused("ada@example.com", ADA)
        scenario.unknown_to_revenuecat("ben@example.com", BEN)
        scenario.stripe.faults.clear()
        report = scenario.redrive(reasons=(STRIPE,))
        assert report.counts() == {"sent": 1, "repaired": 1, "failed_again": 0, "on_the_way": 0}
        assert not report.trouble
        assert scenario.is_ready("ada@example.com")
        assert (owed(scenario, "ben@example.com"), scenario.letters_of("ben@example.com")) == ("operator", 1)

    def test_by_error_code_user_and_step(self, scenario: DlqScenario) -> None:
        scenario.refused("ada@example.com", ADA, code="email_invalid")
        scenario.refused("ben@example.com", BEN, code="name_invalid")
        scenario.refused("cyd@example.com", CYD, code="tax_id_invalid")
        scenario.stripe.faults.clear()
        assert scenario.redrive(reasons=("name_invalid",)).tally.sent == 1
        assert scenario.redrive(user=CYD, steps=("stripe",)).tally.sent == 1
        assert [scenario.is_ready(f"{name}@example.com") for name in ("ada", "ben", "cyd")] == [False, True, True]

    def test_by_time_of_the_first_failure(self, scenario: DlqScenario) -> None:
        scenario.refused("ada@example.com", ADA)
        scenario.clock.advance(3600)
        since = round(scenario.clock() * 1000)
        scenario.refused("ben@example.com", BEN)
        scenario.stripe.faults.clear()
        scenario.redrive(since=since)
        assert [scenario.is_ready(f"{name}@example.com") for name in ("ada", "ben")] == [False, True]
        scenario.redrive(until=since)
        assert scenario.is_ready("ada@example.com")

    def test_a_filter_that_fits_nothing_names_the_reasons_there_are(self, scenario: DlqScenario) -> None:
        scenario.refused("ada@example.com", ADA)
        with pytest.raises(
            UsageError, match=r"--reason no_such; the reasons there are: email_invalid, stripe_refused_400"
        ):
            scenario.redrive(reasons=("no_such",))
        assert scenario.audit() == []

    def test_poison_stays_unless_it_is_asked_for(self, scenario: DlqScenario) -> None:
        scenario.sqs.put(QUEUE, "no JSON at all")
        scenario.run_worker()
        assert scenario.redrive().tally.sent == 0
        report = scenario.redrive(reasons=("malformed_event",), wait=0)
        assert report.tally.sent == 1
        scenario.run_worker()
        assert [letter["reason"] for letter in scenario.dead_letters()] == ["malformed_event"], "it came back, once"

    def test_at_most_so_many(self, scenario: DlqScenario) -> None:
        for number in range(5):
            scenario.refused(f"u{number}@example.com", str(uuid.uuid4()))
        scenario.stripe.faults.clear()
        assert scenario.redrive(limit=3).tally.sent == 3
        assert len(scenario.dead_letters()) == 2


class TestOrder:
    def test_the_user_is_owed_to_the_worker_again_before_anything_is_sent(self, scenario: DlqScenario) -> None:
        scenario.refused("ada@example.com", ADA)
        seen: list[tuple[str, str]] = []

        def look(_call: int, _service: str, operation: str) -> None:
            if operation in ("send_message_batch", "delete_message_batch"):
                seen.append((operation, owed(scenario, "ada@example.com")))

        scenario.redrive(look, wait=0)
        assert seen == [("send_message_batch", "enrich"), ("delete_message_batch", "enrich")]
        due = (scenario.user("ada@example.com") or {})["dueAt"]
        assert due == round(scenario.clock() * 1000) + 43_200_000

    def test_what_sqs_does_not_confirm_stays(self, scenario: DlqScenario) -> None:
        """Every other entry of a batch fails."""
        for name, sub in (("ada", ADA), ("ben", BEN)):
            scenario.refused(f"{name}@example.com", sub)
        scenario.stripe.faults.clear()
        report = scenario.redrive(lambda _, __, name: "partial" if name == "send_message_batch" else None, canary=False)
        assert (report.tally.sent, report.tally.left, report.trouble) == (1, 1, True)
        assert len(scenario.dead_letters()) == 1
        assert scenario.redrive().tally.sent == 1
        assert scenario.is_ready("ada@example.com")
        assert scenario.is_ready("ben@example.com")

    def test_one_send_a_user_and_every_copy_goes(self, scenario: DlqScenario) -> None:
        scenario.refused("ada@example.com", ADA)
        scenario.copy("ada@example.com")
        scenario.copy("ada@example.com")
        scenario.stripe.faults.clear()
        sends = Sends(scenario)
        report = scenario.redrive()
        assert (report.tally.sent, report.tally.copies) == (1, 2)
        assert sends.by_email == {"ada@example.com": 1}
        assert scenario.dead_letters() == []

    def test_copies_stay_where_the_first_was_not_taken(self, scenario: DlqScenario) -> None:
        scenario.refused("ada@example.com", ADA)
        scenario.copy("ada@example.com")
        scenario.redrive(lambda _, __, name: "partial" if name == "send_message_batch" else None, canary=False)
        assert len(scenario.dead_letters()) == 2

    def test_who_is_ready_needs_no_message(self, scenario: DlqScenario) -> None:
        scenario.refused("ada@example.com", ADA)
        (letter,) = scenario.sqs.messages(DLQ)
        scenario.stripe.faults.clear()
        scenario.redrive()
        scenario.sqs.put(DLQ, letter.body, letter.attributes)
        sends = Sends(scenario)
        report = scenario.redrive()
        assert (report.tally.sent, report.tally.settled, report.trouble) == (0, 1, False)
        assert sends.by_email == {}
        assert scenario.dead_letters() == []

    def test_one_whose_hold_is_over_is_not_sent(self, scenario: DlqScenario) -> None:
        """A flip took two minutes; a colleague may have the letter by now."""
        scenario.refused("ada@example.com", ADA)
        sends = Sends(scenario)

        def slow(_call: int, _service: str, operation: str) -> None:
            if operation == "transact_write_items":
                scenario.clock.advance(WORKING_SECONDS)

        report = scenario.redrive(slow, wait=0)
        assert (report.tally.sent, report.tally.left) == (0, 1)
        assert sends.by_email == {}
        assert scenario.letters_of("ada@example.com") == 1

    def test_a_user_whom_somebody_else_has_just_moved_on_is_left_to_them(self, scenario: DlqScenario) -> None:
        """And costs nobody else of the same batch anything."""
        for name, sub in (("ada", ADA), ("ben", BEN)):
            scenario.refused(f"{name}@example.com", sub)
        sends = Sends(scenario)

        def first(_call: int, _service: str, operation: str) -> None:
            if operation == "transact_write_items":
                scenario.dynamodb.update_item(
                    TableName=USERS,
                    Key={"userId": {"S": "ada@example.com"}},
                    UpdateExpression="SET owed = :enrich",
                    ExpressionAttributeValues={":enrich": {"S": "enrich#1"}},
                )

        report = scenario.redrive(first, wait=0)
        assert (report.tally.sent, report.tally.left, scenario.letters_of("ada@example.com")) == (1, 1, 1)
        assert sends.by_email == {"ben@example.com": 1}
        assert owed(scenario, "ben@example.com") == "enrich"

    def test_a_letter_of_somebody_erased_is_only_deleted(self, scenario: DlqScenario) -> None:
        scenario.refused("ada@example.com", ADA)
        scenario.dynamodb.put_item(TableName=OPERATIONS, Item=tombstone_key(ADA))
        scenario.dynamodb.delete_item(TableName=USERS, Key={"userId": {"S": "ada@example.com"}})
        report = scenario.redrive()
        assert (report.tally.sent, report.tally.settled, scenario.dead_letters()) == (0, 1, [])


class TestCanary:
    def test_one_then_ten_then_the_rest(self, scenario: DlqScenario) -> None:
        for number in range(15):
            scenario.refused(f"u{number:02}@example.com", str(uuid.uuid4()))
        scenario.stripe.faults.clear()
        batches: list[int] = []

        def look(_call: int, _service: str, operation: str) -> None:
            if operation == "send_message_batch":
                batches.append(15 - len(scenario.dead_letters()))

        assert scenario.redrive(look).counts()["repaired"] == 15
        assert batches == [0, 1, 11]

    def test_stops_when_the_same_reason_comes_back(self, scenario: DlqScenario) -> None:
        for number in range(15):
            scenario.refused(f"u{number:02}@example.com", str(uuid.uuid4()))
        report = scenario.redrive()
        assert report.counts()["failed_again"] == 1
        assert report.outcome.stopped == "the same reason came back (stripe: email_invalid)"
        assert report.trouble
        assert len(scenario.dead_letters()) == 15, "the canary has a new letter, the others were not touched"

    def test_stops_when_nobody_is_repaired(self, scenario: DlqScenario) -> None:
        for number in range(3):
            scenario.refused(f"u{number}@example.com", str(uuid.uuid4()))
        scenario.stripe.faults.clear()
        scenario.revenuecat.faults.clear()
        scenario.stripe.faults.add(Fault("refused", times=None, code="another_cause"))
        report = scenario.redrive()
        assert report.outcome.stopped == "nobody was repaired (stripe: another_cause)"
        assert report.tally.sent == 1

    def test_stops_when_it_is_still_on_the_way(self, scenario: DlqScenario) -> None:
        for number in range(3):
            scenario.refused(f"u{number}@example.com", str(uuid.uuid4()))
        scenario.stripe.faults.clear()
        scenario.stripe.faults.add(Fault("server_error", times=None))
        report = scenario.redrive(wait=5.0)
        assert report.outcome.stopped == "1 of the canary is still on the way"
        assert report.outcome.verdict.waiting == {("stripe", "stripe_500"): 1}

    def test_who_fails_again_lies_there_again_neither_sent_in_a_loop_nor_deleted_as_a_copy(
        self, scenario: DlqScenario
    ) -> None:
        for number in range(15):
            scenario.refused(f"u{number:02}@example.com", str(uuid.uuid4()))
        scenario.stripe.faults.clear()
        scenario.stripe.faults.add(Fault("refused", match="u05@", times=None, code="another_cause"))
        sends = Sends(scenario)
        report = scenario.redrive()
        assert (report.counts()["repaired"], report.counts()["failed_again"]) == (14, 1)
        assert report.outcome.stopped is None, "another cause than before, and the others were repaired"
        assert set(sends.by_email.values()) == {1}
        (letter,) = scenario.dead_letters()
        assert letter["errorCode"] == "another_cause"


class TestCtrlC:
    @pytest.mark.parametrize(
        "operation", ["receive_message", "transact_write_items", "send_message_batch", "batch_get_item"]
    )
    def test_gives_everything_back_and_says_so_in_the_audit(self, scenario: DlqScenario, operation: str) -> None:
        for number in range(5):
            scenario.refused(f"u{number}@example.com", str(uuid.uuid4()))
        scenario.stripe.faults.clear()
        armed = False

        def interrupt(_call: int, _service: str, name: str) -> None:
            nonlocal armed
            armed = armed or name == "put_item"  # the audit's first row: the plan was confirmed
            if armed and name == operation:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            scenario.redrive(interrupt)
        assert [row["result"] for row in scenario.audit()] == ["interrupted"]
        assert all(message.visible_at <= scenario.clock() for message in scenario.sqs.messages(DLQ))
        assert scenario.redrive().tally.sent == 5, "at once, nothing has to run out first"

    def test_what_was_sent_until_then_is_counted(self, scenario: DlqScenario) -> None:
        for number in range(5):
            scenario.refused(f"u{number}@example.com", str(uuid.uuid4()))
        scenario.stripe.faults.clear()
        sent = 0

        def interrupt(_call: int, _service: str, name: str) -> None:
            nonlocal sent
            sent += name == "send_message_batch"
            if name == "send_message_batch" and sent == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            scenario.redrive(interrupt)
        (row,) = scenario.audit()
        assert (row["count"], row["result"]) == (1, "interrupted")


class TestThePlan:
    def words(self, scenario: DlqScenario, capsys: pytest.CaptureFixture[str], **options: object) -> str:
        scenario.redrive(**options)  # type: ignore[arg-type]
        return capsys.readouterr().err

    def test_warns_where_the_code_that_failed_is_deployed(
        self, scenario: DlqScenario, capsys: pytest.CaptureFixture[str]
    ) -> None:
        scenario.refused("ada@example.com", ADA)
        said = self.words(scenario, capsys, wait=0)
        assert "Warning: the code that failed, test-1, is still deployed" in said
        assert "all at once; as fast as it goes; nobody looked after." in said

    def test_paces(self, scenario: DlqScenario) -> None:
        """And holds no letter longer than it may, however slow it is."""
        for number in range(60):
            scenario.refused(f"u{number:02}@example.com", str(uuid.uuid4()))
        before = scenario.clock()
        report = scenario.redrive(rate=1, wait=0)
        assert (report.tally.sent, report.tally.left) == (60, 0)
        assert 49 <= scenario.clock() - before <= 61

    def test_not_where_another_is(self, scenario: DlqScenario, capsys: pytest.CaptureFixture[str]) -> None:
        scenario.refused("ada@example.com", ADA)
        scenario.settings["CODE_VERSION"] = "test-2"
        said = self.words(scenario, capsys, rate=50, limit=7)
        assert "Warning" not in said
        assert "(users: 1, at most 7 of them)" in said
        assert "1 user, then 10, then the rest; at most 50 a second; each looked after for up to 60 s." in said


class TestOtherLetters:
    def test_of_the_rule(self, scenario: DlqScenario) -> None:
        """EventBridge's own attributes; the body is the event; `emit` is owed."""
        scenario.undelivered("ada@example.com", ADA)
        report = scenario.redrive(reasons=("NO_PERMISSIONS",))
        assert report.counts()["repaired"] == 1
        assert scenario.is_ready("ada@example.com")
        assert scenario.sqs.messages(RULE_DLQ) == []

    def test_of_a_queue_that_was_not_chosen_stays(self, scenario: DlqScenario) -> None:
        scenario.undelivered("ada@example.com", ADA)
        assert scenario.redrive(queues=("provisioning",)).tally.sent == 0
        assert len(scenario.sqs.messages(RULE_DLQ)) == 1

    def test_of_sqs_itself_takes_its_reason_from_the_profile(self, scenario: DlqScenario) -> None:
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

    def test_of_somebody_without_a_record_fails_again_at_once(self, scenario: DlqScenario) -> None:
        scenario.sign_up("ada@example.com", ADA)
        scenario.dynamodb.delete_item(TableName=USERS, Key={"userId": {"S": "ada@example.com"}})
        scenario.run_worker()
        report = scenario.redrive(reasons=("unknown_user",), canary=False)
        assert report.outcome.verdict.failed == {("receive", "unknown_user"): 1}


class TestFromTheTable:
    def test_whose_copy_has_expired(self, scenario: DlqScenario) -> None:
        scenario.refused("ada@example.com", ADA)
        scenario.clock.advance(15 * 86_400)
        assert scenario.sqs.messages(DLQ) == []
        scenario.stripe.faults.clear()
        report = scenario.redrive(from_table=True, steps=("stripe",))
        assert (report.tally.sent, report.counts()["repaired"]) == (1, 1)
        assert scenario.is_ready("ada@example.com")
        assert scenario.customers_of(ADA) == 1

    def test_but_not_who_still_has_one(self, scenario: DlqScenario) -> None:
        scenario.refused("ada@example.com", ADA)
        scenario.refused("ben@example.com", BEN)
        (gone,) = [message for message in scenario.sqs.messages(DLQ) if "ben@" in message.body]
        scenario.sqs.queues[DLQ].delete(gone)
        sends = Sends(scenario)
        scenario.redrive(from_table=True, wait=0)
        assert sends.by_email == {"ben@example.com": 1}

    def test_the_message_is_the_event_as_a_replay(self, scenario: DlqScenario) -> None:
        scenario.refused("ada@example.com", ADA)
        (letter,) = scenario.sqs.messages(DLQ)
        scenario.sqs.queues[DLQ].delete(letter)
        scenario.redrive(from_table=True, wait=0)
        (message,) = scenario.sqs.messages(QUEUE)
        old, new = (json.loads(one.body)["detail"] for one in (letter, message))
        assert new["data"] == old["data"]
        assert new["metadata"]["eventId"] == old["metadata"]["eventId"]
        assert new["metadata"]["origin"] == "replay"

    def test_a_canary_that_fails_again_is_not_taken_for_another_user(self, scenario: DlqScenario) -> None:
        scenario.refused("ada@example.com", ADA)
        scenario.clock.advance(15 * 86_400)
        sends = Sends(scenario)
        scenario.redrive(from_table=True, canary=False)
        assert sends.by_email == {"ada@example.com": 1}


def test_drop_deletes_what_was_asked_for_and_the_user_stays_visible(scenario: DlqScenario) -> None:
    scenario.refused("ada@example.com", ADA)
    scenario.unknown_to_revenuecat("ben@example.com", BEN)
    scenario.sqs.put(QUEUE, "no JSON at all")
    scenario.run_worker()
    assert scenario.drop(reasons=("malformed_event",)).count == 1
    assert scenario.drop(reasons=(STRIPE,)).count == 1
    assert [letter["reason"] for letter in scenario.dead_letters()] == [REVENUECAT]
    assert owed(scenario, "ada@example.com") == "operator"
    assert (scenario.profile(ADA) or {})["provisioningStatus"] == "failed"
    rows = {row["details"]["reason"]: row for row in scenario.audit()}
    assert rows.keys() == {"malformed_event", STRIPE}
    assert (rows[STRIPE]["what"], rows[STRIPE]["details"]["why"], rows[STRIPE]["count"]) == ("dlq drop", "a test", 1)


def test_the_audit_says_what_came_of_it(scenario: DlqScenario) -> None:
    scenario.refused("ada@example.com", ADA)
    scenario.stripe.faults.clear()
    scenario.redrive(user="ada@example.com")
    (row,) = scenario.audit()
    assert (row["what"], row["count"], row["result"]) == ("dlq redrive", 1, "done")
    assert row["details"] == {"user": "a***@example.com", "from": "provisioning+delivery"}
    assert row["outcome"] == {"sent": 1, "repaired": 1, "failed_again": 0, "on_the_way": 0}
