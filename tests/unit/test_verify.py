"""Parts of `onramp verify` that the local stack cannot show: pools with other usernames, and a cleanup with a bug."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from onramp.ops.common.errors import CommandFailed
from onramp.ops.verify.cleanup import Cleanup
from onramp.ops.verify.pool_users import PoolUsers, SyntheticUser

USER = SyntheticUser("onramp-verify-1-signup@example.com", "onramp-verify-1-signup")


@pytest.mark.parametrize(
    ("attributes", "username"),
    [({"UsernameAttributes": ["email"]}, USER.email), ({"AliasAttributes": ["email"]}, USER.name)],
)
def test_the_username_follows_the_pool(attributes: dict[str, Any], username: str) -> None:
    """Cognito refuses an address as the username of a pool in which the address is an alias."""
    asked: list[str] = []

    def sign_up(**request: Any) -> dict[str, str]:
        asked.append(request["Username"])
        return {"UserSub": "any"}

    client: Any = SimpleNamespace(describe_user_pool=lambda **_: {"UserPool": attributes}, sign_up=sign_up)
    assert PoolUsers(client, "eu-west-1_any", "client").sign_up(USER) == "any"
    assert asked == [username]


class TestCleanup:
    def test_deletes_the_last_first_and_names_what_failed(self) -> None:
        deleted: list[str] = []

        def fail() -> None:
            raise CommandFailed("the provider did not delete")

        cleanup = Cleanup()
        cleanup.add("first", "by hand 1", lambda: deleted.append("first"))
        cleanup.add("second", "by hand 2", fail)
        cleanup.add("third", "by hand 3", lambda: deleted.append("third"))
        rows = [step.row() for step in cleanup.run()]
        assert deleted == ["third", "first"]
        assert rows[1] == {
            "what": "second",
            "deleted": False,
            "error": "the provider did not delete",
            "byHand": "by hand 2",
        }

    def test_an_unexpected_error_stops_no_other_step(self) -> None:
        deleted: list[str] = []

        def fail() -> None:
            raise KeyError

        cleanup = Cleanup()
        cleanup.add("first", "", lambda: deleted.append("first"))
        cleanup.add("second", "", fail)
        with pytest.raises(KeyError):
            cleanup.run()
        assert deleted == ["first"]
