"""Users whom a pool has had for long: put straight into the emulator's pool, and no trigger fires.

There is no AWS call for it that would not take minutes for many, and none at all for users of an identity provider.
Uses the emulator's inside; its version is pinned.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from onramp.local.gateway.asgi import Reply
from onramp.local.gateway.aws import aws_error, aws_reply


def populate(request: Mapping[str, Any]) -> Reply:
    """`{"userPoolId", "users": [{"attributes", "status"?, "ageSeconds"?}]}` -> their subs, in the same order."""
    pool_id = str(request["userPoolId"])
    subs = []
    for user in request["users"]:
        attributes = {"sub": str(uuid4()), **user["attributes"]}
        created = time.time() - float(user.get("ageSeconds", 0))
        status = str(user.get("status", "CONFIRMED"))
        if not add_user(pool_id, attributes["sub"], attributes, status=status, created=created):
            return no_such_pool(pool_id)
        subs.append(attributes["sub"])
    return aws_reply(200, {"subs": subs})


def add_user(pool_id: str, username: str, attributes: Mapping[str, str], *, status: str, created: float) -> bool:
    """False where there is no such pool. `created` in Unix seconds."""
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


def no_such_pool(pool_id: str) -> Reply:
    return aws_error("ResourceNotFoundException", f"User pool {pool_id} does not exist.")
