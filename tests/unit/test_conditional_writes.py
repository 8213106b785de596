"""A failed condition is an outcome of a write; every other error is an error."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from onramp.adapters.aws import condition_holds


def refused_with(code: str) -> bool:
    def write() -> None:
        raise ClientError({"Error": {"Code": code, "Message": ""}}, "UpdateItem")

    return condition_holds(write)


def test_a_failed_condition_does_not_hold() -> None:
    assert not refused_with("ConditionalCheckFailedException")


@pytest.mark.parametrize("code", ["ThrottlingException", "ValidationException", "AccessDeniedException"])
def test_another_error_is_raised(code: str) -> None:
    """Read as a failed condition, a throttled flip of what is owed would look as if another process had done it."""
    with pytest.raises(ClientError):
        refused_with(code)
