"""The story of one record: how the user signed up, each step since, where provisioning stopped, what to run next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from onramp.domain.event_data import Kind, event_id, rfc3339
from onramp.domain.users import Onboarding, Profile, Status, User
from onramp.ops.common.output import Output
from onramp.ops.common.text import masked_email
from onramp.ops.common.when import format_duration, format_time, parse_time
from onramp.ops.user.lookup import StoredUser
from onramp.ops.user.provisioning_state import provisioning_state


def story_data(stored: StoredUser, user: User, now: int, project: str, *, reveal: bool) -> dict[str, Any]:
    """`user` is the record in `stored`; `project` is RevenueCat's id of the project, for the link."""
    profile = stored.profile
    state = provisioning_state(user, profile, now)
    linked = user.cognito_sub is not None
    signed_up = event_id(str(user.user_pool_id), str(user.cognito_sub), Kind.USER_SIGNED_UP) if linked else None
    timeline = sorted(_timeline(user, profile), key=lambda entry: entry[0])
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
        "timeline": [{"at": rfc3339(at), "what": what} for at, what in timeline],
        "steps": profile.steps if profile else {},
        "unreadable": list(profile.unreadable) if profile else [],
        "state": state.state,
        "why": state.why,
        "since": rfc3339(state.since) if state.since else None,
        "owed": user.owed,
        "nextLook": rfc3339(state.due_at) if state.due_at else None,
        "next": state.next,
        "needsSomebody": state.needs_operator,
        "links": _links(profile, project),
    }


def _timeline(user: User, profile: Profile | None) -> Iterator[tuple[int, str]]:
    """Unix milliseconds and what happened, in no order."""
    pre_created, old_sub = user.onboarding == Onboarding.PRE_CREATED, next(reversed(user.linked_before), None)
    if user.created_at and (pre_created or old_sub):
        yield user.created_at, "an administrator created the record" if pre_created else "the record was created"
    if user.linked_at:
        yield user.linked_at, f"{_link(pre_created, old_sub)}; {_identity(user)}"
    if profile is None:
        return
    if profile.created_at and not old_sub:
        yield profile.created_at, "the worker created the profile"
    if profile.intent and profile.intent.created_at:  # 0: burnt, Stripe refused it
        yield profile.intent.created_at, f"the Stripe intent was stored (epoch {profile.intent.epoch})"
    for name, record in profile.steps.items():
        yield record.get("at", 0), f"{name}: {_step(record)}"


def _link(pre_created: bool, old_sub: object) -> str:
    if old_sub:
        return f"relinked from {old_sub}"
    return "signed up: the pre-created record was linked" if pre_created else "signed up: the record was created"


def _identity(user: User) -> str:
    return f"identity provider {user.identity_provider}, address vouched for by {user.email_vouched_by}"


def _step(record: Mapping[str, Any]) -> str:
    attempts = record.get("attempts", 0)
    times = "1 attempt" if attempts == 1 else f"{attempts} attempts"
    code = f" ({record['errorCode']})" if record.get("errorCode") else ""
    return f"{record.get('state')}{code}, {times}, code {record.get('codeVersion')}"


def _links(profile: Profile | None, project: str) -> dict[str, str]:
    """To the customers that the worker made: an id in the profile may be another writer's."""
    links: dict[str, str] = {}
    if profile and profile.stripe_customer_id:
        links["stripe"] = f"https://dashboard.stripe.com/customers/{quote(profile.stripe_customer_id, safe='')}"
    if profile and profile.revenue_cat_id and project:
        # The dashboard's URLs contain a project's id without the prefix that it has in the API.
        path = f"{quote(project.removeprefix('proj'), safe='')}/{quote(profile.revenue_cat_id, safe='')}"
        links["revenuecat"] = f"https://app.revenuecat.com/customers/{path}"
    return links


def print_story(out: Output, data: Mapping[str, Any], now: int) -> None:
    _print_identity(out, data)
    out.line("")
    for entry in data["timeline"]:
        out.line(f"{format_time(parse_time(entry['at'], now))}  {entry['what']}")
    out.line("")
    healthy = data["state"] in (Status.READY, "prepared")
    out.line(data["why"], "green" if healthy else "red" if data["needsSomebody"] else "yellow")
    facts = {
        "since": _with_age(data["since"], now),
        "owed": data["owed"],
        "due": data["nextLook"],
        **{f"{name} dashboard": link for name, link in data["links"].items()},
        "next": data["next"],
    }
    out.facts({name: value for name, value in facts.items() if value})
    if data["unreadable"]:
        out.line(f"Another writer changed the profile: {', '.join(data['unreadable'])} cannot be read.", "yellow")
    for other in data.get("others", ()):
        out.line("")
        out.line(f"Another Cognito user has this address, and no record: {other['why']}.", "red")
        out.facts({name: other[name] for name in ("sub", "status", "outcome", "next")})


def _print_identity(out: Output, data: Mapping[str, Any]) -> None:
    signup, event = data["cameBy"], data["event"]
    out.facts(
        {
            "user": data["user"],
            "sub": data["sub"],
            "onboarding": signup["onboarding"],
            "provider": signup["identityProvider"],
            "vouched by": signup["emailVouchedBy"],
            "roles": ", ".join(data["roles"]),
            "event": f"{event['kind']} {event['eventId']}" if event else None,
        }
    )


def _with_age(at: str | None, now: int) -> str | None:
    if not at:
        return None
    since = parse_time(at, now)
    return f"{format_time(since)}, {format_duration(now - since)} ago"
