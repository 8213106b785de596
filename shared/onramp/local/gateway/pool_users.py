"""Writes users into the emulator's pools without a sign-up: seeded users, and first sign-ins through a provider.

AWS has no call for either: seeding many users one by one takes minutes, and the emulator's OAuth flow needs a real
identity provider. This module uses internals of the emulator, whose version is pinned.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from onramp.local.asgi import Reply
from onramp.local.gateway.aws import aws_error, aws_reply
from onramp.local.gateway.cognito_triggers import CognitoTriggers


def populate(request: Mapping[str, Any]) -> Reply:
    """`{"userPoolId", "users": [{"attributes", "status"?, "ageSeconds"?}]}` -> their subs, in the same order.

    Invokes no trigger.
    """
    pool_id = str(request["userPoolId"])
    subs = []
    for user in request["users"]:
        attributes = {"sub": str(uuid4()), **user["attributes"]}
        created = time.time() - float(user.get("ageSeconds", 0))
        status = str(user.get("status", "CONFIRMED"))
        if not _add_user(pool_id, attributes["sub"], attributes, status=status, created=created):
            return _no_such_pool(pool_id)
        subs.append(attributes["sub"])
    return aws_reply(200, {"subs": subs})


async def federated_sign_in(triggers: CognitoTriggers, request: Mapping[str, Any]) -> Reply:
    """`{"userPoolId", "provider", "attributes", "providerType"?, "clientId"?, "userId"?}` -> username and sub.

    Adds the user that Cognito would create and invokes PostConfirmation.
    """
    pool_id, provider, now = str(request["userPoolId"]), str(request["provider"]), time.time()
    identity = {
        "userId": str(request.get("userId") or uuid4().int % 10**21),
        "providerName": provider,
        "providerType": request.get("providerType", provider),
        "issuer": None,
        "primary": True,
        "dateCreated": int(now * 1000),
    }
    username = f"{provider}_{identity['userId']}"
    defaults = {"sub": str(uuid4()), "email_verified": "false"}
    attributes = {**defaults, **(request.get("attributes") or {}), "identities": json.dumps([identity])}
    if not _add_user(pool_id, username, attributes, status="EXTERNAL_PROVIDER", created=now):
        return _no_such_pool(pool_id)
    user = await triggers.user(pool_id, username)
    error = await triggers.invoke("PostConfirmation_ConfirmSignUp", pool_id, request.get("clientId"), user)
    return error or aws_reply(200, {"username": username, "sub": user.attributes["sub"]})


def _add_user(pool_id: str, username: str, attributes: Mapping[str, str], *, status: str, created: float) -> bool:
    """False if the pool does not exist. `created` in Unix seconds."""
    from ministack.services import cognito  # the server sets its environment before the emulator is imported

    pool = cognito._get_pool_unscoped(pool_id)
    if pool is None:
        return False
    pool["_users"][username] = {
        "Username": username,
        "Attributes": cognito._dict_to_attr_list(dict(attributes)),
        "UserCreateDate": created,
        "UserLastModifiedDate": created,
        "Enabled": True,
        "UserStatus": status,
        "MFAOptions": [],
        "_password": "",
        "_groups": [],
        "_tokens": [],
    }
    pool["EstimatedNumberOfUsers"] = len(pool["_users"])
    return True


def _no_such_pool(pool_id: str) -> Reply:
    return aws_error("ResourceNotFoundException", f"User pool {pool_id} does not exist.")
