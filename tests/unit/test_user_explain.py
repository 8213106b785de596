"""Show and explain: what is masked, the state of a user's provisioning, and why a user has no record."""

from __future__ import annotations

import json
from typing import Any

import pytest

from onramp.domain.event_data import Kind, event_id
from onramp.local.fakes.faults import Fault
from onramp.ops.user.lookup import UserIdentifier
from onramp.ops.user.pool_matches import PoolMatch, no_record_data, print_no_record
from onramp.ops.user.show import print_rows, rows_data
from onramp.ops.user.story import print_story, story_data
from tests.pipeline import POOL, PROFILES, USERS, InMemoryPipeline
from tests.unit.user_scenario import EMAIL, GOOGLE, NEW, OLD, UserScenario, in_pool, printed

HOSTILE = "\x1b[31mEvil\u202e\nName"


def story(pipeline: InMemoryPipeline) -> dict[str, Any]:
    scenario = UserScenario(pipeline)
    stored, user = scenario.wiring.users.find_record(EMAIL)
    return story_data(stored, user, scenario.now(), "proj1234", reveal=False)


class TestShow:
    def test_masks_every_attribute_that_is_not_known_to_be_harmless(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, OLD, given_name="Nia", family_name="Newcomer")
        pipeline.run_worker()
        for table, key in ((USERS, EMAIL), (PROFILES, OLD)):
            pipeline.dynamodb.update_item(
                TableName=table,
                Key={"userId": {"S": key}},
                UpdateExpression="SET shoeSize = :s, address = :a, preferences = :p",
                ExpressionAttributeValues={
                    ":s": {"N": "44"},
                    ":a": {"M": {"Secret Street": {"S": "Secret Street 5"}}},
                    ":p": {"L": [{"S": "nia@other.example"}]},
                },
            )
        data = rows_data(UserScenario(pipeline).find(EMAIL), reveal=False)
        text = json.dumps(data) + printed(print_rows, data)
        assert not any(secret in text for secret in ("nia@", "Nia", "Newcomer", "44", "Street"))
        assert data["record"]["userId"] == "n***@example.com"
        assert data["profile"]["sub"] == data["record"]["cognitoSub"] == OLD
        assert data["profile"]["stripeCustomerId"].startswith("cus_")
        assert data["profile"]["provisioning"]["stripe"]["state"] == "done"
        revealed = json.dumps(rows_data(UserScenario(pipeline).find(EMAIL), reveal=True))
        assert all(secret in revealed for secret in ("nia@example.com", "Newcomer", "Secret Street 5"))

    def test_a_known_name_counts_at_its_own_place_only(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, OLD)
        pipeline.run_worker()
        for table, key, name in ((USERS, EMAIL, "roles"), (PROFILES, OLD, "state"), (PROFILES, OLD, "preferences")):
            pipeline.dynamodb.update_item(
                TableName=table,
                Key={"userId": {"S": key}},
                UpdateExpression="SET #name = :m",
                ExpressionAttributeNames={"#name": name},
                ExpressionAttributeValues={":m": {"M": {"state": {"S": "Secret"}, "at": {"N": "44"}}}},
            )
        data = rows_data(UserScenario(pipeline).find(EMAIL), reveal=False)
        assert not any(secret in json.dumps(data) for secret in ("Secret", "44,", "44}"))
        assert data["record"]["roles"] == {"state": "S***", "at": "***"}

    def test_a_hostile_name_forges_no_line(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, OLD)
        pipeline.run_worker()
        pipeline.dynamodb.update_item(
            TableName=PROFILES,
            Key={"userId": {"S": OLD}},
            UpdateExpression="SET displayName = :n",
            ExpressionAttributeValues={":n": {"S": HOSTILE}},
        )
        scenario = UserScenario(pipeline)
        for reveal in (True, False):
            text = printed(print_rows, rows_data(scenario.find(EMAIL), reveal=reveal))
            assert "\x1b" not in text
            assert "\u202e" not in text

    def test_is_found_by_sub_and_by_any_spelling(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, OLD)
        scenario = UserScenario(pipeline)
        assert scenario.find(OLD).user == scenario.find("NIA@Example.com").user == scenario.find(EMAIL).user is not None


