"""A pool full of everybody a pool may hold."""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path

from scripts.stories.teller import Teller

from tests.ops.mixed_pool import settle


def backfill(teller: Teller) -> None:
    demanded = settle(teller.deployed.stack)
    teller.says("""
        # A pool full of people

        The pool has users from before Onramp: native ones, some from Google and from a provider that the stack trusts
        for one domain, one from a provider it does not trust, an admin's invitation, an address with a terminal escape.
        Everything below ran on the local stack, with `ONRAMP_STACK` set, and is written by `python -m scripts.stories`.

        ## What would it do?
        """)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        first = teller.runs("backfill", "--csv", "refused.csv")
        teller.says(
            "Who was refused, and why, stands in a file that only its owner can read; the addresses are masked:"
        )
        teller.prints("cat refused.csv", Path("refused.csv").read_text().strip())
        teller.says("Asked twice, it says the same: the trigger's own rules decide, and a dry run writes nothing.")
        again = teller.asks("backfill", "--csv", "refused.csv")
    if again != first or json.loads(teller.asks("backfill", "--json"))["found"] != demanded:
        raise AssertionError(f"{again} is not {first}, or not what the rules demand: {demanded}")
    teller.says("## Apply")
    teller.runs("backfill", "--apply", "--yes")
    teller.says("Once more changes nothing: whoever has a record keeps it.")
    teller.runs("backfill", "--apply", "--yes")
    teller.runs("audit")
