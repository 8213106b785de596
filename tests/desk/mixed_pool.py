"""Everybody a pool may hold, and the report that the rules demand."""

from __future__ import annotations

import json
from typing import Any

from onramp.local.stack import LocalStack
from tests.people import Town, somebody

WEEK = 7 * 86_400


def identity(name: str, kind: str) -> str:
    return json.dumps([{"providerName": name, "providerType": kind, "primary": True}])


def people(stack: LocalStack, *users: tuple[str, str, dict[str, str]]) -> list[str]:
    """Address, status and more attributes of each; verified unless those say otherwise."""
    return stack.control.populate(
        stack.outputs["UserPoolId"],
        [
            {"attributes": {"email": email, "email_verified": "true", **more}, "status": status, "ageSeconds": WEEK}
            for email, status, more in users
        ],
    )


def settle(stack: LocalStack) -> dict[str, Any]:
    """They move in; the report of a backfill after that."""
    town = Town(stack)
    federated = "EXTERNAL_PROVIDER"
    has, moved, taken = (somebody(name) for name in ("has", "moved", "taken"))
    town.join(has), town.join(taken)
    sub = town.join(moved)
    for email in (has, taken, moved):
        town.ready(email)
    attribute = {"Name": "email", "Value": somebody("new.address")}
    town.cognito.admin_update_user_attributes(
        UserPoolId=stack.outputs["UserPoolId"], Username=sub, UserAttributes=[attribute]
    )
    prepared, guarded, twice = (somebody(name) for name in ("prepared", "guarded", "twice"))
    town.pre_create(prepared, "admin"), town.pre_create(guarded, "admin")
    google = {"identities": identity("Google", "Google"), "email_verified": "false"}
    people(
        stack,
        (somebody("native"), "CONFIRMED", {"given_name": "Nia"}),
        (somebody("google"), federated, google),
        (somebody("contoso"), federated, {"identities": identity("Contoso", "SAML"), "email_verified": "false"}),
        (twice, "CONFIRMED", {}),
        (twice, federated, google),
        (prepared, "CONFIRMED", {}),
        (guarded, federated, google),
        (taken, federated, google),
        (somebody("unverified"), "CONFIRMED", {"email_verified": "false"}),
        (somebody("okta"), federated, {"identities": identity("Okta", "SAML")}),
        ("=cmd|calc!@example.com\x1b[31m", "CONFIRMED", {}),
        (somebody("waiting"), "UNCONFIRMED", {}),
        (somebody("invited"), "FORCE_CHANGE_PASSWORD", {}),
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
