"""Errors of SQLite and of the operating system as messages for people."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import Timeout

from bulkremove.domain.errors import BulkremoveError, JournalFailed


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
    """Make a JournalFailed that says what happened and what to do about it."""
    return JournalFailed(f"The journal {path} {_reason(error)}", hint=_advice(error))


def is_busy(error: sqlite3.Error) -> bool:
    """Whether the cause is a transaction of another process; nothing has changed then."""
    return getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _reason(error: sqlite3.Error | OSError) -> str:
    if isinstance(error, Timeout):
        return "is locked by another process, which has been opening it for too long."
    if isinstance(error, OSError):
        return f"can't be opened: {error.strerror}."
    return f"can't be used: {error}."


def _advice(error: sqlite3.Error | OSError) -> str:
    text = str(error).lower()
    if "full" in text or "no space" in text:
        return "Free some disk space, then start again what was running; a job continues with `bulkremove resume`."
    if "i/o error" in text:
        return "Check whether the disk is full or failing; nothing is sent until it can be written."
    if "locked" in text or isinstance(error, Timeout):
        return "Another process has locked it for too long; end that process, then resume."
    if "malformed" in text or "not a database" in text:
        return "The file is damaged: put it aside and restore it from a backup, or start with a new BULKREMOVE_HOME."
    return "Check the folder's permissions (you must own it and be able to write to it), then try again."
