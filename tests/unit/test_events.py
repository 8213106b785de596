"""Events built without pydantic satisfy the contracts; the committed schemas are the generated ones."""

from __future__ import annotations

import filecmp
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onramp.domain.errors import PermanentError
from onramp.domain.event_data import (
    Kind,
    Origin,
    event_id,
    user_forgotten,
    user_provisioned,
    user_provisioning_failed,
    user_signed_up,
)
from onramp.domain.users import Claim, Names, Profile, User
from onramp.events import CONTRACTS, UserSignedUp, read_user_signed_up
from tests.pipeline import SUB

ROOT = Path(__file__).resolve().parents[2]
texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=256)
names = st.builds(Names, *(st.none() | texts.filter(bool) for _ in range(3)))
claims = st.builds(
    Claim,
    user_id=st.emails(),
    sub=st.uuids().map(str),
    user_pool_id=st.just("eu-west-1_Pool"),
    identity_provider=texts,
    email_vouched_by=texts,
    names=names,
    may_link=st.booleans(),
    at=st.integers(0, 4_000_000_000_000),
    due_at=st.integers(0, 4_000_000_000_000),
)
before = st.none() | st.builds(User, st.emails(), roles=st.lists(texts).map(tuple), names=names)


@given(claims, before, st.sampled_from(Origin), texts)
def test_user_signed_up_keeps_its_contract(
    claim: Claim, prepared: User | None, origin: Origin, correlation_id: str
) -> None:
    user = prepared.linked_to(claim) if prepared else claim.as_new_user()
    event = user_signed_up(user, correlation_id=correlation_id, origin=origin)
    parsed = UserSignedUp.model_validate_json(json.dumps(event.detail))
    assert parsed.model_dump(by_alias=True, mode="json", exclude_none=True)["data"]["roles"] == list(user.roles)
    assert parsed.data.cognito_sub == claim.sub
    assert set(event.detail["data"]) <= {field.alias for field in type(parsed.data).model_fields.values()}
    assert set(event.detail["metadata"]) == {field.alias for field in type(parsed.metadata).model_fields.values()}


@given(texts, st.none() | texts, st.integers(0, 4_000_000_000_000))
def test_the_other_events_keep_their_contracts(text: str, maybe: str | None, at: int) -> None:
    profile = Profile(SUB, "ready", maybe, maybe, maybe)
    for event in (
        user_provisioned(profile, "pool", at=at, correlation_id="c"),
        user_provisioning_failed(SUB, "pool", step=text, reason=text, at=at, correlation_id="c"),
        user_forgotten(SUB, "pool", at=at, correlation_id="c"),
    ):
        CONTRACTS[event.kind].model_validate_json(json.dumps(event.detail))


@pytest.mark.parametrize("missing", ["cognito_sub", "user_pool_id", "linked_at"])
def test_there_is_no_event_of_a_record_that_is_not_linked(missing: str) -> None:
    linked = User("nia@example.com", cognito_sub=SUB, user_pool_id="pool", linked_at=0)
    assert user_signed_up(linked, correlation_id="c").detail["data"]["signedUpAt"] == "1970-01-01T00:00:00.000Z"
    without: dict[str, Any] = {missing: None}
    with pytest.raises(ValueError, match="linked"):
        user_signed_up(replace(linked, **without), correlation_id="c")


def test_the_event_id_never_changes() -> None:
    assert event_id("eu-west-1_Onramp001", SUB, Kind.USER_SIGNED_UP) == "4d0e2e73-9039-5032-b6ec-df70975fe08a"


def test_event_ids_differ_by_pool_sub_kind_and_failure() -> None:
    ids = {
        event_id("p", SUB, Kind.USER_SIGNED_UP),
        event_id("q", SUB, Kind.USER_SIGNED_UP),
        event_id("p", SUB[::-1], Kind.USER_SIGNED_UP),
        event_id("p", SUB, Kind.USER_PROVISIONED),
        event_id("p", SUB, Kind.USER_PROVISIONING_FAILED, "stripe", 1),
        event_id("p", SUB, Kind.USER_PROVISIONING_FAILED, "stripe", 2),
    }
    assert len(ids) == 6


def sample() -> dict[str, Any]:
    return json.loads((ROOT / "events/eventbridge_user_signed_up.json").read_text())  # type: ignore[no-any-return]


def test_unknown_fields_are_ignored() -> None:
    body = sample()
    body["detail"]["metadata"] |= {"schemaVersion": "1.7", "novelty": 1}
    body["detail"]["data"]["novelty"] = {"deep": [1]}
    assert read_user_signed_up(json.dumps(body)).data.cognito_sub == SUB


@pytest.mark.parametrize("version", ["2.0", "0.9", "10.1"])
def test_an_unknown_major_version_is_refused_in_any_shape(version: str) -> None:
    body = sample()
    body["detail"] = {"metadata": {"schemaVersion": version}, "payload": "anything"}
    with pytest.raises(PermanentError) as caught:
        read_user_signed_up(json.dumps(body))
    assert caught.value.reason == "unsupported_schema_version"


@pytest.mark.parametrize(
    "body",
    ["", "nonsense", "null", "[]", "5", '"text"', "{}", "[" * 100_000, '{"detail": []}', '{"source": "onramp.signup"}'],
)
def test_any_other_body_is_malformed(body: str) -> None:
    with pytest.raises(PermanentError) as caught:
        read_user_signed_up(body)
    assert caught.value.reason == "malformed_event"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("source",), "another.source"),
        (("detail-type",), "UserProvisioned"),
        (("detail", "metadata"), None),
        (("detail", "metadata", "schemaVersion"), "one"),
        (("detail", "metadata", "eventId"), "x"),
        (("detail", "data", "cognitoSub"), "secret-canary"),
        (("detail", "data", "roles"), "admin"),
        (("detail", "data", "userId"), ""),
    ],
)
def test_the_error_names_the_wrong_field_without_its_value(path: tuple[str, ...], value: object) -> None:
    body: Any = sample()
    node = body
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    with pytest.raises(PermanentError) as caught:
        read_user_signed_up(json.dumps(body))
    assert caught.value.reason == "malformed_event"
    assert path[-1] in caught.value.code
    assert "canary" not in caught.value.code


def test_the_committed_schemas_are_the_generated_ones(tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "scripts/contracts.py", tmp_path], check=True)
    generated = [path.relative_to(tmp_path) for path in tmp_path.rglob("*.*")]
    assert len(generated) == 10
    for path in generated:
        assert filecmp.cmp(tmp_path / path, ROOT / path, shallow=False), f"{path}: run scripts/contracts.py"


@pytest.mark.parametrize("path", sorted((ROOT / "events").glob("post_*.json")), ids=lambda path: path.stem)
def test_a_trigger_sample_has_the_shape_of_a_trigger(path: Path) -> None:
    event = json.loads(path.read_text())
    assert {"version", "region", "userPoolId", "userName", "callerContext", "triggerSource", "request"} <= set(event)
