"""What a caller may do within one read or one write: execute statements, and call something after the commit."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeVar

from bulkremove.storage.sqlite.high_water import HighWaterMark

T = TypeVar("T")


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


class QueuedWrite(Generic[T]):
    """A unit of work for the writer thread, and its result or error."""

    def __init__(self, work: Callable[[Transaction], T], *, accepts_restore: bool, wait: float) -> None:
        self.work = work
        self.accepts_restore = accepts_restore
        self.begins_until = time.monotonic() + wait
        self.result: T
        self.error: BaseException | None = None

    def outcome(self) -> T:
        if self.error is not None:
            raise self.error
        return self.result
