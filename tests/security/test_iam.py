"""Every grant is needed: each grant of each role is removed once, and a fact about the function must then differ."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import pytest

from onramp.local.stack import LocalStack
from tests.infrastructure.translation import FUNCTIONS, walk, with_defaults
from tests.security.grants import Grant, Role, grants, without
from tests.security.scenarios import SCENARIOS
from tests.security.stage import Stage

# Grants that the emulator never checks, with the reason each is needed. tests/infrastructure/test_roles.py checks them.
BY_THE_PLATFORM = {
    "logs:CreateLogStream": "Lambda writes the log with the function's role",
    "logs:PutLogEvents": "the same",
    "xray:PutTraceSegments": "Lambda's active tracing sends with the function's role",
    "xray:PutTelemetryRecords": "the same",
}
BY_THE_POLLER = {
    "sqs:ReceiveMessage": "Lambda's poller reads the queue with the worker's role",
    "sqs:DeleteMessage": "the poller deletes acknowledged messages",
    "sqs:GetQueueAttributes": "the poller reads the visibility timeout",
}
KEPT = {
    "PostConfirmation": BY_THE_PLATFORM,
    "EnrichProfile": BY_THE_PLATFORM | BY_THE_POLLER,
    "HealSignup": BY_THE_PLATFORM | BY_THE_POLLER,
    "Reconcile": BY_THE_PLATFORM,
}
# The emulator encrypts nothing: test_roles.py checks the verbs of the keys.
NOT_DEPLOYED = {"UseTheDataKey", "DecryptTheProviderKeys"}
PARAMETERS = {
    "PostConfirmationReservedConcurrency": "10",  # HealOnSignIn needs it
    "HealOnSignIn": "true",
    "AdditionalUserPoolArns": "arn:aws:cognito-idp:eu-west-1:000000000000:userpool/eu-west-1_Absent",
    "SweepGraceSeconds": "0",
    "SweepPages": "50",
    "VisibilityTimeoutSeconds": "600",
}


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with LocalStack.start(enforce_iam=True, parameters=PARAMETERS) as stack:
        yield Stage(stack)


def needs(stage: Stage, role: Role, expected: dict[str, Any], removed: Collection[Grant]) -> bool:
    """Whether a fact differs without these grants.

    The emulator ignores the condition on an event's type (see localize.py), so grants that differ in it alone are one.
    tests/infrastructure/test_roles.py holds each condition.
    """
    pairs = {(grant.action, grant.resource) for grant in removed}
    role.put(without(role.policy, [one for one in grants(role.policy) if (one.action, one.resource) in pairs]))
    try:
        return any(expected[fact] != actual for fact, actual in SCENARIOS[role.function](stage))
    finally:
        role.put(role.policy)


@pytest.mark.parametrize("function", SCENARIOS)
def test_every_grant_is_needed_or_explained(stage: Stage, function: str) -> None:
    role = Role(stage.deployed, function)
    expected = dict(SCENARIOS[function](stage))
    kept = [grant for grant in grants(role.policy) if grant.action in KEPT[function]]
    others = [grant for grant in grants(role.policy) if grant not in kept]
    needless = [str(grant) for grant in others if not needs(stage, role, expected, [grant])]
    assert needless == [], "not needed: remove them from template.yaml, or explain them above"
    assert not needs(stage, role, expected, kept), "one of these is needed in the emulator: remove its explanation"
    assert {grant.action for grant in kept} == set(KEPT[function]), "an explanation without a grant"


@pytest.mark.parametrize("function", SCENARIOS)
def test_every_statement_of_the_template_is_tested(stage: Stage, function: str) -> None:
    statements = {node["Sid"] for node in walk(with_defaults()[f"{function}Role"]["Policies"]) if "Sid" in node}
    assert statements - NOT_DEPLOYED == {grant.statement for grant in grants(Role(stage.deployed, function).policy)}


def test_every_function_has_a_scenario() -> None:
    assert {f"{function}Function" for function in SCENARIOS} == set(FUNCTIONS)
