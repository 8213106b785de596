"""Runs the AWS CLI commands that the doctor prints as cures: the tests have no AWS CLI."""

from __future__ import annotations

import itertools
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
        request: dict[str, Any] = {}
        if service == "lambda" and verb == "invoke":
            words.pop()  # the file for the answer
        while words:
            option = words.pop(0).removeprefix("--")
            if option == "cli-input-json":
                request |= json.loads(words.pop(0))
                continue
            member = shape.members[members[option]]
            values = [words.pop(0) for _ in itertools.takewhile(lambda word: not word.startswith("--"), list(words))]
            request[members[option]] = _value(values, member)
        reply = getattr(api, verb.replace("-", "_"))(**request)
        assert "FunctionError" not in reply, reply["Payload"].read()


def _value(words: list[str], shape: Any) -> Any:
    if shape.type_name == "boolean":
        return True
    text = " ".join(words)
    match shape.type_name:
        case "string":
            return text
        case "integer":
            return int(text)
        case "list" if not text.startswith("["):
            return [_value([word], shape.member) for word in words]
        case "structure" if not text.startswith("{"):
            pairs = (pair.split("=", 1) for pair in text.split(","))
            return {name: _value([value], shape.members[name]) for name, value in pairs}
    return json.loads(text)
