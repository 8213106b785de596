"""Attaching to a deployed pool and detaching again, where an update resets the settings that it leaves out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from scripts.stories import STORIES, UPDATE, page

from onramp.local.stack import LocalStack
from onramp.ops.attach.pool_update import UserPool, differences
from tests.deployed import DeployedPipeline, unique_email
from tests.ops.conftest import Onramp, Ran
from tests.ops.existing_pool import ACCOUNT, EVERY_SETTING, LAMBDA, NAME, describe_pool, stack_for_a_pool


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    """For this module alone."""
    with stack_for_a_pool() as own:
        yield own


@pytest.fixture
def pool(stack: LocalStack) -> str:
    return stack.outputs["UserPoolId"]


@pytest.fixture
def attach(onramp: Onramp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Onramp:
    """`onramp --stack onramp-existing ... --yes`."""
    monkeypatch.chdir(tmp_path)  # where a failed rollback saves the former settings

    def run(command: str, *arguments: str) -> Ran:
        return onramp("--stack", NAME, command, *arguments, "--yes")

    return run


def test_the_story_is_up_to_date(stack: LocalStack, pool: str) -> None:
    """The first test: the story ends with all rows of the audit."""
    before = describe_pool(stack, pool)
    recorder = STORIES["attach-and-detach"].record(stack)
    assert recorder.markdown() == page("attach-and-detach"), UPDATE
    assert differences(before, describe_pool(stack, pool)) == []


def test_the_emulators_update_resets_what_it_leaves_out(stack: LocalStack) -> None:
    cognito = stack.client("cognito-idp")
    pool = cognito.create_user_pool(PoolName="naive", **EVERY_SETTING)["UserPool"]["Id"]
    before = cognito.describe_user_pool(UserPoolId=pool)["UserPool"]
    cognito.update_user_pool(UserPoolId=pool, LambdaConfig={"PostConfirmation": f"{LAMBDA}:onramp"})
    changed = {
        change.setting.partition(".")[0]
        for change in differences(before, cognito.describe_user_pool(UserPoolId=pool)["UserPool"])
    }
    assert changed >= EVERY_SETTING.keys() - {"UserPoolTier", "LambdaConfig"}


def test_attach_keeps_every_setting_and_detach_restores_the_pool(attach: Onramp, stack: LocalStack, pool: str) -> None:
    before = describe_pool(stack, pool)
    assert {name: before[name] for name in EVERY_SETTING} == EVERY_SETTING, "the emulator stores each"

    ran = attach("attach", "--json")
    assert ran.code == 0, ran.err
    (change,) = differences(before, describe_pool(stack, pool))
    assert (change.setting, change.before) == ("LambdaConfig.PostConfirmation", None)
    assert change.after.endswith(f":function:{NAME}-PostConfirmation:live")
    assert ran.json["changed"] == [{"setting": change.setting, "before": None, "after": change.after}]
    assert ran.json["compared"] > 30
    assert "already attached" in attach("attach").out

    deployed = DeployedPipeline(stack)
    deployed.join(email := unique_email("joined"))
    deployed.ready(email)

    assert attach("detach").code == 0
    assert differences(before, describe_pool(stack, pool)) == []
    assert "not attached" in attach("detach").out


def test_healing_at_sign_in_is_attached_and_detached(attach: Onramp, stack: LocalStack, pool: str) -> None:
    before = describe_pool(stack, pool)
    assert attach("attach", "--heal-on-sign-in").code == 0
    changed = {change.setting for change in differences(before, describe_pool(stack, pool))}
    assert changed == {"LambdaConfig.PostConfirmation", "LambdaConfig.PostAuthentication"}
    assert attach("detach").code == 0
    assert differences(before, describe_pool(stack, pool)) == []


def test_another_function_is_replaced_only_with_the_option_and_restored(
    attach: Onramp, stack: LocalStack, pool: str
) -> None:
    theirs = f"{LAMBDA}:theirs-confirmation"
    user_pool = UserPool(stack.client("cognito-idp"), pool)
    original = user_pool.describe()
    user_pool.update(original, {"PostConfirmation": theirs})
    before = describe_pool(stack, pool)

    ran = attach("attach")
    assert (ran.code, "--replace" in ran.err, theirs in ran.err) == (2, True, True)
    assert differences(before, describe_pool(stack, pool)) == []

    assert attach("attach", "--replace").code == 0
    assert describe_pool(stack, pool)["LambdaConfig"]["PostConfirmation"].endswith(":live")
    assert attach("detach").code == 0
    assert differences(before, describe_pool(stack, pool)) == []
    user_pool.update(before | original, original["LambdaConfig"])


def test_without_yes_it_prints_the_plan_and_changes_nothing(onramp: Onramp, stack: LocalStack, pool: str) -> None:
    before = describe_pool(stack, pool)
    ran = onramp("--stack", NAME, "attach")
    assert (ran.code, "--yes" in ran.err) == (2, True)
    assert "LambdaConfig.PostConfirmation: nothing -> arn:aws:lambda" in ran.err, "the plan"
    assert describe_pool(stack, pool) == before


def test_a_pool_that_the_stack_does_not_accept_is_refused_with_the_parameter(attach: Onramp, stack: LocalStack) -> None:
    other = stack.client("cognito-idp").create_user_pool(PoolName="other")["UserPool"]["Id"]
    ran = attach("attach", "--user-pool", other)
    assert ran.code == 2
    assert f"AdditionalUserPoolArns=arn:aws:cognito-idp:eu-west-1:{ACCOUNT}:userpool/{other}" in ran.err
    assert not stack.client("cognito-idp").describe_user_pool(UserPoolId=other)["UserPool"]["LambdaConfig"]


def test_a_pool_that_may_not_call_the_trigger_is_refused_with_the_command(
    attach: Onramp, stack: LocalStack, pool: str
) -> None:
    lambdas = stack.client("lambda")
    function = stack.outputs["PostConfirmationFunctionName"]
    granted = {"FunctionName": function, "Qualifier": "live"}
    cognito = {"Action": "lambda:InvokeFunction", "Principal": "cognito-idp.amazonaws.com", "SourceAccount": ACCOUNT}
    statements = _statements(lambdas.get_policy(**granted)["Policy"])
    for statement in statements:
        lambdas.remove_permission(StatementId=statement, **granted)
    ran = attach("attach")
    lambdas.add_permission(
        StatementId="again", SourceArn=f"arn:aws:cognito-idp:eu-west-1:{ACCOUNT}:userpool/{pool}", **granted, **cognito
    )
    assert (ran.code, f"aws lambda add-permission --function-name {function}" in ran.err) == (2, True)


def test_a_pool_that_does_not_exist_is_one_sentence(attach: Onramp) -> None:
    for command in ("attach", "detach"):
        ran = attach(command, "--user-pool", "eu-west-1_Nowhere")
        assert (ran.code, ran.err.count("\n")) == (2, 1)
        assert "no user pool eu-west-1_Nowhere" in ran.err


def test_the_audit_has_both_commands(attach: Onramp, onramp: Onramp, pool: str) -> None:
    attach("attach")
    attach("detach")
    rows = onramp("--stack", NAME, "audit", "--json").json[:2]
    assert [(row["what"], row["details"], row["count"], row["result"]) for row in rows] == [
        ("detach", {"pool": pool}, 1, "done"),
        ("attach", {"pool": pool}, 1, "done"),
    ]


def _statements(policy: str) -> list[str]:
    return [statement["Sid"] for statement in json.loads(policy)["Statement"]]
