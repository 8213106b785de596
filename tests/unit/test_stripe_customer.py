"""One Stripe customer per (pool, sub), ever: the intent's three ages, the quiet hour, and what a redrive may do.

The real enricher, adapter, SDK and table over in-memory Stripe and DynamoDB; only time is virtual.
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

SUB = "7d1f3a52-90b1-70c4-5e0f-2b8c1a6d4e01"
POOL = "eu-west-1_Onramp001"
HOUR = 3600.0


class OneKey:
    def get(self, *, fresh: bool = False) -> str:
        return LOCAL_KEY


@dataclass
class Desk:
    """One user, one profile, one Stripe."""

    clock: VirtualClock = field(default_factory=VirtualClock)

    def __post_init__(self) -> None:
        self.db = FakeDynamoDB({"profiles": TableSpec(("userId",))}, self.clock)
        self.profiles = ProfileTable(self.db, "profiles")  # type: ignore[arg-type]
        self.stripe = FakeStripe(clock=self.clock)
        customers = StripeCustomers(
            OneKey(), "https://stripe.test", lambda: None, StripeInMemory(self.stripe, self.clock)
        )
        self.enricher = StripeCustomer(customers, self.profiles, self.now)
        self.user = User(
            "nia@example.com", cognito_sub=SUB, user_pool_id=POOL, names=Names("Nia", "New"), linked_at=self.now()
        )

    def now(self) -> int:
        return int(self.clock() * 1000)

    def profile(self) -> Profile:
        return self.profiles.upsert(self.user, self.now())

    def attempt(self, profile: Profile | None = None) -> str:
        found = self.enricher.enrich(self.user, profile or self.profile())
        self.profiles.save_step(SUB, "stripe", {"state": "done"}, found)
        return found["stripeCustomerId"]

    def fault(self, kind: str, **more: Any) -> None:
        self.stripe.faults.add(Fault(kind, **more))

    def keys(self) -> list[str]:
        return [str(call.idempotency_key) for call in self.stripe.calls if call.operation == "create"]

    def operations(self) -> list[str]:
        return [call.operation for call in self.stripe.calls]

    def unanswered_but_created(self) -> None:
        self.fault("timeout", operation="create", applied=True)
        with pytest.raises(RetryableError, match="unreachable"):
            self.attempt()
        assert len(self.stripe.customers()) == 1


@pytest.fixture
def context() -> Desk:
    return Desk()


def garbled(context: Desk) -> StripeCustomer:
    """What a proxy in between makes of a success."""

    class Garbled(StripeInMemory):
        def request(self, *args: Any, **more: Any) -> Any:
            _, status, headers = super().request(*args, **more)
            return "<html>", status, headers

    http = Garbled(context.stripe, context.clock)
    customers = StripeCustomers(OneKey(), "https://stripe.test", lambda: None, http)
    return StripeCustomer(customers, context.profiles, context.now)


def test_the_customer_is_created_once_with_our_metadata(context: Desk) -> None:
    customer = context.attempt()
    assert context.attempt() == customer
    (created,) = context.stripe.customers()
    assert created["metadata"] == {"cognitoSub": SUB, "userPoolId": POOL}
    assert (created["email"], created["name"]) == ("nia@example.com", "Nia New")
    assert context.operations() == ["create"]


def test_the_intent_is_stored_before_stripe_is_asked(context: Desk) -> None:
    context.fault("server_error", operation="create")
    with pytest.raises(RetryableError):
        context.attempt()
    intent = context.profile().intent
    assert intent is not None
    assert (intent.epoch, intent.key, intent.created_at) == (1, context.keys()[0], context.now())


@pytest.mark.parametrize("hours", [0.0, 1.0, 19.9])
def test_a_young_intent_is_posted_again_with_the_stored_key_and_body(context: Desk, hours: float) -> None:
    context.unanswered_but_created()
    context.clock.advance(hours * HOUR)
    context.user = User("nia@example.com", cognito_sub=SUB, user_pool_id=POOL, names=Names("Renamed"), linked_at=0)
    context.attempt()
    assert len(context.stripe.customers()) == 1
    assert len(set(context.keys())) == 1


@pytest.mark.parametrize("hours", [20.0, 20.5, 21.0])
def test_in_the_quiet_hour_stripe_is_not_asked_at_all(context: Desk, hours: float) -> None:
    context.unanswered_but_created()
    context.clock.now = context.profile().intent.created_at / 1000 + hours * HOUR  # type: ignore[union-attr]
    before = len(context.stripe.calls)
    with pytest.raises(RetryableError) as caught:
        context.attempt()
    assert caught.value.code == "stripe_quiet_hour"
    assert len(context.stripe.calls) == before
    context.clock.advance(caught.value.delay or 0)
    context.attempt()
    assert len(context.stripe.customers()) == 1


@pytest.mark.parametrize("hours", [21.1, 25.0, 480.0])
def test_an_old_intent_is_looked_up_and_adopted(context: Desk, hours: float) -> None:
    context.unanswered_but_created()
    context.clock.advance(hours * HOUR)
    assert context.attempt() == context.stripe.customers()[0]["id"]
    assert context.operations() == ["create", "list"]


def test_an_old_intent_that_never_reached_stripe_becomes_the_next_epoch(context: Desk) -> None:
    context.fault("server_error", operation="create")
    with pytest.raises(RetryableError):
        context.attempt()
    context.clock.advance(25 * HOUR)
    context.attempt()
    assert len(context.stripe.customers()) == 1
    assert len(set(context.keys())) == 2
    assert context.profile().intent.epoch == 2  # type: ignore[union-attr]


def test_two_workers_that_burn_one_epoch_agree_on_the_next(context: Desk) -> None:
    context.fault("server_error", operation="create")
    with pytest.raises(RetryableError):
        context.attempt()
    context.clock.advance(25 * HOUR)
    stale = context.profile()
    first = context.enricher.enrich(context.user, stale)
    second = context.enricher.enrich(context.user, stale)  # has read the same old intent
    assert first == second
    assert len(context.stripe.customers()) == 1


def test_a_worker_that_lost_the_race_for_the_first_intent_follows_the_winner(context: Desk) -> None:
    stale = context.profile()
    winner = context.enricher.enrich(context.user, stale)
    assert context.enricher.enrich(context.user, stale) == winner
    assert len(context.stripe.customers()) == 1


def test_a_restored_table_looks_before_it_creates(context: Desk) -> None:
    customer = context.attempt()
    context.clock.advance(30 * HOUR)
    context.db.delete_item(TableName="profiles", Key={"userId": {"S": SUB}})
    assert context.attempt() == customer
    assert len(context.stripe.customers()) == 1


def test_nobody_is_adopted_by_email_alone(context: Desk) -> None:
    strangers: list[dict[str, str]] = [
        {"cognitoSub": "somebody-else", "userPoolId": POOL},
        {"cognitoSub": SUB, "userPoolId": "another-pool"},
        {"cognitoSub": SUB},
        {},
    ]
    for number, metadata in enumerate(strangers):
        context.enricher.customers.create({"email": "nia@example.com", "metadata": metadata}, f"stranger-{number}")
    theirs = {customer["id"] for customer in context.stripe.customers()}
    context.user = User("nia@example.com", cognito_sub=SUB, user_pool_id=POOL, linked_at=0)
    assert context.attempt() not in theirs


def test_the_oldest_of_our_own_is_adopted_on_whatever_page_it_is(context: Desk) -> None:
    ours = {"email": "nia@example.com", "metadata": {"cognitoSub": SUB, "userPoolId": POOL}}
    oldest = context.enricher.customers.create(ours, "oldest")
    for number in range(150):
        context.clock.advance(1)
        context.enricher.customers.create({"email": "nia@example.com", "metadata": {}}, f"stranger-{number}")
    context.enricher.customers.create(ours, "younger")
    context.clock.advance(30 * HOUR)
    assert context.attempt() == oldest


class TestAnswers:
    def test_a_first_500_is_retried_under_the_same_key(self, context: Desk) -> None:
        context.fault("server_error", operation="create")
        with pytest.raises(RetryableError, match="stripe_500"):
            context.attempt()
        context.attempt()
        assert len(set(context.keys())) == 1
        assert len(context.stripe.customers()) == 1

    @pytest.mark.parametrize("applied", [False, True])
    def test_a_replayed_500_burns_the_key(self, context: Desk, applied: bool) -> None:
        context.fault("stored_500", operation="create", applied=applied)
        with pytest.raises(RetryableError):
            context.attempt()
        context.attempt()
        assert len(context.stripe.customers()) == 1
        assert context.profile().intent.epoch == (1 if applied else 2)  # type: ignore[union-attr]

    def test_a_definite_refusal_burns_the_intent_so_that_a_redrive_asks_anew(self, context: Desk) -> None:
        context.fault("refused", operation="create", code="email_invalid")
        with pytest.raises(PermanentError) as caught:
            context.attempt()
        assert (caught.value.reason, caught.value.code) == ("stripe_refused_400", "email_invalid")
        context.user = replace(context.user, names=Names("Mended"))
        context.attempt()
        assert context.profile().intent.epoch == 2  # type: ignore[union-attr]
        assert len(set(context.keys())) == 2
        assert [customer["name"] for customer in context.stripe.customers()] == ["Mended"]

    def test_a_refusal_that_refuses_the_look_too_burns_all_the_same(self, context: Desk) -> None:
        context.fault("refused", times=2)
        with pytest.raises(PermanentError):
            context.attempt()
        context.attempt()
        assert len(set(context.keys())) == 2
        assert len(context.stripe.customers()) == 1

    def test_a_success_that_cannot_be_read_is_retried_under_the_same_key(self, context: Desk) -> None:
        profile = context.profile()
        context.enricher = garbled(context)
        with pytest.raises(RetryableError, match="malformed"):
            context.attempt(profile)
        assert [call.operation for call in context.stripe.calls] == ["create"]

    def test_a_key_used_with_other_parameters_leads_to_our_customer(self, context: Desk) -> None:
        key = f"onramp/{POOL}/{SUB}/1"
        ours = {"email": "nia@example.com", "metadata": {"cognitoSub": SUB, "userPoolId": POOL}}
        earlier = context.enricher.customers.create(ours, key)
        assert context.attempt() == earlier

    def test_a_request_still_running_is_retried(self, context: Desk) -> None:
        context.fault("latency", operation="create", seconds=60.0)
        for _ in range(2):
            with pytest.raises(RetryableError):
                context.attempt()
        assert context.stripe.calls[-1].status == 409
        context.clock.advance(60)
        context.attempt()
        assert len(context.stripe.customers()) == 1

    def test_too_many_requests_say_when_to_come_back(self, context: Desk) -> None:
        context.fault("rate_limited", seconds=7.0)
        with pytest.raises(RetryableError) as caught:
            context.attempt()
        assert (caught.value.code, caught.value.delay) == ("stripe_429", 7.0)

    @pytest.mark.parametrize("status", [401, 403])
    def test_a_refused_key_burns_nothing(self, context: Desk, status: int) -> None:
        context.fault("unauthorized", status=status)
        with pytest.raises(KeyRejected):
            context.attempt()
        assert context.profile().intent.epoch == 1  # type: ignore[union-attr]
        context.attempt()
        assert len(set(context.keys())) == 1
