"""The first sign-in through an identity provider, without one: the emulator's pool gets the user that Cognito
would make, and PostConfirmation fires. Uses the emulator's inside (its version is pinned): there is no AWS call
for it, and its OAuth flow wants a provider that answers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from onramp.local.asgi import Reply
from onramp.local.aws import aws_error, aws_reply
from onramp.local.cognito_triggers import CognitoTriggers


async def federated_sign_in(triggers: CognitoTriggers, request: Mapping[str, Any]) -> Reply:
    """`{"userPoolId", "provider", "attributes", "providerType"?, "clientId"?, "userId"?}` -> username and sub."""
    pool_id, provider = str(request["userPoolId"]), str(request["provider"])
    identity = {
        "userId": str(request.get("userId") or uuid4().int % 10**21),
        "providerName": provider,
        "providerType": request.get("providerType", provider),
        "issuer": None,
        "primary": True,
        "dateCreated": int(time.time() * 1000),
    }
    username = f"{provider}_{identity['userId']}"
    if not _create_user(pool_id, username, identity, dict(request.get("attributes") or {})):
        return aws_error("ResourceNotFoundException", f"User pool {pool_id} does not exist.")
    user = await triggers.user(pool_id, username)
    failed = await triggers.fire("PostConfirmation_ConfirmSignUp", pool_id, request.get("clientId"), user)
    return failed or aws_reply(200, {"username": username, "sub": user.attributes["sub"]})


def _create_user(pool_id: str, username: str, identity: Mapping[str, Any], attributes: dict[str, str]) -> bool:
    from ministack.services import cognito  # the server sets its environment before the emulator is imported

    pool = cognito._get_pool_unscoped(pool_id)
    if pool is None:
        return False
    now = cognito._now_epoch()
    user = {
        "Username": username,
        "Attributes": cognito._dict_to_attr_list({"sub": str(uuid4()), "email_verified": "false", **attributes}),
        "UserCreateDate": now,
        "UserLastModifiedDate": now,
        "Enabled": True,
        "UserStatus": "EXTERNAL_PROVIDER",
        "MFAOptions": [],
        "_password": "",
        "_groups": [],
        "_tokens": [],
    }
    cognito._set_user_identities(user, [dict(identity)])
    pool["_users"][username] = user
    return True
