"""Values that others wrote into the tables first: the pipeline keeps them, and provisions the user."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from onramp.domain.identity import MAX_NAME
from onramp.events import UserProvisioned, UserSignedUp
from tests.fuzz.strategies import FUZZ
from tests.fuzz.test_trigger import refusal
from tests.pipeline import EMAIL, PROFILES, SUB, USERS, InMemoryPipeline, signup

KEY = {"userId": {"S": EMAIL}}
PIPELINE_READS = ("givenName", "familyName", "name", "roles", "onboarding", "createdAt")

_text = st.text(max_size=300)
_scalars = st.one_of(
    _text.map(lambda text: {"S": text}),
    st.integers(-(10**9), 10**9).map(lambda number: {"N": f"{number}.5"}),
    st.booleans().map(lambda flag: {"BOOL": flag}),
    st.just({"NULL": True}),
    st.binary(min_size=1, max_size=20).map(lambda data: {"B": data}),
    st.sets(_text.filter(bool), min_size=1, max_size=3).map(lambda texts: {"SS": sorted(texts)}),
    st.sets(st.integers(-99, 99), min_size=1, max_size=3).map(
        lambda numbers: {"NS": [str(n) for n in sorted(numbers)]}
    ),
)
attribute_values: st.SearchStrategy[dict[str, Any]] = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: {"L": items})
        | st.dictionaries(_text, inner, max_size=3).map(lambda items: {"M": items})
    ),
    max_leaves=4,
)
records = st.dictionaries(st.sampled_from((*PIPELINE_READS, "costCentre")), attribute_values, max_size=4)


@FUZZ
@given(records)
@example({"givenName": {"S": "G" * 300}, "familyName": {"S": "F" * 300}})
@example({"name": {"N": "7"}})
@example({"onboarding": {"S": "invited"}})
@example({"roles": {"L": [{"B": b"admin"}, {"S": "manager"}]}})
@example({"createdAt": {"S": "yesterday"}})
def test_pre_created_values_are_kept_and_the_user_is_provisioned(
    prepared: dict[str, dict[str, Any]],
) -> None:
    with InMemoryPipeline() as pipeline:
        pipeline.dynamodb.put_item(TableName=USERS, Item=KEY | prepared)
        before = pipeline.dynamodb.get_item(TableName=USERS, Key=KEY)["Item"]
        assert refusal(pipeline, signup(EMAIL, SUB, given_name="Nia")) is None
        pipeline.run_worker()
        record = pipeline.dynamodb.get_item(TableName=USERS, Key=KEY)["Item"]
        assert {name: record[name] for name in before} == before
        assert "owed" not in record
        profile = pipeline.dynamodb.get_item(TableName=PROFILES, Key={"userId": {"S": SUB}})["Item"]
        assert profile["provisioningStatus"] == {"S": "ready"}
        (envelope,) = pipeline.published("UserSignedUp")
        UserSignedUp.model_validate_json(json.dumps(envelope["detail"]))
        pipeline.log_lines()


@FUZZ
@given(records)
def test_every_emission_of_one_signup_has_the_same_data(prepared: dict[str, dict[str, Any]]) -> None:
    """The first event is built before the write, from its expected result; the others from the stored record."""
    with InMemoryPipeline() as pipeline:
        pipeline.dynamodb.put_item(TableName=USERS, Item=KEY | prepared)
        for _ in range(2):
            assert refusal(pipeline, signup(EMAIL, SUB, given_name="Nia", family_name="New")) is None
        pipeline.clock.advance(3600)
        pipeline.reconcile()
        first, second, third = (envelope["detail"] for envelope in pipeline.published("UserSignedUp"))
        assert first["data"] == second["data"] == third["data"]
        assert len({detail["metadata"]["eventId"] for detail in (first, second, third)}) == 1


@FUZZ
@given(st.dictionaries(st.sampled_from(["displayName", "avatarUrl", "preferences"]), attribute_values, min_size=1))
@example({"displayName": {"S": "D" * 10_000}})
@example({"displayName": {"N": "7"}})
def test_what_a_user_edited_while_waiting_stays_and_reaches_others_sound(edited: dict[str, dict[str, Any]]) -> None:
    with InMemoryPipeline() as pipeline:
        assert refusal(pipeline, signup(EMAIL, SUB)) is None
        pipeline.dynamodb.put_item(TableName=PROFILES, Item={"userId": {"S": SUB}} | edited)
        before = pipeline.dynamodb.get_item(TableName=PROFILES, Key={"userId": {"S": SUB}})["Item"]
        pipeline.run_worker()
        profile = pipeline.dynamodb.get_item(TableName=PROFILES, Key={"userId": {"S": SUB}})["Item"]
        assert {name: profile[name] for name in before} == before
        assert profile["provisioningStatus"] == {"S": "ready"}
        (envelope,) = pipeline.published("UserProvisioned")
        UserProvisioned.model_validate_json(json.dumps(envelope["detail"]))
        (customer,) = pipeline.revenuecat.customers()
        assert all(len(value) <= MAX_NAME for value in _texts(customer))


def _texts(node: Any) -> list[str]:
    if isinstance(node, dict | list):
        return [text for value in (node.values() if isinstance(node, dict) else node) for text in _texts(value)]
    return [node] if isinstance(node, str) else []
