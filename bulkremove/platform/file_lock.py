"""Locks between processes as locks of the operating system, which end with their process."""

from __future__ import annotations

import errno
from pathlib import Path

from filelock import FileLock

_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP})


def file_lock(path: Path, *, timeout: float) -> FileLock:
    """Make a lock that any thread may release; acquiring raises Timeout after ``timeout`` seconds, or OSError.

    On a drive without such locks filelock would use a file in their place, which a killed process leaves behind.
    """
    return FileLock(path, timeout, 0o600, thread_local=False, poll_interval=0.05, fallback_to_soft=False)


def has_no_locks(error: OSError) -> bool:
    """Whether the cause is a drive that knows no file locks, as some network drives and shared folders."""
    return error.errno in _NO_LOCKS
