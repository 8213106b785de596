"""One Stripe customer per (pool, sub), ever: the intent's three ages, the quiet hour, and the effect of a redrive.

The real enricher, adapter, SDK and table over in-memory Stripe and DynamoDB, on a virtual clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from onramp.adapters.profiles import ProfileTable
from onramp.adapters.stripe import StripeCustomers
from onramp.domain.errors import KeyRejected, PermanentError, RetryableError
from onramp.domain.users import Names, Profile, User
from onramp.enrichers.stripe import StripeCustomer
from onramp.local.fakes.faults import Fault
from onramp.local.fakes.stripe import LOCAL_KEY, FakeStripe
from tests.fakes.client import VirtualClock
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.providers import StripeInMemory
from tests.fakes.tables import TableSpec
from tests.pipeline import EMAIL, POOL, SUB

OWN_METADATA = {"cognitoSub": SUB, "userPoolId": POOL}
HOUR = 3600.0


class OneKey:
    def get(self, *, fresh: bool = False) -> str:
        return LOCAL_KEY


@dataclass
class StripeScenario:
    """One user, one profile, one Stripe."""

    clock: VirtualClock = field(default_factory=VirtualClock)

    def __post_init__(self) -> None:
        self.db = FakeDynamoDB({"profiles": TableSpec(("userId",))}, self.clock)
        self.profiles = ProfileTable(self.db, "profiles")  # type: ignore[arg-type]
        self.stripe = FakeStripe(clock=self.clock)
        customers = StripeCustomers(
            OneKey(), "https://stripe.test", lambda: None, StripeInMemory(self.stripe, self.clock)
        )
        self.enricher = StripeCustomer(customers, self.profiles, lambda user: True, self.now)
        self.user = User(EMAIL, cognito_sub=SUB, user_pool_id=POOL, names=Names("Nia", "New"), linked_at=self.now())

    def now(self) -> int:
        return int(self.clock() * 1000)

    def profile(self) -> Profile:
        return self.profiles.upsert(self.user, self.now())

    def attempt(self, profile: Profile | None = None) -> str:
        ids = self.enricher.enrich(self.user, profile or self.profile())
        self.profiles.save_step(SUB, "stripe", {"state": "done"}, ids)
        return ids["stripeCustomerId"]

    def fault(self, kind: str, **more: Any) -> None:
        self.stripe.faults.add(Fault(kind, **more))

    def keys(self) -> list[str]:
        return [str(call.idempotency_key) for call in self.stripe.calls if call.operation == "create"]

    def operations(self) -> list[str]:
        return [call.operation for call in self.stripe.calls]

    def create_without_answer(self) -> None:
        self.fault("timeout", operation="create", applied=True)
        with pytest.raises(RetryableError, match="unreachable"):
            self.attempt()
        assert len(self.stripe.customers()) == 1


@pytest.fixture
def scenario() -> StripeScenario:
    return StripeScenario()


def test_the_customer_that_another_worker_made_meanwhile_is_used(scenario: StripeScenario) -> None:
    read_before = scenario.profile()
    customer = scenario.attempt()
    assert (scenario.attempt(read_before), scenario.operations()) == (customer, ["create"])


def test_a_record_without_the_time_of_its_link_sends_its_intent_unchanged(scenario: StripeScenario) -> None:
    scenario.user = replace(scenario.user, linked_at=None)
    scenario.fault("timeout", operation="create", applied=True)
    with pytest.raises(RetryableError):
        scenario.attempt()
    stored = scenario.profile().intent
    scenario.attempt()
    assert scenario.profile().intent == stored
    assert stored is not None
    assert stored.link == 0


def garbled(scenario: StripeScenario) -> StripeCustomer:
    """An enricher behind a proxy that replaces the body of every answer."""

    class Garbled(StripeInMemory):
        def request(self, *args: Any, **more: Any) -> Any:
            _, status, headers = super().request(*args, **more)
            return "<html>", status, headers

    http = Garbled(scenario.stripe, scenario.clock)
    customers = StripeCustomers(OneKey(), "https://stripe.test", lambda: None, http)
    return StripeCustomer(customers, scenario.profiles, lambda user: True, scenario.now)


def test_the_customer_is_created_once_with_our_metadata(scenario: StripeScenario) -> None:
    customer = scenario.attempt()
    assert scenario.attempt() == customer
    (created,) = scenario.stripe.customers()
    assert created["metadata"] == OWN_METADATA
    assert (created["email"], created["name"]) == (EMAIL, "Nia New")
    assert scenario.operations() == ["create"]


def test_the_intent_is_stored_before_the_first_request(scenario: StripeScenario) -> None:
    scenario.fault("server_error", operation="create")
    with pytest.raises(RetryableError):
        scenario.attempt()
    intent = scenario.profile().intent
    assert intent is not None
    assert (intent.epoch, intent.key, intent.created_at) == (1, scenario.keys()[0], scenario.now())


@pytest.mark.parametrize("hours", [0.0, 1.0, 19.9])
def test_a_young_intent_is_posted_again_with_the_stored_key_and_body(scenario: StripeScenario, hours: float) -> None:
    scenario.create_without_answer()
    scenario.clock.advance(hours * HOUR)
    scenario.user = replace(scenario.user, names=Names("Renamed"))
    scenario.attempt()
    assert len(scenario.stripe.customers()) == 1
    assert len(set(scenario.keys())) == 1


@pytest.mark.parametrize("hours", [20.0, 20.5, 21.0])
def test_in_the_quiet_hour_no_request_is_sent(scenario: StripeScenario, hours: float) -> None:
    scenario.create_without_answer()
    scenario.clock.now = scenario.profile().intent.created_at / 1000 + hours * HOUR  # type: ignore[union-attr]
    before = len(scenario.stripe.calls)
    with pytest.raises(RetryableError) as caught:
        scenario.attempt()
    assert caught.value.code == "stripe_quiet_hour"
    assert len(scenario.stripe.calls) == before
    scenario.clock.advance(caught.value.delay or 0)
    scenario.attempt()
    assert len(scenario.stripe.customers()) == 1


@pytest.mark.parametrize("hours", [21.1, 25.0, 480.0])
def test_an_old_intent_is_looked_up_and_adopted(scenario: StripeScenario, hours: float) -> None:
    scenario.create_without_answer()
    scenario.clock.advance(hours * HOUR)
    assert scenario.attempt() == scenario.stripe.customers()[0]["id"]
    assert scenario.operations() == ["create", "list"]


def test_an_old_intent_that_never_reached_stripe_becomes_the_next_epoch(scenario: StripeScenario) -> None:
    scenario.fault("server_error", operation="create")
    with pytest.raises(RetryableError):
        scenario.attempt()
    scenario.clock.advance(25 * HOUR)
    scenario.attempt()
    assert len(scenario.stripe.customers()) == 1
    assert len(set(scenario.keys())) == 2
    assert scenario.profile().intent.epoch == 2  # type: ignore[union-attr]


def test_two_workers_that_burn_one_epoch_compute_the_same_next_one(scenario: StripeScenario) -> None:
    scenario.fault("server_error", operation="create")
    with pytest.raises(RetryableError):
        scenario.attempt()
    scenario.clock.advance(25 * HOUR)
    stale = scenario.profile()
    first = scenario.enricher.enrich(scenario.user, stale)
    second = scenario.enricher.enrich(scenario.user, stale)  # a second worker that read the same old intent
    assert first == second
    assert len(scenario.stripe.customers()) == 1


def test_a_worker_that_lost_the_race_for_the_first_intent_uses_the_stored_one(scenario: StripeScenario) -> None:
    stale = scenario.profile()
    winner = scenario.enricher.enrich(scenario.user, stale)
    assert scenario.enricher.enrich(scenario.user, stale) == winner
    assert len(scenario.stripe.customers()) == 1


def test_on_a_restored_table_it_lists_before_it_creates(scenario: StripeScenario) -> None:
    customer = scenario.attempt()
    scenario.clock.advance(30 * HOUR)
    scenario.db.delete_item(TableName="profiles", Key={"userId": {"S": SUB}})
    assert scenario.attempt() == customer
    assert len(scenario.stripe.customers()) == 1


def test_nobody_is_adopted_by_email_alone(scenario: StripeScenario) -> None:
    foreign_metadata: list[dict[str, str]] = [
        {"cognitoSub": "another-sub", "userPoolId": POOL},
        {"cognitoSub": SUB, "userPoolId": "another-pool"},
        {"cognitoSub": SUB},
        {},
    ]
    for number, metadata in enumerate(foreign_metadata):
        scenario.enricher.customers.create({"email": EMAIL, "metadata": metadata}, f"foreign-{number}")
    foreign = {customer["id"] for customer in scenario.stripe.customers()}
    scenario.user = User(EMAIL, cognito_sub=SUB, user_pool_id=POOL, linked_at=0)
    assert scenario.attempt() not in foreign


def test_the_oldest_own_customer_is_adopted_from_any_page(scenario: StripeScenario) -> None:
    own = {"email": EMAIL, "metadata": OWN_METADATA}
    oldest = scenario.enricher.customers.create(own, "oldest")
    for number in range(150):
        scenario.clock.advance(1)
        scenario.enricher.customers.create({"email": EMAIL, "metadata": {}}, f"foreign-{number}")
    scenario.enricher.customers.create(own, "younger")
    scenario.clock.advance(30 * HOUR)
    assert scenario.attempt() == oldest


class TestAnswers:
    def test_a_first_500_is_retried_under_the_same_key(self, scenario: StripeScenario) -> None:
        scenario.fault("server_error", operation="create")
        with pytest.raises(RetryableError, match="stripe_500"):
            scenario.attempt()
        scenario.attempt()
        assert len(set(scenario.keys())) == 1
        assert len(scenario.stripe.customers()) == 1

    @pytest.mark.parametrize("applied", [False, True])
    def test_a_replayed_500_burns_the_key(self, scenario: StripeScenario, applied: bool) -> None:
        scenario.fault("stored_500", operation="create", applied=applied)
        with pytest.raises(RetryableError):
            scenario.attempt()
        scenario.attempt()
        assert len(scenario.stripe.customers()) == 1
        assert scenario.profile().intent.epoch == (1 if applied else 2)  # type: ignore[union-attr]

    def test_a_definite_refusal_burns_the_intent_for_a_redrive(self, scenario: StripeScenario) -> None:
        scenario.fault("refused", operation="create", code="email_invalid")
        with pytest.raises(PermanentError) as caught:
            scenario.attempt()
        assert (caught.value.reason, caught.value.code) == ("stripe_refused_400", "email_invalid")
        scenario.user = replace(scenario.user, names=Names("Corrected"))
        scenario.attempt()
        assert scenario.profile().intent.epoch == 2  # type: ignore[union-attr]
        assert len(set(scenario.keys())) == 2
        assert [customer["name"] for customer in scenario.stripe.customers()] == ["Corrected"]

    def test_a_refusal_burns_the_intent_even_if_the_list_is_refused_too(self, scenario: StripeScenario) -> None:
        scenario.fault("refused", times=2)
        with pytest.raises(PermanentError):
            scenario.attempt()
        scenario.attempt()
        assert len(set(scenario.keys())) == 2
        assert len(scenario.stripe.customers()) == 1

    def test_an_unreadable_success_is_retried_under_the_same_key(self, scenario: StripeScenario) -> None:
        profile = scenario.profile()
        scenario.enricher = garbled(scenario)
        with pytest.raises(RetryableError, match="malformed"):
            scenario.attempt(profile)
        assert [call.operation for call in scenario.stripe.calls] == ["create"]

    def test_a_key_used_with_other_parameters_finds_the_own_customer(self, scenario: StripeScenario) -> None:
        key = f"onramp/{POOL}/{SUB}/1"
        own = {"email": EMAIL, "metadata": OWN_METADATA}
        earlier = scenario.enricher.customers.create(own, key)
        assert scenario.attempt() == earlier

    def test_a_request_still_running_is_retried(self, scenario: StripeScenario) -> None:
        scenario.fault("latency", operation="create", seconds=60.0)
        for _ in range(2):
            with pytest.raises(RetryableError):
                scenario.attempt()
        assert scenario.stripe.calls[-1].status == 409
        scenario.clock.advance(60)
        scenario.attempt()
        assert len(scenario.stripe.customers()) == 1

    def test_too_many_requests_carry_the_retry_delay(self, scenario: StripeScenario) -> None:
        scenario.fault("rate_limited", seconds=7.0)
        with pytest.raises(RetryableError) as caught:
            scenario.attempt()
        assert (caught.value.code, caught.value.delay) == ("stripe_429", 7.0)

    @pytest.mark.parametrize("status", [401, 403])
    def test_a_refused_key_burns_nothing(self, scenario: StripeScenario, status: int) -> None:
        scenario.fault("unauthorized", status=status)
        with pytest.raises(KeyRejected):
            scenario.attempt()
        assert scenario.profile().intent.epoch == 1  # type: ignore[union-attr]
        scenario.attempt()
        assert len(set(scenario.keys())) == 1
