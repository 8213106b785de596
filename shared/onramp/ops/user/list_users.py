"""`onramp user list`: the users who are owed work, a page at a time, with the step and the code they wait for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from onramp.domain.event_data import rfc3339
from onramp.domain.users import Owed
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.errors import UsageError
from onramp.ops.common.owed_users import OwedUser, OwedUsers, Position
from onramp.ops.common.shell import onramp_command
from onramp.ops.common.text import masked_email
from onramp.ops.common.when import format_duration
from onramp.ops.user.wiring import UserWiring

READ_MOST = 2_000  # users a page: a rare step must not make one page read the whole index
Matches = Callable[[OwedUser], bool]


def list_users(
    context: OperatorContext,
    *,
    owed: Owed | None,
    failed: bool,
    waiting_for: str | None,
    limit: int,
    after: str | None,
    reveal: bool,
) -> None:
    kinds, matches = _selection(owed, waiting_for, failed=failed)
    position = Position.parse(after) if after else None
    with context.audit_reveal("user list", reveal=reveal) as entry:
        found, following = page(UserWiring.of(context).owed, kinds, matches, position, limit)
        entry.count = len(found)
    rows = [_row(one, reveal=reveal) for one in found]
    data = {"users": rows, "after": str(following) if following else None}
    selected = {"--owed": owed.value if owed else None, "--waiting-for": waiting_for}
    flags = {"--failed": failed, "--reveal": reveal}
    again = _next_page(following, limit, selected, flags) if following else None
    context.out.result(data, lambda: _print(context, rows, found, again))


def _next_page(position: Position, limit: int, selected: Mapping[str, str | None], flags: Mapping[str, bool]) -> str:
    words = [word for name, value in selected.items() if value for word in (name, value)]
    words += [name for name, is_set in flags.items() if is_set]
    return onramp_command("user", "list", *words, "--limit", str(limit), "--after", str(position))


def _selection(owed: Owed | None, waiting_for: str | None, *, failed: bool) -> tuple[Sequence[Owed], Matches]:
    if sum((owed is not None, waiting_for is not None, failed)) > 1:
        raise UsageError("choose one of --owed, --failed and --waiting-for.")
    if waiting_for:
        return (Owed.ENRICH,), lambda one: one.waits_for(waiting_for)
    if failed:
        owed = Owed.OPERATOR
    return (owed,) if owed else tuple(Owed), lambda one: True


def page(
    users: OwedUsers, kinds: Sequence[Owed], matches: Matches, position: Position | None, limit: int
) -> tuple[list[OwedUser], Position | None]:
    """At most `limit` users, and where the next page begins; None after the last one."""
    found: list[OwedUser] = []
    for read, (at, one) in enumerate(users.after(kinds, position), start=1):
        if len(found) == limit:
            return found, position
        position = at
        if matches(one):
            found.append(one)
        if read == READ_MOST:
            return found, position
    return found, None


def _row(one: OwedUser, *, reveal: bool) -> dict[str, Any]:
    user, record = one.user, one.record
    return {
        "user": user.user_id if reveal else masked_email(user.user_id),
        "sub": user.cognito_sub,
        "owed": (user.owed or "").partition("#")[0],
        "since": rfc3339(user.owed_since) if user.owed_since else None,
        "step": one.step if record else None,
        "state": record.get("state"),
        "errorCode": one.error_code,
        "reason": record.get("reason"),
        "attempts": record.get("attempts"),
    }


def _print(
    context: OperatorContext, rows: Sequence[dict[str, Any]], found: Sequence[OwedUser], next_page: str | None
) -> None:
    out, now = context.out, context.now()
    if not rows:
        out.line("No user matches." if next_page is None else "No user matches on this page.")
    else:
        ages = [format_duration(now - one.user.owed_since) if one.user.owed_since else None for one in found]
        out.table(
            ("user", "sub", "owed", "for", "step", "state", "code", "attempts"),
            [
                (
                    row["user"],
                    row["sub"],
                    row["owed"],
                    age,
                    row["step"],
                    row["state"],
                    row["errorCode"],
                    row["attempts"],
                )
                for row, age in zip(rows, ages, strict=True)
            ],
        )
    if next_page:
        out.line(f"More: {next_page}")
