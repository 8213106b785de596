"""The reconciler: due records are emitted or queued once, others are left alone, missing records are created."""

from __future__ import annotations

import itertools
import uuid
from typing import Any

import pytest

from onramp.domain.claims import Admission, PoolUser
from onramp.domain.users import Claim
from onramp.local.fakes.faults import Fault
from onramp.usecases.batches import window
from onramp.usecases.runs import Run
from tests.fakes import ProcessKilled
from tests.pipeline import EMAIL, POOL, PROFILES, QUEUE, SUB, USERS, InMemoryPipeline, signup

MINUTE, HOUR = 60.0, 3600.0


def owed(pipeline: InMemoryPipeline) -> str:
    return str((pipeline.user(EMAIL) or {}).get("owed", "nothing"))


def in_pool(
    pipeline: InMemoryPipeline, email: str = EMAIL, sub: str = SUB, status: str = "CONFIRMED", **attributes: str
) -> None:
    """A user in the pool; the trigger was never invoked for this user."""
    standard = {"sub": sub, "email": email, "email_verified": "true"}
    pipeline.cognito.add_user(sub, standard | attributes, status)


def many_in_pool(pipeline: InMemoryPipeline, count: int) -> None:
    for number in range(count):
        in_pool(pipeline, f"user{number}@example.com", str(uuid.UUID(int=number)))


def sign_up_without_event(pipeline: InMemoryPipeline, *emails: str) -> None:
    """Signups whose events the bus refuses: the records owe `emit`."""
    pipeline.inject_faults("events", "partial")
    for email in emails or (EMAIL,):
        pipeline.sign_up(email, SUB if email == EMAIL else str(uuid.uuid4()))
    pipeline.stop_faults("events")


