"""`onramp user pre-create`, `import` and `roles`: plan, question, audit, result."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from onramp.domain.identity import canonical_email
from onramp.domain.users import User
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.errors import CommandFailed, UsageError
from onramp.ops.common.text import masked_email
from onramp.ops.user.allowed import allowed_roles
from onramp.ops.user.import_csv import read_csv, write_errors
from onramp.ops.user.imports import Import
from onramp.ops.user.lookup import StoredUser, UserIdentifier
from onramp.ops.user.prepare import ALREADY, IN_THE_WAY, NEW, Prepared, checked_roles
from onramp.ops.user.roles import plan_role_change
from onramp.ops.user.wiring import UserWiring


def address(text: str) -> str:
    """The canonical form. Raises DeskError."""
    if email := canonical_email(text):
        return email
    raise UsageError(f"'{text}' is no e-mail address that can be a key (ASCII, name@domain, no spaces).")


def record_of(context: OperatorContext, email: str) -> tuple[StoredUser, User]:
    """Raises DeskError where there is none."""
    user_id = address(email)
    person = UserWiring(context).people.find(UserIdentifier(email, user_id, None))
    if person.user is None:
        raise UsageError(f"{masked_email(user_id)} has no record: `onramp user explain` says why.")
    return person, person.user


def pre_create(
    context: OperatorContext,
    email: str,
    roles: list[str],
    given_name: str | None,
    family_name: str | None,
    *,
    yes: bool,
) -> None:
    prepared = Prepared(address(email), checked_roles(roles, allowed_roles(context)), given_name, family_name)
    shown, words = masked_email(prepared.user_id), ", ".join(prepared.roles)
    context.out.confirm(
        f"A record for {prepared.user_id} with {words}, for whoever proves to own the address.", yes=yes
    )
    with context.audited("user pre-create", user=shown, roles=words) as entry:
        result = UserWiring(context).preparations.write(prepared, context.now())
        entry.count, entry.outcome = int(result == NEW), {"result": result}
    if result == IN_THE_WAY:
        raise CommandFailed(
            f"{shown} has a record already, and it stays as it is: onramp user show, onramp user roles."
        )
    data = {"user": shown, "roles": list(prepared.roles), "result": result}
    context.out.result(data, lambda: context.out.line("It was there already." if result == ALREADY else "Prepared."))


def import_file(context: OperatorContext, file: Path, *, yes: bool) -> None:
    rows, bad = read_csv(file, allowed_roles(context))
    if bad:
        raise UsageError(f"nothing was written, for rows are wrong: {len(bad):,}; {write_errors(file, bad)} says why.")
    if not rows:
        raise UsageError(f"{file} has no rows.")
    work = Import(UserWiring(context).preparations, context.now)
    context.out.confirm(_import_plan(work, rows), yes=yes)
    with context.audited("user import", file=file.name) as entry, context.out.progress() as bar:
        task = bar.add_task("records", total=len(rows))
        for done in work(rows):
            entry.count, entry.outcome = done.found[NEW], dict(done.found)
            bar.update(task, completed=done.found.total())
    data: dict[str, Any] = {"rows": len(rows), **work.found, "errors": None}
    if work.errors:
        data["errors"] = str(write_errors(file, work.errors))
    context.out.result(data, lambda: context.out.facts({name.replace("_", " "): count for name, count in data.items()}))
    if work.errors:
        raise CommandFailed(f"not prepared, for there is another record: {len(work.errors):,}; see {data['errors']}.")


def _import_plan(work: Import, rows: Sequence[Any]) -> str:
    found = work.compared(rows)
    words = {NEW: "to be prepared", ALREADY: "there already", IN_THE_WAY: "with another record, which stays as it is"}
    return "; ".join(f"{found[kind]:,} {said}" for kind, said in words.items() if found[kind] or kind == NEW) + "."


def change_roles(
    context: OperatorContext,
    email: str,
    add: Sequence[str],
    remove: Sequence[str],
    replace: Sequence[str],
    *,
    vouch: bool,
    yes: bool,
) -> None:
    if bool(replace) == bool(add or remove):
        raise UsageError("what is to change? Say --add and --remove, or --set.")
    checked_roles([*add, *replace], allowed_roles(context))
    person, user = record_of(context, email)
    change = plan_role_change(user, add=add, remove=remove, replace=replace, vouch=vouch)
    shown = masked_email(user.user_id)
    before, after = ", ".join(change.before) or "none", ", ".join(change.after) or "none"
    data = {"user": shown, "before": list(change.before), "after": list(change.after), "changed": not change.nothing}
    if not change.nothing:
        vouched = " You vouch for the address." if change.vouches else ""
        context.out.confirm(f"Roles of {shown}: {before} -> {after}.{vouched}", yes=yes)
        vouches = "operator" if change.vouches else str(user.email_vouched_by)
        with context.audited("user roles", user=shown, before=before, after=after, vouched=vouches) as entry:
            if not UserWiring(context).roles.write(change, person, context.now()):
                raise CommandFailed(
                    "somebody else changed this record just now: look again, then say what is to change."
                )
            entry.count = 1
    context.out.result(data, lambda: context.out.line(f"{shown}: {after}" + (" as before" if change.nothing else "")))
