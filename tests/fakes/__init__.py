"""In-memory AWS at the level of the boto3 client: the real adapters, with their real expressions, run over it.

What the fakes do is held against moto and the emulator in `tests/contracts/test_fake_aws_*.py`.
"""

from tests.fakes.client import FakeClient, VirtualClock
from tests.fakes.cognito import FakeCognito
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.eventbridge import FakeEventBridge
from tests.fakes.faults import Faulty, ProcessKilled, Site, SiteLog, faults_for
from tests.fakes.queues import QueueSpec
from tests.fakes.sqs import FakeSqs
from tests.fakes.ssm import FakeSsm
from tests.fakes.tables import IndexSpec, TableSpec

__all__ = [
    "FakeClient",
    "FakeCognito",
    "FakeDynamoDB",
    "FakeEventBridge",
    "FakeSqs",
    "FakeSsm",
    "Faulty",
    "IndexSpec",
    "ProcessKilled",
    "QueueSpec",
    "Site",
    "SiteLog",
    "TableSpec",
    "VirtualClock",
    "faults_for",
]
