"""One SQLite file in one process: opened by one object, written by one thread, read by a few.

SQLite's locks are POSIX locks, and a process that closes any descriptor of a file drops all its locks on it (SQLite,
"How To Corrupt An SQLite Database File", 2.2). So nothing opens the file beside SQLite, and whoever opens the same
file in this process is given the same object. docs/decisions/0010-storage.md has the reasons and the measurements.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Generic, TypeVar

from bulkremove.domain.errors import JournalFailed
from bulkremove.storage.sqlite import copies
from bulkremove.storage.sqlite.failures import is_busy, journal_failed, translated
from bulkremove.storage.sqlite.high_water import HighWaterMark
from bulkremove.storage.sqlite.identity import Identity, identity_of
from bulkremove.storage.sqlite.opening import file_at, open_reader, open_writer
from bulkremove.storage.sqlite.queries import Queries

T = TypeVar("T")

READERS = 4
"""Threads that read at the same time, each for a few milliseconds."""
LONG_READERS = 2
"""Threads for what may take long: no export keeps a request from its last look before it leaves."""

_IDENTITY = Queries("identity.sql")
_log = logging.getLogger("bulkremove.storage")


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
        self._after_commit: list[Callable[[], None]] = []

    def executemany(self, sql: str, rows: Iterable[Mapping[str, object]]) -> int:
        """Execute a statement once for each row; the number of rows changed."""
        return self.connection.executemany(sql, rows).rowcount

    def after_commit(self, call: Callable[[], None]) -> None:
        """Call this in the writer thread once the transaction is on disk, before its caller gets the result."""
        self._after_commit.append(call)


class _Write(Generic[T]):
    """A piece of work that waits for the writer, and then its outcome."""

    def __init__(self, work: Callable[[Transaction], T], *, accepts_restore: bool = False) -> None:
        self.work = work
        self.accepts_restore = accepts_restore
        self.result: T
        self.error: BaseException | None = None

    def outcome(self) -> T:
        if self.error is not None:
            raise self.error
        return self.result


class Database:
    """The one owner of a database file in this process. Get it with ``open_database``; raises nothing until it is used.

    Usable from any thread and any event loop. SQLite runs in threads of this object only: one that writes, and some
    that read through read-only connections. What waits for the writer at the same time shares one commit; each caller
    gets its own result or its own error, after the commit.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.users = 0
        """How many callers have it open (guarded by the lock of ``open_database``)."""
        self._failed: JournalFailed | None = None
        self._closed = False
        self._opening = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._queue = threading.Lock()
        """Guards the two below."""
        self._waiting: list[_Write[object]] = []
        self._turns: dict[asyncio.AbstractEventLoop, asyncio.Future[None]] = {}
        """For each event loop, the writer's next turn, in which all that waits is written."""
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="journal-writer")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="journal-reader")
        self._long_readers = ThreadPoolExecutor(LONG_READERS, thread_name_prefix="journal-long-reader")
        self._local = threading.local()
        self.mark = HighWaterMark(path.parent)
        self._journal = ""
        """Id of the journal that was written to last; empty before that."""
        self._file: tuple[int, int] | None = None
        """Device and number of the file that is open."""
        self._read_connections: list[sqlite3.Connection] = []

    async def write(self, work: Callable[[Transaction], T], *, accepts_restore: bool = False) -> T:
        """Run ``work`` within a durable transaction; its result, once that is on disk.

        ``work`` runs in the writer thread and must not wait for anything. What it raises undoes its own writes only.
        A cancelled caller still waits until the outcome is certain. Raises JournalFailed when the disk refuses; after
        that nothing is written any more, since what SQLite holds in memory need not be what the disk holds. Raises it
        too when the journal was replaced by an older copy, until a write that ``accepts_restore`` has gone through.
        """
        self._check_open()
        write = _Write(work, accepts_restore=accepts_restore)
        loop = asyncio.get_running_loop()
        with self._queue:
            turn = self._turns.get(loop)
            if turn is None:
                turn = self._turns[loop] = loop.run_in_executor(self._writer, self._commit_waiting)
            self._waiting.append(write)  # type: ignore[arg-type] # the list does not care what a result is
        await _certainly(turn)
        return write.outcome()

    async def read(self, work: Callable[[Reader], T]) -> T:
        """Run ``work``, which is short, on a consistent, read-only view; its result. It never waits for a writer."""
        self._check_open()
        return await asyncio.get_running_loop().run_in_executor(self._readers, self.read_now, work)

    async def read_long(self, work: Callable[[], T]) -> T:
        """Run ``work`` in a thread of its own; it may take long, and reads as often as it likes with ``read_now``."""
        self._check_open()
        return await asyncio.get_running_loop().run_in_executor(self._long_readers, work)

    def check_current(self, reader: Reader) -> None:
        """Raise JournalFailed when nothing may be sent any more: after a failed commit, or when a copy was put back
        since the last one, which does not know of the attempt that is about to leave."""
        if self._failed:
            raise self._failure_again(self._failed)
        identity = identity_of(reader.connection)
        if self._journal and (identity.id != self._journal or identity.state == "restored"):
            raise JournalFailed(
                f"The journal {self.path} was replaced by another while it was in use. Nothing was sent.",
                hint="`bulkremove doctor` says whether it can be used.",
            )

    async def backup(self, path: Path) -> None:
        """Copy the database to a new private file, also while it is written to. Raises JournalFailed."""
        await self.read_long(lambda: self._backup(path))

    async def restore(self, copy: Path, work: Callable[[Transaction], None]) -> None:
        """Replace everything by a copy, once ``work`` has been done in it, for all who have the file open.

        SQLite's backup does it within one transaction; a file that was renamed into place would be another one than
        those that others have open. Nothing can be written then until a write that ``accepts_restore``. Raises
        JournalFailed, and then nothing has changed.
        """
        self._check_open()
        await asyncio.get_running_loop().run_in_executor(self._writer, self._restore, copy, work)

    async def shrink(self, pages: int) -> bool:
        """Return up to ``pages`` deleted pages to the file system; whether there may be more.

        Only ``executescript`` steps the pragma to its end: ``execute`` frees one page (measured).
        """
        self._check_open()
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._shrink, pages)

    async def checkpoint(self) -> bool:
        """Bring the file up to date and empty its write-ahead log, so that what was deleted stands in neither; False
        when somebody's reading kept it from that."""
        self._check_open()
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._checkpoint)

    async def damage(self) -> str:
        """What is wrong with the file's content, in SQLite's words; empty when nothing is. Raises JournalFailed."""
        return await self.read_long(lambda: self.read_now(lambda reader: copies.damage_of(reader.connection)))

    def close(self) -> None:
        """End the threads and close the connections; what waits is written first."""
        self._closed = True
        self._writer.shutdown(wait=True)
        self._readers.shutdown(wait=True)
        self._long_readers.shutdown(wait=True)
        for connection in (*self._read_connections, self._connection):
            if connection is not None:
                connection.close()
        self._read_connections.clear()
        self._connection = None

    # The writer's thread

    def _commit_waiting(self) -> None:
        """Write everything that waits, in one transaction."""
        with self._queue:
            group, self._waiting = self._waiting, []
            self._turns.clear()
        if not group:
            return  # another event loop's turn has written it
        try:
            connection = self._opened()
            if self._failed:
                raise self._failure_again(self._failed)
            if file_at(self.path) != self._file:
                raise self._moved()
            self._begin(connection)
        except JournalFailed as failed:
            for write in group:
                write.error = failed
            return
        transaction = Transaction(connection, self.mark)
        try:
            journal = identity_of(connection)
            try:
                why_not = self._not_ours(connection, journal)
            except JournalFailed as failed:
                why_not = failed
            for write in group:
                if why_not is None or write.accepts_restore:
                    self._run(connection, transaction, write)
                else:
                    write.error = why_not
            if any(write.accepts_restore for write in group):
                journal = identity_of(connection)
            connection.execute("COMMIT")
            self._journal = journal.id
        except sqlite3.Error as error:
            self._fail(connection, error, group)
            return
        try:
            for call in transaction._after_commit:
                call()
            self.mark.write(journal.id)
        except Exception as error:
            # It is committed, but nobody may act on it: a request that leaves now would be ahead of the mark.
            words = f"The high-water mark of the journal {self.path} can't be written: {error}."
            self._failed = error if isinstance(error, JournalFailed) else JournalFailed(words)
            for write in group:
                write.error = write.error or self._failed

    def _not_ours(self, connection: sqlite3.Connection, identity: Identity) -> JournalFailed | None:
        """Why nothing may be written: another journal, or an older copy, is in the place of the one used last.

        Asked within the transaction: nobody else can commit meanwhile, and the mark is never ahead of a commit. Raises
        JournalFailed.
        """
        difference = identity.difference(self.mark.read())
        if difference is None and identity.state == "new":
            self.mark.name(identity.id)
            connection.execute(_IDENTITY.set_state, {"state": "marked"})
        return (
            None
            if difference is None
            else JournalFailed(
                f"The journal {self.path} {difference} Nothing was sent.",
                hint="`bulkremove journal accept-restore` shows what can't be known any more, and continues with it.",
            )
        )

    def _moved(self) -> JournalFailed:
        return JournalFailed(
            f"The file {self.path} was moved or replaced while it was in use. Nothing was sent.",
            hint="End every bulkremove that uses this folder, put the right journal in its place, and start again.",
        )

    def _run(self, connection: sqlite3.Connection, transaction: Transaction, write: _Write[object]) -> None:
        """One piece of work within a savepoint. Raises sqlite3.Error when the whole transaction is lost."""
        calls = len(transaction._after_commit)
        connection.execute("SAVEPOINT part")
        try:
            write.result = write.work(transaction)
        except Exception as error:
            # A full disk and an I/O error roll the whole transaction back; a savepoint set after that would open a new
            # one, whose commit would look like success (measured).
            lost = not connection.in_transaction
            if isinstance(error, sqlite3.Error) and (lost or not isinstance(error, sqlite3.IntegrityError)):
                raise
            if lost:
                raise sqlite3.OperationalError("the transaction was rolled back") from error
            connection.execute("ROLLBACK TO part")
            del transaction._after_commit[calls:]
            write.error = self._refused(error) if isinstance(error, sqlite3.IntegrityError) else error
        connection.execute("RELEASE part")

    def _begin(self, connection: sqlite3.Connection) -> None:
        """Begin to write. Raises JournalFailed."""
        try:
            self._patiently(lambda: connection.execute("BEGIN IMMEDIATE"))
        except sqlite3.Error as error:
            self._fail(connection, error, [])
            raise self._failed or JournalFailed(str(error)) from error

    def _patiently(self, call: Callable[[], object]) -> None:
        """Make a call that needs the write lock. Another process's transaction is waited for: a busy file is not a
        broken one. Raises sqlite3.Error for any other error, JournalFailed when this object is closed meanwhile."""
        reported = False
        while True:
            try:
                call()
                return
            except sqlite3.Error as error:
                if not is_busy(error):
                    raise
            if not reported:
                self._report_busy()
                reported = True

    def _report_busy(self) -> None:
        if self._closed:
            raise JournalFailed(f"The journal {self.path} was closed while another process was writing to it.")
        _log.warning("Another process is writing to the journal %s; waiting for it.", self.path)

    def _fail(self, connection: sqlite3.Connection, error: sqlite3.Error, group: list[_Write[object]]) -> None:
        self._failed = journal_failed(self.path, error)
        for write in group:
            write.error = self._failed
        with contextlib.suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")  # others must not wait for a transaction that never ends

    def _failure_again(self, failed: JournalFailed) -> JournalFailed:
        # A later caller may be the only one who is heard, so the first cause is given again.
        return JournalFailed(f"{failed.message} It is not used any more.", hint=failed.hint)

    def _refused(self, error: sqlite3.IntegrityError) -> JournalFailed:
        return JournalFailed(f"The journal {self.path} refused an entry ({error}); nothing was sent.")

    def _shrink(self, pages: int) -> bool:
        connection = self._opened()
        with translated(self.path):
            before = _deleted_pages(connection)
            self._patiently(lambda: connection.executescript(f"PRAGMA incremental_vacuum({pages});"))
            return 0 < _deleted_pages(connection) < before  # a file from elsewhere may not know this way to shrink

    def _checkpoint(self) -> bool:
        connection = self._opened()
        with translated(self.path):
            return not connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]

    def _restore(self, copy: Path, work: Callable[[Transaction], None]) -> None:
        with copies.checked(copy) as source:
            source.execute("BEGIN")
            work(Transaction(source, self.mark))
            source.execute(_IDENTITY.set_state, {"state": "restored"})
            source.execute("COMMIT")
            connection = self._opened()
            busy = iter([self._report_busy])  # once
            with translated(self.path):
                copies.put_back(source, connection, lambda: next(busy, lambda: None)())

    # The readers' threads

    def read_now(self, work: Callable[[Reader], T]) -> T:
        """``read`` for code that runs in a reader's thread already."""
        self._opened()
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
        self._opened()
        with translated(self.path):
            copies.copy_out(self._read_connection(), path)

    # Opening

    def _check_open(self) -> None:
        if self._closed:
            raise JournalFailed(f"The journal {self.path} is closed.")

    def _opened(self) -> sqlite3.Connection:
        """The writer's connection; the first call opens the file. Raises JournalFailed."""
        with self._opening:
            if self._connection is None:
                with translated(self.path):
                    self._connection = open_writer(self.path, self.mark)
                    self._file = file_at(self.path)
            return self._connection


_databases: dict[Path, Database] = {}
_registry = threading.Lock()


def open_database(path: Path, databases: dict[Path, Database] | None = None) -> Database:
    """The process's one owner of the file, opened or shared; each caller ends its use with ``close_database``.

    ``databases``: the owners of the process, by real path; those of this process unless a test simulates others.
    """
    owners = _databases if databases is None else databases
    with _registry:
        real = Path(os.path.realpath(path.parent)) / path.name
        database = owners.get(real)
        if database is None:
            database = owners[real] = Database(real)
        database.users += 1
        return database


def close_database(database: Database, databases: dict[Path, Database] | None = None) -> None:
    """End one use of the database; the last one closes it."""
    owners = _databases if databases is None else databases
    with _registry:
        database.users -= 1
        if database.users:
            return
        owners.pop(database.path, None)
    database.close()


async def _certainly(turn: asyncio.Future[None]) -> None:
    """Wait until the writer's turn is over, also when the caller is cancelled meanwhile; only then raise that."""
    cancelled: asyncio.CancelledError | None = None
    while not turn.done():
        try:
            await asyncio.shield(turn)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    await turn


def _deleted_pages(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA freelist_count").fetchone()[0])