class TestEmit:
    def test_is_not_due_before_five_minutes(self, pipeline: InMemoryPipeline) -> None:
        sign_up_without_event(pipeline)
        pipeline.clock.advance(4 * MINUTE)
        pipeline.reconcile()
        assert pipeline.published("UserSignedUp") == []

    def test_is_emitted_again_with_the_same_id_then_flipped(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up("first@example.com", str(uuid.uuid4()))
        sign_up_without_event(pipeline)
        pipeline.clock.advance(6 * MINUTE)
        pipeline.reconcile()
        event = pipeline.published("UserSignedUp")[-1]
        assert event["detail"]["metadata"]["origin"] == "reconcile"
        user = pipeline.user(EMAIL)
        assert user is not None
        assert (owed(pipeline)[:7], user["dueAt"]) == ("enrich#", round(pipeline.clock() * 1000) + 12 * 3600 * 1000)
        assert user["owedSince"] < user["dueAt"] - 12 * 3600 * 1000
        pipeline.run_worker()
        assert owed(pipeline) == "nothing"

    def test_stays_owed_if_the_bus_refuses_again(self, pipeline: InMemoryPipeline) -> None:
        sign_up_without_event(pipeline)
        pipeline.clock.advance(6 * MINUTE)
        pipeline.inject_faults("events", "partial")
        pipeline.reconcile()
        assert owed(pipeline).startswith("emit#")
        assert pipeline.metric("ReconcileCompleted") == 1

    def test_only_the_accepted_events_of_a_batch_are_flipped(self, pipeline: InMemoryPipeline) -> None:
        pipeline.inject_faults("events", "partial")
        for number in range(4):
            pipeline.sign_up(f"user{number}@example.com", str(uuid.UUID(int=number)))
        pipeline.clock.advance(6 * MINUTE)
        pipeline.reconcile()
        kinds = [str(row["owed"])[:4] for row in pipeline.dynamodb.rows(USERS)]
        assert (kinds.count("emit"), kinds.count("enri")) == (2, 2)
        assert len(pipeline.published("UserSignedUp")) == 2

    def test_killed_between_emission_and_flip_it_emits_once_more(self, pipeline: InMemoryPipeline) -> None:
        sign_up_without_event(pipeline)
        pipeline.clock.advance(6 * MINUTE)
        pipeline.inject_faults("dynamodb", lambda _, __, name: "killed_before" if name == "update_item" else None)
        with pytest.raises(ProcessKilled):
            pipeline.reconcile()
        pipeline.stop_faults("dynamodb")
        pipeline.reconcile()
        ids = {event["detail"]["metadata"]["eventId"] for event in pipeline.published("UserSignedUp")}
        assert (len(pipeline.published("UserSignedUp")), len(ids)) == (2, 1)


class TestAnAdminsOwnEdit:
    """An invalid value in one record does not delay the others."""

    @pytest.mark.parametrize(
        "broken",
        [
            {"linkedAt": None},
            {"linkedAt": {"S": "yesterday"}},
            {"linkedAt": {"N": "1e30"}},
            {"userPoolId": {"SS": ["a", "b"]}},
            {"identityProvider": {"SS": ["a", "b"]}},
            {"emailVouchedBy": {"B": b"\xff"}},
            {"owedSince": {"S": "yesterday"}},
        ],
    )
    def test_does_not_delay_other_users(self, pipeline: InMemoryPipeline, broken: dict[str, Any]) -> None:
        sign_up_without_event(pipeline, "first@example.com", EMAIL)
        ((name, value),) = broken.items()
        change: dict[str, Any] = {"UpdateExpression": f"REMOVE {name}"}
        if value:
            change = {"UpdateExpression": f"SET {name} = :v", "ExpressionAttributeValues": {":v": value}}
        pipeline.dynamodb.update_item(TableName=USERS, Key={"userId": {"S": "first@example.com"}}, **change)
        pipeline.clock.advance(6 * MINUTE)
        pipeline.reconcile()
        assert owed(pipeline).startswith("enrich#")
        assert pipeline.metric("OwedEmit") == 2

    def test_does_not_stop_the_signup_that_cognito_repeats(self, pipeline: InMemoryPipeline) -> None:
        sign_up_without_event(pipeline)
        pipeline.dynamodb.update_item(TableName=USERS, Key={"userId": {"S": EMAIL}}, UpdateExpression="REMOVE linkedAt")
        assert pipeline.sign_up(EMAIL, SUB) == signup(EMAIL, SUB)


class TestEnrich:
    def lose_message(self, pipeline: InMemoryPipeline) -> None:
        """A user who owes `enrich` and whose message is no longer in the queue."""
        pipeline.stripe.faults.add(Fault("server_error", times=None))
        pipeline.sign_up(EMAIL, SUB)
        pipeline.run_worker()
        pipeline.stripe.faults.clear()
        pipeline.clock.advance(60)
        pipeline.sqs.settle(pipeline.sqs.lambda_batch(QUEUE), None)

    def test_is_not_due_before_half_a_day(self, pipeline: InMemoryPipeline) -> None:
        self.lose_message(pipeline)
        pipeline.clock.advance(11 * HOUR)
        pipeline.reconcile()
        assert pipeline.sqs.messages(QUEUE) == []

    def test_is_queued_again_and_completes(self, pipeline: InMemoryPipeline) -> None:
        self.lose_message(pipeline)
        pipeline.clock.advance(13 * HOUR)
        pipeline.reconcile()
        assert len(pipeline.sqs.messages(QUEUE)) == 1
        pipeline.run_worker()
        assert owed(pipeline) == "nothing"
        assert len(pipeline.published("UserSignedUp")) == 1, "it was published before"

    def test_is_claimed_for_a_day(self, pipeline: InMemoryPipeline) -> None:
        self.lose_message(pipeline)
        pipeline.clock.advance(13 * HOUR)
        for _ in range(3):
            pipeline.reconcile()
        assert len(pipeline.sqs.messages(QUEUE)) == 1
        pipeline.clock.advance(25 * HOUR)
        pipeline.reconcile()
        assert len(pipeline.sqs.messages(QUEUE)) == 2

    def test_two_concurrent_runs_send_it_once(self, pipeline: InMemoryPipeline) -> None:
        """Both read the record before either claims it."""
        self.lose_message(pipeline)
        pipeline.clock.advance(13 * HOUR)
        reconcile = pipeline.function("reconcile").reconciler.reconcile
        users = reconcile.users.get_many([EMAIL])
        run = Run("c", lambda: 1, 0, lambda error: None)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(reconcile.users), "get_many", lambda *_: users)
            assert [reconcile.queue_again([EMAIL], run).queued for _ in range(2)] == [1, 0]
        assert len(pipeline.sqs.messages(QUEUE)) == 1


