"""The chapters in which nothing may change."""

from __future__ import annotations

import re
import time

from botocore.exceptions import ClientError

from onramp.local.demo.expectations import ExpectationFailed, eventually, expect
from onramp.local.demo.people import MARA, NEW_PASSWORD, PASSWORD, THEO
from onramp.local.demo.pipeline import Item
from onramp.local.demo.stage import Stage

REFERENCE = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def an_unverified_claim_is_refused(stage: Stage) -> None:
    stage.screen.chapter(
        "Somebody claims Theo's record",
        "They use his address, cannot read his mail, and get an admin to confirm them by hand.",
    )
    before = stage.pipeline.user(THEO)
    sentence, millis = _refusal(stage)
    stage.screen.line("they see", sentence, millis, mark="refused")
    _the_operator_looks_it_up(stage, sentence)
    status, verified = stage.cognito.standing(THEO)
    expect(status == "CONFIRMED" and not verified, "an admin's confirmation verifies nothing")
    stage.screen.line("Cognito", f"{status} all the same, but the e-mail is not verified")
    after = stage.pipeline.user(THEO)
    expect(after == before, f"the record of {THEO.email} is unchanged")
    stage.screen.line("record", f"unchanged · {', '.join(after['roles'])} · still no sub")


def _refusal(stage: Stage) -> tuple[str, float]:
    """What whoever tries it gets to read."""
    stage.cognito.sign_up(THEO)
    started = time.monotonic()
    try:
        stage.cognito.confirm_by_admin(THEO)
    except ClientError as error:
        told = error.response["Error"]
        expect(told["Code"] == "UserLambdaValidationException", f"the trigger refuses (instead: {told['Code']})")
        return told["Message"].partition(" error ")[2].rstrip(".") + ".", (time.monotonic() - started) * 1000
    raise ExpectationFailed(f"{THEO.email} is refused to whoever has not proved to own it")


def _the_operator_looks_it_up(stage: Stage, sentence: str) -> None:
    reference = REFERENCE.search(sentence)
    expect(reference is not None, f"what they see has a reference: {sentence}")

    def find() -> Item | None:
        entries = stage.pipeline.log()
        return next((e for e in entries if reference and e.get("function_request_id") == reference[0]), None)

    entry = eventually(find, "the log knows the reference")
    expect(THEO.email not in str(entry), "the log holds no personal data")
    stage.screen.line("the log", f"{entry['message']}: {entry['cause']} · found by that reference")


def a_password_reset_passes_through(stage: Stage) -> None:
    stage.screen.chapter(
        "Mara forgets her password", "Cognito calls the same trigger for that. It must not look like a signup."
    )
    before = _all_that_is_known(stage)
    calls, events, said = stage.pipeline.trigger_calls(), stage.witness.event_ids(), list(stage.pipeline.log())
    started = time.monotonic()
    stage.cognito.reset_password(MARA)
    stage.screen.line("Cognito", "password reset with the code", (time.monotonic() - started) * 1000)
    expect(stage.cognito.can_sign_in(MARA, NEW_PASSWORD), "the new password works")
    expect(not stage.cognito.can_sign_in(MARA, PASSWORD), "the old password is dead")
    stage.screen.line("sign-in", "the new password works, the old one is refused")
    eventually(lambda: stage.pipeline.trigger_calls() == calls + 1, "the trigger was called once")
    expect(_all_that_is_known(stage) == before, "a password reset changes no record and no profile")
    expect(stage.witness.event_ids() == events, "a password reset emits nothing")
    expect(list(stage.pipeline.log()) == said, "a password reset is none of the trigger's business")
    stage.screen.line("trigger", "called once: no record changed, no event emitted")


def _all_that_is_known(stage: Stage) -> list[Item]:
    return sorted([*stage.pipeline.users(), *stage.pipeline.profiles()], key=lambda item: str(item["userId"]))
