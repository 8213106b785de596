"""A user's identity: the canonical e-mail address, the sub, and usable names.

Trigger, worker, reconciler and operator tools all use these functions, so that one address is one record.
"""

from __future__ import annotations

import re
import unicodedata

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOT_ATOM = re.compile(rf"{_ATEXT}(?:\.{_ATEXT})*")
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_SUB = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")

MAX_LOCAL_PART = 64
MAX_ADDRESS = 254
MAX_NAME = 256


def canonical_email(value: object) -> str | None:
    """The key of a user: an RFC 5321 dot-atom address in lower case, or None where `value` is not one.

    ASCII only: SES, which sends Cognito's codes, delivers to no other address, and an internationalised domain arrives
    as punycode. Nothing is stripped or collapsed. No Unicode folding: `casefold` and NFKC turn look-alike letters into
    the ASCII address of another person.
    """
    if not isinstance(value, str) or len(value) > MAX_ADDRESS:
        return None
    local, at, domain = value.rpartition("@")
    if not at or len(local) > MAX_LOCAL_PART:
        return None
    if not _DOT_ATOM.fullmatch(local) or not _DOMAIN.fullmatch(domain):
        return None
    return value.lower()


def usable_sub(value: object) -> str | None:
    """A Cognito `sub` as it came, or None: 8-4-4-4-12 hex digits, of any UUID version."""
    return value if isinstance(value, str) and _SUB.fullmatch(value) else None


def usable_name(value: object) -> str | None:
    """A name that can be stored, at most 256 characters, or None.

    Control characters, lone surrogates and U+FFFE/U+FFFF are dropped: they do not survive UTF-8, SQS, logs or a
    terminal. A name never blocks a signup.
    """
    if not isinstance(value, str):
        return None
    kept = "".join(filter(_survives, value[: 4 * MAX_NAME]))
    return kept[:MAX_NAME].strip() or None


def _survives(character: str) -> bool:
    return unicodedata.category(character) not in ("Cc", "Cs") and character not in "\ufffe\uffff"
