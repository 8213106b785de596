"""Attaching to a pool in use, and back."""

from __future__ import annotations

from scripts.stories.teller import Teller

from tests.ops.existing_pool import EVERY_SETTING

EMAIL = "nia@example.com"


def attach_and_detach(teller: Teller) -> None:
    deployed = teller.deployed
    teller.says(f"""
        # A pool in use: attach, and back

        A team has had its user pool for years; {len(EVERY_SETTING)} of its settings differ from their defaults, from
        the password policy to the sender of the mails. Cognito's update resets whatever it is not told, so nobody dares
        to touch it. The stack was deployed with `ExistingUserPoolId`. Everything below ran on the local stack, whose
        update forgets in the same way, with `ONRAMP_STACK` set, and is written by `python -m scripts.stories`; a test
        compares the pool before and after, field by field.

        ## What would it do?

        Without `--yes`, and without a terminal to ask at, it shows its plan and does nothing:
        """)
    teller.runs("attach")
    teller.says("## Attach")
    teller.runs("attach", "--yes")
    deployed.stripe.fault("latency", operation="create", seconds=0.5)  # the steps are told in the order they were done
    deployed.join(EMAIL, given_name="Nia")
    deployed.ready(EMAIL)
    teller.says("Somebody signs up, and the pool calls the trigger:")
    teller.runs("user", "explain", EMAIL)
    teller.says("Attached again, it does nothing:")
    teller.runs("attach", "--yes")
    teller.says("## And back")
    teller.runs("detach", "--yes")
    teller.says("The pool is what it was before. Who did what?")
    teller.runs("audit")
