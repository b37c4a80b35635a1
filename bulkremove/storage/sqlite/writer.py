"""The thread that writes to the journal: one durable transaction for all writes that are queued at the same time.

After a commit that failed nothing is written any more, and nothing is written to a journal that was replaced.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from bulkremove.domain.errors import ASK_ADMIN, JournalBusy, JournalFailed
from bulkremove.storage.sqlite.failures import is_busy, journal_failed, translated
from bulkremove.storage.sqlite.high_water import HighWaterMark
from bulkremove.storage.sqlite.identity import Identity, identity_of
from bulkremove.storage.sqlite.migrations import check_version
from bulkremove.storage.sqlite.opening import file_at, open_writer
from bulkremove.storage.sqlite.queries import Queries
from bulkremove.storage.sqlite.transaction import QueuedWrite, Reader, Transaction

T = TypeVar("T")

_IDENTITY = Queries("identity.sql")
_log = logging.getLogger("bulkremove.storage")


class Writer:
    """The only writer of a database file in this process. The first use opens the file.

    Usable from any thread and any event loop. Each caller gets its own result or its own error, after the commit.
    """

    def __init__(self, path: Path, mark: HighWaterMark) -> None:
        self._path, self._mark = path, mark
        self._failure: JournalFailed | None = None
        """Why nothing is written any more."""
        self._closed = False
        self._opening_lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._queue_lock = threading.Lock()
        """Guards ``_queue`` and ``_commits``."""
        self._queue: list[QueuedWrite[object]] = []
        self._commits: dict[asyncio.AbstractEventLoop, asyncio.Future[None]] = {}
        """For each event loop, its scheduled call of ``_commit_queue``."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal-writer")
        self._journal = ""
        """Id of the journal at the last write; empty before the first."""
        self._file: tuple[int, int] | None = None
        """Device and inode of the open file."""

    async def write(
        self, work: Callable[[Transaction], T], *, accepts_restore: bool = False, wait: float = math.inf
    ) -> T:
        """Run ``work`` within a durable transaction; return its result once that is on disk.

        ``work`` runs in the writer thread and must not wait for anything. If it raises, only its own writes are undone.
        A cancelled caller still waits until the outcome is certain. Raises JournalFailed when the disk fails; after
        that nothing is written any more, since SQLite's memory may differ from the disk. Also raises it when the
        journal was replaced by an older copy, until a write with ``accepts_restore`` has succeeded.

        ``wait``: raise JournalBusy when another process has been writing for so many seconds, and write nothing; a run
        waits as long as that takes.
        """
        write = QueuedWrite(work, accepts_restore=accepts_restore, wait=wait)
        loop = asyncio.get_running_loop()
        with self._queue_lock:
            commit = self._commits.get(loop)
            if commit is None:
                commit = self._commits[loop] = loop.run_in_executor(self._thread, self._commit_queue)
            self._queue.append(write)  # type: ignore[arg-type] # the type of the results does not matter to the queue
        await _wait_despite_cancellation(commit)
        return write.outcome()

    async def run(self, work: Callable[..., T], *values: object) -> T:
        """Call ``work`` in the writer thread, between two transactions; its result."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *values)

    def check_current(self, reader: Reader) -> None:
        """Raise JournalFailed when nothing may be sent: after a failed commit, or when the journal was replaced.

        A journal that was replaced since the last commit lacks the attempt whose request is about to be sent.
        """
        self._check_failure()
        check_version(reader.connection)
        identity = identity_of(reader.connection)
        if self._journal and (identity.id != self._journal or identity.state == "restored"):
            raise JournalFailed(
                f"The journal {self._path} was replaced by another while it was in use. Nothing was sent.",
                hint="`bulkremove doctor` says whether it can be used.",
                page_hint=ASK_ADMIN,
            )

    def stop(self) -> None:
        """Write what is queued and end the thread."""
        self._closed = True
        self._thread.shutdown(wait=True)

    def close(self) -> None:
        """Close the connection, after ``stop`` and when nobody reads any more: a reader would open it again."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def open(self) -> sqlite3.Connection:
        """The writer's connection; the first call opens the file. Raises JournalFailed."""
        with self._opening_lock:
            if self._connection is None:
                with translated(self._path):
                    self._connection = open_writer(self._path, self._mark)
                    self._file = file_at(self._path)
            return self._connection

    # In the writer thread

    def _commit_queue(self) -> None:
        """Write everything in the queue, in one transaction."""
        with self._queue_lock:
            group, self._queue = self._queue, []
            self._commits.clear()
        if not group:
            return  # the call for another event loop has written it
        try:
            connection = self.open()
            self._check_failure()
            self._check_place()
            if not self._begin(connection, group):
                return
        except JournalFailed as error:
            for write in group:
                write.error = error
            return
        transaction = Transaction(connection, self._mark)
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
            for call in transaction.after:
                call()
            self._mark.write(journal.id)
        except Exception as error:
            # The writes are committed, but must not be acted on: a request sent now would be ahead of the mark.
            message = f"The high-water mark of the journal {self._path} can't be written: {error}."
            self._failure = error if isinstance(error, JournalFailed) else JournalFailed(message)
            for write in group:
                write.error = write.error or self._failure

    def _replaced(self, connection: sqlite3.Connection, identity: Identity) -> JournalFailed | None:
        """The error if another journal, or an older copy, is in the place of the one that was used last.

        A new journal is named in the mark. Called within the transaction, so that no other process can commit meanwhile
        and the mark is never ahead of a commit. Raises JournalFailed if the mark can't be read or written, or a newer
        bulkremove has migrated the journal since it was opened here.
        """
        check_version(connection)
        difference = identity.difference(self._mark.read())
        if difference is not None:
            return JournalFailed(
                f"The journal {self._path} {difference} Nothing was sent.",
                hint="`bulkremove journal accept-restore` shows what can't be known any more, and continues with it.",
                page_hint=ASK_ADMIN,
            )
        if identity.state == "new":
            self._mark.name_journal(identity.id)
            connection.execute(_IDENTITY.set_state, {"state": "marked"})
        return None

    def _check_place(self) -> None:
        if file_at(self._path) != self._file:
            raise JournalFailed(
                f"The file {self._path} was moved or replaced while it was in use. Nothing was sent.",
                hint="End every bulkremove that uses this folder, put the right journal in its place, and start again.",
            )

    def _run(self, connection: sqlite3.Connection, transaction: Transaction, write: QueuedWrite[object]) -> None:
        """Run one write within a savepoint. Raises sqlite3.Error when the whole transaction is lost."""
        calls = len(transaction.after)
        connection.execute("SAVEPOINT part")
        try:
            write.result = write.work(transaction)
        except Exception as error:
            # A full disk or an I/O error rolls the whole transaction back. A savepoint set after that would begin a new
            # transaction, whose commit would look like success (measured).
            is_rolled_back = not connection.in_transaction
            if isinstance(error, sqlite3.Error) and (is_rolled_back or not isinstance(error, sqlite3.IntegrityError)):
                raise
            if is_rolled_back:
                raise sqlite3.OperationalError("the transaction was rolled back") from error
            connection.execute("ROLLBACK TO part")
            del transaction.after[calls:]
            write.error = error
            if isinstance(error, sqlite3.IntegrityError):
                write.error = JournalFailed(f"The journal {self._path} refused an entry ({error}); nothing was sent.")
        connection.execute("RELEASE part")

    def _begin(self, connection: sqlite3.Connection, group: list[QueuedWrite[object]]) -> bool:
        """Begin a transaction; False when nobody waits for it any more. Raises JournalFailed."""

        def is_wanted() -> bool:
            now = time.monotonic()
            for write in [write for write in group if write.begins_until < now]:
                group.remove(write)
                write.error = JournalBusy(
                    f"Another process has been writing to the journal {self._path} for long. Nothing was changed.",
                    hint="If it stands still, end it; no row is lost by that.",
                )
            return bool(group)

        try:
            return self.retry_while_busy(lambda: connection.execute("BEGIN IMMEDIATE"), is_wanted)
        except sqlite3.Error as error:
            self._fail(connection, error, [])
            raise self._failure or JournalFailed(str(error)) from error

    def retry_while_busy(self, call: Callable[[], object], is_wanted: Callable[[], bool] = lambda: True) -> bool:
        """Make a call that needs the write lock, and repeat it as long as another process holds that; True once done.

        False when it is not wanted any more. Raises sqlite3.Error for any other error, JournalFailed once this object
        is closed.
        """
        reported = False
        while True:
            try:
                call()
                return True
            except sqlite3.Error as error:
                if not is_busy(error):
                    raise
            self._check_open()
            if not is_wanted():
                return False
            if not reported:
                self.report_busy()
                reported = True

    def _check_open(self) -> None:
        if self._closed:
            raise JournalFailed(f"The journal {self._path} was closed while another process was writing to it.")

    def report_busy(self) -> None:
        self._check_open()
        _log.warning("Another process is writing to the journal %s; waiting for it. End it if it hangs.", self._path)

    def _fail(self, connection: sqlite3.Connection, error: sqlite3.Error, group: list[QueuedWrite[object]]) -> None:
        self._failure = journal_failed(self._path, error)
        for write in group:
            write.error = self._failure
        with contextlib.suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")  # other processes must not wait for a transaction that never ends

    def _check_failure(self) -> None:
        # With the first cause, since the error of a later caller may be the only one that is reported.
        if self._failure:
            raise JournalFailed(f"{self._failure.message} It is not used any more.", hint=self._failure.hint)


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
