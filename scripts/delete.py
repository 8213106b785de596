"""Deletes a stack: `delete.py --onramp ONRAMP --stack NAME [--yes]`.

The user pools outlive the stack, and a pool whose trigger names a deleted function fails every confirmation. So each
pool is detached first; nothing is deleted if that fails.
"""

# ruff: noqa: S603 - the command is the project's own
from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import boto3
from botocore.exceptions import ClientError

RETAINED = ("AWS::Cognito::UserPool", "AWS::DynamoDB::Table")
GONE = "queues with their messages and dead letters, the event bus and its archive, functions, logs, alarms"
MISSING = "onramp: name the stack to delete: make delete STACK=onramp-dev"


def delete(onramp: str, stack: str, confirm: Callable[[str], bool]) -> None:
    cloudformation: Any = boto3.client("cloudformation")
    described = describe(cloudformation, stack)
    pools = [pool for pool in dict.fromkeys(pools_of(described)) if pool_exists(pool)]
    kept = [f"{logical_id} ({physical_id})" for logical_id, physical_id in retained(cloudformation, stack)]
    say(f"First detached: {', '.join(pools) or 'no user pool'}")
    say(f"Stays, and costs what it stores: {', '.join(kept)}")
    say(f"Deleted: {GONE}")
    if not confirm(stack):
        raise SystemExit("onramp: nothing was deleted.")
    for pool in pools:
        command = [onramp, "detach", "--stack", stack, "--user-pool", pool, "--yes"]
        if subprocess.run(command, check=False).returncode:
            raise SystemExit(f"onramp: {pool} was not detached, so nothing was deleted: its confirmations would fail.")
    cloudformation.delete_stack(StackName=stack)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack)
    say(f"{stack} is deleted.")


def describe(cloudformation: Any, stack: str) -> dict[str, Any]:
    try:
        described: dict[str, Any] = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    except ClientError as error:
        raise SystemExit(f"onramp: {error.response['Error']['Message']}") from error
    return described


def pools_of(stack: dict[str, Any]) -> Iterator[str]:
    """The stack's own or existing pool, then the additional ones."""
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
    parameters = {given["ParameterKey"]: given["ParameterValue"] for given in stack.get("Parameters", [])}
    if "UserPoolId" in outputs:  # a stack whose creation failed has no outputs
        yield outputs["UserPoolId"]
    for arn in parameters.get("AdditionalUserPoolArns", "").split(","):
        if arn.strip():
            yield arn.strip().rpartition("/")[2]


def pool_exists(pool: str) -> bool:
    try:
        boto3.client("cognito-idp").describe_user_pool(UserPoolId=pool)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return False
    return True


def retained(cloudformation: Any, stack: str) -> Iterator[tuple[str, str]]:
    for page in cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack):
        for resource in page["StackResourceSummaries"]:
            if resource["ResourceType"] in RETAINED:
                yield resource["LogicalResourceId"], resource.get("PhysicalResourceId", "")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()  # before the output of the commands


def ask(stack: str) -> bool:
    return input(f"Type the name of the stack to delete it [{stack}]: ").strip() == stack


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--onramp", required=True)
    parser.add_argument("--stack", default="")
    parser.add_argument("--yes", action="store_true")
    arguments = parser.parse_args()
    if not arguments.stack:
        raise SystemExit(MISSING)
    onramp = os.path.abspath(arguments.onramp)
    delete(onramp, arguments.stack, (lambda _: True) if arguments.yes else ask)


if __name__ == "__main__":
    main()
