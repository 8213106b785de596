"""The roles that administrators may give: AllowedRoles of the stack."""

from __future__ import annotations

from botocore.exceptions import ClientError

from onramp.adapters.aws import error_code
from onramp.ops.desk import Desk

UNREADABLE = ("ParameterNotFound", "AccessDeniedException", "AccessDenied")


def allowed_roles(desk: Desk) -> tuple[str, ...]:
    """From the stack's SSM parameter, which other tools read too; else from the stack itself."""
    try:
        reply = desk.client("ssm").get_parameter(Name=f"/onramp/{desk.name}/AllowedRoles")
        listed = str(reply["Parameter"]["Value"])
    except ClientError as error:
        if error_code(error) not in UNREADABLE:
            raise
        listed = desk.parameters.get("AllowedRoles", "")
    return tuple(role.strip() for role in listed.split(",") if role.strip())
