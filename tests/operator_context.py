"""An operator of the pipeline in memory: `OperatorContext` over its fakes, on its virtual clock.

    context = operator_context(pipeline, parameters={"AllowUnverifiedSignups": "true"})
    wiring = UserWiring.of(context)

Outputs and parameters come from a fake CloudFormation, the caller from a fake STS: the context itself is the real one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from onramp.ops.common.context import OperatorContext
from onramp.ops.common.output import Output
from tests.fakes import QueueSpec
from tests.fakes.queues import Queue
from tests.pipeline import BUS, DLQ, OPERATIONS, POOL, PROFILES, QUEUE, USERS, InlineExecutor, InMemoryPipeline

STACK = "onramp"
RULE_DLQ = "EventDeliveryDlq"
OPERATOR_ARN = "arn:aws:iam::123456789012:user/olu"


def operator_context(
    pipeline: InMemoryPipeline,
    clients: Mapping[str, Any] | None = None,
    parameters: Mapping[str, str] | None = None,
    *,
    out: Output | None = None,
    sleep: Callable[[float], None] | None = None,
) -> OperatorContext:
    """`clients` replace the pipeline's own, by service; `parameters` go over those of the pipeline's settings.

    `sleep` takes seconds; without it the virtual clock moves on and nothing else happens.
    """
    pipeline.sqs.queues.setdefault(RULE_DLQ, Queue(RULE_DLQ, QueueSpec(retention=14 * 86_400), pipeline.clock, None))
    stack = {
        "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in stack_outputs(pipeline).items()],
        "Parameters": [
            {"ParameterKey": key, "ParameterValue": value}
            for key, value in (stack_parameters(pipeline) | dict(parameters or {})).items()
        ],
    }
    return OperatorContext(
        out or Output(as_json=False),
        stack_name=STACK,
        now=lambda: round(pipeline.clock() * 1000),
        monotonic=pipeline.clock,
        sleep=sleep or pipeline.clock.advance,
        threads=lambda _: InlineExecutor(),
        clients={
            "cloudformation": SimpleNamespace(describe_stacks=lambda **_: {"Stacks": [stack]}),
            "sts": SimpleNamespace(get_caller_identity=lambda: {"Arn": OPERATOR_ARN}),
            **pipeline.aws,
            "lambda": SimpleNamespace(get_function_configuration=lambda **_: _function(pipeline)),
            **(clients or {}),
        },
    )


def stack_outputs(pipeline: InMemoryPipeline) -> dict[str, str]:
    return {
        "UserPoolId": POOL,
        "UsersTableName": USERS,
        "UserProfilesTableName": PROFILES,
        "OperationsTableName": OPERATIONS,
        "EventBusName": BUS,
        "ProvisioningQueueUrl": pipeline.sqs.url(QUEUE),
        "ProvisioningDlqUrl": pipeline.sqs.url(DLQ),
        "EventDeliveryDlqUrl": pipeline.sqs.url(RULE_DLQ),
        "PostConfirmationFunctionName": f"{STACK}-PostConfirmation",
        "EnrichProfileFunctionName": f"{STACK}-EnrichProfile",
    }


def stack_parameters(pipeline: InMemoryPipeline) -> dict[str, str]:
    """With the values under which the pipeline's functions run."""
    settings = pipeline.settings
    return {
        "AllowedRoles": settings["ALLOWED_ROLES"],
        "DefaultRole": settings["DEFAULT_ROLE"],
        "TrustedIdentityProviders": settings["TRUSTED_IDENTITY_PROVIDERS"],
        "AllowUnverifiedSignups": settings.get("ALLOW_UNVERIFIED_SIGNUPS", "false"),
        "EmitDueAfterSeconds": settings["EMIT_DUE_AFTER_SECONDS"],
        "EnrichDueAfterSeconds": settings["ENRICH_DUE_AFTER_SECONDS"],
        "SweepGraceSeconds": settings["SWEEP_GRACE_SECONDS"],
        "StripeSecretName": settings["STRIPE_SECRET_NAME"],
        "StripeBaseUrl": settings["STRIPE_BASE_URL"],
        "RevenueCatSecretName": settings["REVENUECAT_SECRET_NAME"],
        "RevenueCatBaseUrl": settings["REVENUECAT_BASE_URL"],
        "RevenueCatProjectId": settings["REVENUECAT_PROJECT_ID"],
    }


def _function(pipeline: InMemoryPipeline) -> dict[str, Any]:
    return {"Environment": {"Variables": {"CODE_VERSION": pipeline.settings["CODE_VERSION"]}}}
