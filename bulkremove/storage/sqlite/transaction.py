"""What a caller may do within one read or one write: execute statements, and call something after the commit."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping

from bulkremove.storage.sqlite.high_water import HighWaterMark


class Reader:
    """A consistent view of the database, valid within one call of ``Database.read``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def execute(self, sql: str, **values: object) -> sqlite3.Cursor:
        """Execute a statement with named parameters."""
        return self.connection.execute(sql, values)


class Transaction(Reader):
    """One durable transaction, valid within one call of ``Database.write``."""

    def __init__(self, connection: sqlite3.Connection, mark: HighWaterMark) -> None:
        super().__init__(connection)
        self.mark = mark
        self.after: list[Callable[[], None]] = []
        """What is called after the commit."""

    def executemany(self, sql: str, rows: Iterable[Mapping[str, object]]) -> int:
        """Execute a statement once for each row; the number of changed rows."""
        return self.connection.executemany(sql, rows).rowcount

    def after_commit(self, call: Callable[[], None]) -> None:
        """Call ``call`` in the writer thread once the transaction is on disk, before its caller gets the result."""
        self.after.append(call)
