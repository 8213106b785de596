"""What a policy grants a service: conditions as Lambda and SQS write them, wildcards, and denials."""

from __future__ import annotations

from typing import Any

import pytest

from onramp.domain.policies import Grant, effective_grant

RULE = "arn:aws:events:eu-west-1:123456789012:rule/onramp/rule"
REQUEST: dict[str, Any] = {
    "service": "events.amazonaws.com",
    "action": "sqs:SendMessage",
    "source": RULE,
    "account": "123456789012",
}


def statement(**more: Any) -> dict[str, Any]:
    base = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage"}
    return base | more


def arn(pattern: Any, operator: str = "ArnEquals", key: str = "aws:SourceArn") -> dict[str, Any]:
    return {"Condition": {operator: {key: pattern}}}


@pytest.mark.parametrize(
    ("statements", "grant"),
    [
        ([], Grant.NONE),
        ([statement()], Grant.OPEN),
        ([statement(**arn(RULE))], Grant.NARROW),
        ([statement(**arn(RULE, "ArnLike", "AWS:SourceArn"))], Grant.NARROW),
        ([statement(**arn("arn:aws:events:*:*:rule/onramp/*", "ArnLike"))], Grant.NARROW),
        ([statement(**arn(["arn:other", RULE]))], Grant.NARROW),
        ([statement(**arn("arn:other"))], Grant.NONE),
        ([statement(), statement(**arn(RULE))], Grant.OPEN),
        ([statement(**arn(RULE)), statement()], Grant.OPEN),
        ([statement(Condition={"StringEquals": {"aws:SourceAccount": "123456789012"}})], Grant.OPEN),
        ([statement(Condition={"StringEquals": {"aws:SourceAccount": "999999999999"}})], Grant.NONE),
        ([statement(Action=["sqs:ReceiveMessage", "SQS:Send*"], **arn(RULE))], Grant.NARROW),
        ([statement(Action="sqs:ReceiveMessage")], Grant.NONE),
        ([statement(Principal="*")], Grant.OPEN),
        ([statement(Principal={"AWS": "*"})], Grant.OPEN),
        ([statement(Principal={"Service": ["sns.amazonaws.com", "events.amazonaws.com"]})], Grant.OPEN),
        ([statement(Principal={"Service": "sns.amazonaws.com"})], Grant.NONE),
        ([statement(**arn(RULE)), statement(Effect="Deny", Principal="*")], Grant.NONE),
        (
            [
                statement(**arn(RULE)),
                statement(
                    Effect="Deny", Principal="*", Action="sqs:*", Condition={"Bool": {"aws:SecureTransport": "false"}}
                ),
            ],
            Grant.NARROW,
        ),
    ],
)
def test_the_effective_grant(statements: list[dict[str, Any]], grant: Grant) -> None:
    assert effective_grant({"Statement": statements}, **REQUEST) is grant


def test_a_single_statement_without_a_list() -> None:
    assert effective_grant({"Statement": statement(**arn(RULE))}, **REQUEST) is Grant.NARROW
    assert effective_grant({}, **REQUEST) is Grant.NONE


CONTEXT = "kms:EncryptionContext:aws:events:event-bus:arn"


@pytest.mark.parametrize(
    ("context", "grant"), [({CONTEXT: "arn:bus"}, Grant.OPEN), ({CONTEXT: "arn:other"}, Grant.NONE), ({}, Grant.NONE)]
)
def test_a_condition_on_the_encryption_context(context: dict[str, str], grant: Grant) -> None:
    statements = [statement(Condition={"StringEquals": {CONTEXT: "arn:bus"}})]
    assert effective_grant({"Statement": statements}, **REQUEST, context=context) is grant
