"""The event contracts: what other teams may rely on. The schemas under docs/events/ are generated from here.

Minor versions only add optional fields, and unknown fields are ignored; a new major is a new contract. The trigger
builds its event without pydantic (`domain.envelope`); a property test holds the two together.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from onramp.domain.errors import PermanentError
from onramp.domain.event_data import Kind, Origin
from onramp.domain.users import Onboarding

SUPPORTED_MAJOR = "1"
Sub = Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$")]
Email = Annotated[str, Field(min_length=3, max_length=254)]
Name = Annotated[str, Field(max_length=256)]


class _Contract(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, extra="ignore", frozen=True)


class Metadata(_Contract):
    """The same for every event. Dedup by `eventId`: delivery is at least once and unordered."""

    event_id: UUID
    schema_version: Annotated[str, Field(pattern=r"^[0-9]{1,4}\.[0-9]{1,4}$")]
    occurred_at: datetime
    correlation_id: Annotated[str, Field(max_length=256)]
    origin: Origin


class UserSignedUpData(_Contract):
    user_id: Email
    cognito_sub: Sub
    user_pool_id: Annotated[str, Field(max_length=64)]
    email: Email
    email_vouched_by: str
    given_name: Name | None = None
    family_name: Name | None = None
    roles: list[str]
    onboarding: Onboarding
    identity_provider: str
    signed_up_at: datetime


class UserProvisionedData(_Contract):
    cognito_sub: Sub
    display_name: str | None = None
    stripe_customer_id: str | None = None
    revenue_cat_id: str | None = None


class UserProvisioningFailedData(_Contract):
    cognito_sub: Sub
    step: str
    reason: str


class UserForgottenData(_Contract):
    cognito_sub: Sub


class UserSignedUp(_Contract):
    """A confirmed user has a record. Published after the record was written, never without it."""

    metadata: Metadata
    data: UserSignedUpData


class UserProvisioned(_Contract):
    """The profile is ready."""

    metadata: Metadata
    data: UserProvisionedData


class UserProvisioningFailed(_Contract):
    """A step failed permanently and waits for an operator. Each failure has an `eventId` of its own."""

    metadata: Metadata
    data: UserProvisioningFailedData


class UserForgotten(_Contract):
    """An operator erased this user. Consumers erase what they keep about the sub."""

    metadata: Metadata
    data: UserForgottenData


CONTRACTS: dict[Kind, type[_Contract]] = {
    Kind.USER_SIGNED_UP: UserSignedUp,
    Kind.USER_PROVISIONED: UserProvisioned,
    Kind.USER_PROVISIONING_FAILED: UserProvisioningFailed,
    Kind.USER_FORGOTTEN: UserForgotten,
}


class _Delivery(BaseModel):
    """The envelope in which EventBridge, and the reconciler, put an event on the queue."""

    source: Literal["onramp.signup"]
    detail_type: Annotated[Literal["UserSignedUp"], Field(alias="detail-type")]
    detail: dict[str, Any]


def read_user_signed_up(body: str) -> UserSignedUp:
    """The event in a queue message. Raises PermanentError `malformed_event` or `unsupported_schema_version`.

    The version is read before the rest: a newer major version may have any shape.
    """
    try:
        detail = _Delivery.model_validate_json(body).detail
        version = (
            detail.get("metadata", {}).get("schemaVersion", "") if isinstance(detail.get("metadata"), dict) else ""
        )
        major, dot, _ = str(version).partition(".")
        if dot and major.isdecimal() and major != SUPPORTED_MAJOR:
            raise PermanentError("unsupported_schema_version", code=f"major_{major[:4]}")
        return UserSignedUp.model_validate(detail)
    except ValidationError as error:
        # The place of the error, never the value: it may be personal data.
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"][:4]) or "body"
        raise PermanentError("malformed_event", code=f"{place[:80]}:{first['type']}") from None
