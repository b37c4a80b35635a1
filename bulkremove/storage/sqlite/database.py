"""One SQLite file in one process: opened by one object, written by one thread, read by several.

SQLite's locks are POSIX locks, and a process that closes any descriptor of a file drops all its locks on it (SQLite,
"How To Corrupt An SQLite Database File", 2.2). So nothing but SQLite opens the file, and all users of a file within a
process share one object. docs/decisions/0010-storage.md has the reasons and the measurements.
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
"""Threads for long reads, so that an export does not delay the last check before a request is sent."""

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
        """Execute a statement once for each row; the number of changed rows."""
        return self.connection.executemany(sql, rows).rowcount

    def after_commit(self, call: Callable[[], None]) -> None:
        """Call ``call`` in the writer thread once the transaction is on disk, before its caller gets the result."""
        self._after_commit.append(call)


class _Write(Generic[T]):
    """A unit of work for the writer thread, and its result or error."""

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
    """The only owner of a database file in this process, made by ``open_database``. The first use opens the file.

    Usable from any thread and any event loop. SQLite runs only in threads of this object: one that writes, and several
    that read through read-only connections. Writes that are queued at the same time share one commit; each caller gets
    its own result or its own error, after the commit.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.users = 0
        """Number of callers that have it open, guarded by ``_registry_lock``."""
        self._failure: JournalFailed | None = None
        """Why nothing is written any more."""
        self._closed = False
        self._opening_lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._queue_lock = threading.Lock()
        """Guards ``_queue`` and ``_commits``."""
        self._queue: list[_Write[object]] = []
        self._commits: dict[asyncio.AbstractEventLoop, asyncio.Future[None]] = {}
        """For each event loop, its scheduled call of ``_commit_queue``."""
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="journal-writer")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="journal-reader")
        self._long_readers = ThreadPoolExecutor(LONG_READERS, thread_name_prefix="journal-long-reader")
        self._local = threading.local()
        self.mark = HighWaterMark(path.parent)
        self._journal = ""
        """Id of the journal at the last write; empty before the first."""
        self._file: tuple[int, int] | None = None
        """Device and inode of the open file."""
        self._read_connections: list[sqlite3.Connection] = []

    async def write(self, work: Callable[[Transaction], T], *, accepts_restore: bool = False) -> T:
        """Run ``work`` within a durable transaction; return its result once that is on disk.

        ``work`` runs in the writer thread and must not wait for anything. If it raises, only its own writes are undone.
        A cancelled caller still waits until the outcome is certain. Raises JournalFailed when the disk fails; after
        that nothing is written any more, since SQLite's memory may differ from the disk. Also raises it when the
        journal was replaced by an older copy, until a write with ``accepts_restore`` has succeeded.
        """
        self._check_open()
        write = _Write(work, accepts_restore=accepts_restore)
        loop = asyncio.get_running_loop()
        with self._queue_lock:
            commit = self._commits.get(loop)
            if commit is None:
                commit = self._commits[loop] = loop.run_in_executor(self._writer, self._commit_queue)
            self._queue.append(write)  # type: ignore[arg-type] # the type of the results does not matter to the queue
        await _wait_despite_cancellation(commit)
        return write.outcome()

    async def read(self, work: Callable[[Reader], T]) -> T:
        """Run ``work``, which must be short, on a consistent, read-only view; its result. Never waits for a writer."""
        self._check_open()
        return await asyncio.get_running_loop().run_in_executor(self._readers, self.read_now, work)

    async def read_long(self, work: Callable[[], T]) -> T:
        """Run ``work``, which may take long and reads with ``read_now``, in a thread for long reads; its result."""
        self._check_open()
        return await asyncio.get_running_loop().run_in_executor(self._long_readers, work)

    def check_current(self, reader: Reader) -> None:
        """Raise JournalFailed when nothing may be sent: after a failed commit, or when the journal was replaced.

        A journal that was replaced since the last commit lacks the attempt whose request is about to be sent.
        """
        if self._failure:
            raise self._repeated_failure(self._failure)
        identity = identity_of(reader.connection)
        if self._journal and (identity.id != self._journal or identity.state == "restored"):
            raise JournalFailed(
                f"The journal {self.path} was replaced by another while it was in use. Nothing was sent.",
                hint="`bulkremove doctor` says whether it can be used.",
            )

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
        await asyncio.get_running_loop().run_in_executor(self._writer, self._restore, copy, work)

    async def shrink(self, pages: int) -> bool:
        """Return up to ``pages`` deleted pages to the file system; whether there may be more."""
        self._check_open()
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._shrink, pages)

    async def checkpoint(self) -> bool:
        """Move the write-ahead log into the file and empty it, so that neither holds deleted content.

        False when a reader prevents that.
        """
        self._check_open()
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._checkpoint)

    async def damage(self) -> str:
        """The first damage of the file, in SQLite's words; empty if there is none. Raises JournalFailed."""
        return await self.read_long(lambda: self.read_now(lambda reader: copies.damage_of(reader.connection)))

    def close(self) -> None:
        """Write what is queued, end the threads and close the connections."""
        self._closed = True
        self._writer.shutdown(wait=True)
        self._readers.shutdown(wait=True)
        self._long_readers.shutdown(wait=True)
        for connection in (*self._read_connections, self._connection):
            if connection is not None:
                connection.close()
        self._read_connections.clear()
        self._connection = None

    # In the writer thread

    def _commit_queue(self) -> None:
        """Write everything in the queue, in one transaction."""
        with self._queue_lock:
            group, self._queue = self._queue, []
            self._commits.clear()
        if not group:
            return  # the call for another event loop has written it
        try:
            connection = self._opened()
            if self._failure:
                raise self._repeated_failure(self._failure)
            if file_at(self.path) != self._file:
                raise self._moved()
            self._begin(connection)
        except JournalFailed as error:
            for write in group:
                write.error = error
            return
        transaction = Transaction(connection, self.mark)
        try:
            journal = identity_of(connection)
            try:
                replaced = self._replaced(connection, journal)
            except JournalFailed as error:
                replaced = error
            for write in group:
                if replaced is None or write.accepts_restore:
                    self._run(connection, transaction, write)
                else:
                    write.error = replaced
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
            # The writes are committed, but must not be acted on: a request sent now would be ahead of the mark.
            message = f"The high-water mark of the journal {self.path} can't be written: {error}."
            self._failure = error if isinstance(error, JournalFailed) else JournalFailed(message)
            for write in group:
                write.error = write.error or self._failure

    def _replaced(self, connection: sqlite3.Connection, identity: Identity) -> JournalFailed | None:
        """The error if another journal, or an older copy, is in the place of the one that was used last.

        A new journal is named in the mark. Called within the transaction, so that no other process can commit meanwhile
        and the mark is never ahead of a commit. Raises JournalFailed if the mark can't be read or written.
        """
        difference = identity.difference(self.mark.read())
        if difference is not None:
            return JournalFailed(
                f"The journal {self.path} {difference} Nothing was sent.",
                hint="`bulkremove journal accept-restore` shows what can't be known any more, and continues with it.",
            )
        if identity.state == "new":
            self.mark.name(identity.id)
            connection.execute(_IDENTITY.set_state, {"state": "marked"})
        return None

    def _moved(self) -> JournalFailed:
        return JournalFailed(
            f"The file {self.path} was moved or replaced while it was in use. Nothing was sent.",
            hint="End every bulkremove that uses this folder, put the right journal in its place, and start again.",
        )

    def _run(self, connection: sqlite3.Connection, transaction: Transaction, write: _Write[object]) -> None:
        """Run one write within a savepoint. Raises sqlite3.Error when the whole transaction is lost."""
        calls = len(transaction._after_commit)
        connection.execute("SAVEPOINT part")
        try:
            write.result = write.work(transaction)
        except Exception as error:
            # A full disk or an I/O error rolls the whole transaction back. A savepoint set after that would begin a new
            # transaction, whose commit would look like success (measured).
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
        """Begin a transaction. Raises JournalFailed."""
        try:
            self._retry_while_busy(lambda: connection.execute("BEGIN IMMEDIATE"))
        except sqlite3.Error as error:
            self._fail(connection, error, [])
            raise self._failure or JournalFailed(str(error)) from error

    def _retry_while_busy(self, call: Callable[[], object]) -> None:
        """Make a call that needs the write lock, and repeat it as long as another process holds that.

        Raises sqlite3.Error for any other error, JournalFailed if this object is closed by the first wait.
        """
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
        self._failure = journal_failed(self.path, error)
        for write in group:
            write.error = self._failure
        with contextlib.suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")  # other processes must not wait for a transaction that never ends

    def _repeated_failure(self, failure: JournalFailed) -> JournalFailed:
        # With the first cause, since the error of a later caller may be the only one that is reported.
        return JournalFailed(f"{failure.message} It is not used any more.", hint=failure.hint)

    def _refused(self, error: sqlite3.IntegrityError) -> JournalFailed:
        return JournalFailed(f"The journal {self.path} refused an entry ({error}); nothing was sent.")

    def _shrink(self, pages: int) -> bool:
        connection = self._opened()
        with translated(self.path):
            before = _deleted_pages(connection)
            # `execute` would free only one page (measured).
            self._retry_while_busy(lambda: connection.executescript(f"PRAGMA incremental_vacuum({pages});"))
            return 0 < _deleted_pages(connection) < before  # no progress if the file has no incremental vacuum

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
            reports = iter([self._report_busy])  # only the first wait is reported
            with translated(self.path):
                copies.put_back(source, connection, lambda: next(reports, lambda: None)())

    # In the reader threads

    def read_now(self, work: Callable[[Reader], T]) -> T:
        """``read`` for code that already runs in a reader thread."""
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
        with self._opening_lock:
            if self._connection is None:
                with translated(self.path):
                    self._connection = open_writer(self.path, self.mark)
                    self._file = file_at(self.path)
            return self._connection


