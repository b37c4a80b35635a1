"""Who drives a job: a lock that the kernel frees at the death of its process.

It stands apart from the journal because a row in a table would outlive a killed process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from bulkremove.errors import JobBusy, JournalFailed


@contextmanager
def driven(home: Path, job: str) -> Iterator[None]:
    """Drive ``job`` alone, as long as the context lasts. Raises JobBusy if another process does."""
    folder = home / "driving"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FileLock(folder / f"{job}.lock", timeout=0, mode=0o600)
        lock.acquire()
    except Timeout:
        raise JobBusy(
            f"Job {job} is driven by another process right now.",
            hint=f"Wait for it, or watch it with `bulkremove show {job}`.",
        ) from None
    except OSError as error:
        raise JournalFailed(f"The folder {folder} can't be used: {error.strerror}.") from None
    try:
        yield
    finally:
        lock.release()


def is_driven(home: Path, job: str) -> bool:
    """Whether some process drives ``job`` right now."""
    try:
        with driven(home, job):
            return False
    except JobBusy:
        return True
