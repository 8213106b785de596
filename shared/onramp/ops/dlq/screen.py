"""What the commands show of dead letters."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from onramp.domain.users import Profile, User
from onramp.ops.common.dead_letters import DELIVER, POISON, UNKNOWN, Letter
from onramp.ops.common.output import Output
from onramp.ops.common.text import visible
from onramp.ops.common.when import clock, lasting
from onramp.ops.dlq.export import row
from onramp.ops.dlq.groups import Groups
from onramp.ops.dlq.redrive_command import RedriveReport

_NEXT = {
    POISON: "onramp dlq export FILE --reason malformed_event, then onramp dlq drop --id {id} --reason-why '...'",
    "linked_to_another_sub": "onramp user relink EMAIL --sub {sub}, if the user was deleted and has come back",
    "unknown_user": "onramp user explain {sub}",
    "unsupported_schema_version": "deploy a worker that knows this version, then onramp dlq redrive --id {id}",
}
_USUAL = "onramp dlq redrive --id {id}, as soon as the cause is mended"
_DELIVERY = "onramp doctor, which looks at queue policy and key; then onramp dlq redrive --id {id}"


def show_groups(out: Output, groups: Groups, now: int, *, reveal: bool) -> None:
    """Two lines a group: a table of so many columns breaks the reasons on every screen."""
    rows = groups.rows(reveal=reveal)
    wide = len(f"{rows[0]['count']:,}")
    for found in rows:
        group, sample = groups[found["queue"], found["step"], found["reason"]], found["sample"]
        cause = f"{found['queue']}  {found['step']}  {found['reason']}  {_most(found['errorCodes'])}"
        out.line(f"{found['count']:>{wide},}  {cause}", "bold")
        ages = f"oldest {lasting(now - group.oldest)}, newest {lasting(now - group.newest)}"
        one = f"{sample['id'][:8]} {sample['user'] or ''}".rstrip()
        out.line(f"{'':{wide}}  {ages}, code {_most(found['codeVersions'])}, such as {one}")
    first = rows[0]
    out.line("")
    out.line(f"Look at one:    onramp dlq show {first['sample']['id'][:8]}")
    out.line(f"Cause mended?   onramp dlq redrive --reason {shlex.quote(first['reason'])}")


def say_held(out: Output, held: int) -> None:
    """A letter in another reader's hands is hidden: a queue that looks empty may not be."""
    if held:
        out.say(f"About {held} are held by another reader at this moment: look again in two minutes.")


def _most(counts: Mapping[str, int]) -> str:
    """The most frequent, and how many others there are."""
    others = len(counts) - 1
    return next(iter(counts), "unknown") + (f" (+{others})" if others > 0 else "")


def letter_data(letter: Letter, user: User | None, profile: Profile | None, *, reveal: bool) -> dict[str, Any]:
    return row(letter, reveal=reveal) | {
        "receives": letter.receives,
        "reasonFrom": "the letter" if letter.explained else "the profile's step record",
        "owed": user.owed.partition("#")[0] if user and user.owed else None,
        "linkedToThisSub": bool(user and user.cognito_sub == letter.sub),
        "profileStatus": profile.status if profile else None,
        "steps": profile.steps if profile else {},
        "next": next_command(letter, user, profile),
    }


def next_command(letter: Letter, user: User | None, profile: Profile | None) -> str:
    if user and user.cognito_sub == letter.sub and user.owed is None and profile and profile.ready:
        return f"nothing is wrong any more: onramp dlq redrive --id {letter.id[:8]} removes the letter"
    usual = _DELIVERY if letter.step == DELIVER else _USUAL
    return _NEXT.get(letter.reason, usual).format(id=letter.id[:8], sub=letter.sub)


def show_letter(out: Output, letter: Letter, data: Mapping[str, Any], now: int) -> None:
    linked = "" if data["linkedToThisSub"] or data["owed"] is None else " (of another sub)"
    out.facts(
        {
            "id": letter.id,
            "queue": letter.queue,
            "step": letter.step,
            "reason": letter.reason + ("" if letter.explained or letter.reason == UNKNOWN else ", says the profile"),
            "error code": letter.error_code,
            "attempts": letter.attempts,
            "first failed": f"{clock(letter.failed_at)}, {lasting(now - letter.failed_at)} ago",
            "in the queue since": clock(letter.sent_at),
            "code version": letter.code_version,
            "user": data["user"],
            "sub": letter.sub,
            "owed now": f"{data['owed'] or 'nothing'}{linked}",
            "profile now": data["profileStatus"],
            **{f"step {name}": _words(record) for name, record in sorted(data["steps"].items())},
            **{name: value for name, value in letter.attributes.items() if name.isupper()},
        }
    )
    out.line("")
    for line in json.dumps(data["body"], indent=2).splitlines():
        out.line(line)
    out.line("")
    out.line(f"Next: {data['next']}")


def _words(record: object) -> str:
    if not isinstance(record, Mapping):
        return visible(record)
    at = record.get("at")
    when = f" at {clock(at)}" if isinstance(at, int) else ""
    code = f" {record['errorCode']}" if record.get("errorCode") else ""
    return f"{record.get('state')}{code}{when}, attempts {record.get('attempts')}, code {record.get('codeVersion')}"


def show_report(out: Output, report: RedriveReport) -> None:
    if not report.plan.ids:
        poison = report.plan.poison
        rest = f" but {poison} malformed_event, which can only come back: onramp dlq drop" if poison else ""
        out.line(f"There is nothing to redrive{rest}.")
        say_held(out, report.held)
        return
    out.facts({name.replace("_", " "): count for name, count in report.counts().items()})
    for word, found in (
        ("failed again", report.outcome.verdict.failed),
        ("on the way", report.outcome.verdict.waiting),
    ):
        for (step, code), count in found.most_common(5):
            out.line(f"  {word}: {count} {step} {code}")
    if report.outcome.stopped:
        out.line("Stopped: the rest is where it was. Mend the cause and run this again.")
    elif report.trouble:
        out.line("Look again: onramp dlq list. Running this again goes on with what is left.")
