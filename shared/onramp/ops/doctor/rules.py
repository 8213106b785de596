"""The rules of the bus: does each deliver its events to its queue, and undeliverable ones to a dead-letter queue."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from onramp.adapters.aws import error_code
from onramp.domain.event_data import INTERNAL_SOURCE, SOURCE, Kind
from onramp.ops.common.deployment import SIGNED_UP_RULE, Deployment
from onramp.ops.common.shell import command
from onramp.ops.doctor.findings import Finding, ok, trouble

if TYPE_CHECKING:
    from mypy_boto3_events.type_defs import TargetOutputTypeDef

NOT_QUEUED = "signups do not reach the worker; only the reconciler queues them, one by one, hours later."
NOT_HEALED = "signups that the trigger could not record wait for the sweep, up to a day."
# As template.yaml has it: a cure leaves the stack as it was deployed (tests/ops/test_doctor.py).
RETRY_POLICY = {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185}


@dataclass(frozen=True, slots=True)
class BusRule:
    """`queue` and `dead_letters`: logical ids, whose URLs are outputs of the stack. `lost`: why it matters."""

    logical_id: str
    source: str
    kind: Kind
    queue: str
    dead_letters: str
    lost: str

    @property
    def description(self) -> str:
        """As template.yaml has it."""
        return f"Sends each {self.kind} to the {self.queue}."


RULES = (
    BusRule(SIGNED_UP_RULE, SOURCE, Kind.USER_SIGNED_UP, "ProvisioningQueue", "EventDeliveryDlq", NOT_QUEUED),
    BusRule(
        "SignupNotRecordedRule",
        INTERNAL_SOURCE,
        Kind.SIGNUP_NOT_RECORDED,
        "SignupHealQueue",
        "SignupHealDlq",
        NOT_HEALED,
    ),
)


def rules(stack: Deployment) -> Iterator[Finding]:
    for rule in RULES:
        yield from _check(stack, rule)


def _check(stack: Deployment, rule: BusRule) -> Iterator[Finding]:
    events, name, bus = stack.client("events"), stack.physical_id(rule.logical_id), stack.outputs["EventBusName"]
    pattern = {"source": [rule.source], "detail-type": [rule.kind], "account": [stack.trigger.account]}
    # PutRule replaces the whole rule: a field that is left out is lost.
    put_rule = command(
        "aws events put-rule --name {} --event-bus-name {} --event-pattern {} --state ENABLED --description {}",
        name,
        bus,
        json.dumps(pattern),
        rule.description,
    )
    try:
        description = events.describe_rule(Name=name, EventBusName=bus)
    except ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
        yield trouble(f"there is no rule {name or rule.logical_id} on {bus}.", rule.lost, put_rule)
        return
    if description["State"] == "DISABLED":
        enable = command("aws events enable-rule --name {} --event-bus-name {}", name, bus)
        yield trouble(f"the rule {name} is disabled.", rule.lost, enable)
    if not _matches(stack, rule, description.get("EventPattern", "{}")):
        yield trouble(f"the rule {name} does not match {rule.kind}.", rule.lost, put_rule)
    targets = events.list_targets_by_rule(Rule=name, EventBusName=bus)["Targets"]
    yield _delivery(stack, rule, name, targets)


def _matches(stack: Deployment, rule: BusRule, pattern: str) -> bool:
    """EventBridge evaluates the pattern: its language is larger than anything compared here."""
    alias = stack.trigger
    event: dict[str, object] = {
        "id": "doctor",
        "account": alias.account,
        "region": alias.region,
        "time": "2026-01-01T00:00:00Z",
        "source": rule.source,
        "detail-type": rule.kind.value,
        "resources": [],
        "detail": {"metadata": {}, "data": {}},
    }
    reply = stack.client("events").test_event_pattern(EventPattern=pattern, Event=json.dumps(event))
    return bool(reply["Result"])


def _delivery(stack: Deployment, rule: BusRule, name: str, targets: Sequence[TargetOutputTypeDef]) -> Finding:
    queue, dead_letters = (stack.queue(f"{one}Url")["QueueArn"] for one in (rule.queue, rule.dead_letters))
    target = next((target for target in targets if target["Arn"] == queue), None)
    wanted = {
        "Id": target["Id"] if target else rule.queue,
        "Arn": queue,
        "RetryPolicy": RETRY_POLICY,
        "DeadLetterConfig": {"Arn": dead_letters},
    }
    put_targets = "aws events put-targets --rule {} --event-bus-name {} --targets {}"
    cure = command(put_targets, name, stack.outputs["EventBusName"], json.dumps([wanted]))
    if target is None:
        return trouble(f"the rule does not deliver to {rule.queue}.", rule.lost, cure)
    if target.get("DeadLetterConfig", {}).get("Arn") != dead_letters:
        why = "EventBridge drops an event that it cannot deliver within a day."
        return trouble(f"the rule's target {rule.queue} has no dead-letter queue.", why, cure)
    return ok(f"the rule delivers to {rule.queue}, and undeliverable events to {rule.dead_letters}.")
