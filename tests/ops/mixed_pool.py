"""A pool with one user of each kind, and the counts that the rules demand."""

from __future__ import annotations

import json
from typing import Any

from onramp.local.stack import LocalStack
from tests.deployed import DeployedPipeline, unique_email

WEEK = 7 * 86_400


def identity(name: str, kind: str) -> str:
    return json.dumps([{"providerName": name, "providerType": kind, "primary": True}])


def people(stack: LocalStack, *users: tuple[str, str, dict[str, str]]) -> list[str]:
    """Adds users: address, status and more attributes of each, verified by default. Returns their subs."""
    return stack.control.populate(
        stack.outputs["UserPoolId"],
        [
            {"attributes": {"email": email, "email_verified": "true", **more}, "status": status, "ageSeconds": WEEK}
            for email, status, more in users
        ],
    )


def settle(stack: LocalStack) -> dict[str, Any]:
    """Fills the pool. Returns the counts that a backfill must report, by label."""
    deployed = DeployedPipeline(stack)
    federated = "EXTERNAL_PROVIDER"
    has, moved, taken = (unique_email(name) for name in ("has", "moved", "taken"))
    deployed.join(has), deployed.join(taken)
    sub = deployed.join(moved)
    for email in (has, taken, moved):
        deployed.ready(email)
    attribute = {"Name": "email", "Value": unique_email("new.address")}
    deployed.cognito.admin_update_user_attributes(
        UserPoolId=stack.outputs["UserPoolId"], Username=sub, UserAttributes=[attribute]
    )
    prepared, guarded, twice = (unique_email(name) for name in ("prepared", "guarded", "twice"))
    deployed.pre_create(prepared, "admin"), deployed.pre_create(guarded, "admin")
    google = {"identities": identity("Google", "Google"), "email_verified": "false"}
    people(
        stack,
        (unique_email("native"), "CONFIRMED", {"given_name": "Nia"}),
        (unique_email("google"), federated, google),
        (unique_email("contoso"), federated, {"identities": identity("Contoso", "SAML"), "email_verified": "false"}),
        (twice, "CONFIRMED", {}),
        (twice, federated, google),
        (prepared, "CONFIRMED", {}),
        (guarded, federated, google),
        (taken, federated, google),
        (unique_email("unverified"), "CONFIRMED", {"email_verified": "false"}),
        (unique_email("okta"), federated, {"identities": identity("Okta", "SAML")}),
        ("=cmd|calc!@example.com\x1b[31m", "CONFIRMED", {}),
        (unique_email("waiting"), "UNCONFIRMED", {}),
        (unique_email("invited"), "FORCE_CHANGE_PASSWORD", {}),
    )
    return {
        "create": 4,
        "link": 1,
        "has_record": 2,
        "conflict": 2,
        "email_changed": 1,
        "refused_link_needs_verified_email": 1,
        "refused_nobody_vouches": 2,
        "refused_unusable_email": 1,
        "skipped_force_change_password": 1,
        "skipped_unconfirmed": 1,
    }
