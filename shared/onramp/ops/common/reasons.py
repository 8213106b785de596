"""What an outcome of the rules means, and what an operator can do about it: one sentence each."""

from __future__ import annotations

from typing import NamedTuple

from onramp.domain import decision
from onramp.domain.errors import Cause


class Reason(NamedTuple):
    why: str
    cure: str


NOTHING = "nothing to do"
_REASONS = {
    decision.HAS_RECORD: Reason("they have a record", NOTHING),
    decision.CREATE: Reason("they are let in and have no record", "onramp backfill --apply, or wait for the sweep"),
    decision.LINK: Reason(
        "they are let in, and the record an administrator prepared waits for them",
        "onramp backfill --apply, or wait for the sweep",
    ),
    decision.CONFLICT: Reason(
        "the record of their address is linked to another Cognito user",
        "if this is the same person, who came back: onramp user relink EMAIL --sub SUB",
    ),
    decision.EMAIL_CHANGED: Reason(
        "their record stands under another address: it was changed in Cognito", "onramp user show SUB finds it"
    ),
    decision.FORGOTTEN: Reason("they were erased with `onramp user forget`, and stay so", NOTHING),
    decision.FAILED: Reason("the write failed", "run it again"),
    f"refused_{Cause.NOBODY_VOUCHES}": Reason(
        "nobody vouches for their address: it is not verified, or comes from a provider that is not trusted",
        "let them verify it in Cognito, or name the provider in TrustedIdentityProviders and deploy",
    ),
    f"refused_{Cause.LINK_NEEDS_VERIFIED_EMAIL}": Reason(
        "an administrator prepared a record for their address, and they have not proved that it is theirs",
        "let them verify it in Cognito (or map email_verified of the provider)",
    ),
    f"refused_{Cause.UNUSABLE_EMAIL}": Reason(
        "they have no e-mail address that can be a key (ASCII, dot-atom form)", "correct the address in Cognito"
    ),
    f"refused_{Cause.UNUSABLE_SUB}": Reason("their sub is none", "this is no user of Cognito's making"),
    f"refused_{Cause.UNKNOWN_USER_POOL}": Reason(
        "their pool is not one of the stack's", "name it in AdditionalUserPoolArns and deploy"
    ),
}


def reason_of(outcome: str) -> Reason:
    if found := _REASONS.get(outcome):
        return found
    status = outcome.removeprefix("skipped_").upper()
    return Reason(f"not confirmed in Cognito ({status})", "nothing: they are looked at once they are confirmed")
