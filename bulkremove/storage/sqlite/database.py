"""One SQLite file in one process: opened by one object, written by one thread, read by several.

SQLite's locks are POSIX locks, and a process that closes any descriptor of a file drops all its locks on it (SQLite,
"How To Corrupt An SQLite Database File", 2.2). So nothing but SQLite opens the file, and all users of a file within a
process share one object. docs/decisions/0010-storage.md has the reasons and the measurements.
"""

from __future__ import annotations

import asyncio
import math
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from bulkremove.domain.errors import JournalFailed
from bulkremove.storage.sqlite import copies
from bulkremove.storage.sqlite.failures import translated
from bulkremove.storage.sqlite.high_water import HighWaterMark
from bulkremove.storage.sqlite.opening import open_reader
from bulkremove.storage.sqlite.queries import Queries
from bulkremove.storage.sqlite.transaction import Reader, Transaction
from bulkremove.storage.sqlite.writer import Writer

T = TypeVar("T")

READERS = 4
"""Threads that read at the same time, each for a few milliseconds."""
LONG_READERS = 2
"""Threads for long reads, so that an export does not delay the last check before a request is sent."""

_IDENTITY = Queries("identity.sql")


class Database:
    """The only owner of a database file in this process, made by ``registry.open_database``; its first use opens it.

    Usable from any thread and any event loop. SQLite runs only in threads of this object: one that writes (``Writer``),
    and several that read through read-only connections.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.users = 0
        """Number of callers that have it open, guarded by the registry's lock."""
        self._closed = False
        self.mark = HighWaterMark(path.parent)
        self._writer = Writer(path, self.mark)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="journal-reader")
        self._long_readers = ThreadPoolExecutor(LONG_READERS, thread_name_prefix="journal-long-reader")
        self._local = threading.local()
        self._read_connections: list[sqlite3.Connection] = []

    async def write(
        self, work: Callable[[Transaction], T], *, accepts_restore: bool = False, wait: float = math.inf
    ) -> T:
        """Run ``work`` within a durable transaction; see ``Writer.write``."""
        self._check_open()
        return await self._writer.write(work, accepts_restore=accepts_restore, wait=wait)

    def check_current(self, reader: Reader) -> None:
        """Raise JournalFailed when nothing may be sent; see ``Writer.check_current``."""
        self._writer.check_current(reader)

    async def read(self, work: Callable[[Reader], T]) -> T:
        """Run ``work``, which must be short, on a consistent, read-only view; its result. Never waits for a writer."""
        self._check_open()
        return await asyncio.get_running_loop().run_in_executor(self._readers, self.read_now, work)

    async def read_long(self, work: Callable[[], T]) -> T:
        """Run ``work``, which may take long and reads with ``read_now``, in a thread for long reads; its result."""
        self._check_open()
        return await asyncio.get_running_loop().run_in_executor(self._long_readers, work)

    async def backup(self, path: Path) -> None:
        """Copy the database to a new private file, even while it is written to. Raises JournalFailed."""
        await self.read_long(lambda: self._backup(path))

    async def restore(self, copy: Path, work: Callable[[Transaction], None]) -> None:
        """Run ``work`` in a copy, then replace the content of the database by it, for all processes that have it open.

        SQLite's backup does this in one transaction; a file renamed into place would not be the one that others have
        open. After it nothing can be written before a write with ``accepts_restore``. Raises JournalFailed, and then
        nothing has changed.
        """
        self._check_open()
        await self._writer.run(self._restore, copy, work)

    async def shrink(self, pages: int) -> bool:
        """Return up to ``pages`` deleted pages to the file system; whether there may be more."""
        self._check_open()
        return await self._writer.run(self._shrink, pages)

    async def checkpoint(self) -> bool:
        """Move the write-ahead log into the file and empty it, so that neither holds deleted content.

        False when a reader prevents that.
        """
        self._check_open()
        return await self._writer.run(self._checkpoint)

    async def damage(self) -> str:
        """The first damage of the file, in SQLite's words; empty if there is none. Raises JournalFailed."""
        return await self.read_long(lambda: self.read_now(lambda reader: copies.damage_of(reader.connection)))

    def close(self) -> None:
        """Write what is queued, end the threads and close the connections."""
        self._closed = True
        self._writer.stop()
        self._readers.shutdown(wait=True)
        self._long_readers.shutdown(wait=True)
        for connection in self._read_connections:
            connection.close()
        self._read_connections.clear()
        self._writer.close()

    # In the writer thread

    def _shrink(self, pages: int) -> bool:
        connection = self._writer.open()
        with translated(self.path):
            before = _deleted_pages(connection)
            # `execute` would free only one page (measured).
            self._writer.retry_while_busy(lambda: connection.executescript(f"PRAGMA incremental_vacuum({pages});"))
            return 0 < _deleted_pages(connection) < before  # no progress if the file has no incremental vacuum

    def _checkpoint(self) -> bool:
        connection = self._writer.open()
        with translated(self.path):
            return not connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]

    def _restore(self, copy: Path, work: Callable[[Transaction], None]) -> None:
        with copies.checked(copy) as source:
            source.execute("BEGIN")
            work(Transaction(source, self.mark))
            source.execute(_IDENTITY.set_state, {"state": "restored"})
            source.execute("COMMIT")
            connection = self._writer.open()
            reports = iter([self._writer.report_busy])  # only the first wait is reported
            with translated(self.path):
                copies.put_back(source, connection, lambda: next(reports, lambda: None)())

    # In the reader threads

    def read_now(self, work: Callable[[Reader], T]) -> T:
        """``read`` for code that already runs in a reader thread."""
        self._writer.open()
        with translated(self.path):
            connection = self._read_connection()
            connection.execute("BEGIN")
            try:
                return work(Reader(connection))
            finally:
                connection.execute("ROLLBACK")

    def _read_connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = open_reader(self.path)
            self._local.connection = connection
            self._read_connections.append(connection)
        return connection

    def _backup(self, path: Path) -> None:
        self._writer.open()
        with translated(self.path):
            copies.copy_out(self._read_connection(), path)

    def _check_open(self) -> None:
        if self._closed:
            raise JournalFailed(f"The journal {self.path} is closed.")


def _deleted_pages(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA freelist_count").fetchone()[0])
