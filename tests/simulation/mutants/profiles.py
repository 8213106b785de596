"""The conditions of the `UserProfiles` writes, and the worker's short cut."""

from __future__ import annotations

from tests.simulation.edits import Edit
from tests.simulation.mutants.mutant import NIA, TWICE, at, mutant, plan
from tests.simulation.mutants.owed import PROVISION, PUBLISH, SETTLE

SHORT_CUT = "if user.owed is None and (profile := self.profiles.get(sub)) and profile.ready:"
A_READY_B_STARTS = {"worker-nia-1 OwedLedger.settle": 30, "worker-nia-2 UserTable.get": 5}


def always_set(name: str) -> Edit:
    return Edit(
        "onramp.adapters.profiles:ProfileTable.upsert",
        "for name, path in paths.items()]",
        f"for name, path in paths.items() if name != '{name}'] + ['{name} = :{name}']",
    )


MUTANTS = (
    mutant(
        "upsert_resets_status",
        "upsert: if_not_exists(provisioningStatus)",
        always_set("provisioningStatus"),
        on=plan(at(0, "sign_up", NIA, **TWICE), waits=A_READY_B_STARTS),
        only="ready_stays_ready",
    ),
    mutant(
        "upsert_overwrites_name",
        "upsert: if_not_exists(displayName)",
        always_set("displayName"),
        on=plan(
            at(0, "sign_up", NIA),
            at(9, "edit_profile", NIA, value="Nia the First"),
            faults={"worker-nia-1 OwedLedger.settle": "killed_before"},
        ),
        only="user_edits_survive",
    ),
    mutant(
        "failed_over_ready",
        "failed: provisioningStatus <> ready",
        Edit(
            "onramp.adapters.profiles:ProfileTable.mark_failed",
            '"provisioningStatus <> :ready"',
            '"(provisioningStatus <> :ready OR attribute_exists(userId))"',
        ),
        on=plan(
            at(0, "sign_up", NIA, **TWICE),
            waits={"worker-nia-1 OwedLedger.settle": 30, "worker-nia-2 ProfileTable.mark_failed": 5},
            faults={"worker-nia-2 RevenueCatSubscribers.ensure": "refused"},
        ),
        by=("ready_stays_ready", "settled_only_when_ready", "redrives_repair"),
    ),
    mutant(
        "event_before_ready",
        "ready before UserProvisioned",
        Edit(
            PROVISION,
            "profile = self.profiles.mark_ready(sub, now := self.clock())",
            "profile, now = self.profiles.get(sub), self.clock()",
        ),
        Edit(PROVISION, PUBLISH + SETTLE, PUBLISH + "    self.profiles.mark_ready(sub, now)\n" + SETTLE),
        on=plan(at(0, "sign_up", NIA)),
        only="no_event_without_its_cause",
    ),
    mutant(
        "short_cut_on_ready_alone",
        "short cut: never on ready alone",
        Edit(PROVISION, SHORT_CUT, "if (profile := self.profiles.get(sub)) and profile.ready:"),
        on=plan(at(0, "sign_up", NIA), faults={"worker-nia-1 EventBus.publish": "killed_before"}),
        by=("every_signup_ends", "redrives_repair"),
    ),
    mutant(
        "short_cut_for_the_operator",
        "short cut: never because `operator` is owed",
        Edit(PROVISION, SHORT_CUT, 'if user.owed and user.owed.startswith("operator") or user.owed is None:'),
        on=plan(
            at(0, "sign_up", NIA),
            at(99, "replay", NIA),
            faults={"worker-nia-1 RevenueCatSubscribers.ensure": "refused"},
        ),
        only="acknowledged_only_after_durable",
    ),
    mutant(
        "no_short_cut",
        "short cut: nothing owed and ready",
        Edit(PROVISION, SHORT_CUT, "if False:"),
        on=plan(at(0, "sign_up", NIA)),
        only="replays_have_no_effect",
    ),
)
