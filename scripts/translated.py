"""Prints template.yaml after the SAM transform. Some checks find errors only in the transformed template."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from onramp.local.translate import functions_in, load_template, translate

CODE = "s3://onramp-artifacts/function.zip"  # `sam deploy` puts the address of the upload here


def main() -> None:
    sam = load_template(Path("template.yaml"))
    translated = translate(sam, {}, dict.fromkeys(functions_in(sam), CODE), region="eu-west-1")
    json.dump(translated, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
