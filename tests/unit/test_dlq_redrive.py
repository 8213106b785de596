"""`onramp dlq redrive`: by cause, with a canary, one send a user, in the protocol's order."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import pytest

from onramp.adapters.tombstones import tombstone_key
from onramp.local.fakes.faults import Fault
from onramp.ops.dlq.walk import WORKING_SECONDS
from onramp.ops.errors import DeskError
from tests.night import RULE_DLQ, Night, Sends
from tests.world import DLQ, OPERATIONS, QUEUE, USERS

ADA, BEN, CYD = (f"7d1f3a52-90b1-70c4-5e0f-2b8c1a6d4e0{n}" for n in (1, 2, 3))
STRIPE, REVENUECAT = "stripe_refused_400", "revenuecat_refused_422"


@pytest.fixture
def night() -> Iterator[Night]:
    with Night() as night:
        yield night


def owed(night: Night, email: str) -> str:
    return str((night.user(email) or {}).get("owed", "nothing")).partition("#")[0]


class TestByCause:
    def test_the_group_asked_for_is_repaired_and_the_other_stays(self, night: Night) -> None:
        night.refused("ada@example.com", ADA)
        night.unknown_to_revenuecat("ben@example.com", BEN)
        night.stripe.faults.clear()
        report = night.redrive(reasons=(STRIPE,))
        assert report.counts() == {"sent": 1, "repaired": 1, "failed_again": 0, "on_the_way": 0}
        assert not report.trouble
        assert night.is_ready("ada@example.com")
        assert (owed(night, "ben@example.com"), night.letters_of("ben@example.com")) == ("operator", 1)

    def test_by_error_code_user_and_step(self, night: Night) -> None:
        night.refused("ada@example.com", ADA, code="email_invalid")
        night.refused("ben@example.com", BEN, code="name_invalid")
        night.refused("cyd@example.com", CYD, code="tax_id_invalid")
        night.stripe.faults.clear()
        assert night.redrive(reasons=("name_invalid",)).tally.sent == 1
        assert night.redrive(user=CYD, steps=("stripe",)).tally.sent == 1
        assert [night.is_ready(f"{name}@example.com") for name in ("ada", "ben", "cyd")] == [False, True, True]

    def test_by_time_of_the_first_failure(self, night: Night) -> None:
        night.refused("ada@example.com", ADA)
        night.clock.advance(3600)
        since = round(night.clock() * 1000)
        night.refused("ben@example.com", BEN)
        night.stripe.faults.clear()
        night.redrive(since=since)
        assert [night.is_ready(f"{name}@example.com") for name in ("ada", "ben")] == [False, True]
        night.redrive(until=since)
        assert night.is_ready("ada@example.com")

    def test_a_filter_that_fits_nothing_names_the_reasons_there_are(self, night: Night) -> None:
        night.refused("ada@example.com", ADA)
        with pytest.raises(
            DeskError, match=r"--reason no_such; the reasons there are: email_invalid, stripe_refused_400"
        ):
            night.redrive(reasons=("no_such",))
        assert night.audit() == []

    def test_poison_stays_unless_it_is_asked_for(self, night: Night) -> None:
        night.sqs.put(QUEUE, "no JSON at all")
        night.work()
        assert night.redrive().tally.sent == 0
        report = night.redrive(reasons=("malformed_event",), wait=0)
        assert report.tally.sent == 1
        night.work()
        assert [letter["reason"] for letter in night.dead_letters()] == ["malformed_event"], "it came back, once"

    def test_at_most_so_many(self, night: Night) -> None:
        for number in range(5):
            night.refused(f"u{number}@example.com", str(uuid.uuid4()))
        night.stripe.faults.clear()
        assert night.redrive(limit=3).tally.sent == 3
        assert len(night.dead_letters()) == 2


class TestOrder:
    def test_the_user_is_owed_to_the_worker_again_before_anything_is_sent(self, night: Night) -> None:
        night.refused("ada@example.com", ADA)
        seen: list[tuple[str, str]] = []

        def look(_call: int, _service: str, operation: str) -> None:
            if operation in ("send_message_batch", "delete_message_batch"):
                seen.append((operation, owed(night, "ada@example.com")))

        night.redrive(look, wait=0)
        assert seen == [("send_message_batch", "enrich"), ("delete_message_batch", "enrich")]
        due = (night.user("ada@example.com") or {})["dueAt"]
        assert due == round(night.clock() * 1000) + 43_200_000

    def test_what_sqs_does_not_confirm_stays(self, night: Night) -> None:
        """Every other entry of a batch fails."""
        for name, sub in (("ada", ADA), ("ben", BEN)):
            night.refused(f"{name}@example.com", sub)
        night.stripe.faults.clear()
        report = night.redrive(lambda _, __, name: "partial" if name == "send_message_batch" else None, canary=False)
        assert (report.tally.sent, report.tally.left, report.trouble) == (1, 1, True)
        assert len(night.dead_letters()) == 1
        assert night.redrive().tally.sent == 1
        assert night.is_ready("ada@example.com")
        assert night.is_ready("ben@example.com")

    def test_one_send_a_user_and_every_copy_goes(self, night: Night) -> None:
        night.refused("ada@example.com", ADA)
        night.copy("ada@example.com")
        night.copy("ada@example.com")
        night.stripe.faults.clear()
        sends = Sends(night)
        report = night.redrive()
        assert (report.tally.sent, report.tally.copies) == (1, 2)
        assert sends.by_email == {"ada@example.com": 1}
        assert night.dead_letters() == []

    def test_copies_stay_where_the_first_was_not_taken(self, night: Night) -> None:
        night.refused("ada@example.com", ADA)
        night.copy("ada@example.com")
        night.redrive(lambda _, __, name: "partial" if name == "send_message_batch" else None, canary=False)
        assert len(night.dead_letters()) == 2

    def test_who_is_ready_needs_no_message(self, night: Night) -> None:
        night.refused("ada@example.com", ADA)
        (letter,) = night.sqs.messages(DLQ)
        night.stripe.faults.clear()
        night.redrive()
        night.sqs.put(DLQ, letter.body, letter.attributes)
        sends = Sends(night)
        report = night.redrive()
        assert (report.tally.sent, report.tally.settled, report.trouble) == (0, 1, False)
        assert sends.by_email == {}
        assert night.dead_letters() == []

    def test_one_whose_hold_is_over_is_not_sent(self, night: Night) -> None:
        """A flip took two minutes; a colleague may have the letter by now."""
        night.refused("ada@example.com", ADA)
        sends = Sends(night)

        def slow(_call: int, _service: str, operation: str) -> None:
            if operation == "transact_write_items":
                night.clock.advance(WORKING_SECONDS)

        report = night.redrive(slow, wait=0)
        assert (report.tally.sent, report.tally.left) == (0, 1)
        assert sends.by_email == {}
        assert night.letters_of("ada@example.com") == 1

    def test_a_user_whom_somebody_else_has_just_moved_on_is_left_to_them(self, night: Night) -> None:
        """And costs nobody else of the same batch anything."""
        for name, sub in (("ada", ADA), ("ben", BEN)):
            night.refused(f"{name}@example.com", sub)
        sends = Sends(night)

        def first(_call: int, _service: str, operation: str) -> None:
            if operation == "transact_write_items":
                night.dynamodb.update_item(
                    TableName=USERS,
                    Key={"userId": {"S": "ada@example.com"}},
                    UpdateExpression="SET owed = :enrich",
                    ExpressionAttributeValues={":enrich": {"S": "enrich#1"}},
                )

        report = night.redrive(first, wait=0)
        assert (report.tally.sent, report.tally.left, night.letters_of("ada@example.com")) == (1, 1, 1)
        assert sends.by_email == {"ben@example.com": 1}
        assert owed(night, "ben@example.com") == "enrich"

    def test_a_letter_of_somebody_erased_is_only_deleted(self, night: Night) -> None:
        night.refused("ada@example.com", ADA)
        night.dynamodb.put_item(TableName=OPERATIONS, Item=tombstone_key(ADA))
        night.dynamodb.delete_item(TableName=USERS, Key={"userId": {"S": "ada@example.com"}})
        report = night.redrive()
        assert (report.tally.sent, report.tally.settled, night.dead_letters()) == (0, 1, [])


class TestCanary:
    def test_one_then_ten_then_the_rest(self, night: Night) -> None:
        for number in range(15):
            night.refused(f"u{number:02}@example.com", str(uuid.uuid4()))
        night.stripe.faults.clear()
        batches: list[int] = []

        def look(_call: int, _service: str, operation: str) -> None:
            if operation == "send_message_batch":
                batches.append(15 - len(night.dead_letters()))

        assert night.redrive(look).counts()["repaired"] == 15
        assert batches == [0, 1, 11]

    def test_stops_when_the_same_reason_comes_back(self, night: Night) -> None:
        for number in range(15):
            night.refused(f"u{number:02}@example.com", str(uuid.uuid4()))
        report = night.redrive()
        assert report.counts()["failed_again"] == 1
        assert report.outcome.stopped == "the same reason came back (stripe: email_invalid)"
        assert report.trouble
        assert len(night.dead_letters()) == 15, "the canary has a new letter, the others were not touched"

    def test_stops_when_nobody_is_repaired(self, night: Night) -> None:
        for number in range(3):
            night.refused(f"u{number}@example.com", str(uuid.uuid4()))
        night.stripe.faults.clear()
        night.revenuecat.faults.clear()
        night.stripe.faults.add(Fault("refused", times=None, code="another_cause"))
        report = night.redrive()
        assert report.outcome.stopped == "nobody was repaired (stripe: another_cause)"
        assert report.tally.sent == 1

    def test_stops_when_it_is_still_on_the_way(self, night: Night) -> None:
        for number in range(3):
            night.refused(f"u{number}@example.com", str(uuid.uuid4()))
        night.stripe.faults.clear()
        night.stripe.faults.add(Fault("server_error", times=None))
        report = night.redrive(wait=5.0)
        assert report.outcome.stopped == "1 of the canary is still on the way"
        assert report.outcome.verdict.waiting == {("stripe", "stripe_500"): 1}

    def test_who_fails_again_lies_there_again_neither_sent_in_a_loop_nor_deleted_as_a_copy(self, night: Night) -> None:
        for number in range(15):
            night.refused(f"u{number:02}@example.com", str(uuid.uuid4()))
        night.stripe.faults.clear()
        night.stripe.faults.add(Fault("refused", match="u05@", times=None, code="another_cause"))
        sends = Sends(night)
        report = night.redrive()
        assert (report.counts()["repaired"], report.counts()["failed_again"]) == (14, 1)
        assert report.outcome.stopped is None, "another cause than before, and the others were repaired"
        assert set(sends.by_email.values()) == {1}
        (letter,) = night.dead_letters()
        assert letter["errorCode"] == "another_cause"


class TestCtrlC:
    @pytest.mark.parametrize(
        "operation", ["receive_message", "transact_write_items", "send_message_batch", "batch_get_item"]
    )
    def test_gives_everything_back_and_says_so_in_the_audit(self, night: Night, operation: str) -> None:
        for number in range(5):
            night.refused(f"u{number}@example.com", str(uuid.uuid4()))
        night.stripe.faults.clear()
        armed = False

        def interrupt(_call: int, _service: str, name: str) -> None:
            nonlocal armed
            armed = armed or name == "put_item"  # the audit's first row: the plan was confirmed
            if armed and name == operation:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            night.redrive(interrupt)
        assert [row["result"] for row in night.audit()] == ["interrupted"]
        assert all(message.visible_at <= night.clock() for message in night.sqs.messages(DLQ))
        assert night.redrive().tally.sent == 5, "at once, nothing has to run out first"

    def test_what_was_sent_until_then_is_counted(self, night: Night) -> None:
        for number in range(5):
            night.refused(f"u{number}@example.com", str(uuid.uuid4()))
        night.stripe.faults.clear()
        sent = 0

        def interrupt(_call: int, _service: str, name: str) -> None:
            nonlocal sent
            sent += name == "send_message_batch"
            if name == "send_message_batch" and sent == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            night.redrive(interrupt)
        (row,) = night.audit()
        assert (row["count"], row["result"]) == (1, "interrupted")


class TestThePlan:
    def words(self, night: Night, capsys: pytest.CaptureFixture[str], **options: object) -> str:
        night.redrive(**options)  # type: ignore[arg-type]
        return capsys.readouterr().err

    def test_warns_where_the_code_that_failed_is_deployed(
        self, night: Night, capsys: pytest.CaptureFixture[str]
    ) -> None:
        night.refused("ada@example.com", ADA)
        said = self.words(night, capsys, wait=0)
        assert "Warning: the code that failed, test-1, is still deployed" in said
        assert "all at once; as fast as it goes; nobody looked after." in said

    def test_paces(self, night: Night) -> None:
        """And holds no letter longer than it may, however slow it is."""
        for number in range(60):
            night.refused(f"u{number:02}@example.com", str(uuid.uuid4()))
        before = night.clock()
        report = night.redrive(rate=1, wait=0)
        assert (report.tally.sent, report.tally.left) == (60, 0)
        assert 49 <= night.clock() - before <= 61

    def test_not_where_another_is(self, night: Night, capsys: pytest.CaptureFixture[str]) -> None:
        night.refused("ada@example.com", ADA)
        night.settings["CODE_VERSION"] = "test-2"
        said = self.words(night, capsys, rate=50, limit=7)
        assert "Warning" not in said
        assert "(users: 1, at most 7 of them)" in said
        assert "1 user, then 10, then the rest; at most 50 a second; each looked after for up to 60 s." in said


class TestOtherLetters:
    def test_of_the_rule(self, night: Night) -> None:
        """EventBridge's own attributes; the body is the event; `emit` is owed."""
        night.undelivered("ada@example.com", ADA)
        report = night.redrive(reasons=("NO_PERMISSIONS",))
        assert report.counts()["repaired"] == 1
        assert night.is_ready("ada@example.com")
        assert night.sqs.messages(RULE_DLQ) == []

    def test_of_a_queue_that_was_not_chosen_stays(self, night: Night) -> None:
        night.undelivered("ada@example.com", ADA)
        assert night.redrive(queues=("provisioning",)).tally.sent == 0
        assert len(night.sqs.messages(RULE_DLQ)) == 1

    def test_of_sqs_itself_takes_its_reason_from_the_profile(self, night: Night) -> None:
        night.stripe.faults.add(Fault("server_error", times=None))
        night.join("ada@example.com", ADA)
        night.work()
        (message,) = night.sqs.messages(QUEUE)
        night.sqs.queues[QUEUE].delete(message)
        night.sqs.put(DLQ, message.body)
        night.stripe.faults.clear()
        report = night.redrive(reasons=("stripe_500",))
        assert list(report.plan.groups) == [("provisioning", "stripe", "stripe_500")]
        assert night.is_ready("ada@example.com")

    def test_of_somebody_without_a_record_fails_again_at_once(self, night: Night) -> None:
        night.join("ada@example.com", ADA)
        night.dynamodb.delete_item(TableName=USERS, Key={"userId": {"S": "ada@example.com"}})
        night.work()
        report = night.redrive(reasons=("unknown_user",), canary=False)
        assert report.outcome.verdict.failed == {("receive", "unknown_user"): 1}


