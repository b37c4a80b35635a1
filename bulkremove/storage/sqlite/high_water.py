"""The high-water mark: a small file beside the journal that shows when the journal was replaced by an older copy.

A counter in the journal rises with every attempt and every audit entry, and the mark follows each commit: first COMMIT,
then the mark, then the request. So the mark is never ahead of the journal, whenever a process is killed, and a journal
that is behind the mark has lost what was done since its copy was made. The mark is not synced: after a power cut it may
be older than the journal, which says nothing.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from bulkremove.errors import JournalFailed

FILE = "journal.mark"
LOCK_SECONDS = 20.0
"""How long the mark waits for another process, which holds it for well under a millisecond."""


@dataclass(frozen=True, slots=True)
class Mark:
    """``changes``: the counter; ``rows``: for each job that was run, the highest position that was sent."""

    changes: int = 0
    rows: dict[str, int] = field(default_factory=dict)


class HighWaterMark:
    """The mark of one home folder. Called in the writer's thread, except ``read``."""

    def __init__(self, home: Path) -> None:
        self._path = home / FILE
        self._lock = FileLock(f"{self._path}.lock", LOCK_SECONDS, 0o600, poll_interval=0.001)
        self._changes = 0
        self._rows: dict[str, int] = {}
        self._written = True
        self._last_read = b"", Mark()
        """The content as it was last read, and what it says: most commits find it as they left it."""

    def read(self) -> Mark:
        """The mark on disk; an empty one if there is none. Raises JournalFailed for one that can't be read."""
        try:
            return self._parsed()
        except JournalFailed:
            with self._locked():  # it may have been in the middle of being written
                return self._parsed()

    def _parsed(self) -> Mark:
        try:
            with self._path.open("rb", buffering=0) as file:
                text = file.readall()
        except FileNotFoundError:
            return Mark()
        except OSError as error:
            raise self._unreadable(error.strerror or str(error)) from None
        last, mark = self._last_read
        if text == last:
            return mark
        if not text.strip(b"\0 "):
            return Mark()  # a power cut came before its first content reached the disk
        try:
            facts = json.loads(text)
            mark = Mark(int(facts["changes"]), {str(job): int(position) for job, position in facts["rows"].items()})
        except (ValueError, KeyError, TypeError, AttributeError):
            raise self._unreadable("it is damaged") from None
        self._last_read = text, mark
        return mark

    def _unreadable(self, why: str) -> JournalFailed:
        return JournalFailed(
            f"The file {self._path} can't be read: {why}. It shows whether the journal was replaced by an older copy.",
            hint="If it was not, delete that file; if it may have been, look the open rows up in Zoho People first.",
        )

    def raise_to(self, changes: int, job: str | None = None, position: int = 0) -> None:
        """Note what was committed; ``write`` brings it to the file."""
        self._written = False
        self._changes = max(self._changes, changes)
        if job is not None:
            self._rows[job] = max(self._rows.get(job, 0), position)

    def forget(self, job: str) -> None:
        """The rows of the job were deleted."""
        with self._locked():
            mark = self._parsed()
            self._rows.pop(job, None)
            self._put(Mark(mark.changes, {key: position for key, position in mark.rows.items() if key != job}))

    def write(self) -> None:
        """Bring the mark up to what was committed, never down: other processes write it too. Raises JournalFailed."""
        if self._written:
            return
        with self._locked():
            mark = self._parsed()
            higher = {job: max(mark.rows.get(job, 0), position) for job, position in self._rows.items()}
            self._put(Mark(max(mark.changes, self._changes), {**mark.rows, **higher}))
        self._rows.clear()
        self._written = True

    def _put(self, mark: Mark) -> None:
        """Replace the content in one write, which a kill can't cut in two; it never gets shorter."""
        try:
            descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
            try:
                text = json.dumps({"changes": mark.changes, "rows": mark.rows}).encode("ascii")
                text = text.ljust(os.fstat(descriptor).st_size)
                if os.pwrite(descriptor, text, 0) != len(text):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                self._last_read = text, mark
            finally:
                os.close(descriptor)
        except OSError as error:
            raise JournalFailed(
                f"The file {self._path} can't be written: {error.strerror}.",
                hint="Free some disk space or mend the folder, then start again what was running.",
            ) from None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Alone among all processes. Raises JournalFailed."""
        try:
            with self._lock:
                yield
        except Timeout:
            raise JournalFailed(f"The file {self._path} is held by another process that does not end.") from None
        except OSError as error:
            raise JournalFailed(f"The file {self._path} can't be used: {error.strerror or error}.") from None
