"""Access to the stack from outside: only the principals that the template names."""

from __future__ import annotations

import pytest

from tests.infrastructure.translation import NO_VALUE, Translation, if_else, ref, walk

THIS_ACCOUNT = ref("AWS::AccountId")
CALLERS = {"cognito-idp.amazonaws.com", "events.amazonaws.com"}
# Without a policy a bus accepts events of this account only, from principals with an IAM permission.
OPENINGS = {"AWS::Events::EventBusPolicy", "AWS::Lambda::Url", "AWS::Lambda::LayerVersionPermission"}


def test_the_bus_is_open_to_no_other_account_and_no_function_has_a_url(template: Translation) -> None:
    assert {resource["Type"] for resource in template.resources.values()} & OPENINGS == set()
    assert "Policy" not in template["EventBus"]


def test_every_consumer_of_the_bus_takes_events_of_this_account_only(template: Translation) -> None:
    rules = {name: rule for name, rule in template.of_type("AWS::Events::Rule").items() if "EventPattern" in rule}
    assert rules
    assert all(rule["EventPattern"]["account"] == [THIS_ACCOUNT] for rule in rules.values())


def test_a_function_is_invoked_by_named_sources_only(template: Translation) -> None:
    permissions = template.of_type("AWS::Lambda::Permission")
    assert permissions
    for permission in permissions.values():
        assert permission["Action"] == "lambda:InvokeFunction"
        assert permission["Principal"] in CALLERS
        assert permission["SourceArn"], "without it any rule or pool could invoke the function"


def test_nothing_is_allowed_to_all_principals(template: Translation) -> None:
    allowed = [node for node in walk(template.resources) if node.get("Effect") == "Allow"]
    assert allowed
    assert [statement for statement in allowed if "*" in str(statement.get("Principal", ""))] == []


@pytest.mark.parametrize(
    ("function", "condition", "parameter"),
    [
        ("PostConfirmationFunction", "ReservesPostConfirmation", "PostConfirmationReservedConcurrency"),
        ("EnrichProfileFunction", "ReservesEnrich", "EnrichReservedConcurrency"),
    ],
)
def test_concurrency_is_reserved_only_with_a_parameter(
    template: Translation, function: str, condition: str, parameter: str
) -> None:
    reserved = if_else(condition, ref(parameter), NO_VALUE)
    assert template[function]["ReservedConcurrentExecutions"] == reserved
    assert template.default(parameter) == 0


def test_the_worker_cannot_starve_the_trigger(template: Translation) -> None:
    mappings = template.of_type("AWS::Lambda::EventSourceMapping").values()
    limits = {mapping["EventSourceArn"]["Fn::GetAtt"][0]: mapping["ScalingConfig"] for mapping in mappings}
    assert limits == {
        "ProvisioningQueue": {"MaximumConcurrency": ref("EnrichMaximumConcurrency")},
        "SignupHealQueue": {"MaximumConcurrency": 2},
    }
    assert template.default("EnrichMaximumConcurrency") == "2"
