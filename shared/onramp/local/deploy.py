"""Puts the template into the running emulator, as a deployment would put it into an account."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import botocore.exceptions

from onramp.local.archives import OUTPUT_PREFIX, Archives
from onramp.local.errors import DeployError, StackFailedError, UnknownResourceTypeError
from onramp.local.localize import localize
from onramp.local.packaging import package
from onramp.local.parameters import SECRETS, STACK_NAME, local_parameters
from onramp.local.translate import Template, functions_in, load_template, translate

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

    from onramp.local.stack import LocalStack

BUCKET = "onramp-local-artifacts"
DEPLOY_WITHIN_SECONDS = 60.0
_UNKNOWN_TYPES = "Unrecognized resource types: "


def deploy(
    stack: LocalStack,
    template: Path,
    overrides: Mapping[str, str] | None = None,
    stack_name: str = STACK_NAME,
) -> dict[str, str]:
    """The outputs of the deployed stack."""
    sam = load_template(template)
    parameters = local_parameters(sam, stack.fakes, overrides)
    _create_bucket(stack)
    code = _upload_functions(stack, template.parent, functions_in(sam))
    translated = translate(sam, parameters, code, stack.region)
    _create_secrets(stack)
    archives = Archives(translated)
    local = localize(translated, parameters)
    local["Outputs"].update(archives.outputs)
    outputs = _create_stack(stack, stack_name, local, parameters)
    archives.create(stack.client("events"), outputs, stack_name)
    return {name: value for name, value in outputs.items() if not name.startswith(OUTPUT_PREFIX)}


def _create_bucket(stack: LocalStack) -> None:
    s3 = stack.client("s3")
    with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": stack.region})


def _upload_functions(stack: LocalStack, root: Path, handlers: Mapping[str, str]) -> dict[str, str]:
    code = {}
    for logical_id, handler in handlers.items():
        name, content = package(root, handler)
        stack.client("s3").put_object(Bucket=BUCKET, Key=name, Body=content)
        code[logical_id] = f"s3://{BUCKET}/{name}"
    return code


def _create_secrets(stack: LocalStack) -> None:
    for name, value in SECRETS.items():
        stack.client("ssm").put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)


def _create_stack(stack: LocalStack, name: str, template: Template, parameters: Mapping[str, str]) -> dict[str, str]:
    key = f"{name}.json"
    stack.client("s3").put_object(Bucket=BUCKET, Key=key, Body=json.dumps(template).encode())
    cloudformation = stack.client("cloudformation")
    try:
        cloudformation.create_stack(
            StackName=name,
            TemplateURL=f"{stack.endpoint}/{BUCKET}/{key}",  # inline it could have 51,200 bytes
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
            raise StackFailedError(described["StackStatus"], _reasons(cloudformation, name))
        time.sleep(0.02)
    raise StackFailedError(f"not complete after {DEPLOY_WITHIN_SECONDS:.0f} s", _reasons(cloudformation, name))


def _reasons(cloudformation: CloudFormationClient, name: str) -> list[str]:
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    return [
        f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}"
        for event in reversed(events)
        if event["ResourceStatus"].endswith("FAILED")
    ]
