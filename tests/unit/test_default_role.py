"""DefaultRole: the role with which every record starts that the pipeline or an operator's command creates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from onramp.domain.errors import ConfigurationError
from onramp.ops.backfill.refusals import RefusalsFile
from onramp.ops.backfill.wiring import BackfillWiring
from onramp.ops.common.errors import UsageError
from onramp.ops.user.heal import heal_user
from onramp.ops.user.lookup import UserIdentifier
from onramp.ops.user.roles import change_roles
from onramp.usecases.trigger import SIGN_IN
from tests.operator_context import operator_context
from tests.pipeline import EMAIL, SUB, USERS, InMemoryPipeline, signup

PACKAGE = Path(__file__).resolve().parents[2] / "shared" / "onramp"


@pytest.fixture
def pipeline() -> Iterator[InMemoryPipeline]:
    with InMemoryPipeline(
        ALLOWED_ROLES="admin,viewer", DEFAULT_ROLE="viewer", ALLOW_UNVERIFIED_SIGNUPS="true"
    ) as pipeline:
        yield pipeline


def in_pool(pipeline: InMemoryPipeline) -> None:
    pipeline.cognito.add_user(SUB, {"sub": SUB, "email": EMAIL, "email_verified": "true"})


def by_the_trigger(pipeline: InMemoryPipeline) -> None:
    pipeline.sign_up(EMAIL, SUB)


def at_sign_in(pipeline: InMemoryPipeline) -> None:
    pipeline.invoke_trigger(signup(EMAIL, SUB) | {"triggerSource": SIGN_IN})


def by_heal_signup(pipeline: InMemoryPipeline) -> None:
    in_pool(pipeline)
    pipeline.inject_faults("dynamodb", "refused")
    with pytest.raises(Exception, match="could not complete"):
        pipeline.sign_up(EMAIL, SUB)
    pipeline.stop_faults("dynamodb")
    pipeline.run_heal()


def by_the_sweep(pipeline: InMemoryPipeline) -> None:
    in_pool(pipeline)
    pipeline.clock.advance(600)
    pipeline.reconcile()


def by_user_heal(pipeline: InMemoryPipeline) -> None:
    in_pool(pipeline)
    heal_user(operator_context(pipeline), UserIdentifier.of(EMAIL), yes=True)


def by_the_backfill(pipeline: InMemoryPipeline) -> None:
    in_pool(pipeline)
    pipeline.clock.advance(600)
    wiring = BackfillWiring.of(operator_context(pipeline))
    publisher = wiring.batch_publisher()
    run = wiring.backfill(wiring.rules.pools, publisher, RefusalsFile(None), rate=10, apply=True)
    list(run.run(run.start(resume=False)))


@pytest.mark.parametrize(
    "create", [by_the_trigger, at_sign_in, by_heal_signup, by_the_sweep, by_user_heal, by_the_backfill]
)
def test_every_record_starts_with_it(pipeline: InMemoryPipeline, create: Callable[[InMemoryPipeline], None]) -> None:
    create(pipeline)
    assert (pipeline.user(EMAIL) or {})["roles"] == ["viewer"]
    (event,) = pipeline.published("UserSignedUp")
    assert event["detail"]["data"]["roles"] == ["viewer"]


def test_a_pre_created_record_without_roles_gets_it_in_record_and_event(pipeline: InMemoryPipeline) -> None:
    item = {"userId": {"S": EMAIL}, "onboarding": {"S": "pre_created"}}
    pipeline.dynamodb.put_item(TableName=USERS, Item=item)
    pipeline.sign_up(EMAIL, SUB)
    assert (pipeline.user(EMAIL) or {})["roles"] == ["viewer"]
    assert pipeline.published("UserSignedUp")[0]["detail"]["data"]["roles"] == ["viewer"]


def test_a_changed_default_leaves_existing_records_alone(pipeline: InMemoryPipeline) -> None:
    pipeline.sign_up(EMAIL, SUB)
    pipeline.configure(DEFAULT_ROLE="admin")
    pipeline.sign_up(EMAIL, SUB)
    assert (pipeline.user(EMAIL) or {})["roles"] == ["viewer"]


def test_an_operator_gives_it_to_an_unverified_user_without_vouching(pipeline: InMemoryPipeline) -> None:
    pipeline.sign_up(EMAIL, SUB, email_verified="false")
    context = operator_context(pipeline)
    change_roles(context, EMAIL, [], ["viewer"], [], vouch=False, yes=True)
    with pytest.raises(UsageError, match="Add admin only if you know the user"):
        change_roles(context, EMAIL, ["admin", "viewer"], [], [], vouch=False, yes=True)
    change_roles(context, EMAIL, ["viewer"], [], [], vouch=False, yes=True)
    assert (pipeline.user(EMAIL) or {})["roles"] == ["viewer"]


@pytest.mark.parametrize("function", ["post_confirmation", "heal_signup", "reconcile"])
def test_a_function_does_not_start_with_a_role_that_is_not_allowed(pipeline: InMemoryPipeline, function: str) -> None:
    pipeline.configure(DEFAULT_ROLE="team_member")
    with pytest.raises(ConfigurationError, match="DEFAULT_ROLE: 'team_member' is not one of ALLOWED_ROLES"):
        pipeline.function(function)


def test_the_shipped_code_names_no_role() -> None:
    """`ops/` has the fallback for a stack of an earlier template, and `local/` the demo's text."""
    naming = [
        path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if "team_member" in path.read_text()
    ]
    assert [name for name in naming if not name.startswith(("ops/", "local/"))] == []
