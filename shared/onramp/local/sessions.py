"""AWS sessions that ignore the caller's profile, configuration files and credentials."""

from __future__ import annotations

import os
from typing import Any

import boto3
import botocore.session

from onramp.local.gateway.aws import ACCESS_KEY

_NO_FILES: dict[str, Any] = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


def local_session(region: str) -> boto3.Session:
    return boto3.Session(
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=ACCESS_KEY,
        region_name=region,
        botocore_session=botocore.session.Session(session_vars=_NO_FILES),
    )
