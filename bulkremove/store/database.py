"""Opening the SQLite file safely: private from the first moment, durable commits, a schema of a known version.

After the first failed commit the connection is not used again: what it holds in memory need not be what
the disk holds (SQLite's page on "How to corrupt", and the known behaviour of a failed fsync).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

from bulkremove.errors import JournalFailed
from bulkremove.private_files import make_folder

T = TypeVar("T")

SCHEMA = ("1-jobs.sql", "2-people.sql", "3-night.sql")
"""What makes each version out of the one before it; a new journal goes through all of them."""
BUSY_SECONDS = 20.0
"""How long a commit waits for another process of this machine; one holds the file for under a millisecond."""


class Database:
    """One connection to the journal's file. Raises JournalFailed for whatever the disk refuses."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._failed: JournalFailed | None = None
        self._open = False
        self._group: asyncio.Future[None] | None = None
        with self._told():
            make_folder(path.parent)
            # SQLite does not wait while another process turns a new file to WAL: it fails at once (measured).
            with FileLock(path.with_suffix(".lock"), timeout=BUSY_SECONDS, mode=0o600):
                _create(path)
                self._connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
                self._connection.create_function("holds", 2, _holds, deterministic=True)
                self._connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of a new file; else nothing
                self._connection.execute("PRAGMA secure_delete = ON")  # what is forgotten is overwritten
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = FULL")
                self._connection.execute("PRAGMA fullfsync = ON")
                self._connection.execute("PRAGMA foreign_keys = ON")
                self._migrate()

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One durable transaction that excludes every other writer; inside another one, a part that fails alone."""
        if self._open:
            with self._part():
                yield
            return
        with self._told():
            self._connection.execute("BEGIN IMMEDIATE")
        self._open = True
        try:
            yield
        except BaseException:
            if not self._failed:
                self._connection.execute("ROLLBACK")
            raise
        else:
            with self._told():
                self._connection.execute("COMMIT")
        finally:
            self._open = False

    @contextmanager
    def _part(self) -> Iterator[None]:
        """A part of the open transaction: what it raises undoes its own writes only."""
        self.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            if not self._failed:
                self.execute("ROLLBACK TO part")
                self.execute("RELEASE part")
            raise
        self.execute("RELEASE part")

    async def durably(self, write: Callable[[], T]) -> T:
        """What ``write`` returns, once all that it wrote is on disk.

        Whoever comes in the same turn of the event loop shares one commit, and so one wait for the disk. What
        ``write`` raises undoes its own part only.
        """
        if self._group is None:
            with self._told():
                self._connection.execute("BEGIN IMMEDIATE")
            self._open = True
            loop = asyncio.get_running_loop()
            self._group = loop.create_future()
            self._group.add_done_callback(lambda group: group.exception())  # also heard when nobody waits any more
            loop.call_soon(self._commit_group, self._group)
        group = self._group
        with self._part():
            result = write()
        await asyncio.shield(group)
        return result

    def _commit_group(self, group: asyncio.Future[None]) -> None:
        self._group, self._open = None, False
        try:
            with self._told():
                self._connection.execute("COMMIT")
        except JournalFailed as error:
            group.set_exception(error)
        else:
            group.set_result(None)

    def backup(self, path: Path) -> None:
        """Copy the database to a new private file. Raises JournalFailed; this connection is as good as before then."""
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            with closing(sqlite3.connect(self._path)) as source, closing(sqlite3.connect(path)) as target:
                source.backup(target, pages=1000)
        except (OSError, sqlite3.Error) as error:
            raise JournalFailed(f"The copy {path} can't be made: {error}.", hint="Name a new file.") from None

    def compact(self) -> None:
        """Move what is deleted out of the file, as far as nobody is in the way."""
        with self._told():
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            self._connection.execute("PRAGMA incremental_vacuum")

    def execute(self, sql: str, *values: object) -> sqlite3.Cursor:
        with self._told():
            return self._connection.execute(sql, values)

    def executemany(self, sql: str, rows: Iterator[tuple[object, ...]]) -> None:
        with self._told():
            self._connection.executemany(sql, rows)

    def _migrate(self) -> None:
        with self.transaction():
            version = int(self.execute("PRAGMA user_version").fetchone()[0])
            if version > len(SCHEMA):
                raise JournalFailed(
                    f"The journal {self._path} was written by a newer bulkremove (its version {version}, "
                    f"known here: {len(SCHEMA)}).",
                    hint="Update bulkremove, or set BULKREMOVE_HOME to another folder.",
                )
            for name in SCHEMA[version:]:
                script = files("bulkremove.store").joinpath("schema", name).read_text(encoding="utf-8")
                for statement in _statements(script):
                    self.execute(statement)
            if version < len(SCHEMA):
                self.execute(f"PRAGMA user_version = {len(SCHEMA)}")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turns what SQLite or the system says into a sentence, and shuts the door after a failure."""
        if self._failed:
            # Whoever comes later may be the only one who is heard, so the first cause is told again.
            raise JournalFailed(f"{self._failed.message} It is not used any more.", hint=self._failed.hint)
        try:
            yield
        except JournalFailed:
            raise
        except sqlite3.IntegrityError as error:  # the entry is wrong, not the disk
            raise JournalFailed(f"The journal {self._path} refused an entry ({error}); nothing was sent.") from error
        except (sqlite3.Error, OSError) as error:
            self._failed = JournalFailed(f"The journal {self._path} {_reason(error)}", hint=_advice(error))
            raise self._failed from error


def _create(path: Path) -> None:
    """Make a missing file, private from its first moment. An existing one is opened by SQLite alone.

    Closing any descriptor of a file drops all POSIX locks that this process holds on it, and SQLite's locks are such
    locks (SQLite, "How To Corrupt An SQLite Database File", 2.2).
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _holds(cells: str, wanted: str) -> bool:
    """Whether one of the cells (a JSON list) holds the text, letters' case aside; ``wanted`` is folded already."""
    return any(wanted in cell.casefold() for cell in json.loads(cells))


def _statements(script: str) -> Iterator[str]:
    """The script's statements one by one, so that they run inside one transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _reason(error: sqlite3.Error | OSError) -> str:
    if isinstance(error, Timeout):
        return "is being opened by another process that does not end."
    if isinstance(error, OSError):
        return f"can't be opened: {error.strerror}."
    return f"can't be used: {error}."


def _advice(error: sqlite3.Error | OSError) -> str:
    text = str(error).lower()
    if "full" in text or "no space" in text:
        return "Free some disk space; nothing is sent until then, and a job goes on with `bulkremove resume`."
    if "locked" in text or isinstance(error, Timeout):
        return "Another process holds it for too long; end that one, then resume."
    if "malformed" in text or "not a database" in text:
        return "The file is damaged: put it aside and restore it from a backup, or start with a new BULKREMOVE_HOME."
    return "Check the folder's rights (it must be yours and writable), then try again."
