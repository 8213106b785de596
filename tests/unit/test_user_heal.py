"""`onramp user heal`: one user that Cognito did not announce, by the rules of the trigger."""

from __future__ import annotations

from typing import Any

import pytest

from onramp.ops.common.errors import CommandFailed, UsageError
from onramp.ops.user.heal import heal_user
from onramp.ops.user.lookup import UserIdentifier
from tests.pipeline import OPERATIONS, USERS, InMemoryPipeline
from tests.unit.user_scenario import EMAIL, NEW, OLD, UserScenario, in_pool


def heal(pipeline: InMemoryPipeline, identifier: str = EMAIL) -> None:
    heal_user(UserScenario(pipeline).context, UserIdentifier.of(identifier), yes=True)


def audited(pipeline: InMemoryPipeline) -> list[Any]:
    return [row for row in pipeline.dynamodb.rows(OPERATIONS) if str(row["pk"]).startswith("AUDIT#")]


@pytest.mark.parametrize("identifier", [EMAIL, OLD])
def test_a_user_of_an_administrator_becomes_provisioned(pipeline: InMemoryPipeline, identifier: str) -> None:
    """AdminCreateUser never invokes the trigger."""
    in_pool(pipeline, OLD)
    heal(pipeline, identifier)
    pipeline.run_worker()
    user = pipeline.user(EMAIL) or {}
    assert (user["cognitoSub"], user["roles"], user.get("owed")) == (OLD, ["team_member"], None)
    assert EMAIL not in repr(audited(pipeline))
    assert len(audited(pipeline)) == 1


def test_a_pre_created_record_is_linked_with_its_roles(pipeline: InMemoryPipeline) -> None:
    pipeline.pre_create(EMAIL, "manager")
    in_pool(pipeline, OLD)
    heal(pipeline)
    assert (pipeline.user(EMAIL) or {})["roles"] == ["manager"]


def test_a_user_with_a_record_is_left_alone(pipeline: InMemoryPipeline) -> None:
    pipeline.sign_up(EMAIL, OLD)
    in_pool(pipeline, OLD)
    before = pipeline.dynamodb.rows(USERS)
    heal(pipeline)
    assert (pipeline.dynamodb.rows(USERS), audited(pipeline)) == (before, [])


@pytest.mark.parametrize(
    ("status", "attributes"), [("CONFIRMED", {"email_verified": "false"}), ("FORCE_CHANGE_PASSWORD", {})]
)
def test_a_refused_or_unconfirmed_user_gets_nothing(
    pipeline: InMemoryPipeline, status: str, attributes: dict[str, str]
) -> None:
    in_pool(pipeline, OLD, status=status, **attributes)
    with pytest.raises(CommandFailed, match="gets no record"):
        heal(pipeline)
    assert (pipeline.dynamodb.rows(USERS), audited(pipeline)) == ([], [])


def test_an_unknown_user(pipeline: InMemoryPipeline) -> None:
    with pytest.raises(UsageError, match="in no user pool"):
        heal(pipeline)


def test_of_two_users_with_one_address_the_operator_names_one(pipeline: InMemoryPipeline) -> None:
    in_pool(pipeline, OLD)
    in_pool(pipeline, NEW)
    with pytest.raises(UsageError, match="name one by its sub"):
        heal(pipeline)
    heal(pipeline, NEW)
    assert (pipeline.user(EMAIL) or {})["cognitoSub"] == NEW


def test_a_failed_write_says_so_and_is_audited(pipeline: InMemoryPipeline) -> None:
    in_pool(pipeline, OLD)
    pipeline.inject_faults("dynamodb", lambda _, __, name: "throttled" if name == "update_item" else None)
    scenario = UserScenario(pipeline)
    with pytest.raises(CommandFailed, match="run the command again"):
        heal_user(scenario.context, UserIdentifier.of(OLD), yes=True)
    assert pipeline.dynamodb.rows(USERS) == []
