"""Opens the database file: creates it with private permissions, checks and migrates it, and makes commits durable."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import suppress
from pathlib import Path

from bulkremove.domain.errors import JournalFailed
from bulkremove.platform.file_lock import file_lock
from bulkremove.platform.secure_files import make_folder
from bulkremove.storage.sqlite import copies
from bulkremove.storage.sqlite.failures import check_owner
from bulkremove.storage.sqlite.high_water import HighWaterMark, Mark
from bulkremove.storage.sqlite.migrations import migrate

OPEN_SECONDS = 20.0
"""Maximum wait for another process that is opening the same file."""
BUSY_SECONDS = 1.0
"""How long SQLite waits for the transaction of another process before the wait is logged and continued."""


def open_writer(path: Path, mark: HighWaterMark) -> sqlite3.Connection:
    """Open the connection that writes; create and migrate the file if necessary.

    Raises JournalFailed, sqlite3.Error or OSError.
    """
    check_owner(path.parent)
    make_folder(path.parent)
    # SQLite fails at once while another process switches a new file to WAL, instead of waiting (measured).
    with file_lock(path.with_suffix(".lock"), timeout=OPEN_SECONDS):
        with suppress(FileExistsError):
            copies.create(path)
        _check_file(path)
        connection = sqlite3.connect(path, timeout=OPEN_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            _prepare(connection, path, mark)
        except BaseException:
            connection.close()
            raise
        return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """Open a read-only connection. Raises sqlite3.Error."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        timeout=OPEN_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    _set_up(connection)
    return connection


def file_at(path: Path) -> tuple[int, int] | None:
    """Device and inode of the file at ``path``, without opening it; None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _check_file(path: Path) -> None:
    """Raise JournalFailed if the file is a link, has a second name or is mounted alone: SQLite could miss its log."""
    file, folder = path.lstat(), path.parent.stat()
    if path.is_symlink() or file.st_nlink > 1 or file.st_dev != folder.st_dev:
        raise JournalFailed(
            f"The journal {path} is a link, has a second name, or is mounted alone: its write-ahead log would "
            "not be with it.",
            hint="Put the whole folder where it should be, and name that in BULKREMOVE_HOME.",
        )


def _prepare(connection: sqlite3.Connection, path: Path, mark: HighWaterMark) -> None:
    _set_up(connection)
    if not connection.execute("PRAGMA page_count").fetchone()[0]:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # without effect later, and it would wait for a writer
    connection.execute("PRAGMA secure_delete = ON")  # deleted content is overwritten
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA fullfsync = ON")
    marked = mark.read_or_nothing() != Mark()
    migrate(connection, marked=marked, keep_copy=lambda version: copies.keep_version(path, version))
    connection.execute("PRAGMA foreign_keys = ON")  # after the migration, which may rebuild a table
    connection.execute(f"PRAGMA busy_timeout = {round(BUSY_SECONDS * 1000)}")


def _set_up(connection: sqlite3.Connection) -> None:
    connection.row_factory = sqlite3.Row
    connection.create_function("holds", 2, _any_cell_contains, deterministic=True)
    connection.create_function("without", 2, _without, deterministic=True)


def _any_cell_contains(cells: str, text: str) -> bool:
    """Whether one of the cells (a JSON list) contains the text, which is casefolded already, ignoring case."""
    if "\\" not in cells and text not in cells.casefold():
        return False  # nothing is escaped, so most rows need no parsing
    return any(text in cell.casefold() for cell in json.loads(cells))


def _without(text: str, number: str) -> str:
    """The text without a number; longer numbers that contain it stay."""
    return re.sub(f"(?<![0-9]){re.escape(number)}(?![0-9])", "(erased)", text)
