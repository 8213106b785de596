"""What a user's events take in the archive."""

from __future__ import annotations

import json
import uuid

from onramp.domain.event_data import delivery, user_provisioned, user_signed_up
from onramp.domain.users import Names, Profile, Status, User

SUB, POOL = str(uuid.UUID(int=1)), "eu-west-1_Ab12Cd34"
USER = User(
    "mara.manager@example.com",
    ("team_member",),
    cognito_sub=SUB,
    user_pool_id=POOL,
    identity_provider="Cognito",
    email_vouched_by="cognito",
    names=Names("Mara", "Manager"),
    linked_at=1,
)
PROFILE = Profile(SUB, Status.READY, "Mara Manager", "cus_0123456789abcd", SUB)


def archived_bytes(users: int) -> int:
    """UserSignedUp and UserProvisioned of so many users."""
    run = str(uuid.UUID(int=2))
    events = (
        user_signed_up(USER, correlation_id=run),
        user_provisioned(PROFILE, POOL, at=1, correlation_id=run),
    )
    return users * sum(len(json.dumps(delivery(event))) for event in events)
