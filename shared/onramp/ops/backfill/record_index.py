"""What a backfill keeps about all users, on disk: its memory does not grow with the pool.

Two tables: which subs have a record, and which e-mail addresses this run has assigned. The subs are the whole of
CognitoSubIndex, read once: to query the index for each user would take as many calls as there are users.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

INDEX = "CognitoSubIndex"
SCHEMA = """
CREATE TABLE holders (sub TEXT PRIMARY KEY, user_id TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE assigned (email TEXT PRIMARY KEY, sub TEXT NOT NULL) WITHOUT ROWID;
"""


class RecordIndex:
    """A temporary database without a name: SQLite keeps a few MB in memory and deletes the file with the process."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("")
        self._db.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {SCHEMA}")

    @classmethod
    def read(cls, client: DynamoDBClient, users_table: str) -> Self:
        """A snapshot of CognitoSubIndex."""
        index = cls()
        try:
            for page in _index_pages(client, users_table):
                index._db.executemany("INSERT OR REPLACE INTO holders VALUES (?, ?)", page)
        except BaseException:
            index.close()
            raise
        return index

    def holder_of(self, sub: str) -> str | None:
        row = self._db.execute("SELECT user_id FROM holders WHERE sub = ?", (sub,)).fetchone()
        return str(row[0]) if row else None

    def assign(self, email: str, sub: str) -> str:
        """The sub to which this run has assigned the address: the first one wins."""
        self._db.execute("INSERT OR IGNORE INTO assigned VALUES (?, ?)", (email, sub))
        return str(self._db.execute("SELECT sub FROM assigned WHERE email = ?", (email,)).fetchone()[0])

    def assigned_to(self, email: str) -> str | None:
        row = self._db.execute("SELECT sub FROM assigned WHERE email = ?", (email,)).fetchone()
        return str(row[0]) if row else None

    def close(self) -> None:
        self._db.close()


def _index_pages(client: DynamoDBClient, users_table: str) -> Iterator[list[tuple[str, str]]]:
    """Sub and `userId` of every linked record, in pages of up to 1 MB."""
    for page in client.get_paginator("scan").paginate(TableName=users_table, IndexName=INDEX):
        yield [(item["cognitoSub"]["S"], item["userId"]["S"]) for item in page["Items"]]