class TestFromTheTable:
    def test_whose_copy_has_expired(self, night: Night) -> None:
        night.refused("ada@example.com", ADA)
        night.clock.advance(15 * 86_400)
        assert night.sqs.messages(DLQ) == []
        night.stripe.faults.clear()
        report = night.redrive(from_table=True, steps=("stripe",))
        assert (report.tally.sent, report.counts()["repaired"]) == (1, 1)
        assert night.is_ready("ada@example.com")
        assert night.customers_of(ADA) == 1

    def test_but_not_who_still_has_one(self, night: Night) -> None:
        night.refused("ada@example.com", ADA)
        night.refused("ben@example.com", BEN)
        (gone,) = [message for message in night.sqs.messages(DLQ) if "ben@" in message.body]
        night.sqs.queues[DLQ].delete(gone)
        sends = Sends(night)
        night.redrive(from_table=True, wait=0)
        assert sends.by_email == {"ben@example.com": 1}

    def test_the_message_is_the_event_as_a_replay(self, night: Night) -> None:
        night.refused("ada@example.com", ADA)
        (letter,) = night.sqs.messages(DLQ)
        night.sqs.queues[DLQ].delete(letter)
        night.redrive(from_table=True, wait=0)
        (message,) = night.sqs.messages(QUEUE)
        old, new = (json.loads(one.body)["detail"] for one in (letter, message))
        assert new["data"] == old["data"]
        assert new["metadata"]["eventId"] == old["metadata"]["eventId"]
        assert new["metadata"]["origin"] == "replay"

    def test_a_canary_that_fails_again_is_not_taken_for_another_user(self, night: Night) -> None:
        night.refused("ada@example.com", ADA)
        night.clock.advance(15 * 86_400)
        sends = Sends(night)
        night.redrive(from_table=True, canary=False)
        assert sends.by_email == {"ada@example.com": 1}


