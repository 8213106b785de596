"""The wire format of Stripe's API: keys in headers, form-encoded parameters, error bodies, validation."""

from __future__ import annotations

import base64
import binascii
from typing import Any
from urllib.parse import parse_qsl

Parameters = tuple[tuple[str, str], ...]
_KNOWN = {"address", "description", "email", "metadata", "name", "phone", "preferred_locales", "shipping"}


def error_body(kind: str, message: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    optional = {name: value for name, value in (("code", code), ("param", param)) if value is not None}
    return {"error": {"type": kind, "message": message, **optional}}


def api_key(authorization: str) -> str:
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(credentials, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""


def form_parameters(body: bytes) -> Parameters:
    """Sorted, so that two requests can be compared."""
    return tuple(sorted(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)))


def metadata_of(parameters: Parameters) -> dict[str, str]:
    prefix, suffix = "metadata[", "]"
    return {
        name[len(prefix) : -len(suffix)]: value
        for name, value in parameters
        if name.startswith(prefix) and name.endswith(suffix) and value
    }


def problem_with(parameters: Parameters) -> dict[str, str] | None:
    """Stripe's validation, limited to the errors that the pipeline's requests can cause."""
    fields = dict(parameters)
    unknown = sorted({name.partition("[")[0] for name in fields} - _KNOWN)
    if unknown:
        message = f"Received unknown parameter: {unknown[0]}"
        return {"message": message, "code": "parameter_unknown", "param": unknown[0]}
    email = fields.get("email", "")
    if email and ("@" not in email or len(email) > 512):
        return {"message": f"Invalid email address: {email}", "code": "email_invalid", "param": "email"}
    metadata = metadata_of(parameters)
    if len(metadata) > 50 or any(len(k) > 40 or len(v) > 500 for k, v in metadata.items()):
        message = "Metadata takes at most 50 keys of 40 characters with values of 500."
        return {"message": message, "code": "parameter_invalid_string", "param": "metadata"}
    return None
