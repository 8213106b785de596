"""Generates files from the event contracts: `python scripts/contracts.py [TARGET]`, by default into this repository.

    docs/events/*.schema.json   the JSON Schemas
    template.yaml               the same schemas for the EventBridge registry, which accepts JSON Schema draft 4 only
    events/eventbridge_*.json   one delivery of each event
    events/sqs_batch.json       a batch for the worker with valid, duplicate and invalid records

A test fails if the files of the repository differ from the generated ones.
"""

from __future__ import annotations

import hashlib
import json
import sys
import textwrap
import uuid
from pathlib import Path
from typing import Any

from onramp.domain.claims import Admission, user_in
from onramp.domain.event_data import (
    SOURCE,
    Event,
    Kind,
    user_forgotten,
    user_provisioned,
    user_provisioning_failed,
    user_signed_up,
)
from onramp.domain.trust import TrustPolicy
from onramp.domain.users import Profile, Status
from onramp.events import CONTRACTS

ROOT = Path(__file__).resolve().parent.parent
AT = 1_790_000_000_000
CORRELATION = "2f6d0a3e-7c15-4a8e-9b60-5d1e8c7f4a21"
BEGIN = "  # <events> written by scripts/contracts.py\n"
END = "  # </events>\n"
ACCOUNT, REGION = "123456789012", "eu-west-1"
QUEUE_ARN = f"arn:aws:sqs:{REGION}:{ACCOUNT}:onramp-ProvisioningQueue"


def main(target: Path) -> None:
    for kind, contract in CONTRACTS.items():
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **contract.model_json_schema()}
        _write(target / "docs/events" / f"{kind}.schema.json", schema)
    _write_registry(target / "template.yaml")
    samples = _samples()
    for name, event in samples.items():
        _write(target / "events" / f"eventbridge_{name}.json", _delivered(event))
    _write(target / "events/sqs_batch.json", _batch(samples["user_signed_up"]))


def _write_registry(path: Path) -> None:
    """Replaces the text between the two markers of template.yaml."""
    template = (ROOT / "template.yaml").read_text()
    before, begin, rest = template.partition(BEGIN)
    _, end, after = rest.partition(END)
    path.write_text(before + begin + "".join(map(_registry_entry, CONTRACTS)) + end + after)


def _registry_entry(kind: Kind) -> str:
    schema = json.dumps(_draft4(CONTRACTS[kind].model_json_schema()), indent=2)
    return f"""\
  {kind}Schema:
    Type: AWS::EventSchemas::Schema
    Properties:
      RegistryName: !GetAtt EventSchemas.RegistryName
      SchemaName: {SOURCE}@{kind}
      Type: JSONSchemaDraft4
      Content: |
{textwrap.indent(schema, " " * 8)}
"""


def _draft4(node: Any) -> Any:
    """Converts pydantic's JSON Schema 2020-12 to draft 4: `$defs` becomes `definitions`, `const` a one-value `enum`."""
    if isinstance(node, list):
        return [_draft4(item) for item in node]
    if not isinstance(node, dict):
        return node.replace("#/$defs/", "#/definitions/") if isinstance(node, str) else node
    renamed = {"$defs": "definitions"}
    plain = {renamed.get(key, key): _draft4(value) for key, value in node.items() if key != "const"}
    return plain | ({"enum": [node["const"]]} if "const" in node else {})


def _samples() -> dict[str, Event]:
    trigger = json.loads((ROOT / "events/post_confirmation_native.json").read_text())
    admission = Admission(
        frozenset({trigger["userPoolId"]}), TrustPolicy(), emit_due_after=300_000, default_role="team_member"
    )
    user = admission.claim(user_in(trigger), AT).as_new_user()
    sub, pool = str(user.cognito_sub), str(user.user_pool_id)
    profile = Profile(sub, Status.READY, user.names.full, "cus_Onramp0000000001", sub)
    return {
        "user_signed_up": user_signed_up(user, correlation_id=CORRELATION),
        "user_provisioned": user_provisioned(profile, pool, at=AT + 840, correlation_id=CORRELATION),
        "user_provisioning_failed": user_provisioning_failed(
            sub, pool, step="stripe", reason="stripe_refused_400", at=AT + 840, correlation_id=CORRELATION
        ),
        "user_forgotten": user_forgotten(sub, pool, at=AT + 86_400_000, correlation_id=CORRELATION),
    }


def _delivered(event: Event) -> dict[str, Any]:
    return {
        "version": "0",
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, event.kind)),
        "detail-type": event.kind.value,
        "source": SOURCE,
        "account": ACCOUNT,
        "time": event.detail["metadata"]["occurredAt"][:19] + "Z",
        "region": REGION,
        "resources": [],
        "detail": event.detail,
    }


def _batch(event: Event) -> dict[str, Any]:
    good = _delivered(event)
    unknown_user = json.loads(json.dumps(good))
    unknown_user["detail"]["data"] |= {"userId": "nobody@example.com", "email": "nobody@example.com"}
    newer_version = json.loads(json.dumps(good))
    newer_version["detail"]["metadata"]["schemaVersion"] = "2.0"
    bodies = [json.dumps(body) for body in (good, good, unknown_user, newer_version)] + ["this is not JSON"]
    return {"Records": [_record(number, body) for number, body in enumerate(bodies, start=1)]}


def _record(number: int, body: str) -> dict[str, Any]:
    return {
        "messageId": str(uuid.uuid5(uuid.NAMESPACE_OID, f"message-{number}")),
        "receiptHandle": f"receipt-{number}",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": str(AT + 100),
            "SenderId": "AIDAEXAMPLE",
            "ApproximateFirstReceiveTimestamp": str(AT + 120),
        },
        "messageAttributes": {},
        "md5OfBody": hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(),
        "eventSource": "aws:sqs",
        "eventSourceARN": QUEUE_ARN,
        "awsRegion": REGION,
    }


def _write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
