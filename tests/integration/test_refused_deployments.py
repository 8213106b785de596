"""CloudFormation refuses a typo before it creates anything."""

from __future__ import annotations

import pytest

from onramp.local.deploy import deploy
from onramp.local.errors import DeployError
from onramp.local.stack import ROOT, LocalStack

TYPOS = [
    ({"TrustedIdentityProviders": "Okta"}, "Provider@domain"),
    ({"EmitDueAfterSeconds": "1.5"}, "a whole number"),
    ({"ReconcileSchedule": "rate(1 hour)"}, "rate"),
    ({"AdditionalUserPoolArns": "eu-west-1_Ab12Cd34"}, "ARNs of user pools"),
    ({"DefaultRole": "viewer"}, "one of AllowedRoles"),
    ({"HealOnSignIn": "true"}, "PostConfirmationReservedConcurrency"),
    ({"RevenueCatProjectId": ""}, "RevenueCatProjectId"),
    ({"SesIdentityArn": "arn:aws:ses:eu-west-1:123456789012:identity/example.com"}, "SesFromAddress"),
]


@pytest.mark.parametrize(("parameters", "reason"), TYPOS, ids=[next(iter(parameters)) for parameters, _ in TYPOS])
def test_a_typo_is_refused(stack: LocalStack, parameters: dict[str, str], reason: str) -> None:
    with pytest.raises(DeployError, match=reason):
        deploy(stack, ROOT / "template.yaml", parameters, "refused")
    names = [found["StackName"] for found in stack.client("cloudformation").list_stacks()["StackSummaries"]]
    assert "refused" not in names
