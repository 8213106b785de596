"""One user and the `user` commands over the in-memory pipeline, put together as the commands do it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console

from onramp.ops.common.erasure import Erasure
from onramp.ops.common.output import Output
from onramp.ops.user.lookup import StoredUser, UserIdentifier
from onramp.ops.user.wiring import UserWiring
from tests.operator_context import operator_context
from tests.pipeline import InMemoryPipeline

EMAIL = "nia@example.com"
OLD = "7d1f3a52-90b1-70c4-5e0f-2b8c1a6d4e01"
NEW = "7d1f3a52-90b1-70c4-5e0f-2b8c1a6d4e02"
GOOGLE = json.dumps([{"providerName": "Google", "providerType": "Google", "primary": "true"}])
PROVIDERS = ("stripe", "revenuecat")


def in_pool(
    pipeline: InMemoryPipeline, sub: str, email: str = EMAIL, status: str = "CONFIRMED", **attributes: str
) -> None:
    pipeline.cognito.add_user(sub, {"sub": sub, "email": email, "email_verified": "true"} | attributes, status)


class UserScenario:
    """`clients` replace the pipeline's own; `parameters` go over the stack's."""

    def __init__(
        self,
        pipeline: InMemoryPipeline,
        clients: Mapping[str, Any] | None = None,
        parameters: Mapping[str, str] | None = None,
    ) -> None:
        self.context = operator_context(pipeline, clients, parameters)
        self.wiring = UserWiring.of(self.context)

    def now(self) -> int:
        return self.context.now()

    def find(self, identifier: str) -> StoredUser:
        return self.wiring.users.find(UserIdentifier.of(identifier))

    def relink(self, email: str = EMAIL, new: str = NEW, *, vouch: bool = False) -> bool:
        """As the command does it; True also where the record was linked to `new` already."""
        _, user = self.wiring.users.find_record(email)
        if user.cognito_sub == new:
            return True
        claim = self.wiring.relink_checks.claim(user, new, self.now(), vouch=vouch)
        return self.wiring.records.relink(user, claim)

    def forget(
        self, identifier: str = EMAIL, *, providers: tuple[str, ...] = PROVIDERS, waits: list[float] | None = None
    ) -> dict[str, int] | None:
        """None where there is no target. `waits` collects the seconds of each wait."""
        target = self.wiring.erasure_targets.find(UserIdentifier.of(identifier))
        if target is None:
            return None
        collected: list[float] = [] if waits is None else waits
        return dict(Erasure.of(self.context, providers).run(target, "forget", collected.append))


def printed(show: Callable[..., object], *arguments: Any) -> str:
    """What a function prints for a person."""
    out = Output(as_json=False)
    out.screen = Console(file=(text := io.StringIO()), width=100, highlight=False)
    show(out, *arguments)
    return text.getvalue()


def before_call(number: int, run: Callable[[], object]) -> Callable[[int, str, str], str | None]:
    """A plan without faults that calls `run` just before the client's call of this number."""

    def plan(index: int, _: str, __: str) -> str | None:
        if index == number:
            run()
        return None

    return plan
