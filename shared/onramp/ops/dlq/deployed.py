"""Which code the worker runs: a redrive repeats what that code does."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError

from onramp.ops.common.context import OperatorContext


def deployed_code_version(context: OperatorContext) -> str | None:
    """CODE_VERSION of the worker's alias `live`, None where it cannot be looked up: a warning is worth no failure."""
    try:
        function = context.client("lambda").get_function_configuration(
            FunctionName=context.output("EnrichProfileFunctionName"), Qualifier="live"
        )
    except (ClientError, BotoCoreError):
        return None
    version = function.get("Environment", {}).get("Variables", {}).get("CODE_VERSION")
    return str(version) if version else None
