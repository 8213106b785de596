"""What a backfill has to remember of all users, on disk: its memory does not grow with the pool.

Two things only: which sub has a record (the whole of CognitoSubIndex, read once: to ask it for every user would take as
many calls as there are users), and which addresses this run has given away already.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any, Self

INDEX = "CognitoSubIndex"
TABLES = """
CREATE TABLE holders (sub TEXT PRIMARY KEY, user_id TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE given (email TEXT PRIMARY KEY, sub TEXT NOT NULL) WITHOUT ROWID;
"""


class RecordIndex:
    """A private database without a name: SQLite keeps a few MB of it in memory, and removes it with the process."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("")
        self._db.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {TABLES}")

    @classmethod
    def of(cls, pages: Iterable[Iterable[tuple[str, str]]]) -> Self:
        """Sub and `userId` of linked records."""
        known = cls()
        try:
            for holders in pages:
                known._db.executemany("INSERT OR REPLACE INTO holders VALUES (?, ?)", holders)
        except BaseException:
            known.close()
            raise
        return known

    def holder_of(self, sub: str) -> str | None:
        row = self._db.execute("SELECT user_id FROM holders WHERE sub = ?", (sub,)).fetchone()
        return str(row[0]) if row else None

    def give(self, email: str, sub: str) -> str:
        """To whom this run has given the address: the first who asked."""
        self._db.execute("INSERT OR IGNORE INTO given VALUES (?, ?)", (email, sub))
        return str(self._db.execute("SELECT sub FROM given WHERE email = ?", (email,)).fetchone()[0])

    def given_to(self, email: str) -> str | None:
        row = self._db.execute("SELECT sub FROM given WHERE email = ?", (email,)).fetchone()
        return str(row[0]) if row else None

    def close(self) -> None:
        self._db.close()


def linked(client: Any, users_table: str) -> Iterator[list[tuple[str, str]]]:
    """CognitoSubIndex in pages of up to 1 MB."""
    for page in client.get_paginator("scan").paginate(TableName=users_table, IndexName=INDEX):
        yield [(item["cognitoSub"]["S"], item["userId"]["S"]) for item in page["Items"]]
