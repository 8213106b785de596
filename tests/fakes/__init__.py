"""In-memory AWS at the level of the boto3 client: the real adapters, with their real expressions, run over it."""

from tests.fakes.client import FakeClient, VirtualClock
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.tables import IndexSpec, TableSpec

__all__ = ["FakeClient", "FakeDynamoDB", "IndexSpec", "TableSpec", "VirtualClock"]
