"""`onramp backfill` for a user pool with every kind of user."""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path

from scripts.stories.recorder import Recorder

from tests.ops.mixed_pool import settle


def backfill(recorder: Recorder) -> None:
    expected = settle(recorder.deployed.stack)
    recorder.write("""
        # Backfill an existing user pool

        The pool has users from before Onramp: native users, users from Google, users from a provider that the stack
        trusts for one domain, a user from an untrusted provider, an invitation by an administrator, and an address that
        contains a terminal escape sequence. All commands ran on the local stack with `ONRAMP_STACK` set. This page is
        written by `python -m scripts.stories`.

        ## Dry run
        """)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        first = recorder.run("backfill", "--csv", "refused.csv")
        recorder.write(
            "The refused users and their causes are in a file that only its owner can read. The addresses are masked:"
        )
        recorder.show("cat refused.csv", Path("refused.csv").read_text().strip())
        recorder.write("A second dry run has the same result: it applies the trigger's rules and writes nothing.")
        again = recorder.query("backfill", "--csv", "refused.csv")
    if again != first or json.loads(recorder.query("backfill", "--json"))["found"] != expected:
        raise AssertionError(f"{again} differs from {first} or from the expected {expected}")
    recorder.write("## Apply")
    recorder.run("backfill", "--apply", "--yes")
    recorder.write("A second run changes nothing: existing records stay as they are.")
    recorder.run("backfill", "--apply", "--yes")
    recorder.run("audit")
