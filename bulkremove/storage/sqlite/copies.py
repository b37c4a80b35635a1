"""Copies of the database: made while others write to it, checked, and restored.

A copy is migrated and checked before it is restored, since its file is not trusted.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import count
from pathlib import Path

from bulkremove.domain.errors import ASK_ADMIN, JournalFailed
from bulkremove.platform.secure_files import sync_folder
from bulkremove.storage.sqlite.migrations import migrate, version

KEPT, PARTIAL = "journal-version-", ".partial"
"""How the names of copies begin that are kept before a migration, and how one ends that is not complete."""
BUSY_SECONDS = 0.05
"""Seconds between two attempts of a restore to write while another process writes."""
_log = logging.getLogger("bulkremove.storage")


def create(path: Path) -> None:
    """Create a missing file with private permissions; an existing one is never opened. Raises OSError."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def copy_out(source: sqlite3.Connection, path: Path) -> None:
    """Copy the database to a new private file, and check the copy. Raises JournalFailed, sqlite3.Error or OSError.

    The copy is made in one step: SQLite restarts a backup in several steps whenever another process has written.
    """
    try:
        create(path)
    except FileExistsError as error:
        raise JournalFailed(f"The copy {path} can't be made: {error.strerror}.") from None
    with closing(sqlite3.connect(path)) as target:
        source.backup(target)
        damage = damage_of(target)
    if damage:
        path.unlink()
        raise JournalFailed(
            f"The journal is damaged, so no copy was made: {damage}.",
            hint="Save its reports (`bulkremove report`), then put back the last good backup.",
            page_hint=ASK_ADMIN,
        )


def damage_of(connection: sqlite3.Connection) -> str:
    """The first damage of a database, in SQLite's words; empty if there is none."""
    try:
        (first,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        return str(error)
    return "" if first == "ok" else str(first)


def keep_version(path: Path, version: int) -> None:
    """Keep a copy of a journal beside it before a newer version changes it. Raises JournalFailed without one.

    A process that is killed meanwhile leaves a partial one, in whose place the next one is made.
    """
    place = next(place for place in _places(path, version) if not place.exists())
    partial = place.with_name(f"{place.name}{PARTIAL}")
    try:
        partial.unlink(missing_ok=True)
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as source:
            copy_out(source, partial)
        partial.rename(place)
        sync_folder(place.parent)
    except (OSError, sqlite3.Error) as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        why = getattr(error, "strerror", None) or error
        raise JournalFailed(
            f"The journal is of an older version, and no copy of it can be kept before it is changed: {why}. Nothing "
            "was changed.",
            hint=f"Make room in {path.parent}, and start again.",
        ) from None
    _log.warning("The journal is of an older version. A copy of it is kept as %s before it is changed.", place)


def kept_versions(home: Path) -> list[Path]:
    """The copies of the journal that ``keep_version`` has left in a home folder, also partial ones."""
    return sorted(home.glob(f"{KEPT}*.db*"))


def _places(path: Path, version: int) -> Iterator[Path]:
    """Where a copy may go: a journal that was put back is changed again, and both copies stay."""
    yield path.with_name(f"{KEPT}{version}.db")
    for number in count(2):
        yield path.with_name(f"{KEPT}{version}-{number}.db")


@contextmanager
def checked(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a copy of a journal, migrate it to the newest schema and check it. Raises JournalFailed."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        try:
            if version(connection) == 0:
                raise _refused("it is not a journal of bulkremove")
            if damage := damage_of(connection):
                raise _refused(f"it is damaged ({damage})")
            migrate(connection, marked=False)
            with closing(sqlite3.connect(":memory:", isolation_level=None)) as new:
                migrate(new, marked=False)
                if _schema(connection) != _schema(new):
                    raise _refused("its tables are not those of a journal")
            if connection.execute("PRAGMA foreign_key_check").fetchone() is not None:
                raise _refused("it has rows that belong to no job")
            counters = dict(connection.execute("SELECT name, value FROM counter WHERE value BETWEEN 0 AND 1 << 52"))
            (identities,) = connection.execute("SELECT count(*) FROM identity").fetchone()
            if not {"changes", "audit_entries"} <= set(counters) or identities != 1:
                raise _refused("its counters are missing")
        except sqlite3.Error as error:
            raise _refused(f"it is not a journal of bulkremove ({error})") from None
        yield connection


def put_back(source: sqlite3.Connection, target: sqlite3.Connection, on_busy: Callable[[], None]) -> None:
    """Replace all content of ``target``, in one transaction, even while other processes have it open.

    ``on_busy`` is called whenever the restore waits for a transaction of another process. Raises sqlite3.Error.
    """

    def progress(status: int, remaining: int, total: int) -> None:
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            on_busy()

    source.backup(target, progress=progress, sleep=BUSY_SECONDS)


def _schema(connection: sqlite3.Connection) -> set[tuple[str, ...]]:
    """The tables, indexes and triggers, without quotes: versions of SQLite quote renamed tables differently."""
    rows = connection.execute("SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master")
    return {(*names, "".join(sql.replace('"', "").split())) for *names, sql in rows}


def _refused(reason: str) -> JournalFailed:
    return JournalFailed(f"This journal can't be put back: {reason}. Nothing was changed.")
