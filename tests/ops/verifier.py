"""What docs/real-aws.md says about `onramp verify`: the policy that it needs, and what a run costs."""

from __future__ import annotations

import json
import re
import uuid
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest
from botocore.client import BaseClient

from onramp.local.parameters import SECRETS, STACK_NAME
from onramp.local.stack import ROOT, LocalStack
from tests.pipeline import DLQ, EMAIL, OTHER_SUB, QUEUE, SUB, USERS, InMemoryPipeline

POLICY, PAGE = ROOT / "docs" / "verify-policy.json", ROOT / "docs" / "real-aws.md"
ACCOUNT = "000000000000"
Call = tuple[str, str]
"""Service and operation."""
WITHOUT_A_POLICY = {("cognito-idp", "SignUp"), ("sts", "GetCallerIdentity")}
"""Everyone may call the first; every credential may call the second."""

COST = re.compile(r"^\| \w+ \| (\d+) ([\w -]+) \| ([\d.]+) \| ([\d.]+) \|$", re.MULTILINE)
"""A row of the page: how many, of what, US dollars for a million, US dollars."""


class Cost(NamedTuple):
    """`each_million` and `dollars` in US dollars."""

    most: int
    each_million: float
    dollars: float


def credentials(stack: LocalStack) -> dict[str, str]:
    """The environment variables of an IAM user who has the page's policy and nothing else."""
    iam = stack.client("iam")
    iam.create_user(UserName="verifier")
    iam.put_user_policy(UserName="verifier", PolicyName="verify", PolicyDocument=json.dumps(policy(stack)))
    key = iam.create_access_key(UserName="verifier")["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


def policy(stack: LocalStack) -> dict[str, Any]:
    stripe, revenuecat = (name.removeprefix("/") for name in SECRETS)
    text = POLICY.read_text()
    for placeholder, value in {
        "STRIPE_SECRET": stripe,
        "REVENUECAT_SECRET": revenuecat,
        "ACCOUNT": ACCOUNT,
        "REGION": stack.region,
        "STACK": STACK_NAME,
        "POOL": stack.outputs["UserPoolId"],
    }.items():
        text = text.replace(placeholder, value)
    document: dict[str, Any] = json.loads(text)
    for statement in document["Statement"]:
        statement["Action"] = [*actions(statement), *map("{}Batch".format, actions(statement))]  # see localize.py
        statement["Resource"] = [name for arn in _list(statement["Resource"]) for name in _names(arn)]
    return document


def _names(arn: str) -> tuple[str, str, str]:
    """The ARN; and what the emulator compares for a log group, and for the targets of a rule: the rule's bus."""
    return arn, arn.removesuffix(":*"), re.sub(r":rule/(.+)/.*", r":event-bus/\1", arn)


def actions(statement: Mapping[str, Any]) -> list[str]:
    return _list(statement["Action"])


def _list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def granted() -> set[str]:
    return {action for statement in json.loads(POLICY.read_text())["Statement"] for action in actions(statement)}


def needed(calls: Mapping[Call, int]) -> set[str]:
    """The actions that AWS's authorization checks for these calls."""
    return {f"{service}:{operation.removesuffix('Batch')}" for service, operation in calls.keys() - WITHOUT_A_POLICY}


def record_calls(patch: pytest.MonkeyPatch) -> Counter[Call]:
    """Counts every call of every AWS client of this process from now on."""
    calls: Counter[Call] = Counter()
    send = BaseClient._make_api_call  # type: ignore[attr-defined]

    def counting(client: Any, operation: str, request: Any) -> Any:
        calls[client.meta.service_model.signing_name, operation] += 1
        return send(client, operation, request)

    patch.setattr(BaseClient, "_make_api_call", counting)
    return calls


def costs() -> dict[str, Cost]:
    """The page's table: unit -> how much of it one run needs."""
    rows = COST.findall(PAGE.read_text())
    return {unit: Cost(int(most), float(million), float(dollars)) for most, unit, million, dollars in rows}


def billed(calls: Mapping[Call, int], invocations: int) -> dict[str, int]:
    """What AWS bills for the calls of a run and of the functions. A write of `Users` changes at most two indexes."""
    together = Counter(calls) + calls_of_the_functions()
    reads = sum(count for (_, name), count in together.items() if name in ("GetItem", "Query", "BatchGetItem"))
    writes = sum(count for (_, name), count in together.items() if name in ("PutItem", "UpdateItem", "DeleteItem"))
    return {
        "calls": invocations,
        "GB-seconds": invocations,
        "write units": 3 * writes,
        "read units": reads,
        "requests": sum(count for (service, _), count in together.items() if service == "sqs"),
        "events": together["events", "PutEvents"],
    }


def calls_of_the_functions() -> Counter[Call]:
    """For the users of one run: one signs up, one is refused, a message is no event, a user is redriven."""
    with InMemoryPipeline() as pipeline:
        pipeline.pre_create(email := "taken@example.com", "admin")
        with pytest.raises(Exception, match="could not complete"):
            pipeline.sign_up(email, OTHER_SUB, email_verified="false")
        pipeline.sqs.put(QUEUE, "{}")
        pipeline.sign_up(EMAIL, SUB)
        record = pipeline.dynamodb.tables[USERS].items.pop((EMAIL,))
        pipeline.run_worker()
        letters = pipeline.sqs.messages(DLQ)
        assert len(letters) == 2
        pipeline.dynamodb.tables[USERS].items[EMAIL,] = record
        for letter in letters:
            pipeline.sqs.put(QUEUE, letter.body)
        pipeline.run_worker()
        pipeline.sign_up("other@example.com", str(uuid.uuid4()))
        pipeline.run_worker()
        fakes = {"dynamodb": pipeline.dynamodb, "sqs": pipeline.sqs, "events": pipeline.events}
        return Counter(
            {
                (service, "".join(map(str.title, name.split("_")))): count
                for service, fake in fakes.items()
                for name, count in fake.calls.items()
            }
        )


def invocations(stack: LocalStack) -> int:
    """Of every function of the stack, until now."""
    logs = stack.client("logs")
    groups = logs.get_paginator("describe_log_groups").paginate().search("logGroups[].logGroupName")
    events = logs.get_paginator("filter_log_events")
    return sum(
        message.startswith("START RequestId")
        for group in groups
        for message in events.paginate(logGroupName=group).search("events[].message")
    )
