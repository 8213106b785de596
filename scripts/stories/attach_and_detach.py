"""`onramp attach` and `onramp detach` on a user pool that is in use."""

from __future__ import annotations

from scripts.stories.recorder import Recorder

from tests.ops.existing_pool import EVERY_SETTING

EMAIL = "nia@example.com"


def attach_and_detach(recorder: Recorder) -> None:
    deployed = recorder.deployed
    recorder.write(f"""
        # Attach to an existing user pool and detach again

        A team has an existing user pool. {len(EVERY_SETTING)} of its settings differ from their defaults, for example
        the password policy and the e-mail sender. Cognito's `UpdateUserPool` resets every setting that the request
        leaves out, so a manual change is risky. The stack was deployed with `ExistingUserPoolId`. All commands ran on
        the local stack, whose `UpdateUserPool` resets settings in the same way, with `ONRAMP_STACK` set. This page is
        written by `python -m scripts.stories`. A test compares each setting of the pool before and after.

        ## The plan

        Without `--yes` and without a terminal, the command shows its plan and changes nothing:
        """)
    recorder.run("attach")
    recorder.write("## Attach")
    recorder.run("attach", "--yes")
    deployed.stripe.fault("latency", operation="create", seconds=0.5)  # so RevenueCat always finishes first
    deployed.join(EMAIL, given_name="Nia")
    deployed.ready(EMAIL)
    recorder.write("A user signs up, and the pool invokes the trigger:")
    recorder.run("user", "explain", EMAIL)
    recorder.write("A second `attach` changes nothing:")
    recorder.run("attach", "--yes")
    recorder.write("## Detach")
    recorder.run("detach", "--yes")
    recorder.write("The pool has its previous settings. The audit log:")
    recorder.run("audit")
