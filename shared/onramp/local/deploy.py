"""Deploys the template to the running emulator, as a deployment to an AWS account does."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import botocore.exceptions

from onramp.local.archives import OUTPUT_PREFIX, Archives
from onramp.local.errors import DeployError, StackFailedError, UnknownResourceTypeError
from onramp.local.localize import localize
from onramp.local.packaging import package
from onramp.local.parameters import SECRETS, STACK_NAME, local_parameters
from onramp.local.translate import Template, functions_in, load_template, translate

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_ssm import SSMClient

BUCKET = "onramp-local-artifacts"
DEPLOY_WITHIN_SECONDS = 60.0
_UNKNOWN_TYPES = "Unrecognized resource types: "


class DeployTarget(Protocol):
    """The emulator that `deploy` deploys to. `fakes` maps each provider to the base URL of its API."""

    @property
    def endpoint(self) -> str: ...

    @property
    def region(self) -> str: ...

    @property
    def fakes(self) -> Mapping[str, str]: ...

    def client(self, service: str) -> Any:
        """A boto3 client."""


def deploy(
    target: DeployTarget,
    template: Path,
    overrides: Mapping[str, str] | None = None,
    stack_name: str = STACK_NAME,
) -> dict[str, str]:
    """Returns the outputs of the stack. Raises DeployError."""
    sam = load_template(template)
    parameters = local_parameters(sam, target.fakes, overrides)
    _create_bucket(target)
    code = _upload_functions(target, template.parent, functions_in(sam))
    translated = translate(sam, parameters, code, target.region)
    _create_secrets(target.client("ssm"))
    archives = Archives(translated)
    local = localize(translated, parameters)
    local["Outputs"].update(archives.outputs)
    outputs = _create_stack(target, stack_name, local, parameters)
    events: EventBridgeClient = target.client("events")
    archives.create(events, outputs, stack_name)
    return {name: value for name, value in outputs.items() if not name.startswith(OUTPUT_PREFIX)}


def _create_bucket(target: DeployTarget) -> None:
    s3 = target.client("s3")
    with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": target.region})


def _upload_functions(target: DeployTarget, root: Path, handlers: Mapping[str, str]) -> dict[str, str]:
    code = {}
    for logical_id, handler in handlers.items():
        name, content = package(root, handler)
        target.client("s3").put_object(Bucket=BUCKET, Key=name, Body=content)
        code[logical_id] = f"s3://{BUCKET}/{name}"
    return code


def _create_secrets(ssm: SSMClient) -> None:
    for name, value in SECRETS.items():
        ssm.put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)


def _create_stack(target: DeployTarget, name: str, template: Template, parameters: Mapping[str, str]) -> dict[str, str]:
    key = f"{name}.json"
    target.client("s3").put_object(Bucket=BUCKET, Key=key, Body=json.dumps(template).encode())
    cloudformation: CloudFormationClient = target.client("cloudformation")
    try:
        cloudformation.create_stack(
            StackName=name,
            TemplateURL=f"{target.endpoint}/{BUCKET}/{key}",  # an inline template is limited to 51,200 bytes
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
            Parameters=[
                {"ParameterKey": parameter, "ParameterValue": value} for parameter, value in parameters.items()
            ],
        )
    except botocore.exceptions.ClientError as exc:
        message = exc.response["Error"]["Message"]
        if _UNKNOWN_TYPES in message:
            raise UnknownResourceTypeError(message.partition(_UNKNOWN_TYPES)[2].strip("[]")) from exc
        raise DeployError(f"CloudFormation refused the template: {message}") from exc
    return _outputs_when_complete(cloudformation, name)


def _outputs_when_complete(cloudformation: CloudFormationClient, name: str) -> dict[str, str]:
    deadline = time.monotonic() + DEPLOY_WITHIN_SECONDS
    while time.monotonic() < deadline:
        described = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        if described["StackStatus"] == "CREATE_COMPLETE":
            return {item["OutputKey"]: item["OutputValue"] for item in described.get("Outputs", [])}
        if described["StackStatus"] != "CREATE_IN_PROGRESS":
            raise StackFailedError(described["StackStatus"], _failure_reasons(cloudformation, name))
        time.sleep(0.02)
    raise StackFailedError(f"not complete after {DEPLOY_WITHIN_SECONDS:.0f} s", _failure_reasons(cloudformation, name))


def _failure_reasons(cloudformation: CloudFormationClient, name: str) -> list[str]:
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    return [
        f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}"
        for event in reversed(events)
        if event["ResourceStatus"].endswith("FAILED")
    ]
