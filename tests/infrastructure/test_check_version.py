"""Before the trigger's alias moves, CodeDeploy calls CheckVersionFunction, which invokes the new version once."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from tests.infrastructure.translation import CHECK, Translation, attribute, ref
from tests.pipeline import InMemoryPipeline

VERSION = "arn:aws:lambda:eu-west-1:123456789012:function:onramp-PostConfirmation:7"
HOOK = {"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "hook-1"}
FUNCTION = {"Fn::GetAtt": ["PostConfirmationFunction", "Arn"]}


class Conflict(Exception):
    """Lambda's ResourceConflictException."""


class NotReady(Exception):
    """Lambda's SnapStartNotReadyException: the snapshot is not taken yet."""


class Lambda:
    def __init__(self, *replies: Any) -> None:
        self.exceptions = SimpleNamespace(ResourceConflictException=Conflict, SnapStartNotReadyException=NotReady)
        self.replies = list(replies)
        self.invoked: list[str] = []

    def invoke(self, FunctionName: str, Payload: str) -> dict[str, Any]:  # noqa: N803
        self.invoked.append(FunctionName)
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        answer = reply(json.loads(Payload)) if callable(reply) else reply
        return {**answer, "Payload": io.BytesIO(json.dumps(answer.get("Payload")).encode())}


def returns(value: Any) -> Callable[[Any], dict[str, Any]]:
    return lambda _: {"StatusCode": 200, "Payload": value}


def unchanged(event: Any) -> dict[str, Any]:
    return {"StatusCode": 200, "Payload": event}


FAILED_AT_IMPORT = {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": {"errorType": "ConfigurationError"}}


def run_hook(
    template: Translation,
    monkeypatch: pytest.MonkeyPatch,
    client: Lambda,
    sleep: Callable[[float], None] = lambda _: None,
) -> list[dict[str, str]]:
    """What the hook reports to CodeDeploy."""
    import boto3

    reported: list[dict[str, str]] = []
    codedeploy = SimpleNamespace(put_lifecycle_event_hook_execution_status=lambda **status: reported.append(status))
    monkeypatch.setattr(boto3, "client", {"lambda": client, "codedeploy": codedeploy}.__getitem__)
    monkeypatch.setattr("time.sleep", sleep)
    monkeypatch.setenv("NEW_VERSION", VERSION)
    module: dict[str, Any] = {}
    exec(template[CHECK]["Code"]["ZipFile"], module)  # noqa: S102 - the template's own code
    try:
        module["handler"](HOOK, None)
    except RuntimeError:
        reported.append({"status": "raised"})
    return reported


@pytest.mark.parametrize(
    ("replies", "status"),
    [
        ([unchanged], "Succeeded"),
        ([Conflict(), Conflict(), unchanged], "Succeeded"),
        ([Conflict(), NotReady(), unchanged], "Succeeded"),
        ([NotReady()] * 7 + [unchanged], "Succeeded"),
        ([Conflict()] * 8, "Failed"),
        ([FAILED_AT_IMPORT], "Failed"),
        ([returns(None)], "Failed"),
        ([returns({"triggerSource": "other"})], "Failed"),
    ],
)
def test_only_a_version_that_answers_gets_the_alias(
    template: Translation, monkeypatch: pytest.MonkeyPatch, replies: list[Any], status: str
) -> None:
    client = Lambda(*replies)
    hook = {"deploymentId": "d-1", "lifecycleEventHookExecutionId": "hook-1"}
    assert run_hook(template, monkeypatch, client) == [{**hook, "status": status}]
    assert set(client.invoked) == {VERSION}


def test_the_check_waits_for_a_snapshot_within_its_own_timeout(
    template: Translation, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    run_hook(template, monkeypatch, Lambda(*[NotReady()] * 8), waits.append)
    assert 120 <= sum(waits) < template[CHECK]["Timeout"] - 60


def test_a_failed_call_is_reported_at_once(template: Translation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a report CodeDeploy would wait for an hour."""
    reported = run_hook(template, monkeypatch, Lambda(RuntimeError("access denied")))
    assert [report["status"] for report in reported] == ["Failed", "raised"]


def test_the_trigger_returns_the_probe_and_does_nothing(template: Translation, monkeypatch: pytest.MonkeyPatch) -> None:
    with InMemoryPipeline() as pipeline:
        client = Lambda(lambda event: {"StatusCode": 200, "Payload": pipeline.invoke_trigger(event)})
        assert [report["status"] for report in run_hook(template, monkeypatch, client)] == ["Succeeded"]
        assert pipeline.published("UserSignedUp") == []


def test_codedeploy_moves_the_alias_of_the_trigger_after_the_check(template: Translation) -> None:
    assert template.resources["PostConfirmationFunctionAliaslive"]["UpdatePolicy"] == {
        "CodeDeployLambdaAliasUpdate": {
            "ApplicationName": ref("ServerlessDeploymentApplication"),
            "DeploymentGroupName": ref("PostConfirmationFunctionDeploymentGroup"),
            "BeforeAllowTrafficHook": ref(CHECK),
        }
    }
    group = template["PostConfirmationFunctionDeploymentGroup"]
    assert group["ServiceRoleArn"] == attribute("MoveAliasRole")
    assert group["DeploymentConfigName"] == {
        "Fn::Sub": ["CodeDeployDefault.Lambda${ConfigName}", {"ConfigName": "AllAtOnce"}]
    }


def test_the_check_invokes_the_version_of_this_deployment(template: Translation) -> None:
    version = template["PostConfirmationFunctionAliaslive"]["FunctionVersion"]["Fn::GetAtt"][0]
    assert template.environment(CHECK) == {"NEW_VERSION": ref(version)}
    assert statements(template, "CheckVersionRole") == {
        "InvokeTheNewVersion": ("lambda:InvokeFunction", ref(version)),
        "ReportTheResult": (
            "codedeploy:PutLifecycleEventHookExecutionStatus",
            {
                "Fn::Sub": "arn:${AWS::Partition}:codedeploy:${AWS::Region}:${AWS::AccountId}:deploymentgroup:"
                "${ServerlessDeploymentApplication}/*"
            },
        ),
        "WriteItsOwnLog": (["logs:CreateLogStream", "logs:PutLogEvents"], attribute("CheckVersionLogGroup")),
    }


def test_codedeploy_may_move_this_alias_and_call_the_check_only(template: Translation) -> None:
    assert statements(template, "MoveAliasRole") == {
        "MoveTheAlias": (
            ["lambda:GetAlias", "lambda:GetProvisionedConcurrencyConfig", "lambda:UpdateAlias"],
            [FUNCTION, {"Fn::Sub": "${PostConfirmationFunction.Arn}:*"}],
        ),
        "CheckTheNewVersion": ("lambda:InvokeFunction", attribute(CHECK)),
    }
    (trusted,) = template["MoveAliasRole"]["AssumeRolePolicyDocument"]["Statement"]
    assert trusted["Principal"] == {"Service": "codedeploy.amazonaws.com"}
    assert not [role for role in template.of_type("AWS::IAM::Role").values() if "ManagedPolicyArns" in role]


def statements(template: Translation, role: str) -> dict[str, tuple[Any, Any]]:
    (policy,) = template[role]["Policies"]
    found = policy["PolicyDocument"]["Statement"]
    assert {statement["Effect"] for statement in found} == {"Allow"}
    return {statement["Sid"]: (statement["Action"], statement["Resource"]) for statement in found}
