"""The decision for one pool user, where the tests of its callers do not show it."""

from __future__ import annotations

import pytest

from onramp.domain.claims import Admission, PoolUser
from onramp.domain.decision import Decision, Facts, Kind, decide
from onramp.domain.errors import Cause, Rejection
from onramp.domain.trust import TrustPolicy
from tests.pipeline import EMAIL, POOL, SUB

ADMISSION = Admission(frozenset({POOL}), TrustPolicy.parse("", allow_unverified=False), 60_000, "team_member")


def no_holder(sub: str) -> str | None:
    raise AssertionError(f"the index was asked for {sub!r}")


@pytest.mark.parametrize("sub", ["", None])
def test_the_index_is_not_asked_for_a_user_without_a_sub(sub: str | None) -> None:
    """DynamoDB refuses an empty key value: one such row would end a sweep."""
    user = PoolUser(POOL, {"email": EMAIL, "email_verified": "true", "sub": sub}, "CONFIRMED")
    facts = Facts(lambda _: None, no_holder, lambda _: False)
    assert decide(ADMISSION, user, facts, 1) == Decision(Kind.REFUSED, Cause.UNUSABLE_SUB)


def test_a_rejection_reads_as_its_cause() -> None:
    assert str(Rejection(Cause.UNUSABLE_SUB, SUB)) == "unusable_sub"
