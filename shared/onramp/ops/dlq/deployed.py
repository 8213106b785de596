"""Which code the worker runs: a redrive repeats what that code does."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError

from onramp.ops.desk import Desk


def deployed_code_version(desk: Desk) -> str | None:
    """CODE_VERSION of the worker's alias `live`, None where it cannot be looked up: a warning is worth no failure."""
    try:
        function = desk.client("lambda").get_function_configuration(
            FunctionName=desk.output("EnrichProfileFunctionName"), Qualifier="live"
        )
    except (ClientError, BotoCoreError):
        return None
    version = function.get("Environment", {}).get("Variables", {}).get("CODE_VERSION")
    return str(version) if version else None
