"""The first story: two causes in one dead-letter queue, one of them mended."""

from __future__ import annotations

import re

from scripts.stories.teller import ID, Teller

from tests.deployed import DeployedPipeline, eventually


def two_causes(teller: Teller) -> None:
    deployed = teller.deployed
    deployed.stripe.fault("refused", operation="create", match="@partner.example", code="email_invalid", times=None)
    deployed.revenuecat.fault("refused", match="@guest.example", status=422, times=None)
    people = [f"user{number:02}@{_domain(number)}" for number in range(50)]
    for email in people:
        deployed.join(email)
    for email in people:
        eventually(lambda email=email: _settled(deployed, email), what=f"{email} settled")  # type: ignore[misc]

    teller.says("""
        # Two causes in one dead-letter queue

        Fifty people signed up in the night. Stripe answers 400 to those of one partner, RevenueCat 422 to the guests of
        a fair, and `ProvisioningDlqAlarm` rings. Everything below ran on the local stack, with `ONRAMP_STACK` set, and
        is written by `python -m scripts.stories`.

        ## What is it?
        """)
    listed = teller.runs("dlq", "list")
    teller.says("Two causes, not one. The first of the two in full:")
    identity = next(word for line in listed.splitlines() if "@partner" in line for word in re.findall(ID, line))[0]
    teller.runs("dlq", "show", identity)
    teller.says("""
        ## Is it over?

        Somebody says that Stripe is fine again. The canary does not believe it: one user was sent, the same reason came
        back, seventeen were not bothered.
        """)
    teller.runs("dlq", "redrive", "--reason", "stripe_refused_400", "--yes")
    teller.says("""
        ## The cure

        The partner's domain is unblocked in Stripe's dashboard. The same command again: one user, then ten, then the
        rest, each stage looked after until it is certain what became of it.
        """)
    deployed.stripe.clear()
    teller.runs("dlq", "redrive", "--reason", "stripe_refused_400", "--yes")
    teller.says("""
        ## What is left?

        The guests: their cause is not mended, and nobody has touched their letters. They wait for the morning.
        """)
    teller.runs("dlq", "list")
    teller.says("## Who did what?")
    teller.runs("audit")


def _domain(number: int) -> str:
    """Eighteen of the partner, nine guests, twenty-three others, in a mixed order."""
    if number % 5 in (0, 2) and number < 45:
        return "partner.example"
    return "guest.example" if number % 4 == 1 else "example.com"


def _settled(deployed: DeployedPipeline, email: str) -> bool:
    owed = str((deployed.user(email) or {"owed": "unknown"}).get("owed", ""))
    return owed == "" or owed.startswith("operator#")
