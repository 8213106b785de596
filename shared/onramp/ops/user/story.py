"""How somebody came, how far they got, where they are stuck, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from onramp.domain.event_data import Kind, event_id, rfc3339
from onramp.domain.users import Onboarding, Status, User
from onramp.ops.common.output import Output
from onramp.ops.common.text import masked_email
from onramp.ops.common.when import clock, lasting, moment
from onramp.ops.user.lookup import StoredUser
from onramp.ops.user.provisioning_state import provisioning_state


def story(person: StoredUser, user: User, now: int, project: str, *, reveal: bool) -> dict[str, Any]:
    """`project`: RevenueCat's, for the link."""
    stands = provisioning_state(user, person.status, person.steps, now)
    linked = user.cognito_sub is not None
    signed_up = event_id(str(user.user_pool_id), str(user.cognito_sub), Kind.USER_SIGNED_UP) if linked else None
    return {
        "user": user.user_id if reveal else masked_email(user.user_id),
        "sub": user.cognito_sub,
        "userPoolId": user.user_pool_id,
        "cameBy": {
            "onboarding": str(user.onboarding),
            "identityProvider": user.identity_provider,
            "emailVouchedBy": user.email_vouched_by,
        },
        "roles": list(user.roles),
        "event": {"kind": Kind.USER_SIGNED_UP, "eventId": signed_up} if linked else None,
        "timeline": [{"at": rfc3339(at), "what": what} for at, what in sorted(_timeline(person, user), key=_when)],
        "steps": {name: dict(record) for name, record in person.steps.items()},
        "state": stands.state,
        "why": stands.why,
        "since": rfc3339(stands.since) if stands.since else None,
        "owed": user.owed,
        "nextLook": rfc3339(stands.next_look) if stands.next_look else None,
        "next": stands.next,
        "needsSomebody": stands.needs_somebody,
        "links": _links(person, project),
    }


def _timeline(person: StoredUser, user: User) -> Iterator[tuple[int, str]]:
    profile = person.profile or {}
    prepared, old = user.onboarding == Onboarding.PRE_CREATED, profile.get("relinkedFrom")
    if user.created_at and (prepared or old):
        did = "an administrator prepared the record" if prepared else "the record was made"
        yield user.created_at, did
    if user.linked_at:
        did = "came and took over the prepared record" if prepared else "came and got a record"
        did = f"took over from {old}, by a relink" if old else did
        yield user.linked_at, f"{did}; through {user.identity_provider}, address vouched for by {user.email_vouched_by}"
    if (at := profile.get("createdAt")) and not old:
        yield at, "the worker began a profile"
    intent = person.provisioning.get("stripeIntent", {})
    if intent.get("createdAt"):  # 0: burnt, Stripe refused it
        yield intent["createdAt"], f"what to ask of Stripe was stored (epoch {intent.get('epoch')})"
    for name, record in person.steps.items():
        yield record.get("at", 0), f"{name}: {step_words(record)}"


def _when(entry: tuple[int, str]) -> int:
    return entry[0]


def step_words(record: Mapping[str, Any]) -> str:
    attempts = record.get("attempts", 0)
    times = "1 attempt" if attempts == 1 else f"{attempts} attempts"
    code = f" ({record['errorCode']})" if record.get("errorCode") else ""
    return f"{record.get('state')}{code}, {times}, code {record.get('codeVersion')}"


def _links(person: StoredUser, project: str) -> dict[str, str]:
    profile, links = person.profile or {}, {}
    if stripe := profile.get("stripeCustomerId"):
        links["stripe"] = f"https://dashboard.stripe.com/customers/{quote(str(stripe), safe='')}"
    if (revenuecat := profile.get("revenueCatId")) and project:
        # The dashboard leaves out the prefix that the API puts before a project's id.
        path = f"{quote(project.removeprefix('proj'), safe='')}/{quote(str(revenuecat), safe='')}"
        links["revenuecat"] = f"https://app.revenuecat.com/customers/{path}"
    return links


def show_story(out: Output, data: Mapping[str, Any], now: int) -> None:
    came = data["cameBy"]
    event = data["event"]
    out.facts(
        {
            "user": data["user"],
            "sub": data["sub"],
            "came": f"{came['onboarding']} through {came['identityProvider'] or 'nobody yet'}",
            "address": f"vouched for by {came['emailVouchedBy'] or 'nobody yet'}",
            "roles": ", ".join(data["roles"]),
            "event": f"{event['kind']} {event['eventId']}" if event else None,
        }
    )
    out.line("")
    for entry in data["timeline"]:
        out.line(f"{clock(moment(entry['at'], now))}  {entry['what']}")
    out.line("")
    healthy = data["state"] in (Status.READY, "prepared")
    out.line(data["why"], "green" if healthy else "red" if data["needsSomebody"] else "yellow")
    facts = {
        "since": _ago(data["since"], now),
        "owed": data["owed"],
        "next look": data["nextLook"],
        **{f"{name} dashboard": link for name, link in data["links"].items()},
        "next": data["next"],
    }
    out.facts({name: value for name, value in facts.items() if value})
    for other in data.get("others", ()):
        out.line("")
        out.line(f"Another Cognito user has this address, and no record: {other['why']}.", "red")
        out.facts({name: other[name] for name in ("sub", "status", "outcome", "next")})


def _ago(at: str | None, now: int) -> str | None:
    if not at:
        return None
    since = moment(at, now)
    return f"{clock(since)}, {lasting(now - since)} ago"
