"""`onramp user pre-create`, `import` and `roles`: plan, question, audit, result."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from onramp.domain.identity import canonical_email
from onramp.domain.users import User
from onramp.ops.desk import Desk
from onramp.ops.errors import DeskError, Trouble
from onramp.ops.text import masked_email
from onramp.ops.user.allowed import allowed_roles
from onramp.ops.user.imports import Import
from onramp.ops.user.parts import UserDesk
from onramp.ops.user.people import Name, Person
from onramp.ops.user.prepare import ALREADY, IN_THE_WAY, NEW, Prepared, checked_roles
from onramp.ops.user.roles import planned
from onramp.ops.user.sheet import read_sheet, write_errors


def address(text: str) -> str:
    """The canonical form. Raises DeskError."""
    if email := canonical_email(text):
        return email
    raise DeskError(f"'{text}' is no e-mail address that can be a key (ASCII, name@domain, no spaces).")


def record_of(desk: Desk, email: str) -> tuple[Person, User]:
    """Raises DeskError where there is none."""
    user_id = address(email)
    person = UserDesk(desk).people.find(Name(email, user_id, None))
    if person.user is None:
        raise DeskError(f"{masked_email(user_id)} has no record: `onramp user explain` says why.")
    return person, person.user


def pre_create(
    desk: Desk, email: str, roles: list[str], given_name: str | None, family_name: str | None, *, yes: bool
) -> None:
    prepared = Prepared(address(email), checked_roles(roles, allowed_roles(desk)), given_name, family_name)
    shown, words = masked_email(prepared.user_id), ", ".join(prepared.roles)
    desk.out.confirm(f"A record for {prepared.user_id} with {words}, for whoever proves to own the address.", yes=yes)
    with desk.audited("user pre-create", user=shown, roles=words) as entry:
        result = UserDesk(desk).preparations.write(prepared, desk.now())
        entry.count, entry.outcome = int(result == NEW), {"result": result}
    if result == IN_THE_WAY:
        raise Trouble(f"{shown} has a record already, and it stays as it is: onramp user show, onramp user roles.")
    data = {"user": shown, "roles": list(prepared.roles), "result": result}
    desk.out.result(data, lambda: desk.out.line("It was there already." if result == ALREADY else "Prepared."))


def import_file(desk: Desk, file: Path, *, yes: bool) -> None:
    rows, bad = read_sheet(file, allowed_roles(desk))
    if bad:
        raise DeskError(f"nothing was written, for rows are wrong: {len(bad):,}; {write_errors(file, bad)} says why.")
    if not rows:
        raise DeskError(f"{file} has no rows.")
    work = Import(UserDesk(desk).preparations, desk.now)
    desk.out.confirm(_import_plan(work, rows), yes=yes)
    with desk.audited("user import", file=file.name) as entry, desk.out.progress() as bar:
        task = bar.add_task("records", total=len(rows))
        for done in work(rows):
            entry.count, entry.outcome = done.found[NEW], dict(done.found)
            bar.update(task, completed=done.found.total())
    data: dict[str, Any] = {"rows": len(rows), **work.found, "errors": None}
    if work.errors:
        data["errors"] = str(write_errors(file, work.errors))
    desk.out.result(data, lambda: desk.out.facts({name.replace("_", " "): count for name, count in data.items()}))
    if work.errors:
        raise Trouble(f"not prepared, for there is another record: {len(work.errors):,}; see {data['errors']}.")


def _import_plan(work: Import, rows: Sequence[Any]) -> str:
    found = work.compared(rows)
    words = {NEW: "to be prepared", ALREADY: "there already", IN_THE_WAY: "with another record, which stays as it is"}
    return "; ".join(f"{found[kind]:,} {said}" for kind, said in words.items() if found[kind] or kind == NEW) + "."


def change_roles(
    desk: Desk,
    email: str,
    add: Sequence[str],
    remove: Sequence[str],
    replace: Sequence[str],
    *,
    vouch: bool,
    yes: bool,
) -> None:
    if bool(replace) == bool(add or remove):
        raise DeskError("what is to change? Say --add and --remove, or --set.")
    checked_roles([*add, *replace], allowed_roles(desk))
    person, user = record_of(desk, email)
    change = planned(user, add=add, remove=remove, replace=replace, vouch=vouch)
    shown = masked_email(user.user_id)
    before, after = ", ".join(change.before) or "none", ", ".join(change.after) or "none"
    data = {"user": shown, "before": list(change.before), "after": list(change.after), "changed": not change.nothing}
    if not change.nothing:
        vouched = " You vouch for the address." if change.vouches else ""
        desk.out.confirm(f"Roles of {shown}: {before} -> {after}.{vouched}", yes=yes)
        vouches = "operator" if change.vouches else str(user.email_vouched_by)
        with desk.audited("user roles", user=shown, before=before, after=after, vouched=vouches) as entry:
            if not UserDesk(desk).roles.write(change, person, desk.now()):
                raise Trouble("somebody else changed this record just now: look again, then say what is to change.")
            entry.count = 1
    desk.out.result(data, lambda: desk.out.line(f"{shown}: {after}" + (" as before" if change.nothing else "")))
