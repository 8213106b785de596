"""`make delete`: no user pool is left with a trigger that does not exist."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest
from scripts.delete import delete

from onramp.local.parameters import STACK_NAME
from onramp.local.stack import ROOT, LocalStack
from tests.conftest import QUICK

HEALING = {"HealOnSignIn": "true", "PostConfirmationReservedConcurrency": "10"}
TRIGGERS = {"PostConfirmation", "PostAuthentication"}
THEIRS = "arn:aws:lambda:eu-west-1:000000000000:function:theirs"


@pytest.fixture(scope="module")
def own() -> Iterator[LocalStack]:
    """A stack with a second pool. Both call the trigger at confirmations and at sign-ins."""
    with LocalStack.start(parameters=QUICK | HEALING) as stack:
        yield stack


@pytest.fixture(autouse=True)
def _calls_reach_the_stack(own: LocalStack, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in own.environment().items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def pools(own: LocalStack) -> list[str]:
    """The stack's own pool, and an additional one with another function for another trigger."""
    cognito = own.client("cognito-idp")
    first = own.outputs["UserPoolId"]
    alias = triggers(own, first)["PostConfirmation"]
    attached = dict.fromkeys(TRIGGERS, alias) | {"PreSignUp": THEIRS}
    second = cognito.create_user_pool(PoolName="second", LambdaConfig=attached)["UserPool"]
    cloudformation = own.client("cloudformation")
    deployed = cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"][0]["Parameters"]
    parameters = [one for one in deployed if one["ParameterKey"] != "AdditionalUserPoolArns"]
    parameters.append({"ParameterKey": "AdditionalUserPoolArns", "ParameterValue": second["Arn"]})
    cloudformation.update_stack(
        StackName=STACK_NAME,
        UsePreviousTemplate=True,
        Parameters=parameters,
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
    )
    cloudformation.get_waiter("stack_update_complete").wait(StackName=STACK_NAME)
    return [first, second["Id"]]


def triggers(stack: LocalStack, pool: str) -> dict[str, str]:
    described = stack.client("cognito-idp").describe_user_pool(UserPoolId=pool)
    config: dict[str, str] = described["UserPool"].get("LambdaConfig", {})
    return {name: function for name, function in config.items() if function}


def stacks(stack: LocalStack) -> list[str]:
    found = stack.client("cloudformation").list_stacks()["StackSummaries"]
    return [one["StackName"] for one in found if one["StackStatus"] != "DELETE_COMPLETE"]


def make_delete(*arguments: str, answer: str = "") -> subprocess.CompletedProcess[str]:
    """The target itself, with the environment of the test."""
    command = ["make", "--no-print-directory", "delete", *arguments]
    return subprocess.run(command, cwd=ROOT, env=os.environ, input=answer, capture_output=True, text=True, check=False)


def test_nothing_is_deleted_without_a_confirmation_or_where_a_pool_is_not_detached(
    own: LocalStack, pools: list[str]
) -> None:
    assert "nothing was deleted" in make_delete(f"STACK={STACK_NAME}", answer="another-name\n").stderr
    with pytest.raises(SystemExit, match="was not detached, so nothing was deleted"):
        delete("/bin/false", STACK_NAME, lambda _: True)
    assert STACK_NAME in stacks(own)
    assert all(triggers(own, pool).keys() >= TRIGGERS for pool in pools)


@pytest.mark.parametrize(
    ("stack", "said"), [("absent", "does not exist"), ("", "name the stack"), ("$(touch hacked)", "hacked")]
)
def test_a_stack_that_does_not_exist(own: LocalStack, stack: str, said: str) -> None:
    ended = make_delete(f"STACK={stack}", "YES=1")
    assert ended.returncode
    assert said in ended.stderr
    assert not (ROOT / "hacked").exists()


def test_every_pool_stays_without_the_triggers_and_the_tables_stay(own: LocalStack, pools: list[str]) -> None:
    """The last test: it deletes the stack."""
    assert all(triggers(own, pool).keys() >= TRIGGERS for pool in pools)
    ended = make_delete(f"STACK={STACK_NAME}", "YES=1")
    assert ended.returncode == 0, ended.stderr
    assert STACK_NAME not in stacks(own)
    assert [triggers(own, pool) for pool in pools] == [{}, {"PreSignUp": THEIRS}]
    assert own.outputs["UsersTableName"] in own.client("dynamodb").list_tables()["TableNames"]
    for kept in (*pools, own.outputs["UsersTableName"], own.outputs["OperationsTableName"]):
        assert kept in ended.stdout