class TestBacklog:
    def test_delays_the_queue_and_the_events_for_six_hours_at_most(self, pipeline: InMemoryPipeline) -> None:
        sign_up_without_event(pipeline)
        for number in range(1000):
            pipeline.sqs.put(QUEUE, f"waiting {number}")
        pipeline.clock.advance(HOUR)
        pipeline.reconcile()
        assert pipeline.published("UserSignedUp") == []
        pipeline.clock.advance(5.1 * HOUR)
        pipeline.reconcile()
        assert len(pipeline.published("UserSignedUp")) == 1


class TestOperator:
    def refuse(self, pipeline: InMemoryPipeline) -> None:
        pipeline.stripe.faults.add(Fault("refused", operation="create"))
        pipeline.sign_up(EMAIL, SUB)
        pipeline.run_worker()
        assert owed(pipeline).startswith("operator#")

    def test_is_never_due(self, pipeline: InMemoryPipeline) -> None:
        self.refuse(pipeline)
        pipeline.clock.advance(30 * 24 * HOUR)
        pipeline.reconcile()
        assert (owed(pipeline)[:9], pipeline.sqs.messages(QUEUE)) == ("operator#", [])
        assert pipeline.metric("OwedOperator") == 1
        assert pipeline.metric("OldestOwedSeconds") == pytest.approx(30 * 24 * HOUR, abs=1)

    def test_is_healed_if_the_profile_is_ready(self, pipeline: InMemoryPipeline) -> None:
        """One worker stores ready and dies before UserProvisioned; another is refused."""
        self.refuse(pipeline)
        key = {"userId": {"S": SUB}}
        ready = {":ready": {"S": "ready"}}
        pipeline.dynamodb.update_item(
            TableName=PROFILES,
            Key=key,
            UpdateExpression="SET provisioningStatus = :ready",
            ExpressionAttributeValues=ready,
        )
        pipeline.reconcile()
        assert owed(pipeline).startswith("enrich#")
        pipeline.run_worker()
        assert owed(pipeline) == "nothing"
        assert len(pipeline.published("UserProvisioned")) == 1