class TestState:
    def test_ready(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, OLD, given_name="Nia")
        pipeline.run_worker()
        data = story(pipeline)
        assert (data["state"], data["owed"], data["needsSomebody"], data["next"]) == ("ready", None, False, "nothing")
        assert data["event"]["eventId"] == event_id(POOL, OLD, Kind.USER_SIGNED_UP)
        assert data["links"] == {
            "stripe": f"https://dashboard.stripe.com/customers/{pipeline.stripe.customers()[0]['id']}",
            "revenuecat": f"https://app.revenuecat.com/customers/1234/{OLD}",
        }
        assert [entry["what"].partition(":")[0].partition(";")[0] for entry in data["timeline"]][:2] == [
            "signed up",
            "the worker created the profile",
        ]
        assert (data["cameBy"]["emailVouchedBy"], data["roles"]) == ("cognito", ["team_member"])

    def test_prepared(self, pipeline: InMemoryPipeline) -> None:
        pipeline.pre_create(EMAIL, "admin")
        data = story(pipeline)
        assert (data["state"], data["event"], data["needsSomebody"]) == ("prepared", None, False)

    def test_not_started_and_then_late(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, OLD)
        data = story(pipeline)
        assert (data["state"], data["owed"][:5]) == ("waiting", "emit#")
        assert data["nextLook"] > data["since"]
        pipeline.clock.advance(3600)
        assert "onramp doctor" in story(pipeline)["next"]

    @pytest.mark.parametrize(("kind", "message"), [("server_error", "SQS delivers"), ("unauthorized", "doctor")])
    def test_retried(self, pipeline: InMemoryPipeline, kind: Any, message: str) -> None:
        pipeline.stripe.faults.add(Fault(kind, times=None))
        pipeline.sign_up(EMAIL, OLD)
        pipeline.run_worker_for(0.1)
        data = story(pipeline)
        assert (data["state"], data["owed"][:7], data["needsSomebody"]) == ("waiting", "enrich#", False)
        assert message in data["next"]
        assert data["steps"]["stripe"]["attempts"] > 1
        assert "stripe answered stripe_" in data["why"]

    def test_failed(self, pipeline: InMemoryPipeline) -> None:
        pipeline.stripe.faults.add(Fault("refused", operation="create", times=None))
        pipeline.sign_up(EMAIL, OLD)
        pipeline.run_worker()
        data = story(pipeline)
        assert (data["state"], data["needsSomebody"], data["nextLook"] is not None) == ("operator", True, False)
        assert f"onramp dlq redrive --user {OLD}" in data["next"]
        assert "stripe with parameter_invalid_string" in data["why"]

    def test_unsettled(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, OLD)
        pipeline.dynamodb.update_item(
            TableName=USERS, Key={"userId": {"S": EMAIL}}, UpdateExpression="REMOVE owed, owedSince, dueAt"
        )
        data = story(pipeline)
        assert data["needsSomebody"]
        assert data["next"].startswith("onramp replay --from-table")

    @pytest.mark.parametrize("change", ["REMOVE linkedAt", "SET linkedAt = owed", "REMOVE userPoolId"])
    def test_broken_by_hand(self, pipeline: InMemoryPipeline, change: str) -> None:
        pipeline.sign_up(EMAIL, OLD)
        pipeline.dynamodb.update_item(TableName=USERS, Key={"userId": {"S": EMAIL}}, UpdateExpression=change)
        data = story(pipeline)
        assert data["needsSomebody"]
        assert f"no usable {change.split()[1]}: " in data["why"]
        assert data["next"].startswith(f"set {change.split()[1]} with `aws dynamodb update-item`")

    def test_relinked(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, OLD)
        pipeline.run_worker()
        in_pool(pipeline, NEW)
        pipeline.clock.advance(60)
        UserScenario(pipeline).relink()
        assert any(f"relinked from {OLD}" in entry["what"] for entry in story(pipeline)["timeline"])

    def test_printed_for_a_person(self, pipeline: InMemoryPipeline) -> None:
        pipeline.stripe.faults.add(Fault("refused", operation="create", times=None))
        pipeline.sign_up(EMAIL, OLD)
        pipeline.run_worker()
        text = printed(print_story, story(pipeline), UserScenario(pipeline).now() + 7_200_000)
        assert "2 h ago" in text
        assert f"onramp dlq redrive --user {OLD}" in text
        assert EMAIL not in text