_databases: dict[Path, Database] = {}
_registry_lock = threading.Lock()


def open_database(path: Path, databases: dict[Path, Database] | None = None) -> Database:
    """The process's only ``Database`` for the file, new or shared; each caller ends its use with ``close_database``.

    ``databases``: the databases of the process, by real path; given only by tests that simulate several processes.
    """
    databases = _databases if databases is None else databases
    with _registry_lock:
        real = Path(os.path.realpath(path.parent)) / path.name
        database = databases.get(real)
        if database is None:
            database = databases[real] = Database(real)
        database.users += 1
        return database


def close_database(database: Database, databases: dict[Path, Database] | None = None) -> None:
    """End one use of the database; the end of the last use closes it."""
    databases = _databases if databases is None else databases
    with _registry_lock:
        database.users -= 1
        if database.users:
            return
        databases.pop(database.path, None)
    database.close()


async def _wait_despite_cancellation(commit: asyncio.Future[None]) -> None:
    """Wait until the commit is done, even when the caller is cancelled meanwhile; only then raise CancelledError."""
    cancellation: asyncio.CancelledError | None = None
    while not commit.done():
        try:
            await asyncio.shield(commit)
        except asyncio.CancelledError as error:
            cancellation = error
    if cancellation is not None:
        raise cancellation
    await commit


def _deleted_pages(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA freelist_count").fetchone()[0])
