"""The configuration of every resource that a cure of the doctor can touch, field by field, as AWS describes it.

Left out is what differs between two equal resources: ids that AWS gives, times, counts of messages, states of a change
that is still running.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from onramp.local.stack import LocalStack

FUNCTIONS = (
    "PostConfirmationFunctionName",
    "EnrichProfileFunctionName",
    "HealSignupFunctionName",
    "ReconcileFunctionName",
)
QUEUES = ("ProvisioningQueueUrl", "ProvisioningDlqUrl", "EventDeliveryDlqUrl", "SignupHealQueueUrl", "SignupHealDlqUrl")
VOLATILE = {
    "UUID", "EventSourceMappingArn", "LastModified", "LastProcessingResult", "State", "StateTransitionReason",
    "StartingPosition", "RevisionId", "CreationTime", "LastModifiedTime", "LastModifiedDate", "LastModifiedTimestamp",
    "CreatedTimestamp", "CreationDate", "SizeBytes", "EventCount", "Version", "ResponseMetadata", "Sid", "Value",
    "ARN", "SourceResult", "StateReason", "StateValue", "StateUpdatedTimestamp", "StateReasonData",
    "StateTransitionedTimestamp", "AlarmConfigurationUpdatedTimestamp", "SubscriptionArn", "LastModifiedUser",
    "EstimatedNumberOfUsers",
}  # fmt: skip
Snapshot = dict[str, Any]


def snapshot(stack: LocalStack, secrets: Iterable[str]) -> Snapshot:
    client, outputs = stack.client, stack.outputs
    taken: Snapshot = {"pool": client("cognito-idp").describe_user_pool(UserPoolId=outputs["UserPoolId"])["UserPool"]}
    taken |= {output: _function(client("lambda"), outputs[output]) for output in FUNCTIONS}
    taken |= {output: _queue(client("sqs"), outputs[output]) for output in QUEUES}
    taken["bus"] = _bus(client("events"), outputs["EventBusName"])
    taken["schedules"] = _rules(client("events"), "default")
    for name in secrets:
        (described,) = client("ssm").describe_parameters(
            ParameterFilters=[{"Key": "Name", "Option": "Equals", "Values": [name]}]
        )["Parameters"]
        value = client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
        taken[name] = described | {"key": value}
    taken["alarms"] = client("cloudwatch").describe_alarms()["MetricAlarms"]
    plain: Snapshot = _plain(taken)
    return plain


def _function(client: Any, name: str) -> dict[str, Any]:
    return {
        "live": client.get_function_configuration(FunctionName=name, Qualifier="live"),
        "alias": client.get_alias(FunctionName=name, Name="live"),
        "reserved": client.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions"),
        "policy": _statements(lambda: client.get_policy(FunctionName=name, Qualifier="live")["Policy"], client),
        "mappings": client.list_event_source_mappings(FunctionName=name)["EventSourceMappings"],
    }


def _statements(policy: Callable[[], str], client: Any) -> list[Any]:
    """In one order."""
    try:
        statements: list[Any] = json.loads(policy())["Statement"]
    except client.exceptions.ResourceNotFoundException:
        return []
    return sorted((_plain(statement) for statement in statements), key=json.dumps)


def _queue(client: Any, url: str) -> dict[str, Any]:
    attributes = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    kept = {name: value for name, value in attributes.items() if not name.startswith("ApproximateNumber")}
    kept["Policy"] = _statements(lambda: kept.get("Policy", '{"Statement": []}'), client) if "Policy" in kept else []
    for name in ("RedrivePolicy", "RedriveAllowPolicy"):
        kept[name] = json.loads(kept.get(name, "{}"))
    # The emulator keeps the type in which it was set; AWS returns a number.
    kept["RedrivePolicy"]["maxReceiveCount"] = str(kept["RedrivePolicy"].get("maxReceiveCount", ""))
    return kept | {"KmsMasterKeyId": kept.get("KmsMasterKeyId", "")}


def _bus(client: Any, name: str) -> dict[str, Any]:
    archives = client.list_archives()["Archives"]
    return {
        "bus": client.describe_event_bus(Name=name),
        "archives": [client.describe_archive(ArchiveName=archive["ArchiveName"]) for archive in archives],
        "rules": _rules(client, name),
    }


def _rules(client: Any, bus: str) -> list[Any]:
    """A rule's state is configuration, and not the state of a change."""
    return [
        {
            **rule,
            "Enabled": rule["State"] == "ENABLED",
            "Targets": client.list_targets_by_rule(Rule=rule["Name"], EventBusName=bus)["Targets"],
            "EventPattern": json.loads(rule.get("EventPattern") or "{}"),
        }
        for rule in client.list_rules(EventBusName=bus)["Rules"]
    ]


def _plain(value: Any) -> Any:
    """Without the volatile fields. The emulator wants a second action where AWS wants `sqs:SendMessage` alone."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items() if name not in VOLATILE}
    if value == ["sqs:SendMessage", "sqs:SendMessageBatch"]:
        return "sqs:SendMessage"
    return [_plain(item) for item in value] if isinstance(value, list) else value