class TestNoRecord:
    def matches(self, pipeline: InMemoryPipeline, identifier: str = EMAIL, **parameters: str) -> list[PoolMatch]:
        scenario = UserScenario(pipeline, parameters=parameters)
        return scenario.wiring.pool_matches.find(UserIdentifier.of(identifier), scenario.now())

    def outcome(self, pipeline: InMemoryPipeline, identifier: str = EMAIL, **parameters: str) -> str:
        (match,) = self.matches(pipeline, identifier, **parameters)
        return match.decision.label

    def data(self, pipeline: InMemoryPipeline, identifier: str) -> dict[str, Any]:
        scenario = UserScenario(pipeline)
        matches = scenario.wiring.pool_matches
        return no_record_data(matches, UserIdentifier.of(identifier), scenario.now(), reveal=False)

    @pytest.mark.parametrize(
        ("attributes", "status", "expected"),
        [
            ({}, "CONFIRMED", "create"),
            ({"email_verified": "false"}, "CONFIRMED", "refused_nobody_vouches"),
            ({}, "UNCONFIRMED", "skipped_unconfirmed"),
            ({"identities": GOOGLE, "email_verified": "false"}, "EXTERNAL_PROVIDER", "create"),
        ],
    )
    def test_decides_as_the_trigger_does(
        self, pipeline: InMemoryPipeline, attributes: dict[str, str], status: str, expected: str
    ) -> None:
        in_pool(pipeline, OLD, status=status, **attributes)
        assert self.outcome(pipeline) == self.outcome(pipeline, OLD) == expected

    def test_by_the_rules_as_deployed(self, pipeline: InMemoryPipeline) -> None:
        in_pool(pipeline, OLD, email_verified="false")
        assert self.outcome(pipeline, AllowUnverifiedSignups="true") == "create"

    def test_finds_an_address_in_other_letters(self, pipeline: InMemoryPipeline) -> None:
        in_pool(pipeline, OLD, "Nia@Example.com")
        assert self.matches(pipeline, EMAIL) == []
        assert self.outcome(pipeline, "Nia@Example.com") == "create"

    def test_names_the_conflicting_record_and_the_relink_command(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, OLD)
        in_pool(pipeline, NEW)
        data = self.data(pipeline, NEW)
        (match,) = data["cognito"]
        assert match["outcome"] == "conflict"
        assert f"--sub {NEW}" in match["next"]
        assert EMAIL not in json.dumps(data) + printed(print_no_record, data)

    def test_a_user_in_no_pool(self, pipeline: InMemoryPipeline) -> None:
        assert "in no user pool of this stack" in printed(print_no_record, self.data(pipeline, EMAIL))

    def test_an_address_cannot_change_the_filter(self, pipeline: InMemoryPipeline) -> None:
        """Quotes in an address are escaped in the filter that Cognito gets."""
        in_pool(pipeline, OLD)
        pools = UserScenario(pipeline).wiring.pool_matches.pools
        assert pools.matching(POOL, "email", '" or email ^= "n') == []
        assert pools.matching(POOL, "email", "back\\slash") == []
