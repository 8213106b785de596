"""Why the rules decided as they did on a pool user, and what an operator can do: one sentence each."""

from __future__ import annotations

from typing import NamedTuple

from onramp.domain.decision import Decision, Kind
from onramp.domain.errors import Cause
from onramp.ops.common.shell import command


class Reason(NamedTuple):
    why: str
    cure: str


NOTHING = "nothing to do"
_NOT_CONFIRMED = Reason("not confirmed in Cognito", "nothing to do: the rules decide once the user is confirmed")
_REASONS = {
    Kind.HAS_RECORD.value: Reason("they have a record", NOTHING),
    Kind.CREATE.value: Reason("they are admitted and have no record", "onramp user heal {sub}, or wait for the sweep"),
    Kind.LINK.value: Reason(
        "they are admitted, and a record was pre-created for their address",
        "onramp user heal {sub}, or wait for the sweep",
    ),
    Kind.CONFLICT.value: Reason(
        "the record of their address is linked to another Cognito user",
        "if this is the same person with a new Cognito user: onramp user relink EMAIL --sub {sub}",
    ),
    Kind.EMAIL_CHANGED.value: Reason(
        "their record has another address: it was changed in Cognito", "onramp user show {sub}, which finds it"
    ),
    Kind.FORGOTTEN.value: Reason("they were erased with `onramp user forget`", NOTHING),
    Kind.FAILED.value: Reason("the write failed", "run it again"),
    Decision(Kind.REFUSED, Cause.NOBODY_VOUCHES).label: Reason(
        "their address is not verified, or comes from a provider that is not trusted",
        "let them verify it in Cognito, or name the provider in TrustedIdentityProviders and deploy",
    ),
    Decision(Kind.REFUSED, Cause.LINK_NEEDS_VERIFIED_EMAIL).label: Reason(
        "a record was pre-created for their address, and they have not proved that the address is theirs",
        "let them verify it in Cognito (or map email_verified of the provider)",
    ),
    Decision(Kind.REFUSED, Cause.UNUSABLE_EMAIL).label: Reason(
        "they have no e-mail address that can be a key (ASCII, dot-atom form)", "correct the address in Cognito"
    ),
    Decision(Kind.REFUSED, Cause.UNUSABLE_SUB).label: Reason(
        "their sub has no UUID shape", "Cognito did not create this user"
    ),
    Decision(Kind.REFUSED, Cause.UNKNOWN_USER_POOL).label: Reason(
        "their pool is not one of the stack's", "name it in AdditionalUserPoolArns and deploy"
    ),
}


def reason_of(label: str, sub: str | None = None) -> Reason:
    """`label` is a `Decision.label`. A label without an entry is a Cognito status of an unconfirmed user."""
    reason = _REASONS.get(label, _NOT_CONFIRMED)
    return Reason(reason.why, command(reason.cure, sub=sub or "SUB"))
