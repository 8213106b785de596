"""Translates template.yaml (SAM) to plain CloudFormation, offline."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from onramp.local.errors import DeployError
from onramp.local.sessions import local_session

Template = dict[str, Any]


def load_template(path: Path) -> Template:
    """The SAM source, with short intrinsics (`!Ref`) in their long form. Raises DeployError."""
    from samtranslator.yaml_helper import intrinsics_multi_constructor, yaml

    # yaml_helper's own loader is Python: 20 times as slow as libyaml, and a quarter of the start of a stack.
    loader: Any = type("Loader", (getattr(yaml, "CSafeLoader", yaml.SafeLoader),), {})
    loader.add_multi_constructor("!", intrinsics_multi_constructor)
    try:
        template = yaml.load(path.read_text(), loader)
    except OSError as exc:
        raise DeployError(f"{path} cannot be read: {exc.strerror}") from exc
    except yaml.YAMLError as exc:
        raise DeployError(f"{path} is not YAML: {exc}") from exc
    return dict(template)


def translate(sam: Template, parameters: Mapping[str, str], code: Mapping[str, str], region: str) -> Template:
    """`code` maps each function's logical id to the s3:// address that replaces its CodeUri. Raises DeployError."""
    from samtranslator.model.exceptions import InvalidDocumentException
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator

    # It warns that it cannot read AWS's feature toggles, which need an account.
    logging.getLogger("samtranslator.feature_toggle").setLevel(logging.ERROR)
    for logical_id, address in code.items():
        sam["Resources"][logical_id]["Properties"]["CodeUri"] = address
    no_managed_policies: dict[str, str] = {}  # without this argument it lists them in IAM
    translator = Translator(no_managed_policies, Parser(), boto_session=local_session(region))
    try:
        return dict(translator.translate(sam, dict(parameters)))
    except InvalidDocumentException as exc:
        causes = "; ".join(cause.message for cause in exc.causes)
        raise DeployError(f"template.yaml is not valid SAM: {causes}") from exc
    finally:
        translator.metrics.publish()  # sends nothing; unpublished metrics cause a warning on stderr


def functions_in(sam: Template) -> dict[str, str]:
    """The handler string of every function, by logical id."""
    return {
        logical_id: resource["Properties"]["Handler"]
        for logical_id, resource in sam["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }
