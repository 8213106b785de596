"""The stack as a whole: no circular dependency, outputs, tags."""

from __future__ import annotations

import graphlib
import re
import shlex
import tomllib
from collections.abc import Iterator
from typing import Any

from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from tests.infrastructure.translation import FUNCTIONS, ROOT, Translation, ref, walk

OUTPUTS = {
    "UsersTableName",
    "UserProfilesTableName",
    "OperationsTableName",
    "EventBusName",
    "ProvisioningQueueUrl",
    "ProvisioningDlqUrl",
    "EventDeliveryDlqUrl",
    "SignupHealQueueUrl",
    "SignupHealDlqUrl",
    "UserPoolId",
    "UserPoolClientId",
    "PostConfirmationFunctionName",
    "EnrichProfileFunctionName",
    "HealSignupFunctionName",
    "ReconcileFunctionName",
}
CONDITIONS = {
    "CreatesUserPool": {"Fn::Equals": [ref("ExistingUserPoolId"), ""]},
    "HasMoreUserPools": {"Fn::Not": [{"Fn::Equals": [{"Fn::Join": ["", ref("AdditionalUserPoolArns")]}, ""]}]},
    "RestoresTrigger": {"Fn::Equals": [ref("TriggerColdStart"), "snap-start"]},
    "ProvisionsTrigger": {"Fn::Equals": [ref("TriggerColdStart"), "provisioned"]},
    "HealsOnSignIn": {"Fn::Equals": [ref("HealOnSignIn"), "true"]},
    "IsProtected": {"Fn::Equals": [ref("DeletionProtection"), "true"]},
    "UsesMfa": {"Fn::Not": [{"Fn::Equals": [ref("UserPoolMfa"), "OFF"]}]},
    "ReservesPostConfirmation": {"Fn::Not": [{"Fn::Equals": [ref("PostConfirmationReservedConcurrency"), 0]}]},
    "ReservesEnrich": {"Fn::Not": [{"Fn::Equals": [ref("EnrichReservedConcurrency"), 0]}]},
    **{
        condition: {"Fn::Not": [{"Fn::Equals": [ref(parameter), ""]}]}
        for condition, parameter in {
            "HasRevision": "Revision",
            "HasDataKey": "DataKeyArn",
            "HasSecretsKey": "SecretsKeyArn",
            "HasSesIdentity": "SesIdentityArn",
            "HasStripeSecret": "StripeSecretName",
            "HasRevenueCatSecret": "RevenueCatSecretName",
            "HasAlarmTopic": "AlarmTopicArn",
        }.items()
    },
}
# CloudFormation cannot tag them, so the Environment tag does not reach them.
UNTAGGABLE = {
    "AWS::Cognito::UserPoolClient",
    "AWS::Events::Archive",
    "AWS::Lambda::Alias",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::Permission",
    "AWS::Lambda::Version",
    "AWS::SQS::QueuePolicy",
}


def test_there_is_no_circular_dependency(template: Translation) -> None:
    graph = {name: set(needs(resource)) & set(template.resources) for name, resource in template.resources.items()}
    assert "PostConfirmationFunction" not in graph["UserPool"]
    assert "UserPool" in graph["PostConfirmationFunction"]
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError


def needs(resource: dict[str, Any]) -> Iterator[str]:
    depends = resource.get("DependsOn", [])
    yield from [depends] if isinstance(depends, str) else depends
    for node in walk(resource["Properties"]):
        if isinstance(target := node.get("Ref"), str):
            yield target
        if target := node.get("Fn::GetAtt"):
            yield target[0] if isinstance(target, list) else target.split(".")[0]
        if text := node.get("Fn::Sub"):
            yield from re.findall(r"\$\{(\w+)", text if isinstance(text, str) else text[0])


def test_every_condition_reads_its_own_parameter(template: Translation) -> None:
    assert template.body["Conditions"] == CONDITIONS


def test_the_outputs_are_the_public_contract(template: Translation) -> None:
    assert set(template.body["Outputs"]) == OUTPUTS


def test_the_only_ssm_parameter_is_the_one_that_the_user_commands_read(template: Translation) -> None:
    (parameter,) = template.of_type("AWS::SSM::Parameter").values()
    assert parameter["Name"] == {"Fn::Sub": "/onramp/${AWS::StackName}/AllowedRoles"}
    assert parameter["Value"] == {"Fn::Join": [",", ref("AllowedRoles")]}


def test_every_environment_sets_the_environment_tag_on_the_stack() -> None:
    environments = tomllib.loads((ROOT / "samconfig.toml").read_text())
    del environments["version"]
    assert environments
    for environment in environments.values():
        options = environment["deploy"]["parameters"]
        tags = dict(pair.split("=") for pair in shlex.split(options["tags"]))
        parameters = dict(pair.split("=") for pair in options["parameter_overrides"])
        assert tags["Environment"] == parameters["Environment"]


def test_the_stack_tag_reaches_everything_that_can_be_tagged(template: Translation) -> None:
    kinds = {resource["Type"] for resource in template.resources.values()}
    assert {kind for kind in kinds if not can_be_tagged(kind)} == UNTAGGABLE


def test_no_resource_has_another_environment_tag_than_the_stack(template: Translation) -> None:
    own = {name: tags for name, resource in template.resources.items() if (tags := own_tags(resource))}
    assert set(own) == set(FUNCTIONS)
    assert all(tags["Environment"] == ref("Environment") for tags in own.values())


def can_be_tagged(kind: str) -> bool:
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    return bool(schema.get("tagging", {}).get("taggable", "Tags" in schema["properties"]))


def own_tags(resource: dict[str, Any]) -> dict[str, Any]:
    tags = resource["Properties"].get("Tags", resource["Properties"].get("UserPoolTags", {}))
    return tags if isinstance(tags, dict) else {tag["Key"]: tag["Value"] for tag in tags}


def test_every_parameter_has_a_default(template: Translation) -> None:
    assert not [name for name, declared in template.parameters.items() if "Default" not in declared]
