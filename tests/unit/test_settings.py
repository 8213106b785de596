"""A missing setting fails at init, and all missing ones are named at once."""

from __future__ import annotations

import pytest

from onramp.domain.errors import ConfigurationError
from onramp.settings import SignupSettings
from onramp.worker_settings import EnrichSettings

SIGNUP = {
    "USERS_TABLE_NAME": "u",
    "OPERATIONS_TABLE_NAME": "o",
    "EVENT_BUS_NAME": "b",
    "USER_POOL_IDS": "p1, arn:aws:cognito-idp:eu-west-1:123456789012:userpool/p2",
    "EMIT_DUE_AFTER_SECONDS": "300",
    "ALLOWED_ROLES": "admin, viewer",
    "DEFAULT_ROLE": "viewer",
}
ENRICH = {
    "USERS_TABLE_NAME": "u",
    "USER_PROFILES_TABLE_NAME": "p",
    "OPERATIONS_TABLE_NAME": "o",
    "EVENT_BUS_NAME": "b",
    "PROVISIONING_QUEUE_URL": "q",
    "PROVISIONING_DLQ_URL": "d",
    "MAX_RECEIVE_COUNT": "60",
    "RETRY_BACKOFF_BASE_SECONDS": "15",
    "ENRICH_DUE_AFTER_SECONDS": "43200",
    "MAXIMUM_CONCURRENCY": "2",
    "STRIPE_BASE_URL": "https://stripe.example",
    "STRIPE_REQUESTS_PER_SECOND": "20",
    "REVENUECAT_BASE_URL": "https://revenuecat.example",
    "REVENUECAT_REQUESTS_PER_MINUTE": "400",
}


def test_the_trigger_names_all_missing_settings() -> None:
    with pytest.raises(ConfigurationError) as caught:
        SignupSettings.read({"USERS_TABLE_NAME": " "})
    assert all(name in str(caught.value) for name in SIGNUP)


def test_the_trigger_reads_its_settings() -> None:
    settings = SignupSettings.read(SIGNUP | {"ALLOW_UNVERIFIED_SIGNUPS": "true"})
    assert settings.user_pool_ids == {"p1", "p2"}
    assert settings.emit_due_after == 300_000
    assert settings.default_role == "viewer"
    assert settings.trust.allow_unverified


@pytest.mark.parametrize("role", ["viewers", "admin, viewer", "Viewer"])
def test_a_default_role_that_is_not_allowed_is_refused(role: str) -> None:
    with pytest.raises(ConfigurationError, match=f"DEFAULT_ROLE: '{role}' is not one of ALLOWED_ROLES: admin, viewer"):
        SignupSettings.read(SIGNUP | {"DEFAULT_ROLE": role})


@pytest.mark.parametrize("value", ["false", "", "True", "1", "yes"])
def test_only_true_allows_unverified_signups(value: str) -> None:
    assert not SignupSettings.read(SIGNUP | {"ALLOW_UNVERIFIED_SIGNUPS": value}).trust.allow_unverified


def test_the_trigger_refuses_an_invalid_time() -> None:
    with pytest.raises(ConfigurationError, match="EMIT_DUE_AFTER_SECONDS"):
        SignupSettings.read(SIGNUP | {"EMIT_DUE_AFTER_SECONDS": "soon"})


def test_the_worker_names_all_missing_and_unusable_settings() -> None:
    with pytest.raises(ConfigurationError) as caught:
        EnrichSettings.read({"MAX_RECEIVE_COUNT": "none"})
    assert all(name in str(caught.value) for name in ENRICH)


def test_the_worker_reads_its_settings() -> None:
    settings = EnrichSettings.read(ENRICH)
    assert (settings.max_receive_count, settings.stripe_secret_name) == (60, "")


def test_a_revenuecat_key_without_a_project_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="REVENUECAT_PROJECT_ID"):
        EnrichSettings.read(ENRICH | {"REVENUECAT_SECRET_NAME": "/key"})
