"""The chapters without a failure: pre-created records, signups, an unverified signup, a password reset."""

from __future__ import annotations

import re
import time

from botocore.exceptions import ClientError

from onramp.local.demo.checks import ExpectationFailed, eventually, expect
from onramp.local.demo.context import DemoContext
from onramp.local.demo.pipeline import Item
from onramp.local.demo.signup_stages import ALL_STAGES, SignupReader, show_stages
from onramp.local.demo.users import MARA, NEW_PASSWORD, NIA, PASSWORD, THEO, Person
from onramp.local.parameters import STACK_NAME

PRE_CREATED_ROLES = {MARA: ["manager"], THEO: ["manager"]}
REFERENCE = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def pre_create_managers(context: DemoContext) -> None:
    context.screen.chapter(
        "An admin pre-creates two managers", "Their records exist before they sign up. Only admins assign roles."
    )
    for person, roles in PRE_CREATED_ROLES.items():
        started = time.monotonic()
        context.pipeline.pre_create(person, roles, at=time.time_ns() // 1_000_000)
        millis = (time.monotonic() - started) * 1000
        user = context.pipeline.user(person)
        expect("cognitoSub" not in user, f"the record of {person.email} is not linked yet")
        context.screen.line(
            "record", f"{user['userId']} · {user['onboarding']} · {', '.join(user['roles'])} · no sub yet", millis
        )


def sign_up_two_users(context: DemoContext) -> None:
    context.screen.chapter(
        "Mara and Nia sign up",
        "Mara has a pre-created record, Nia has none. Times count from ConfirmSignUp. No e-mail is sent: on this"
        " machine any code confirms, in AWS only the code from the e-mail.",
    )
    _sign_up(context, MARA, roles=PRE_CREATED_ROLES[MARA])
    context.screen.gap()
    _sign_up(context, NIA, roles=["team_member"])


def _sign_up(context: DemoContext, person: Person, roles: list[str]) -> None:
    reader = context.sign_up(person)
    show_stages(reader, ALL_STAGES, context.screen)
    user = context.pipeline.user(person)
    expect(user["roles"] == roles, f"{person.email} has the roles {roles} (actual: {user['roles']})")
    _show_cold_starts(context, reader)


def _show_cold_starts(context: DemoContext, reader: SignupReader) -> None:
    """A cold start explains why the first signup of a stack takes longer than the second."""

    def log_of_both_functions() -> list[Item] | None:
        entries = [entry for entry in context.pipeline.log() if entry.get("sub") == reader.signup.sub]
        return entries if {"signed up", "provisioned"} <= {entry["message"] for entry in entries} else None

    entries = eventually(log_of_both_functions, "both functions log the signup")
    entries.sort(key=lambda entry: str(entry["timestamp"]))
    cold = {entry["service"].removeprefix(f"{STACK_NAME}-"): entry["cold_start"] for entry in entries}
    context.screen.line("functions", " · ".join(f"{name} {'cold' if cold[name] else 'warm'}" for name in cold))


def unverified_signup(context: DemoContext) -> None:
    context.screen.chapter(
        "An unverified signup claims Theo's record",
        "A stranger signs up with Theo's address but cannot read the code; an admin confirms the user.",
    )
    before = context.pipeline.user(THEO)
    message, millis = _rejection_message(context)
    context.screen.line("rejected", message, millis, mark="failed")
    _show_cause(context, message)
    status, verified = context.cognito.status(THEO)
    expect(status == "CONFIRMED" and not verified, "a confirmation by an admin does not verify the e-mail")
    context.screen.line("Cognito", f"{status}, but the e-mail is not verified")
    after = context.pipeline.user(THEO)
    expect(after == before, f"the record of {THEO.email} is unchanged")
    context.screen.line("record", f"unchanged · {', '.join(after['roles'])} · still no sub")


def _rejection_message(context: DemoContext) -> tuple[str, float]:
    """The message that the rejected user sees, and the duration of the call in milliseconds."""
    context.cognito.sign_up(THEO)
    started = time.monotonic()
    try:
        context.cognito.confirm_by_admin(THEO)
    except ClientError as exc:
        error = exc.response["Error"]
        expect(error["Code"] == "UserLambdaValidationException", f"the trigger rejects (actual: {error['Code']})")
        return error["Message"].partition(" error ")[2].rstrip(".") + ".", (time.monotonic() - started) * 1000
    raise ExpectationFailed(f"an unverified signup with {THEO.email} is rejected")


def _show_cause(context: DemoContext, message: str) -> None:
    """Finds the cause in the log by the reference in the user's message, as an operator does."""
    reference = REFERENCE.search(message)
    expect(reference is not None, f"the message contains a reference: {message}")

    def find_entry() -> Item | None:
        entries = context.pipeline.log()
        return next((e for e in entries if reference and e.get("function_request_id") == reference[0]), None)

    entry = eventually(find_entry, "the log contains the reference")
    expect(THEO.email not in str(entry), "the log entry contains no personal data")
    context.screen.line("log", f"{entry['message']}: {entry['cause']} · found by the reference")


def password_reset(context: DemoContext) -> None:
    context.screen.chapter("Mara resets her password", "Cognito calls the same trigger. It must not count as a signup.")
    stored = _all_items(context)
    calls, events, log = context.pipeline.trigger_calls(), context.listener.event_ids(), list(context.pipeline.log())
    started = time.monotonic()
    context.cognito.reset_password(MARA)
    context.screen.line("Cognito", "password reset with the code", (time.monotonic() - started) * 1000)
    expect(context.cognito.can_sign_in(MARA, NEW_PASSWORD), "the new password works")
    expect(not context.cognito.can_sign_in(MARA, PASSWORD), "the old password does not work")
    context.screen.line("sign-in", "the new password works, the old one does not")
    eventually(lambda: context.pipeline.trigger_calls() == calls + 1, "the trigger is called once")
    expect(_all_items(context) == stored, "a password reset changes no record and no profile")
    expect(context.listener.event_ids() == events, "a password reset emits no event")
    expect(list(context.pipeline.log()) == log, "a password reset writes no log entry")
    context.screen.line("trigger", "called once: no record changed, no event emitted")


def _all_items(context: DemoContext) -> list[Item]:
    return sorted([*context.pipeline.users(), *context.pipeline.profiles()], key=lambda item: str(item["userId"]))
