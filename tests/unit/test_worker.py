"""The worker: the order of its writes, its acknowledgements, and the reasons of its failures."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from onramp.domain.errors import ConfigurationError
from onramp.local.fakes.faults import Fault
from tests.fakes import ProcessKilled
from tests.pipeline import EMAIL, PROFILES, QUEUE, SUB, USERS, InMemoryPipeline


def owed(pipeline: InMemoryPipeline) -> str:
    return str((pipeline.user(EMAIL) or {}).get("owed", "nothing"))


def status(pipeline: InMemoryPipeline) -> str:
    return str((pipeline.profile(SUB) or {}).get("provisioningStatus"))


def failure(dead_letter: dict[str, str]) -> tuple[str, str, str]:
    return dead_letter["step"], dead_letter["reason"], dead_letter["errorCode"]


def step(pipeline: InMemoryPipeline, name: str) -> dict[str, Any]:
    state: dict[str, Any] = (pipeline.profile(SUB) or {})["provisioning"][name]
    return state


def envelope(pipeline: InMemoryPipeline) -> dict[str, Any]:
    return json.loads(json.dumps(pipeline.published("UserSignedUp")[0]))  # type: ignore[no-any-return]


class TestProvisioned:
    def test_profile_customer_and_event_exist_and_nothing_is_owed(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, SUB, given_name="Nia", family_name="New")
        pipeline.run_worker()
        profile = pipeline.profile(SUB)
        assert profile is not None
        assert (profile["displayName"], profile["revenueCatId"]) == ("Nia New", SUB)
        assert [customer["id"] for customer in pipeline.stripe.customers()] == [profile["stripeCustomerId"]]
        assert (status(pipeline), owed(pipeline)) == ("ready", "nothing")
        assert pipeline.sqs.messages(QUEUE) == []
        (event,) = pipeline.published("UserProvisioned")
        assert event["detail"]["data"]["stripeCustomerId"] == profile["stripeCustomerId"]

    def test_without_a_name_the_display_name_is_the_local_part(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, SUB)
        pipeline.run_worker()
        assert (pipeline.profile(SUB) or {})["displayName"] == "nia"

    def test_duplicates_call_no_provider_again(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, SUB)
        (message,) = pipeline.sqs.messages(QUEUE)
        pipeline.run_worker()
        calls = len(pipeline.stripe.calls), len(pipeline.revenuecat.calls)
        for _ in range(25):
            pipeline.sqs.duplicate(QUEUE, message)
        pipeline.run_worker()
        assert (len(pipeline.stripe.calls), len(pipeline.revenuecat.calls)) == calls
        assert len(pipeline.published("UserProvisioned")) == 1

    @pytest.mark.parametrize("name", ["stripe", "revenuecat"])
    def test_a_provider_without_a_key_is_skipped(self, name: str) -> None:
        with InMemoryPipeline() as pipeline:
            pipeline.configure(**{f"{name.upper()}_SECRET_NAME": ""})
            pipeline.sign_up(EMAIL, SUB)
            pipeline.run_worker()
            assert (status(pipeline), step(pipeline, name)["state"]) == ("ready", "skipped")
            assert len(pipeline.stripe.calls if name == "stripe" else pipeline.revenuecat.calls) == 0

    def test_ready_is_stored_before_the_event_and_owed_is_removed_last(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, SUB)
        pipeline.inject_faults("events", "killed_before")
        with pytest.raises(ProcessKilled):
            pipeline.run_worker()
        assert (status(pipeline), owed(pipeline)[:5]) == ("ready", "emit#")
        pipeline.stop_faults("events")
        pipeline.run_worker_for(1)
        assert len(pipeline.published("UserProvisioned")) == 1
        assert owed(pipeline) == "nothing"


class TestRetryable:
    @pytest.mark.parametrize("kind", ["server_error", "timeout", "rate_limited", "unauthorized"])
    def test_the_user_waits_and_completes(self, pipeline: InMemoryPipeline, kind: str) -> None:
        pipeline.stripe.faults.add(Fault(kind, operation="create", times=None))
        pipeline.sign_up(EMAIL, SUB)
        pipeline.run_worker()
        assert (status(pipeline), owed(pipeline)[:7]) == ("pending", "enrich#")
        assert (step(pipeline, "stripe")["state"], step(pipeline, "revenuecat")["state"]) == ("retrying", "done")
        pipeline.stripe.faults.clear()
        pipeline.run_worker_for(1)
        assert (status(pipeline), owed(pipeline)) == ("ready", "nothing")
        assert len(pipeline.stripe.customers()) == 1
        assert pipeline.dead_letters() == []

    def test_six_hours_of_outage_put_nothing_into_the_dead_letter_queue(self, pipeline: InMemoryPipeline) -> None:
        pipeline.stripe.faults.add(Fault("server_error", times=None))
        pipeline.sign_up(EMAIL, SUB)
        pipeline.run_worker_for(6)
        pipeline.stripe.faults.clear()
        pipeline.run_worker_for(1)
        assert (status(pipeline), pipeline.dead_letters()) == ("ready", [])
        assert len(pipeline.stripe.calls) < 60

    def test_it_is_retried_after_the_delay_that_the_provider_requests(self, pipeline: InMemoryPipeline) -> None:
        pipeline.stripe.faults.add(Fault("rate_limited", seconds=500))
        pipeline.sign_up(EMAIL, SUB)
        pipeline.run_worker()
        (message,) = pipeline.sqs.messages(QUEUE)
        assert message.visible_at - pipeline.clock() == pytest.approx(500, abs=1)

    def test_a_refused_key_raises_its_alarm_metric_and_dead_letters_nothing(self, pipeline: InMemoryPipeline) -> None:
        pipeline.stripe.faults.add(Fault("unauthorized", times=None))
        pipeline.sign_up(EMAIL, SUB)
        pipeline.run_worker_for(3)
        assert pipeline.dead_letters() == []
        assert any("ProviderKeyRejected" in line for line in pipeline.log_lines())

    def test_a_rotated_key_is_read_again_at_once(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up("first@example.com", str(uuid.uuid4()))
        pipeline.run_worker()
        pipeline.stripe.accepted_key = "sk_test_rotated"
        pipeline.ssm.set("/stripe", "sk_test_rotated")
        pipeline.sign_up(EMAIL, SUB)
        pipeline.run_worker()
        assert status(pipeline) == "ready"

    def test_an_unreadable_secret_waits_with_an_alarm_metric(self, pipeline: InMemoryPipeline) -> None:
        pipeline.ssm.remove("/stripe")
        pipeline.sign_up(EMAIL, SUB)
        pipeline.run_worker()
        assert owed(pipeline).startswith("enrich#")
        assert any("SecretUnreadable" in line for line in pipeline.log_lines())
        pipeline.ssm.set("/stripe", pipeline.stripe.accepted_key)
        pipeline.run_worker_for(1)
        assert status(pipeline) == "ready"

    def test_the_last_receive_dead_letters_with_a_reason_and_enrich_stays_owed(self) -> None:
        with InMemoryPipeline(MAX_RECEIVE_COUNT="3") as pipeline:
            pipeline.stripe.faults.add(Fault("server_error", status=503, times=None))
            pipeline.sign_up(EMAIL, SUB)
            pipeline.run_worker_for(1)
            (dead_letter,) = pipeline.dead_letters()
            assert failure(dead_letter) == ("stripe", "retries_exhausted", "stripe_503")
            assert (dead_letter["attempts"], dead_letter["codeVersion"]) == ("3", "test-1")
            assert (owed(pipeline)[:7], status(pipeline)) == ("enrich#", "pending")
            assert any("RetriesExhausted" in line for line in pipeline.log_lines())

    @pytest.mark.parametrize("service", ["dynamodb", "events"])
    @pytest.mark.parametrize("fault", ["throttled", "server_error", "not_sent", "lost_reply", "malformed", "refused"])
    def test_an_aws_failure_at_any_call_loses_nothing(
        self, pipeline: InMemoryPipeline, service: str, fault: str
    ) -> None:
        pipeline.sign_up(EMAIL, SUB)
        for call in range(1, 12):
            pipeline.inject_faults(service, lambda index, *_, at=call: fault if index == at else None)
            pipeline.clock.advance(1000)
            pipeline.run_worker()
        pipeline.stop_faults(service)
        pipeline.run_worker_for(1)
        assert (status(pipeline), owed(pipeline)) == ("ready", "nothing")
        assert len(pipeline.stripe.customers()) == 1


class TestPermanent:
    def test_dead_letter_status_record_and_event_have_the_reason(self, pipeline: InMemoryPipeline) -> None:
        pipeline.stripe.faults.add(Fault("refused", operation="create", code="email_invalid"))
        pipeline.sign_up(EMAIL, SUB)
        pipeline.run_worker()
        (dead_letter,) = pipeline.dead_letters()
        assert failure(dead_letter) == ("stripe", "stripe_refused_400", "email_invalid")
        assert json.loads(dead_letter["body"]) == pipeline.published("UserSignedUp")[0]
        assert (status(pipeline), owed(pipeline)[:9]) == ("failed", "operator#")
        (event,) = pipeline.published("UserProvisioningFailed")
        assert event["detail"]["data"] == {"cognitoSub": SUB, "step": "stripe", "reason": "stripe_refused_400"}
        assert pipeline.sqs.messages(QUEUE) == []

    def test_a_second_failure_is_a_new_event(self, pipeline: InMemoryPipeline) -> None:
        pipeline.stripe.faults.add(Fault("refused", operation="create", times=2))
        pipeline.sign_up(EMAIL, SUB)
        pipeline.run_worker()
        pipeline.clock.advance(60)
        pipeline.sqs.put(QUEUE, pipeline.dead_letters()[0]["body"])
        pipeline.run_worker()
        ids = [event["detail"]["metadata"]["eventId"] for event in pipeline.published("UserProvisioningFailed")]
        assert len(set(ids)) == 2

    def test_a_redrive_repairs(self, pipeline: InMemoryPipeline) -> None:
        pipeline.stripe.faults.add(Fault("refused", operation="create"))
        pipeline.sign_up(EMAIL, SUB)
        pipeline.run_worker()
        pipeline.sqs.put(QUEUE, pipeline.dead_letters()[0]["body"])
        pipeline.run_worker()
        assert (status(pipeline), owed(pipeline)) == ("ready", "nothing")
        assert len(pipeline.stripe.customers()) == 1

    def test_a_ready_user_is_not_marked_failed(self, pipeline: InMemoryPipeline) -> None:
        """Two workers: one finishes while the other is refused."""
        pipeline.sign_up(EMAIL, SUB)
        (message,) = pipeline.sqs.messages(QUEUE)
        handler = pipeline.function("enrich_profile")
        steps = handler.enrich.steps
        original = type(steps).run

        def finished_meanwhile(self: Any, user: Any, profile: Any) -> None:
            handler.enrich.profiles.mark_ready(SUB, 1)
            original(self, user, profile)

        pipeline.stripe.faults.add(Fault("refused", operation="create"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(steps), "run", finished_meanwhile)
            pipeline.run_worker()
        assert (status(pipeline), pipeline.dead_letters(), owed(pipeline)[:5]) == ("ready", [], "emit#")
        pipeline.sqs.duplicate(QUEUE, message)
        pipeline.run_worker()
        assert owed(pipeline) == "nothing"

    @pytest.mark.parametrize("call", range(1, 9))
    def test_a_kill_at_any_call_ends_with_a_reason_and_owed_to_the_operator(
        self, pipeline: InMemoryPipeline, call: int
    ) -> None:
        pipeline.sign_up(EMAIL, SUB)
        pipeline.stripe.faults.add(Fault("refused", operation="create", times=None))
        pipeline.inject_faults("dynamodb", lambda index, *_: "killed_after" if index == call else None)
        try:
            pipeline.run_worker()
        except ProcessKilled:
            pipeline.cold_start()
        pipeline.run_worker_for(1)
        assert (status(pipeline), owed(pipeline)[:9]) == ("failed", "operator#")
        assert {dead_letter["reason"] for dead_letter in pipeline.dead_letters()} == {"stripe_refused_400"}
        assert len(pipeline.published("UserProvisioningFailed")) >= 1


class TestPoison:
    def test_fails_alone_and_calls_no_provider(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, SUB)
        good = envelope(pipeline)
        unknown, relinked, future = (json.loads(json.dumps(good)) for _ in range(3))
        unknown["detail"]["data"]["userId"] = "unknown@example.com"
        relinked["detail"]["data"]["cognitoSub"] = str(uuid.uuid4())
        future["detail"]["metadata"]["schemaVersion"] = "2.0"
        for body in (json.dumps(unknown), json.dumps(relinked), json.dumps(future), "not JSON", "[" * 50_000):
            pipeline.sqs.put(QUEUE, body)
        pipeline.run_worker()
        assert sorted(dead_letter["reason"] for dead_letter in pipeline.dead_letters()) == [
            "linked_to_another_sub",
            *["malformed_event"] * 2,
            "unknown_user",
            "unsupported_schema_version",
        ]
        assert (status(pipeline), owed(pipeline)) == ("ready", "nothing")
        assert len(pipeline.stripe.calls) == len(pipeline.revenuecat.calls) == 1
        assert len(pipeline.dynamodb.rows(PROFILES)) == len(pipeline.dynamodb.rows(USERS)) == 1
        assert pipeline.published("UserProvisioningFailed") == []

    def test_an_invalid_record_fails_alone(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, SUB)
        batch = pipeline.sqs.lambda_batch(QUEUE)
        batch["Records"].append(batch["Records"][0] | {"messageId": "odd", "attributes": {}})
        assert pipeline.invoke_worker(batch) == {"batchItemFailures": [{"itemIdentifier": "odd"}]}
        assert status(pipeline) == "ready"

    def test_the_answer_contains_exactly_the_failed_records(self, pipeline: InMemoryPipeline) -> None:
        subs = [str(uuid.UUID(int=number)) for number in range(10)]
        for number, sub in enumerate(subs):
            pipeline.sign_up(f"user{number}@example.com", sub)
        pipeline.stripe.faults.add(Fault("server_error", match="user3@example.com"))
        pipeline.stripe.faults.add(Fault("server_error", match="user7@example.com"))
        batch = pipeline.sqs.lambda_batch(QUEUE)
        sent = {record["messageId"]: json.loads(record["body"]) for record in batch["Records"]}
        by_id = {identity: body["detail"]["data"]["userId"] for identity, body in sent.items()}
        failed = [by_id[item["itemIdentifier"]] for item in pipeline.invoke_worker(batch)["batchItemFailures"]]
        assert sorted(failed) == ["user3@example.com", "user7@example.com"]

    def test_a_batch_that_fails_completely_is_an_answer_and_not_an_error(self, pipeline: InMemoryPipeline) -> None:
        for number in range(3):
            pipeline.sign_up(f"user{number}@example.com", str(uuid.UUID(int=number)))
        pipeline.stripe.faults.add(Fault("server_error", times=None))
        answer = pipeline.invoke_worker(pipeline.sqs.lambda_batch(QUEUE))
        assert len(answer["batchItemFailures"]) == 3


def test_nothing_personal_and_no_secret_is_logged(pipeline: InMemoryPipeline) -> None:
    pipeline.stripe.faults.add(Fault("refused", operation="create"))
    pipeline.sign_up("canary.mail@example.com", SUB, given_name="Canarygiven")
    pipeline.sqs.put(QUEUE, '{"detail": {"metadata": "canary"}}')
    pipeline.run_worker()
    attributes = [
        [value for name, value in dead_letter.items() if name != "body"] for dead_letter in pipeline.dead_letters()
    ]
    written = f"{pipeline.log.getvalue()}{attributes}".lower()
    assert not any(secret in written for secret in ("canary", "@example.com", pipeline.stripe.accepted_key))
    assert pipeline.log_lines()


def test_missing_settings_fail_at_init_naming_all() -> None:
    with (
        InMemoryPipeline(MAX_RECEIVE_COUNT="60", STRIPE_BASE_URL="", EVENT_BUS_NAME="") as pipeline,
        pytest.raises(ConfigurationError, match=r"EVENT_BUS_NAME.*STRIPE_BASE_URL"),
    ):
        pipeline.function("enrich_profile")


class TestSameMessageTwice:
    @pytest.mark.parametrize("copy", [{"receiptHandle": "another"}, {}], ids=["another receipt", "the same receipt"])
    def test_in_one_batch_each_copy_is_reported(self, pipeline: InMemoryPipeline, copy: dict[str, str]) -> None:
        """One message id twice: a future that nothing waits for would outlive the invocation."""
        pipeline.sign_up(EMAIL, SUB)
        batch = pipeline.sqs.lambda_batch(QUEUE)
        batch["Records"].append(batch["Records"][0] | copy)
        started: list[str] = []
        reported: set[int] = set()
        handler = pipeline.function("enrich_profile")
        enrich, report = handler._enrich, handler._report

        def enrich_and_note(record: Any) -> Any:
            started.append(record["receiptHandle"])
            return enrich(record)

        def report_and_note(future: Any) -> None:
            reported.add(id(future))
            report(future)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(handler, "_enrich", enrich_and_note)
            patch.setattr(handler, "_report", report_and_note)
            assert pipeline.invoke_worker(batch) == {"batchItemFailures": []}
        assert len(started) == len(reported) == 2


class TestRefusalWhileTheBusIsDown:
    def test_only_the_publication_is_repeated(self, pipeline: InMemoryPipeline) -> None:
        pipeline.stripe.faults.add(Fault("refused", operation="create", times=None))
        pipeline.sign_up(EMAIL, SUB)
        pipeline.inject_faults("events", lambda *_: "server_error")
        pipeline.run_worker_for(6, step=60)
        calls, letters = len(pipeline.stripe.calls), pipeline.dead_letters()
        assert (calls, len(letters)) == (2, 1), "one create and one list; one dead letter"
        pipeline.stop_faults("events")
        pipeline.run_worker_for(1, step=60)
        (failed,) = pipeline.published("UserProvisioningFailed")
        assert failed["detail"]["data"]["reason"] == "stripe_refused_400"
        assert (len(pipeline.stripe.calls), len(pipeline.dead_letters())) == (calls, 1)
        assert pipeline.sqs.messages(QUEUE) == []

    def test_the_step_that_failed_is_reported_and_not_one_that_ended_later(self, pipeline: InMemoryPipeline) -> None:
        pipeline.stripe.faults.add(Fault("refused", operation="create", times=None))
        pipeline.sign_up(EMAIL, SUB)
        pipeline.inject_faults("events", lambda *_: "server_error")
        pipeline.run_worker()
        done_later = {":at": {"N": str(round(pipeline.clock() * 1000) + 1)}}
        pipeline.aws["dynamodb"].update_item(
            TableName=PROFILES,
            Key={"userId": {"S": SUB}},
            UpdateExpression="SET #provisioning.revenuecat.#at = :at",
            ExpressionAttributeNames={"#provisioning": "provisioning", "#at": "at"},
            ExpressionAttributeValues=done_later,
        )
        pipeline.stop_faults("events")
        pipeline.run_worker_for(2, step=60)
        (failed,) = pipeline.published("UserProvisioningFailed")
        assert (failed["detail"]["data"]["step"], len(pipeline.dead_letters())) == ("stripe", 1)
