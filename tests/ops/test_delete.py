"""`make delete`: no user pool is left with a trigger that does not exist."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from scripts.delete import delete

from onramp.local.parameters import STACK_NAME
from onramp.local.stack import LocalStack
from tests.conftest import QUICK

ONRAMP = str(Path(sys.executable).with_name("onramp"))


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalStack]:
    with LocalStack.start(parameters=QUICK) as stack:
        for name, value in {
            "AWS_ENDPOINT_URL": stack.endpoint,
            "AWS_DEFAULT_REGION": stack.region,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }.items():
            monkeypatch.setenv(name, value)
        yield stack


def triggers(stack: LocalStack) -> dict[str, str]:
    described = stack.client("cognito-idp").describe_user_pool(UserPoolId=stack.outputs["UserPoolId"])
    config: dict[str, str] = described["UserPool"].get("LambdaConfig", {})
    return config


def stacks(stack: LocalStack) -> list[str]:
    found = stack.client("cloudformation").list_stacks()["StackSummaries"]
    return [one["StackName"] for one in found if one["StackStatus"] != "DELETE_COMPLETE"]


def test_the_pool_stays_without_its_trigger_and_the_tables_stay(
    own: LocalStack, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "PostConfirmation" in triggers(own)
    with pytest.raises(SystemExit, match="nothing was deleted"):
        delete(ONRAMP, STACK_NAME, lambda _: False)
    with pytest.raises(SystemExit, match="was not detached, so nothing was deleted"):
        delete("/bin/false", STACK_NAME, lambda _: True)
    assert STACK_NAME in stacks(own)
    assert "PostConfirmation" in triggers(own)

    delete(ONRAMP, STACK_NAME, lambda _: True)
    assert STACK_NAME not in stacks(own)
    assert "PostConfirmation" not in triggers(own)
    assert own.outputs["UsersTableName"] in own.client("dynamodb").list_tables()["TableNames"]
    said = capsys.readouterr().out
    for kept in (own.outputs["UserPoolId"], own.outputs["UsersTableName"], own.outputs["OperationsTableName"]):
        assert kept in said


def test_a_stack_that_does_not_exist(own: LocalStack) -> None:
    with pytest.raises(SystemExit, match="does not exist"):
        delete(ONRAMP, "absent", lambda _: True)
