"""`onramp user`: read one user's rows, explain where provisioning stopped, change the record, erase the user."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onramp.domain.users import Owed
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.options import Reveal, Yes
from onramp.ops.user.explain import explain_user
from onramp.ops.user.forget import forget_user
from onramp.ops.user.heal import heal_user
from onramp.ops.user.import_csv import import_users
from onramp.ops.user.list_users import list_users
from onramp.ops.user.lookup import UserIdentifier
from onramp.ops.user.pre_create import pre_create_user
from onramp.ops.user.relink import relink_user
from onramp.ops.user.roles import change_roles
from onramp.ops.user.show import show_user

app = typer.Typer(
    help="One user: stored data, provisioning state, roles, relink and erasure.",
    no_args_is_help=True,
)

User = Annotated[str, typer.Argument(metavar="EMAIL|SUB", help="An e-mail address or a Cognito sub.")]
Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The e-mail address of the record.")]
Roles = Annotated[list[str] | None, typer.Option(help="May be repeated.")]
Vouch = Annotated[
    bool, typer.Option("--vouch", help="You vouch for the address: you know the user, though it is not verified.")
]


@app.command("list")
def list_(
    ctx: typer.Context,
    owed: Annotated[Owed | None, typer.Option(help="Users to which this is owed.", show_default="all")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Users who failed: an operator must act.")] = False,
    waiting_for: Annotated[
        str | None, typer.Option(metavar="STEP", help="Users that the worker retries at this step, as stripe.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Users a page.")] = 50,
    after: Annotated[str | None, typer.Option(metavar="POSITION", help="The page after this one, as printed.")] = None,
    reveal: Reveal = False,
) -> None:
    """The users who are owed work, with the step and the code that they wait for, a page at a time.

    Example: onramp user list --waiting-for stripe
    """
    context: OperatorContext = ctx.obj
    list_users(context, owed=owed, failed=failed, waiting_for=waiting_for, limit=limit, after=after, reveal=reveal)


@app.command()
def show(ctx: typer.Context, user: User, reveal: Reveal = False) -> None:
    """The record and the profile as they are stored, personal data masked."""
    context: OperatorContext = ctx.obj
    raise typer.Exit(0 if show_user(context, UserIdentifier.of(user), reveal=reveal) else 1)


@app.command()
def explain(
    ctx: typer.Context,
    user: Annotated[
        str, typer.Argument(metavar="EMAIL|SUB|REFERENCE", help="Or the reference that a refused user quotes.")
    ],
    reveal: Reveal = False,
) -> None:
    """How the user signed up, each step since, where provisioning stopped, and the command to run next.

    For a user without a record: whether Cognito has the user, and why the
    signup was refused. For a support reference ("quote d7346be3-..."): what
    the trigger logged of that call. Exit code 1 where an operator must act.
    """
    context: OperatorContext = ctx.obj
    raise typer.Exit(0 if explain_user(context, UserIdentifier.of(user), reveal=reveal) else 1)


@app.command("pre-create")
def pre_create(
    ctx: typer.Context,
    email: Annotated[str, typer.Option(help="The user's address. The user who proves to own it gets the record.")],
    role: Annotated[list[str], typer.Option(help="One of AllowedRoles; may be repeated.")],
    given_name: Annotated[str, typer.Option(help="The user's given name.", show_default=False)] = "",
    family_name: Annotated[str, typer.Option(help="The user's family name.", show_default=False)] = "",
    yes: Yes = False,
) -> None:
    """Create the record of a user who has not signed up yet, with roles. Never changes an existing record.

    Example: onramp user pre-create --email mara@example.com --role manager
    """
    context: OperatorContext = ctx.obj
    pre_create_user(context, email, role, given_name, family_name, yes=yes)


@app.command("import")
def import_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="Columns: email,roles,given_name,family_name.")],
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out wrong rows and import the others.")] = False,
    yes: Yes = False,
) -> None:
    """Pre-create many records from a CSV file. All rows are checked before the first one is written.

    Separate several roles with ; and leave out the name columns if you like.
    Wrong rows, and rows whose address has another record, are listed in
    FILE.errors.csv. Safe to interrupt and to run again.
    """
    context: OperatorContext = ctx.obj
    import_users(context, file, skip_bad=skip_bad, yes=yes)


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
    """Add and remove roles. Refuses further roles for an unverified address without --vouch.

    Example: onramp user roles mara@example.com --add admin --remove team_member
    """
    context: OperatorContext = ctx.obj
    change_roles(context, email, add or [], remove or [], replace or [], vouch=vouch, yes=yes)


@app.command()
def heal(ctx: typer.Context, user: User, yes: Yes = False) -> None:
    """Give one confirmed user without a record their record, by the rules of the trigger and the sweep.

    For a user that Cognito did not pass to the trigger: created by an
    administrator, imported or migrated. Writes nothing where the rules refuse
    the user, or where the user has a record.
    """
    context: OperatorContext = ctx.obj
    heal_user(context, UserIdentifier.of(user), yes=yes)


@app.command()
def relink(
    ctx: typer.Context,
    email: Email,
    sub: Annotated[str, typer.Option(help="The sub of the new Cognito user.")],
    vouch: Vouch = False,
    yes: Yes = False,
) -> None:
    """Link the record to another Cognito user of the same address: for a user who was deleted and signed up again.

    The roles stay. The customers of the old sub move to the new one, so no
    provider gets a second customer.
    """
    context: OperatorContext = ctx.obj
    relink_user(context, email, sub, vouch=vouch, yes=yes)


@app.command()
def forget(
    ctx: typer.Context,
    user: User,
    stripe: Annotated[bool, typer.Option("--stripe", help="Also delete the customer at Stripe.")] = False,
    revenuecat: Annotated[bool, typer.Option("--revenuecat", help="Also delete the customer at RevenueCat.")] = False,
    yes: Yes = False,
) -> None:
    """Erase a user: customers at the named providers, profile, record, dead letters. Then publish UserForgotten.

    A tombstone keeps a replay, the sweep or a sign-in from creating the user
    again. Lists the data that it cannot erase. Safe to interrupt: the same
    command continues.
    """
    context: OperatorContext = ctx.obj
    providers = [name for name, chosen in (("stripe", stripe), ("revenuecat", revenuecat)) if chosen]
    forget_user(context, UserIdentifier.of(user), providers, yes=yes)