def test_drop_deletes_what_was_asked_for_and_the_user_stays_visible(night: Night) -> None:
    night.refused("ada@example.com", ADA)
    night.unknown_to_revenuecat("ben@example.com", BEN)
    night.sqs.put(QUEUE, "no JSON at all")
    night.work()
    assert night.drop(reasons=("malformed_event",)).count == 1
    assert night.drop(reasons=(STRIPE,)).count == 1
    assert [letter["reason"] for letter in night.dead_letters()] == [REVENUECAT]
    assert owed(night, "ada@example.com") == "operator"
    assert (night.profile(ADA) or {})["provisioningStatus"] == "failed"
    rows = {row["details"]["reason"]: row for row in night.audit()}
    assert rows.keys() == {"malformed_event", STRIPE}
    assert (rows[STRIPE]["what"], rows[STRIPE]["details"]["why"], rows[STRIPE]["count"]) == ("dlq drop", "a test", 1)


def test_the_audit_says_what_came_of_it(night: Night) -> None:
    night.refused("ada@example.com", ADA)
    night.stripe.faults.clear()
    night.redrive(user="ada@example.com")
    (row,) = night.audit()
    assert (row["what"], row["count"], row["result"]) == ("dlq redrive", 1, "done")
    assert row["details"] == {"user": "a***@example.com", "from": "provisioning+delivery"}
    assert row["outcome"] == {"sent": 1, "repaired": 1, "failed_again": 0, "on_the_way": 0}
