"""Two causes in one dead-letter queue: one is fixed and its users are redriven."""

from __future__ import annotations

import re

from scripts.stories.recorder import ID, Recorder

from tests.deployed import DeployedPipeline, eventually


def two_causes(recorder: Recorder) -> None:
    deployed = recorder.deployed
    deployed.stripe.fault("refused", operation="create", match="@partner.example", code="email_invalid", times=None)
    deployed.revenuecat.fault("refused", match="@guest.example", status=422, times=None)
    emails = [f"user{number:02}@{_domain(number)}" for number in range(50)]
    for email in emails:
        deployed.join(email)
    for email in emails:
        eventually(lambda email=email: _is_settled(deployed, email), what=f"{email} settled")  # type: ignore[misc]

    recorder.write("""
        # Two causes in one dead-letter queue

        Fifty users signed up. Stripe answers 400 for the users of one partner, RevenueCat answers 422 for the guests of
        a fair, and `ProvisioningDlqAlarm` fires. All commands ran on the local stack with `ONRAMP_STACK` set. This page
        is written by `python -m scripts.stories`.

        ## The causes
        """)
    listed = recorder.run("dlq", "list")
    recorder.write("There are two causes. One message of the first cause in full:")
    identity = next(word for line in listed.splitlines() if "@partner" in line for word in re.findall(ID, line))[0]
    recorder.run("dlq", "show", identity)
    recorder.write("""
        ## A redrive before the fix

        A redrive starts with a canary of one user. The cause still exists, so the canary fails with the same reason,
        and the redrive stops before the other seventeen users.
        """)
    recorder.run("dlq", "redrive", "--reason", "stripe_refused_400", "--yes")
    recorder.write("""
        ## A redrive after the fix

        The partner's domain is unblocked in Stripe's dashboard. The same command sends one user, then ten, then the
        rest. It waits for the result of each stage before the next.
        """)
    deployed.stripe.clear()
    recorder.run("dlq", "redrive", "--reason", "stripe_refused_400", "--yes")
    recorder.write("""
        ## The other cause

        The cause of the guests' failure is not fixed. Their messages are unchanged.
        """)
    recorder.run("dlq", "list")
    recorder.write("## The audit log")
    recorder.run("audit")


def _domain(number: int) -> str:
    """Of fifty users: eighteen of the partner, nine guests, twenty-three others, in mixed order."""
    if number % 5 in (0, 2) and number < 45:
        return "partner.example"
    return "guest.example" if number % 4 == 1 else "example.com"


def _is_settled(deployed: DeployedPipeline, email: str) -> bool:
    owed = str((deployed.user(email) or {"owed": "unknown"}).get("owed", ""))
    return owed == "" or owed.startswith("operator#")
