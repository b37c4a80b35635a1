"""Errors of SQLite and of the operating system as messages for people."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import Timeout

from bulkremove.domain.errors import BulkremoveError, JournalFailed
from bulkremove.platform.file_lock import has_no_locks
from bulkremove.platform.owners import ROOT, owner_of, this_user, user_name

MIN_FREE_BYTES = 1_000_000
"""With less free space, an I/O error is taken for a full disk: the journal's shared memory alone takes 32 KB."""


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise JournalFailed in place of an error of SQLite or the operating system about the journal at ``path``."""
    try:
        yield
    except BulkremoveError:
        raise
    except (sqlite3.Error, OSError) as error:
        raise journal_failed(path, error) from error


def journal_failed(path: Path, error: sqlite3.Error | OSError) -> JournalFailed:
    """Make a JournalFailed that says what happened and what to do about it.

    SQLite says "disk I/O error" or "unable to open" for a full disk too, and for files of another user; so what can be
    seen of the disk and the files comes before its words.
    """
    for recognize in (_full_disk, _no_locks, _files_of_others):
        if failure := recognize(path, error):
            return failure
    return JournalFailed(f"The journal {path} {_reason(error)}", hint=_advice(error))


def is_busy(error: sqlite3.Error) -> bool:
    """Whether the cause is a transaction of another process; nothing has changed then."""
    return getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def check_owner(folder: Path) -> None:
    """Check that root uses no home folder of another user. Raises JournalFailed."""
    owner = owner_of(folder)
    if this_user() == ROOT and owner is not None and owner != ROOT:
        name = user_name(owner)
        raise JournalFailed(
            f"The home folder {folder} belongs to {name}, and this is root: {name} could not use the files any more "
            "that root makes there. Nothing was read or sent.",
            hint=f"Run it as that user (sudo -u {name} bulkremove ...), or set BULKREMOVE_HOME.",
        )


def _full_disk(path: Path, error: sqlite3.Error | OSError) -> JournalFailed | None:
    text = str(error).lower()
    is_full = "full" in text or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
    if not is_full and _primary(error) in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN):
        with suppress(OSError):
            is_full = shutil.disk_usage(path.parent).free < MIN_FREE_BYTES
    if not is_full:
        return None
    return JournalFailed(
        f"The disk of {path.parent} is full, or your share of it is used up, so the journal can't be written. Nothing "
        "is sent until it can.",
        hint="Free some disk space, then start again what was running; a job continues with `bulkremove resume`.",
        page_hint="Free some disk space, then resume what was running.",
    )


def _no_locks(path: Path, error: sqlite3.Error | OSError) -> JournalFailed | None:
    code = getattr(error, "sqlite_errorcode", None)
    by_sqlite = code in (sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_IOERR_LOCK, sqlite3.SQLITE_IOERR_RDLOCK)
    if not by_sqlite and not (isinstance(error, OSError) and has_no_locks(error)):
        return None
    return JournalFailed(
        f"The drive of {path.parent} knows no file locks, as some network drives and shared folders, so two processes "
        "could send the same row. Nothing was sent.",
        hint="Set BULKREMOVE_HOME to a folder on a local disk.",
    )


def _files_of_others(path: Path, error: sqlite3.Error | OSError) -> JournalFailed | None:
    """The error for files in the folder that another user owns, such as those of a run by root."""
    denied = _primary(error) in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM)
    this = this_user()
    if this is None or not (denied or isinstance(error, PermissionError)):
        return None
    for file in (path.parent, *sorted(path.parent.glob(f"{path.stem}.*"))):
        with suppress(OSError):
            owner = owner_of(file)
            if owner is not None and owner != this:
                return JournalFailed(
                    f"{file} belongs to {user_name(owner)}, and this is {user_name(this)}, so it can't be used.",
                    hint=f"Give the folder to its user (chown -R {user_name(this)} {path.parent}), or run this as "
                    f"{user_name(owner)}.",
                )
    return None


def _primary(error: sqlite3.Error | OSError) -> int | None:
    """The primary result code of an error of SQLite."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _reason(error: sqlite3.Error | OSError) -> str:
    if isinstance(error, Timeout):
        return "is locked by another process, which has been opening it for too long."
    if isinstance(error, OSError):
        return f"can't be opened: {error.strerror}."
    return f"can't be used: {error}."


def _advice(error: sqlite3.Error | OSError) -> str:
    text = str(error).lower()
    if "i/o error" in text:
        return "Check whether the disk fails or was taken out; nothing is sent until it can be written."
    if "locked" in text or isinstance(error, Timeout):
        return "Another process has locked it for too long; end that process, then resume."
    if "malformed" in text or "not a database" in text:
        return "The file is damaged: put it aside and restore it from a backup, or start with a new BULKREMOVE_HOME."
    return "Check the folder's permissions (you must own it and be able to write to it), then try again."
