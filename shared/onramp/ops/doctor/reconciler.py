"""The reconciler: does its schedule call it, and when did it last complete a run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from botocore.exceptions import ClientError

from onramp.adapters.aws import error_code
from onramp.ops.common.deployment import LIVE, Deployment
from onramp.ops.common.metrics import MINUTE, Metrics
from onramp.ops.common.when import lasting
from onramp.ops.doctor.findings import Finding, ok, trouble

SCHEDULE = "ReconcileFunctionSchedule"
SILENT_AFTER = 15 * MINUTE
LOST = "what the queue, the bus or the trigger lost is not being found."


def schedule(stack: Deployment) -> Iterator[Finding]:
    events, name = stack.client("events"), stack.resource(SCHEDULE)
    function = f"{stack.outputs['ReconcileFunctionName']}:{LIVE}"
    try:
        state = events.describe_rule(Name=name)["State"]
    except ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
        rate = stack.parameters.get("ReconcileSchedule", "rate(5 minutes)")
        cure = f'aws events put-rule --name {name} --schedule-expression "{rate}"'
        yield trouble("the reconciler has no schedule.", LOST, cure)
        return
    targets = [target["Arn"] for target in events.list_targets_by_rule(Rule=name)["Targets"]]
    if state == "DISABLED":
        yield trouble("the reconciler's schedule is disabled.", LOST, f"aws events enable-rule --name {name}")
    elif not any(arn.endswith(f":{function}") for arn in targets):
        arn = stack.trigger.arn.rpartition(":function:")[0] + f":function:{function}"
        cure = f"aws events put-targets --rule {name} --targets Id=Reconcile,Arn={arn}"
        yield trouble("the reconciler's schedule does not call it.", LOST, cure)
    else:
        yield ok("the reconciler's schedule is on.")


def last_run(stack: Deployment) -> Iterator[Finding]:
    now = stack.now()
    at = Metrics(stack.client("cloudwatch"), stack.name).last_run(now)
    function = stack.outputs["ReconcileFunctionName"]
    cure = f"aws lambda invoke --function-name {function} --qualifier {LIVE} out.json, then its log"
    deployed = datetime.fromisoformat(stack.function("ReconcileFunctionName")["LastModified"]).timestamp() * 1000
    if at is None and now - deployed < SILENT_AFTER:
        yield ok("the reconciler was deployed a moment ago and has not run yet.")
    elif at is None:
        yield trouble("the reconciler has not completed a run for three hours.", LOST, cure)
    elif now - at > SILENT_AFTER:
        yield trouble(f"the reconciler last completed a run {lasting(now - at)} ago.", LOST, cure)
    else:
        yield ok(f"the reconciler completed a run {lasting(now - at)} ago.")
