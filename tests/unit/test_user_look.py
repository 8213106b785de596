"""Show and explain: what is masked, where somebody stands, and why somebody has no record."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console

from onramp.domain.event_data import Kind, event_id
from onramp.local.fakes.faults import Fault
from onramp.ops.common.output import Output
from onramp.ops.user.lookup import UserIdentifier
from onramp.ops.user.masked_rows import show_user, user_data
from onramp.ops.user.pool_matches import matches_data, show_matches
from onramp.ops.user.story import show_story, story
from tests.pipeline import POOL, PROFILES, USERS, InMemoryPipeline
from tests.unit.user_scenario import EMAIL, GOOGLE, NEW, OLD, UserScenario, in_pool

HOSTILE = "\x1b[31mEvil\u202e\nName"


def told(pipeline: InMemoryPipeline, who: str = EMAIL) -> dict[str, Any]:
    context = UserScenario(pipeline)
    person = context.find(who)
    assert person.user is not None
    return story(person, person.user, context.now(), "proj1234", reveal=False)


def on_screen(show: Any, *arguments: Any) -> str:
    out = Output(as_json=False)
    out.screen = Console(file=(text := io.StringIO()), width=100, highlight=False)
    show(out, *arguments)
    return text.getvalue()


class TestShow:
    def test_masks_whatever_is_not_known_to_be_harmless(self, pipeline: InMemoryPipeline) -> None:
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
        data = user_data(UserScenario(pipeline).find(EMAIL), reveal=False)
        text = json.dumps(data) + on_screen(show_user, data)
        assert not any(secret in text for secret in ("nia@", "Nia", "Newcomer", "44", "Street"))
        assert data["record"]["userId"] == "n***@example.com"
        assert data["profile"]["sub"] == data["record"]["cognitoSub"] == OLD
        assert data["profile"]["stripeCustomerId"].startswith("cus_")
        assert data["profile"]["provisioning"]["stripe"]["state"] == "done"
        revealed = json.dumps(user_data(UserScenario(pipeline).find(EMAIL), reveal=True))
        assert all(secret in revealed for secret in ("nia@example.com", "Newcomer", "Secret Street 5"))

    def test_a_hostile_name_forges_no_line(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, OLD)
        pipeline.run_worker()
        pipeline.dynamodb.update_item(
            TableName=PROFILES,
            Key={"userId": {"S": OLD}},
            UpdateExpression="SET displayName = :n",
            ExpressionAttributeValues={":n": {"S": HOSTILE}},
        )
        context = UserScenario(pipeline)
        for reveal in (True, False):
            text = on_screen(show_user, user_data(context.find(EMAIL), reveal=reveal))
            assert "\x1b" not in text
            assert "\u202e" not in text

    def test_is_found_by_sub_and_by_any_spelling(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, OLD)
        context = UserScenario(pipeline)
        assert context.find(OLD).user == context.find("NIA@Example.com").user == context.find(EMAIL).user is not None


class TestWhereTheyStand:
    def test_ready(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, OLD, given_name="Nia")
        pipeline.run_worker()
        data = told(pipeline)
        assert (data["state"], data["owed"], data["needsSomebody"], data["next"]) == ("ready", None, False, "nothing")
        assert data["event"]["eventId"] == event_id(POOL, OLD, Kind.USER_SIGNED_UP)
        assert data["links"] == {
            "stripe": f"https://dashboard.stripe.com/customers/{pipeline.stripe.customers()[0]['id']}",
            "revenuecat": f"https://app.revenuecat.com/customers/1234/{OLD}",
        }
        assert [entry["what"].partition(":")[0].partition(";")[0] for entry in data["timeline"]][:2] == [
            "came and got a record",
            "the worker began a profile",
        ]
        assert (data["cameBy"]["emailVouchedBy"], data["roles"]) == ("cognito", ["team_member"])

    def test_prepared(self, pipeline: InMemoryPipeline) -> None:
        pipeline.pre_create(EMAIL, "admin")
        data = told(pipeline)
        assert (data["state"], data["event"], data["needsSomebody"]) == ("prepared", None, False)

    def test_not_begun_and_then_late(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, OLD)
        data = told(pipeline)
        assert (data["state"], data["owed"][:5]) == ("waiting", "emit#")
        assert data["nextLook"] > data["since"]
        pipeline.clock.advance(3600)
        assert "onramp doctor" in told(pipeline)["next"]

    @pytest.mark.parametrize(("kind", "says"), [("server_error", "comes back by itself"), ("unauthorized", "doctor")])
    def test_being_tried_again(self, pipeline: InMemoryPipeline, kind: Any, says: str) -> None:
        pipeline.stripe.faults.add(Fault(kind, times=None))
        pipeline.sign_up(EMAIL, OLD)
        pipeline.run_worker_for(0.1)
        data = told(pipeline)
        assert (data["state"], data["owed"][:7], data["needsSomebody"]) == ("waiting", "enrich#", False)
        assert says in data["next"]
        assert data["steps"]["stripe"]["attempts"] > 1
        assert "stripe answered stripe_" in data["why"]

    def test_given_up(self, pipeline: InMemoryPipeline) -> None:
        pipeline.stripe.faults.add(Fault("refused", operation="create", times=None))
        pipeline.sign_up(EMAIL, OLD)
        pipeline.run_worker()
        data = told(pipeline)
        assert (data["state"], data["needsSomebody"], data["nextLook"] is not None) == ("operator", True, False)
        assert f"onramp dlq redrive --user {OLD}" in data["next"]
        assert "stripe with parameter_invalid_string" in data["why"]

    def test_unsettled(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, OLD)
        pipeline.dynamodb.update_item(
            TableName=USERS, Key={"userId": {"S": EMAIL}}, UpdateExpression="REMOVE owed, owedSince, dueAt"
        )
        data = told(pipeline)
        assert data["needsSomebody"]
        assert data["next"].startswith("onramp replay --from-table")

    @pytest.mark.parametrize("change", ["REMOVE linkedAt", "SET linkedAt = owed", "REMOVE userPoolId"])
    def test_broken_by_hand(self, pipeline: InMemoryPipeline, change: str) -> None:
        pipeline.sign_up(EMAIL, OLD)
        pipeline.dynamodb.update_item(TableName=USERS, Key={"userId": {"S": EMAIL}}, UpdateExpression=change)
        data = told(pipeline)
        assert data["needsSomebody"]
        assert f"no usable {change.split()[1]}: " in data["why"]
        assert data["next"].startswith(f"set {change.split()[1]} with `aws dynamodb update-item`")

    def test_relinked(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, OLD)
        pipeline.run_worker()
        in_pool(pipeline, NEW)
        pipeline.clock.advance(60)
        UserScenario(pipeline).relink()
        assert any(f"took over from {OLD}" in entry["what"] for entry in told(pipeline)["timeline"])

    def test_on_the_screen_it_is_all_there(self, pipeline: InMemoryPipeline) -> None:
        pipeline.stripe.faults.add(Fault("refused", operation="create", times=None))
        pipeline.sign_up(EMAIL, OLD)
        pipeline.run_worker()
        text = on_screen(show_story, told(pipeline), UserScenario(pipeline).now() + 7_200_000)
        assert "2 h ago" in text
        assert f"onramp dlq redrive --user {OLD}" in text
        assert EMAIL not in text


class TestNoRecord:
    def found(self, pipeline: InMemoryPipeline, who: str = EMAIL, **trust: Any) -> Any:
        context = UserScenario(pipeline, **trust)
        return context.strangers.find(UserIdentifier.of(who), context.now())

    def outcome(self, pipeline: InMemoryPipeline, who: str = EMAIL, **trust: Any) -> str:
        (stranger,) = self.found(pipeline, who, **trust)
        return str(stranger.verdict.outcome)

    @pytest.mark.parametrize(
        ("attributes", "status", "expected"),
        [
            ({}, "CONFIRMED", "create"),
            ({"email_verified": "false"}, "CONFIRMED", "refused_nobody_vouches"),
            ({}, "UNCONFIRMED", "skipped_unconfirmed"),
            ({"identities": GOOGLE, "email_verified": "false"}, "EXTERNAL_PROVIDER", "create"),
        ],
    )
    def test_says_what_the_trigger_says(
        self, pipeline: InMemoryPipeline, attributes: dict[str, str], status: str, expected: str
    ) -> None:
        in_pool(pipeline, OLD, status=status, **attributes)
        assert self.outcome(pipeline) == self.outcome(pipeline, OLD) == expected

    def test_by_the_rules_as_deployed(self, pipeline: InMemoryPipeline) -> None:
        in_pool(pipeline, OLD, email_verified="false")
        assert self.outcome(pipeline, allow_unverified=True) == "create"

    def test_finds_an_address_in_other_letters(self, pipeline: InMemoryPipeline) -> None:
        in_pool(pipeline, OLD, "Nia@Example.com")
        assert self.found(pipeline, EMAIL) == []
        assert self.outcome(pipeline, "Nia@Example.com") == "create"

    def test_names_the_record_in_the_way_and_how_to_relink(self, pipeline: InMemoryPipeline) -> None:
        pipeline.sign_up(EMAIL, OLD)
        in_pool(pipeline, NEW)
        data = matches_data(UserIdentifier.of(NEW), self.found(pipeline, NEW), forgotten=False, reveal=False)
        (found,) = data["cognito"]
        assert found["outcome"] == "conflict"
        assert f"--sub {NEW}" in found["next"]
        assert EMAIL not in json.dumps(data) + on_screen(show_matches, data)

    def test_says_where_nobody_knows_them(self, pipeline: InMemoryPipeline) -> None:
        data = matches_data(UserIdentifier.of(EMAIL), self.found(pipeline), forgotten=False, reveal=False)
        assert "No pool of this stack knows them" in on_screen(show_matches, data)

    def test_an_address_is_no_filter_of_its_own(self, pipeline: InMemoryPipeline) -> None:
        """Quotes in an address cannot widen the question that Cognito is asked."""
        in_pool(pipeline, OLD)
        assert UserScenario(pipeline).pools.matching(POOL, "email", '" or email ^= "n') == []
        assert UserScenario(pipeline).pools.matching(POOL, "email", "back\\slash") == []
