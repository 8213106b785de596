"""Runs the AWS CLI commands that the doctor prints as cures: the tests have no AWS CLI."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from typing import Any

from botocore import xform_name


def run_aws(command: str, client: Callable[[str], Any]) -> None:
    """Options and values are parsed by botocore's model of the operation."""
    for line in command.partition("  (")[0].split(" && "):
        aws, service, verb, *words = shlex.split(line)
        assert aws == "aws", f"no command of the AWS CLI: {line}"
        if (service, verb) == ("logs", "tail"):  # a command of the CLI alone, without an operation of this name
            client("logs").filter_log_events(logGroupName=words[0])
            continue
        api = client(service)
        operation = api.meta.method_to_api_mapping[verb.replace("-", "_")]
        shape = api.meta.service_model.operation_model(operation).input_shape
        members = {xform_name(name).replace("_", "-"): name for name in shape.members}
        request = {}
        if service == "lambda" and verb == "invoke":
            words.pop()  # the file for the answer
        while words:
            option = words.pop(0).removeprefix("--")
            member = shape.members[members[option]]
            flag = member.type_name == "boolean"
            request[members[option]] = True if flag else _value(words.pop(0), member)
        getattr(api, verb.replace("-", "_"))(**request)


def _value(text: str, shape: Any) -> Any:
    match shape.type_name:
        case "string":
            return text
        case "integer":
            return int(text)
        case "list" if not text.startswith("["):
            return [_value(text, shape.member)]
        case "structure" if not text.startswith("{"):
            pairs = (pair.split("=", 1) for pair in text.split(","))
            return {name: _value(value, shape.members[name]) for name, value in pairs}
    return json.loads(text)
