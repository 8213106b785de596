"""The settings of worker and reconciler, validated by pydantic: their cold start is not limited to five seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_snake

from onramp.domain.errors import ConfigurationError

Required = Annotated[str, Field(min_length=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class _Settings(BaseModel):
    model_config = ConfigDict(
        alias_generator=lambda name: to_snake(name).upper(), frozen=True, str_strip_whitespace=True, extra="ignore"
    )

    @classmethod
    def read(cls, env: Mapping[str, str]) -> Self:
        """Raises ConfigurationError naming every missing or unusable setting at once."""
        try:
            return cls.model_validate(dict(env))
        except ValidationError as error:
            wrong = [f"{found['loc'][0]} ({found['msg']})" for found in error.errors(include_input=False)]
            raise ConfigurationError(f"missing or unusable settings: {', '.join(wrong)}") from None


class EnrichSettings(_Settings):
    """Times in seconds. An empty secret name means that the provider is not used."""

    users_table_name: Required
    user_profiles_table_name: Required
    operations_table_name: Required
    event_bus_name: Required
    provisioning_queue_url: Required
    provisioning_dlq_url: Required
    max_receive_count: Count
    retry_backoff_base_seconds: Positive
    enrich_due_after_seconds: Count
    maximum_concurrency: Count
    stripe_base_url: Required
    stripe_requests_per_second: Positive
    revenuecat_base_url: Required
    revenuecat_requests_per_minute: Positive
    stripe_secret_name: str = ""
    revenuecat_secret_name: str = ""
    revenuecat_project_id: str = ""
    code_version: str = "unknown"

    @classmethod
    def read(cls, env: Mapping[str, str]) -> Self:
        settings = super().read(env)
        if settings.revenuecat_secret_name and not settings.revenuecat_project_id:
            raise ConfigurationError("missing settings: REVENUECAT_PROJECT_ID, since REVENUECAT_SECRET_NAME is set")
        return settings


class ReconcileSettings(_Settings):
    """Times in seconds; at most `reconcile_most` users of each kind, at least `sweep_pages` pages of 60 users a run."""

    users_table_name: Required
    user_profiles_table_name: Required
    operations_table_name: Required
    event_bus_name: Required
    provisioning_queue_url: Required
    enrich_due_after_seconds: Count
    sweep_grace_seconds: Annotated[int, Field(ge=0)]
    sweep_pages: Count
    sweep_max_requests_per_second: Count
    trigger_alias_arn: Required
    reconcile_most: Count
