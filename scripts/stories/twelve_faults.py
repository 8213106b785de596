"""Twelve things wrong with a deployment at once."""

from __future__ import annotations

import contextlib
import json

from scripts.stories.teller import Teller

from tests.desk.aws_cli import run_aws
from tests.desk.patient import FAULTS, KEYS, Fault, Patient

PLANTED = (
    Patient.drops_its_trigger,
    Patient.signs_in_through_a_stranger,
    Patient.is_switched_off,
    Patient.disables_the_rule,
    Patient.loses_what_it_cannot_deliver,
    Patient.shuts_eventbridge_out,
    Patient.forgets_letters_early,
    Patient.has_a_revoked_key,
    Patient.has_a_key_of_the_old_api,
    Patient.stops_the_schedule,
    Patient.silences_its_alarms,
    Patient.waits_for_the_operator,
)


def planted() -> list[Fault]:
    return [fault for fault in FAULTS if fault.plant in PLANTED]


def twelve_faults(teller: Teller) -> None:
    patient = Patient(teller.town.stack)
    with contextlib.ExitStack() as stack:
        for fault in planted():
            stack.callback(fault.plant(patient))
        teller.says("""
            # Twelve faults

            Somebody has been in the console, and twelve things are wrong with this deployment. One command finds them,
            says why each matters and what cures it. Everything below ran on the local stack, with `ONRAMP_STACK` set,
            and is written by `python -m scripts.stories`.
            """)
        teller.runs("doctor")
        cured(teller, patient)
    teller.says("""
        ## The cures

        Each was run as it stands, with the providers' real keys in the place of `KEY`; the deployments were made, and
        the user who waited was seen to. After that:
        """)
    teller.runs("doctor")


def cured(teller: Teller, patient: Patient) -> None:
    """What the doctor prescribes and a test can run."""
    runs = {fault.group: fault for fault in planted() if fault.runs}
    for finding in json.loads(teller.asks("doctor", "--json"))["findings"]:
        cure, group = str(finding["cure"]), finding["check"]
        if cure.startswith("aws ") and group in runs:
            run_aws(cure.replace("KEY", KEYS.get(group, "")), patient.client)
        elif cure.startswith("onramp attach"):
            teller.asks(*cure.split()[1:], "--yes")
