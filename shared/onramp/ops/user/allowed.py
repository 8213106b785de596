"""The roles that administrators may give: AllowedRoles of the stack."""

from __future__ import annotations

from botocore.exceptions import ClientError

from onramp.adapters.aws import error_code
from onramp.ops.common.context import OperatorContext

UNREADABLE = ("ParameterNotFound", "AccessDeniedException", "AccessDenied")


def allowed_roles(context: OperatorContext) -> tuple[str, ...]:
    """From the stack's SSM parameter, which other tools read too; else from the stack itself."""
    try:
        reply = context.client("ssm").get_parameter(Name=f"/onramp/{context.name}/AllowedRoles")
        listed = str(reply["Parameter"]["Value"])
    except ClientError as error:
        if error_code(error) not in UNREADABLE:
            raise
        listed = context.parameters.get("AllowedRoles", "")
    return tuple(role.strip() for role in listed.split(",") if role.strip())
