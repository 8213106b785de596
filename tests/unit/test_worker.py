"""The worker: what it writes in which order, what it acknowledges, and what it says of what it cannot do."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from onramp.domain.errors import ConfigurationError
from onramp.local.fakes.faults import Fault
from tests.fakes import Faulty, ProcessKilled, SiteLog
from tests.world import PROFILES, QUEUE, USERS, World

SUB = "7d1f3a52-90b1-70c4-5e0f-2b8c1a6d4e01"
EMAIL = "nia@example.com"


def owed(world: World) -> str:
    return str((world.user(EMAIL) or {}).get("owed", "nothing"))


def status(world: World) -> str:
    return str((world.profile(SUB) or {}).get("provisioningStatus"))


def why(letter: dict[str, str]) -> tuple[str, str, str]:
    return letter["step"], letter["reason"], letter["errorCode"]


def step(world: World, name: str) -> dict[str, Any]:
    found: dict[str, Any] = (world.profile(SUB) or {})["provisioning"][name]
    return found


def envelope(world: World) -> dict[str, Any]:
    return json.loads(json.dumps(world.published("UserSignedUp")[0]))  # type: ignore[no-any-return]


class TestProvisioned:
    def test_everything_is_there_and_nothing_is_owed(self, world: World) -> None:
        world.join(EMAIL, SUB, given_name="Nia", family_name="New")
        world.work()
        profile = world.profile(SUB)
        assert profile is not None
        assert (profile["displayName"], profile["revenueCatId"]) == ("Nia New", SUB)
        assert [customer["id"] for customer in world.stripe.customers()] == [profile["stripeCustomerId"]]
        assert (status(world), owed(world)) == ("ready", "nothing")
        assert world.sqs.messages(QUEUE) == []
        (event,) = world.published("UserProvisioned")
        assert event["detail"]["data"]["stripeCustomerId"] == profile["stripeCustomerId"]

    def test_without_a_name_the_address_lends_one(self, world: World) -> None:
        world.join(EMAIL, SUB)
        world.work()
        assert (world.profile(SUB) or {})["displayName"] == "nia"

    def test_duplicates_call_no_provider_again(self, world: World) -> None:
        world.join(EMAIL, SUB)
        (message,) = world.sqs.messages(QUEUE)
        world.work()
        calls = len(world.stripe.calls), len(world.revenuecat.calls)
        for _ in range(25):
            world.sqs.duplicate(QUEUE, message)
        world.work()
        assert (len(world.stripe.calls), len(world.revenuecat.calls)) == calls
        assert len(world.published("UserProvisioned")) == 1

    @pytest.mark.parametrize("name", ["stripe", "revenuecat"])
    def test_a_provider_without_a_key_is_skipped(self, name: str) -> None:
        with World() as world:
            world.configure(**{f"{name.upper()}_SECRET_NAME": ""})
            world.join(EMAIL, SUB)
            world.work()
            assert (status(world), step(world, name)["state"]) == ("ready", "skipped")
            assert len(world.stripe.calls if name == "stripe" else world.revenuecat.calls) == 0

    def test_ready_is_stored_before_the_event_and_the_debt_goes_last(self, world: World) -> None:
        world.join(EMAIL, SUB)
        world.aws["events"] = Faulty(world.events, lambda *_: "killed_before", SiteLog())
        world.cold_start()
        with pytest.raises(ProcessKilled):
            world.work()
        assert (status(world), owed(world)[:5]) == ("ready", "emit#")
        world.aws["events"] = world.events
        world.cold_start()
        world.work_for(1)
        assert len(world.published("UserProvisioned")) == 1
        assert owed(world) == "nothing"


class TestRetryable:
    @pytest.mark.parametrize("kind", ["server_error", "timeout", "rate_limited", "unauthorized"])
    def test_the_user_waits_and_completes(self, world: World, kind: str) -> None:
        world.stripe.faults.add(Fault(kind, operation="create", times=None))
        world.join(EMAIL, SUB)
        world.work()
        assert (status(world), owed(world)[:7]) == ("pending", "enrich#")
        assert (step(world, "stripe")["state"], step(world, "revenuecat")["state"]) == ("retrying", "done")
        world.stripe.faults.clear()
        world.work_for(1)
        assert (status(world), owed(world)) == ("ready", "nothing")
        assert len(world.stripe.customers()) == 1
        assert world.dead_letters() == []

    def test_six_hours_of_outage_put_nothing_into_the_dead_letter_queue(self, world: World) -> None:
        world.stripe.faults.add(Fault("server_error", times=None))
        world.join(EMAIL, SUB)
        world.work_for(6)
        world.stripe.faults.clear()
        world.work_for(1)
        assert (status(world), world.dead_letters()) == ("ready", [])
        assert len(world.stripe.calls) < 60

    def test_it_comes_back_when_the_provider_asked(self, world: World) -> None:
        world.stripe.faults.add(Fault("rate_limited", seconds=500))
        world.join(EMAIL, SUB)
        world.work()
        (message,) = world.sqs.messages(QUEUE)
        assert message.visible_at - world.clock() == pytest.approx(500, abs=1)

    def test_a_refused_key_raises_its_alarm_metric_and_dead_letters_nothing(self, world: World) -> None:
        world.stripe.faults.add(Fault("unauthorized", times=None))
        world.join(EMAIL, SUB)
        world.work_for(3)
        assert world.dead_letters() == []
        assert any("ProviderKeyRejected" in line for line in world.lines())

    def test_a_rotated_key_is_read_again_at_once(self, world: World) -> None:
        world.join("first@example.com", str(uuid.uuid4()))
        world.work()
        world.stripe.accepted_key = "sk_test_rotated"
        world.ssm.set("/stripe", "sk_test_rotated")
        world.join(EMAIL, SUB)
        world.work()
        assert status(world) == "ready"

    def test_an_unreadable_secret_waits_with_an_alarm_metric(self, world: World) -> None:
        world.ssm.remove("/stripe")
        world.join(EMAIL, SUB)
        world.work()
        assert owed(world).startswith("enrich#")
        assert any("SecretUnreadable" in line for line in world.lines())
        world.ssm.set("/stripe", world.stripe.accepted_key)
        world.work_for(1)
        assert status(world) == "ready"

    def test_on_the_last_receive_it_says_why_and_enrich_stays_owed(self) -> None:
        with World(MAX_RECEIVE_COUNT="3") as world:
            world.stripe.faults.add(Fault("server_error", status=503, times=None))
            world.join(EMAIL, SUB)
            world.work_for(1)
            (letter,) = world.dead_letters()
            assert why(letter) == ("stripe", "retries_exhausted", "stripe_503")
            assert (letter["attempts"], letter["codeVersion"]) == ("3", "test-1")
            assert (owed(world)[:7], status(world)) == ("enrich#", "pending")
            assert any("RetriesExhausted" in line for line in world.lines())

    @pytest.mark.parametrize("service", ["dynamodb", "events"])
    @pytest.mark.parametrize("fault", ["throttled", "server_error", "not_sent", "lost_reply", "malformed", "refused"])
    def test_aws_itself_failing_at_any_call_loses_nothing(self, world: World, service: str, fault: str) -> None:
        world.join(EMAIL, SUB)
        real = world.aws[service]
        for call in range(1, 12):
            world.aws[service] = Faulty(real, lambda index, *_, at=call: fault if index == at else None, SiteLog())
            world.cold_start()
            world.clock.advance(1000)
            world.work()
        world.aws[service] = real
        world.cold_start()
        world.work_for(1)
        assert (status(world), owed(world)) == ("ready", "nothing")
        assert len(world.stripe.customers()) == 1


class TestPermanent:
    def test_dead_letter_status_debt_and_event_say_why(self, world: World) -> None:
        world.stripe.faults.add(Fault("refused", operation="create", code="email_invalid"))
        world.join(EMAIL, SUB)
        world.work()
        (letter,) = world.dead_letters()
        assert why(letter) == ("stripe", "stripe_refused_400", "email_invalid")
        assert json.loads(letter["body"]) == world.published("UserSignedUp")[0]
        assert (status(world), owed(world)[:9]) == ("failed", "operator#")
        (event,) = world.published("UserProvisioningFailed")
        assert event["detail"]["data"] == {"cognitoSub": SUB, "step": "stripe", "reason": "stripe_refused_400"}
        assert world.sqs.messages(QUEUE) == []

    def test_a_second_failure_is_news(self, world: World) -> None:
        world.stripe.faults.add(Fault("refused", operation="create", times=2))
        world.join(EMAIL, SUB)
        world.work()
        world.clock.advance(60)
        world.sqs.put(QUEUE, world.dead_letters()[0]["body"])
        world.work()
        ids = [event["detail"]["metadata"]["eventId"] for event in world.published("UserProvisioningFailed")]
        assert len(set(ids)) == 2

    def test_a_redrive_repairs(self, world: World) -> None:
        world.stripe.faults.add(Fault("refused", operation="create"))
        world.join(EMAIL, SUB)
        world.work()
        world.sqs.put(QUEUE, world.dead_letters()[0]["body"])
        world.work()
        assert (status(world), owed(world)) == ("ready", "nothing")
        assert len(world.stripe.customers()) == 1

    def test_who_is_ready_already_is_not_failed(self, world: World) -> None:
        """Two deliveries: one finishes while the other is refused."""
        world.join(EMAIL, SUB)
        (message,) = world.sqs.messages(QUEUE)
        handler = world.function("enrich_profile")
        steps = handler.enrich.steps
        original = type(steps).run

        def finished_meanwhile(self: Any, user: Any, profile: Any) -> None:
            handler.enrich.profiles.mark_ready(SUB, 1)
            original(self, user, profile)

        world.stripe.faults.add(Fault("refused", operation="create"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(steps), "run", finished_meanwhile)
            world.work()
        assert (status(world), world.dead_letters(), owed(world)[:5]) == ("ready", [], "emit#")
        world.sqs.duplicate(QUEUE, message)
        world.work()
        assert owed(world) == "nothing"

    @pytest.mark.parametrize("call", range(1, 9))
    def test_killed_at_any_call_it_ends_with_a_reason_and_shown_to_the_operator(self, world: World, call: int) -> None:
        log = SiteLog()

        def dies(index: int, *_: str) -> str | None:
            return "killed_after" if index == call else None

        world.join(EMAIL, SUB)
        world.stripe.faults.add(Fault("refused", operation="create", times=None))
        world.aws["dynamodb"] = Faulty(world.dynamodb, dies, log)
        world.cold_start()
        try:
            world.work()
        except ProcessKilled:
            world.cold_start()
        world.work_for(1)
        assert (status(world), owed(world)[:9]) == ("failed", "operator#")
        assert {letter["reason"] for letter in world.dead_letters()} == {"stripe_refused_400"}
        assert len(world.published("UserProvisioningFailed")) >= 1


class TestPoison:
    def test_fails_alone_and_calls_no_provider(self, world: World) -> None:
        world.join(EMAIL, SUB)
        good = envelope(world)
        stranger, relinked, future = (json.loads(json.dumps(good)) for _ in range(3))
        stranger["detail"]["data"]["userId"] = "nobody@example.com"
        relinked["detail"]["data"]["cognitoSub"] = str(uuid.uuid4())
        future["detail"]["metadata"]["schemaVersion"] = "2.0"
        for body in (json.dumps(stranger), json.dumps(relinked), json.dumps(future), "not JSON", "[" * 50_000):
            world.sqs.put(QUEUE, body)
        world.work()
        assert sorted(letter["reason"] for letter in world.dead_letters()) == [
            "linked_to_another_sub",
            *["malformed_event"] * 2,
            "unknown_user",
            "unsupported_schema_version",
        ]
        assert (status(world), owed(world)) == ("ready", "nothing")
        assert len(world.stripe.calls) == len(world.revenuecat.calls) == 1
        assert len(world.dynamodb.rows(PROFILES)) == len(world.dynamodb.rows(USERS)) == 1
        assert world.published("UserProvisioningFailed") == []

    def test_a_record_that_is_no_record_fails_alone(self, world: World) -> None:
        world.join(EMAIL, SUB)
        batch = world.sqs.lambda_batch(QUEUE)
        batch["Records"].append(batch["Records"][0] | {"messageId": "odd", "attributes": {}})
        assert world.work_batch(batch) == {"batchItemFailures": [{"itemIdentifier": "odd"}]}
        assert status(world) == "ready"

    def test_the_answer_names_exactly_the_failed_records(self, world: World) -> None:
        subs = [str(uuid.UUID(int=number)) for number in range(10)]
        for number, sub in enumerate(subs):
            world.join(f"user{number}@example.com", sub)
        world.stripe.faults.add(Fault("server_error", match="user3@example.com"))
        world.stripe.faults.add(Fault("server_error", match="user7@example.com"))
        batch = world.sqs.lambda_batch(QUEUE)
        sent = {record["messageId"]: json.loads(record["body"]) for record in batch["Records"]}
        by_id = {identity: body["detail"]["data"]["userId"] for identity, body in sent.items()}
        failed = [by_id[item["itemIdentifier"]] for item in world.work_batch(batch)["batchItemFailures"]]
        assert sorted(failed) == ["user3@example.com", "user7@example.com"]

    def test_a_batch_that_fails_whole_is_still_an_answer_and_no_error(self, world: World) -> None:
        for number in range(3):
            world.join(f"user{number}@example.com", str(uuid.UUID(int=number)))
        world.stripe.faults.add(Fault("server_error", times=None))
        answer = world.work_batch(world.sqs.lambda_batch(QUEUE))
        assert len(answer["batchItemFailures"]) == 3


def test_nothing_personal_and_no_secret_is_logged(world: World) -> None:
    world.stripe.faults.add(Fault("refused", operation="create"))
    world.join("canary.mail@example.com", SUB, given_name="Canarygiven")
    world.sqs.put(QUEUE, '{"detail": {"metadata": "canary"}}')
    world.work()
    attributes = [[value for name, value in letter.items() if name != "body"] for letter in world.dead_letters()]
    said = f"{world.log.getvalue()}{attributes}".lower()
    assert not any(secret in said for secret in ("canary", "@example.com", world.stripe.accepted_key))
    assert world.lines()


def test_missing_settings_fail_at_init_naming_all() -> None:
    with (
        World(MAX_RECEIVE_COUNT="60", STRIPE_BASE_URL="", EVENT_BUS_NAME="") as world,
        pytest.raises(ConfigurationError, match=r"EVENT_BUS_NAME.*STRIPE_BASE_URL"),
    ):
        world.function("enrich_profile")