class TestSweep:
    def test_heals_a_confirmed_user_without_a_record(self, pipeline: InMemoryPipeline) -> None:
        in_pool(pipeline, given_name="Nia")
        in_pool(pipeline, "gita@example.com", str(uuid.uuid4()), "UNCONFIRMED")
        pipeline.clock.advance(6 * MINUTE)
        pipeline.reconcile()
        assert [row["userId"] for row in pipeline.dynamodb.rows(USERS)] == [EMAIL]
        pipeline.run_worker()
        assert owed(pipeline) == "nothing"
        assert pipeline.metric("Healed") == 1
        pipeline.reconcile()
        assert len(pipeline.published("UserSignedUp")) == 1

    def test_links_a_pre_created_record(self, pipeline: InMemoryPipeline) -> None:
        pipeline.pre_create(EMAIL, "manager")
        in_pool(pipeline)
        pipeline.clock.advance(6 * MINUTE)
        pipeline.reconcile()
        assert ((pipeline.user(EMAIL) or {})["roles"], (pipeline.user(EMAIL) or {})["cognitoSub"]) == (["manager"], SUB)

    def test_leaves_a_recent_user_to_the_trigger(self, pipeline: InMemoryPipeline) -> None:
        in_pool(pipeline)
        pipeline.reconcile()
        assert pipeline.dynamodb.rows(USERS) == []

    def test_applies_the_triggers_own_rules(self, pipeline: InMemoryPipeline) -> None:
        prepared = pipeline.pre_create(EMAIL, "admin")
        in_pool(pipeline, email_verified="false")
        in_pool(pipeline, "x@example.com", str(uuid.uuid4()), "EXTERNAL_PROVIDER", identities="[]")
        pipeline.clock.advance(6 * MINUTE)
        pipeline.reconcile()
        item = pipeline.dynamodb.get_item(TableName=USERS, Key={"userId": {"S": EMAIL}})["Item"]
        assert item == prepared
        assert len(pipeline.dynamodb.rows(USERS)) == 1
        assert pipeline.metric("RefusedInPool") == 2
        assert pipeline.metric("SignupRejected") is None, "the alarm counts each refusal once, in the trigger"

    def test_a_changed_email_is_reported_and_nothing_is_written(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, SUB)
        pipeline.run_worker()
        in_pool(pipeline, "nia.new@example.com")
        pipeline.clock.advance(6 * MINUTE)
        before = pipeline.dynamodb.rows(USERS)
        pipeline.reconcile()
        assert pipeline.dynamodb.rows(USERS) == before
        assert pipeline.metric("EmailChangedInPool") == 1

    def test_sweeps_a_large_pool_in_bounded_runs(self, pipeline: InMemoryPipeline) -> None:
        pipeline.configure(SWEEP_PAGES="2")
        many_in_pool(pipeline, 300)
        pipeline.clock.advance(6 * MINUTE)
        records = []
        for _ in range(3):
            pipeline.reconcile()
            records.append(len(pipeline.dynamodb.rows(USERS)))
        assert records == [120, 240, 300]

    def test_starts_again_when_its_page_token_has_expired(self, pipeline: InMemoryPipeline) -> None:
        pipeline.configure(SWEEP_PAGES="1")
        many_in_pool(pipeline, 100)
        pipeline.clock.advance(6 * MINUTE)
        pipeline.reconcile()
        pipeline.clock.advance(2 * HOUR)
        for _ in range(3):
            pipeline.reconcile()
        assert len(pipeline.dynamodb.rows(USERS)) == 100

    def test_an_empty_page_is_not_the_last(self, pipeline: InMemoryPipeline) -> None:
        pipeline.cognito.empty_page = lambda number: number == 1
        in_pool(pipeline)
        pipeline.clock.advance(6 * MINUTE)
        pipeline.reconcile()
        assert len(pipeline.dynamodb.rows(USERS)) == 1

    def test_one_failing_user_does_not_stop_the_sweep(self, pipeline: InMemoryPipeline) -> None:
        many_in_pool(pipeline, 3)
        pipeline.clock.advance(6 * MINUTE)

        updates = itertools.count(1)

        def fail_first_update(_: int, __: str, name: str) -> str | None:
            return "throttled" if name == "update_item" and next(updates) == 1 else None

        pipeline.inject_faults("dynamodb", fail_first_update)
        pipeline.reconcile()
        assert len(pipeline.dynamodb.rows(USERS)) == 2
        pipeline.reconcile()
        assert len(pipeline.dynamodb.rows(USERS)) == 3

    def test_an_unexpected_exception_at_one_user_does_not_stop_the_sweep(
        self, pipeline: InMemoryPipeline, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        many_in_pool(pipeline, 3)
        pipeline.clock.advance(6 * MINUTE)
        claim = Admission.claim

        def buggy(self: Admission, person: PoolUser, now: int) -> Claim:
            return claim(self, person, now) if person.email != "user1@example.com" else [][0]

        monkeypatch.setattr(Admission, "claim", buggy)
        pipeline.reconcile()
        assert {row["userId"] for row in pipeline.dynamodb.rows(USERS)} == {"user0@example.com", "user2@example.com"}
        assert pipeline.metric("ReconcileCompleted") == 0, "the alarm stays until the bug is fixed"
        assert [line["place"].split(":")[0] for line in pipeline.log_lines() if line.get("message") == "bug"] == [
            "IndexError at test_reconcile.py"
        ]


class TestEveryRun:
    def test_an_idle_run_makes_twelve_queries_and_one_list_users(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, SUB)
        pipeline.run_worker()
        in_pool(pipeline)
        pipeline.clock.advance(HOUR)
        pipeline.dynamodb.calls.clear()
        pipeline.reconcile()
        assert dict(pipeline.dynamodb.calls) == {"query": 12, "batch_get_item": 1, "get_item": 1, "put_item": 1}
        assert dict(pipeline.cognito.calls) == {"describe_user_pool": 1, "list_users": 1}
        assert dict(pipeline.lambda_.calls) == {"get_policy": 1}
        assert pipeline.sqs.calls["get_queue_attributes"] == 0

    @pytest.mark.parametrize("service", ["dynamodb", "events", "sqs", "cognito-idp", "lambda"])
    def test_a_failing_service_is_reported_and_the_rest_is_done(self, pipeline: InMemoryPipeline, service: str) -> None:
        sign_up_without_event(pipeline)
        in_pool(pipeline, "other@example.com", str(uuid.uuid4()))
        pipeline.clock.advance(6 * MINUTE)
        pipeline.inject_faults(service, "refused")
        pipeline.reconcile()
        assert pipeline.metric("ReconcileFailed") == 1
        assert pipeline.metric("ReconcileCompleted") == 0
        pipeline.stop_faults(service)
        pipeline.clock.advance(6 * MINUTE)
        pipeline.reconcile()
        pipeline.run_worker()
        assert owed(pipeline) == "nothing"
        assert (pipeline.user("other@example.com") or {}).get("owed") is None

    def test_no_new_work_is_started_with_half_a_minute_left(self, pipeline: InMemoryPipeline) -> None:
        sign_up_without_event(pipeline)
        in_pool(pipeline, "other@example.com", str(uuid.uuid4()))
        pipeline.clock.advance(6 * MINUTE)
        pipeline.reconcile(timeout=29.0)
        assert (owed(pipeline)[:5], len(pipeline.dynamodb.rows(USERS))) == ("emit#", 1)


class TestSignIn:
    def sign_in(self, pipeline: InMemoryPipeline, **more: Any) -> dict[str, Any]:
        event = signup(EMAIL, SUB, **more) | {"triggerSource": "PostAuthentication_Authentication"}
        assert pipeline.invoke_trigger(event) == event
        return event

    def test_costs_one_read_for_a_user_who_has_a_record(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, SUB)
        pipeline.dynamodb.calls.clear()
        self.sign_in(pipeline)
        assert dict(pipeline.dynamodb.calls) == {"get_item": 1}

    def test_heals_a_user_who_has_none(self, pipeline: InMemoryPipeline) -> None:
        self.sign_in(pipeline)
        assert owed(pipeline).startswith("emit#")
        pipeline.run_worker()
        assert owed(pipeline) == "nothing"

    def test_leaves_a_user_whose_password_is_temporary_to_a_later_sign_in(self, pipeline: InMemoryPipeline) -> None:
        """Whether AWS reports this status at the first sign-in is open: docs/real-aws.md."""
        self.sign_in(pipeline, cognito__user_status="FORCE_CHANGE_PASSWORD")
        assert pipeline.user(EMAIL) is None
        assert "not_confirmed" in [line.get("outcome") for line in pipeline.log_lines()]
        self.sign_in(pipeline)
        assert owed(pipeline).startswith("emit#")

    def test_leaves_a_changed_email_alone(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up("old@example.com", SUB)
        self.sign_in(pipeline)
        assert pipeline.user(EMAIL) is None

    def test_never_blocks_a_refused_user(self, pipeline: InMemoryPipeline) -> None:
        self.sign_in(pipeline, email_verified="false")
        assert pipeline.dynamodb.rows(USERS) == []
        assert pipeline.metric("SignupRejected") is None

    @pytest.mark.parametrize("fault", ["refused", "throttled", "not_sent", "lost_reply", "malformed"])
    def test_never_blocks_when_aws_fails(self, pipeline: InMemoryPipeline, fault: str) -> None:
        pipeline.inject_faults("dynamodb", fault)
        self.sign_in(pipeline)

    def test_starts_no_write_without_enough_time(self, pipeline: InMemoryPipeline) -> None:
        pipeline.inject_faults("dynamodb", "slow", slow_seconds=0.5)
        self.sign_in(pipeline)
        assert pipeline.dynamodb.rows(USERS) == []


@pytest.mark.parametrize(("count", "size"), [(0, 3), (3, 3), (10, 3), (7, 2)])
def test_windows_of_a_long_list_cover_it_in_turn(count: int, size: int) -> None:
    seen = [item for run in range(20) for item in window(range(count), size, run * 300_000)]
    assert set(seen) == set(range(count))
    assert all(len(window(range(count), size, run * 300_000)) == min(count, size) for run in range(20))


def test_the_pool_is_that_of_the_stack(pipeline: InMemoryPipeline) -> None:
    assert pipeline.function("reconcile").reconciler.pools == [POOL]
