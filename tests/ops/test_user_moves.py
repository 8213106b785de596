"""`onramp user relink` and `forget` on the local stack."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from onramp.ops.common import erasure
from tests.deployed import DeployedPipeline, eventually, unique_email
from tests.ops.conftest import Onramp


def reconcile(deployed: DeployedPipeline) -> None:
    """The reconciler's next run, now."""
    name = deployed.outputs["ReconcileFunctionName"]
    reply = deployed.stack.client("lambda").invoke(FunctionName=name, Qualifier="live", Payload=b"{}")
    assert "FunctionError" not in reply


def row(deployed: DeployedPipeline, pk: str, sk: str) -> dict[str, Any] | None:
    key = {"pk": {"S": pk}, "sk": {"S": sk}}
    item: dict[str, Any] | None = deployed.dynamodb.get_item(
        TableName=deployed.outputs["OperationsTableName"], Key=key
    ).get("Item")
    return item


def returned(deployed: DeployedPipeline, email: str) -> tuple[str, str]:
    """Provisioned, deleted in Cognito, signed up again and refused: the record is the old sub's. Returns both subs."""
    old = deployed.join(email, given_name="Nia")
    deployed.ready(email)
    deployed.cognito.admin_delete_user(UserPoolId=deployed.outputs["UserPoolId"], Username=email)
    new = deployed.sign_up(email)
    with pytest.raises(deployed.cognito.exceptions.UserLambdaValidationException):
        deployed.confirm(email)
    return old, new


class TestRelink:
    def test_the_new_sub_is_the_same_customer(self, onramp: Onramp, deployed: DeployedPipeline) -> None:
        email = unique_email("nia")
        old, new = returned(deployed, email)
        customer = (deployed.profile(old) or {})["stripeCustomerId"]
        explained = onramp("user", "explain", new, "--json").json["cognito"][0]
        assert explained["outcome"] == "conflict"
        assert f"--sub {new}" in explained["next"]
        by_address = onramp("user", "explain", email, "--json")
        assert (by_address.code, by_address.json["state"], by_address.json["sub"]) == (1, "ready", old)
        assert [other["sub"] for other in by_address.json["others"]] == [new]
        assert "Another Cognito user" in onramp("user", "explain", email).out
        ran = onramp("user", "relink", email, "--sub", new, "--yes", "--json")
        assert (ran.code, ran.json["from"], ran.json["to"]) == (0, old, new)
        reconcile(deployed)
        profile = deployed.ready(email)
        assert (profile["userId"], profile["stripeCustomerId"], profile["revenueCatId"]) == (new, customer, old)
        assert [len(deployed.customers_of(sub)) for sub in (old, new)] == [1, 0]
        assert onramp("user", "relink", email, "--sub", new, "--yes", "--json").json["relinked"] is False
        (row, *_) = onramp("audit", "--json").json
        assert (row["what"], row["details"]["from"], row["details"]["to"]) == ("user relink", old, new)

    def test_refuses_a_sub_of_another_address(self, onramp: Onramp, deployed: DeployedPipeline) -> None:
        email, other = unique_email("nia"), unique_email("other")
        deployed.join(email)
        other_sub = deployed.join(other)
        for sub in (other_sub, "7d1f3a52-90b1-70c4-5e0f-2b8c1a6d4eff", "nonsense"):
            ran = onramp("user", "relink", email, "--sub", sub, "--yes")
            assert (ran.code, ran.err.count("\n")) == (2, 1)


class TestForget:
    @pytest.fixture(autouse=True)
    def _short_worker_lifetime(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(erasure, "WORKER_LIFETIME", 300)

    def test_leaves_a_tombstone_and_publishes_the_event(self, onramp: Onramp, deployed: DeployedPipeline) -> None:
        email = unique_email("nia")
        events_of = deployed.subscribe("UserForgotten")
        old, new = returned(deployed, email)
        onramp("user", "relink", email, "--sub", new, "--yes")
        reconcile(deployed)
        deployed.ready(email)
        ran = onramp("user", "forget", email, "--stripe", "--revenuecat", "--yes", "--json")
        assert ran.code == 0
        assert ran.json["erased"] | {"profile": 2} == {
            "stripe": 1, "revenuecat": 1, "profile": 2, "record": 1, "deadLetters": 0, "announced": 2
        }  # fmt: skip
        assert any("archive" in sentence for sentence in ran.json["remains"])
        assert any("admin-delete-user" in sentence for sentence in ran.json["remains"])
        assert deployed.user(email) is None
        assert [deployed.profile(sub) for sub in (old, new)] == [None, None]
        assert [deployed.customers_of(sub) for sub in (old, new)] == [[], []]
        for sub in (old, new):
            assert eventually(partial(events_of, sub))
        assert row(deployed, f"FORGOTTEN#{new}", "tombstone") is not None
        assert row(deployed, "FORGETTING", new) is None
        reconcile(deployed)
        assert deployed.user(email) is None, "the user is still in the pool, the sweep skips it"
        explained = onramp("user", "explain", new, "--json").json
        assert (explained["forgotten"], explained["cognito"][0]["outcome"]) == (True, "forgotten")
        assert email not in json.dumps(onramp("audit", "--json").json)

    def test_deletes_the_dead_letter_and_leaves_others(self, onramp: Onramp, deployed: DeployedPipeline) -> None:
        emails = [unique_email("stuck") for _ in range(2)]
        for email in emails:
            deployed.stripe.fault("refused", operation="create", match=email)
            deployed.join(email)
        deployed.until_owed("operator", *emails)
        ran = onramp("user", "forget", emails[0], "--yes", "--json")
        assert (ran.code, ran.json["erased"]["deadLetters"]) == (0, 1)
        assert deployed.dead_letter(emails[1])["reason"] == "stripe_refused_400"

    def test_an_error_of_a_provider_stops_it_and_a_second_run_continues(
        self, onramp: Onramp, deployed: DeployedPipeline
    ) -> None:
        email = unique_email("nia")
        sub = deployed.join(email)
        deployed.ready(email)
        deployed.stripe.fault("unauthorized", times=1)
        refused = onramp("user", "forget", email, "--stripe", "--yes")
        assert (refused.code, "Stripe" in refused.err) == (1, True)
        assert deployed.user(email) is not None
        assert onramp("user", "forget", email, "--stripe", "--yes").code == 0
        assert (deployed.user(email), deployed.customers_of(sub)) == (None, [])

    def test_an_address_without_a_record(self, onramp: Onramp) -> None:
        ran = onramp("user", "forget", unique_email(), "--yes")
        assert (ran.code, ran.err.count("\n")) == (2, 1)

    def test_without_a_terminal_and_without_yes(self, onramp: Onramp, deployed: DeployedPipeline) -> None:
        email = unique_email("nia")
        deployed.join(email)
        assert onramp("user", "forget", email).code == 2
        assert deployed.user(email) is not None
