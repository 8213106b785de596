"""`onramp user`: one person, from how they came to what they are owed; and what an administrator does about them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onramp.ops.common.context import OperatorContext
from onramp.ops.user import changes, look, moves
from onramp.ops.user.lookup import UserIdentifier
from onramp.ops.user.prepare import checked_name

app = typer.Typer(
    help="One person: what is known of them, where they are stuck, their roles, and forgetting them.",
    no_args_is_help=True,
)

Who = Annotated[str, typer.Argument(metavar="EMAIL|SUB", help="An e-mail address or a Cognito sub.")]
Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The address of the record.")]
Roles = Annotated[list[str] | None, typer.Option(help="May be repeated.")]
Vouch = Annotated[bool, typer.Option("--vouch", help="You know who they are, though nobody proved the address.")]
Reveal = Annotated[bool, typer.Option("--reveal", help="Show personal data; the audit says that you did.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]


@app.command()
def show(ctx: typer.Context, who: Who, reveal: Reveal = False) -> None:
    """The record and the profile as they are stored, personal data masked."""
    context: OperatorContext = ctx.obj
    raise typer.Exit(look.show(context, UserIdentifier.of(who), reveal=reveal))


@app.command()
def explain(ctx: typer.Context, who: Who, reveal: Reveal = False) -> None:
    """How they came, each step since, where they are stuck and since when, and the command to run next.

    Of somebody without a record it says whether Cognito knows them, and why they were refused. Exit code 1 where they
    wait for somebody.
    """
    context: OperatorContext = ctx.obj
    raise typer.Exit(look.explain(context, UserIdentifier.of(who), reveal=reveal))


@app.command("pre-create")
def pre_create(
    ctx: typer.Context,
    email: Annotated[str, typer.Option(help="Their address; whoever proves to own it gets the record.")],
    role: Annotated[list[str], typer.Option(help="One of AllowedRoles; may be repeated.")],
    given_name: Annotated[str, typer.Option(help="Their given name.", show_default=False)] = "",
    family_name: Annotated[str, typer.Option(help="Their family name.", show_default=False)] = "",
    yes: Yes = False,
) -> None:
    """Prepare the record of somebody who has not signed up yet, with roles. Never over an existing record.

    Example: onramp user pre-create --email mara@example.com --role manager
    """
    context: OperatorContext = ctx.obj
    changes.pre_create(context, email, role, checked_name(given_name), checked_name(family_name), yes=yes)


@app.command("import")
def import_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="Columns: email,roles,given_name,family_name.")],
    yes: Yes = False,
) -> None:
    """Prepare many records from a CSV file. All rows are checked before the first is written.

    Several roles are separated by ; and the names may be left out. Rows that are wrong, or in whose way a record
    stands, are listed in FILE.errors.csv. Safe to interrupt and to run again.
    """
    context: OperatorContext = ctx.obj
    changes.import_file(context, file, yes=yes)


@app.command()
def roles(
    ctx: typer.Context,
    email: Email,
    add: Roles = None,
    remove: Roles = None,
    replace: Annotated[list[str] | None, typer.Option("--set", help="Exactly these; may be repeated.")] = None,
    vouch: Vouch = False,
    yes: Yes = False,
) -> None:
    """Give and take roles. Refuses to raise somebody whose address nobody vouched for.

    Example: onramp user roles mara@example.com --add admin --remove team_member
    """
    context: OperatorContext = ctx.obj
    changes.change_roles(context, email, add or [], remove or [], replace or [], vouch=vouch, yes=yes)


@app.command()
def relink(
    ctx: typer.Context,
    email: Email,
    sub: Annotated[str, typer.Option(help="The sub with which they came back.")],
    vouch: Vouch = False,
    yes: Yes = False,
) -> None:
    """Give the record to another Cognito user of the same address: for people who were deleted there and came back.

    Roles stay. What the old sub has with the providers moves along, so that nobody becomes a second customer.
    """
    context: OperatorContext = ctx.obj
    moves.relink(context, email, sub, vouch=vouch, yes=yes)


@app.command()
def forget(
    ctx: typer.Context,
    who: Who,
    stripe: Annotated[bool, typer.Option("--stripe", help="Delete the customer there, too.")] = False,
    revenuecat: Annotated[bool, typer.Option("--revenuecat", help="Delete the customer there, too.")] = False,
    yes: Yes = False,
) -> None:
    """Erase somebody: providers as asked, profile, record, dead letters; then UserForgotten tells everybody else.

    A tombstone keeps them from coming back by a replay, the sweep or a sign-in. Says what it cannot reach. Safe to
    interrupt: run the same again and it goes on.
    """
    context: OperatorContext = ctx.obj
    moves.forget(context, UserIdentifier.of(who), stripe=stripe, revenuecat=revenuecat, yes=yes)
