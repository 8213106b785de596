"""The reconciler: does its schedule invoke it, and when did it last complete a run."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from datetime import datetime

from botocore.exceptions import ClientError

from onramp.adapters.aws import error_code
from onramp.ops.common.deployment import LIVE, Deployment
from onramp.ops.common.metrics import MINUTE, Metrics
from onramp.ops.common.when import format_duration
from onramp.ops.doctor.findings import Finding, ok, trouble

SCHEDULE = "ReconcileFunctionSchedule"
# As template.yaml and SAM have them: a cure leaves the stack as it was deployed (tests/ops/test_doctor.py).
DESCRIPTION = "Runs Onramp's reconciler."
TARGET = {"Id": "ReconcileFunctionScheduleLambdaTarget", "RetryPolicy": {"MaximumRetryAttempts": 0}}
OVERDUE = 15 * MINUTE
NOT_RECOVERED = "signups that the queue, the bus or the trigger lost are not recovered."


def schedule(stack: Deployment) -> Iterator[Finding]:
    events, name = stack.client("events"), stack.physical_id(SCHEDULE)
    function = f"{stack.outputs['ReconcileFunctionName']}:{LIVE}"
    try:
        state = events.describe_rule(Name=name)["State"]
    except ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
        rate = stack.parameters.get("ReconcileSchedule", "rate(5 minutes)")
        cure = f"aws events put-rule --name {name} --schedule-expression {shlex.quote(rate)} --state ENABLED"
        cure += f" --description {shlex.quote(DESCRIPTION)}"
        yield trouble("the reconciler has no schedule.", NOT_RECOVERED, cure)
        return
    targets = [target["Arn"] for target in events.list_targets_by_rule(Rule=name)["Targets"]]
    if state == "DISABLED":
        cure = f"aws events enable-rule --name {name}"
        yield trouble("the reconciler's schedule is disabled.", NOT_RECOVERED, cure)
    elif not any(arn.endswith(f":{function}") for arn in targets):
        arn = stack.trigger.arn.rpartition(":function:")[0] + f":function:{function}"
        cure = f"aws events put-targets --rule {name} --targets {shlex.quote(json.dumps([{**TARGET, 'Arn': arn}]))}"
        yield trouble("the reconciler's schedule does not invoke it.", NOT_RECOVERED, cure)
    else:
        yield ok("the reconciler's schedule is enabled.")


def last_run(stack: Deployment) -> Iterator[Finding]:
    now = stack.now()
    completed = Metrics(stack.client("cloudwatch"), stack.name).last_run(now)
    function = stack.outputs["ReconcileFunctionName"]
    cure = f"aws lambda invoke --function-name {function} --qualifier {LIVE} out.json  (then read its log)"
    deployed = datetime.fromisoformat(stack.function("ReconcileFunctionName")["LastModified"]).timestamp() * 1000
    if completed is None and now - deployed < OVERDUE:
        yield ok("the reconciler was deployed less than 15 minutes ago and has not run yet.")
    elif completed is None:
        yield trouble("the reconciler has not completed a run for three hours.", NOT_RECOVERED, cure)
    elif now - completed > OVERDUE:
        what = f"the reconciler last completed a run {format_duration(now - completed)} ago."
        yield trouble(what, NOT_RECOVERED, cure)
    else:
        yield ok(f"the reconciler completed a run {format_duration(now - completed)} ago.")
