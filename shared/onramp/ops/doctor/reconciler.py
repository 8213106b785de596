"""The reconciler: does its schedule invoke it, and when did it last complete a run."""

from __future__ import annotations

import json
from collections.abc import Iterator

from botocore.exceptions import ClientError

from onramp.adapters.aws import error_code
from onramp.ops.common.deployment import LIVE, Deployment
from onramp.ops.common.metrics import RECONCILER_OVERDUE, Metrics
from onramp.ops.common.shell import command
from onramp.ops.common.when import format_duration
from onramp.ops.doctor.findings import Cause, Finding, ok, trouble

SCHEDULE = "ReconcileFunctionSchedule"
# As template.yaml and SAM have them: a cure leaves the stack as it was deployed (tests/ops/test_doctor.py).
DESCRIPTION = "Runs Onramp's reconciler."
TARGET = {"Id": "ReconcileFunctionScheduleLambdaTarget", "RetryPolicy": {"MaximumRetryAttempts": 0}}
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
        put_rule = "aws events put-rule --name {} --schedule-expression {} --state ENABLED --description {}"
        cure = command(put_rule, name, rate, DESCRIPTION)
        yield trouble("the reconciler has no schedule.", NOT_RECOVERED, cure, Cause.RECONCILER)
        return
    targets = [target["Arn"] for target in events.list_targets_by_rule(Rule=name)["Targets"]]
    if state == "DISABLED":
        cure = command("aws events enable-rule --name {}", name)
        yield trouble("the reconciler's schedule is disabled.", NOT_RECOVERED, cure, Cause.RECONCILER)
    elif not any(arn.endswith(f":{function}") for arn in targets):
        arn = stack.trigger.arn.rpartition(":function:")[0] + f":function:{function}"
        target = json.dumps([{**TARGET, "Arn": arn}])
        cure = command("aws events put-targets --rule {} --targets {}", name, target)
        yield trouble("the reconciler's schedule does not invoke it.", NOT_RECOVERED, cure, Cause.RECONCILER)
    else:
        yield ok("the reconciler's schedule is enabled.")


def last_run(stack: Deployment) -> Iterator[Finding]:
    now = stack.now()
    completed = Metrics(stack.client("cloudwatch"), stack.name).last_run(now)
    function = stack.outputs["ReconcileFunctionName"]
    invoke = command("aws lambda invoke --function-name {} --qualifier {} out.json", function, LIVE)
    cure = f"{invoke}  (then read its log)"
    if completed is None and now - stack.deployed_at("ReconcileFunctionName") < RECONCILER_OVERDUE:
        yield ok("the reconciler was deployed less than 15 minutes ago and has not run yet.")
    elif completed is None:
        what = "the reconciler has not completed a run for three hours."
        yield trouble(what, NOT_RECOVERED, cure, Cause.RECONCILER, symptom=True)
    elif now - completed > RECONCILER_OVERDUE:
        what = f"the reconciler last completed a run {format_duration(now - completed)} ago."
        yield trouble(what, NOT_RECOVERED, cure, Cause.RECONCILER, symptom=True)
    else:
        yield ok(f"the reconciler completed a run {format_duration(now - completed)} ago.")
