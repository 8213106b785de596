"""The first sign-in through an identity provider, without one: the emulator's pool gets the user that Cognito
would make, and PostConfirmation fires. No AWS call does it, and its OAuth flow wants a provider that answers."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from onramp.local.gateway.asgi import Reply
from onramp.local.gateway.aws import aws_reply
from onramp.local.gateway.cognito_triggers import CognitoTriggers
from onramp.local.gateway.population import add_user, no_such_pool


async def federated_sign_in(triggers: CognitoTriggers, request: Mapping[str, Any]) -> Reply:
    """`{"userPoolId", "provider", "attributes", "providerType"?, "clientId"?, "userId"?}` -> username and sub."""
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
    given = dict(request.get("attributes") or {})
    attributes = {"sub": str(uuid4()), "email_verified": "false", **given, "identities": json.dumps([identity])}
    if not add_user(pool_id, username, attributes, status="EXTERNAL_PROVIDER", created=now):
        return no_such_pool(pool_id)
    user = await triggers.user(pool_id, username)
    failed = await triggers.fire("PostConfirmation_ConfirmSignUp", pool_id, request.get("clientId"), user)
    return failed or aws_reply(200, {"username": username, "sub": user.attributes["sub"]})
