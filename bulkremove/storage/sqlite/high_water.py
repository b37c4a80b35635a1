"""The high-water mark: a small file beside the journal that shows when the journal was replaced by an older copy.

A counter in the journal rises with every attempt and every audit entry, and the mark follows each commit: first COMMIT,
then the mark, then the request. So the mark is never ahead of the journal, whenever a process is killed, and a journal
that is behind the mark has lost what was done since its copy was made. The mark is not synced: after a power cut it may
be older than the journal, which says nothing.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock

from bulkremove.errors import JournalFailed

FILE = "journal.mark"


@dataclass(frozen=True, slots=True)
class Mark:
    """``changes``: the counter; ``rows``: for each job that was run, the highest position that was sent."""

    changes: int = 0
    rows: dict[str, int] = field(default_factory=dict)


class HighWaterMark:
    """The mark of one home folder. Called in the writer's thread, except ``read``."""

    def __init__(self, home: Path) -> None:
        self._path = home / FILE
        self._changes = 0
        self._rows: dict[str, int] = {}
        self._written = True

    def read(self) -> Mark:
        """The mark on disk; an empty one if there is none, or none that can be read."""
        try:
            facts = json.loads(self._path.read_bytes())
            return Mark(int(facts["changes"]), {str(job): int(position) for job, position in facts["rows"].items()})
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return Mark()

    def raise_to(self, changes: int, job: str | None = None, position: int = 0) -> None:
        """Note what was committed; ``write`` brings it to the file."""
        self._written = False
        self._changes = max(self._changes, changes)
        if job is not None:
            self._rows[job] = max(self._rows.get(job, 0), position)

    def forget(self, job: str) -> None:
        """The rows of the job were deleted."""
        with self._locked():
            mark = self.read()
            self._rows.pop(job, None)
            mark.rows.pop(job, None)
            self._put(mark)

    def write(self) -> None:
        """Bring the mark up to what was committed, never down: other processes write it too. Raises JournalFailed."""
        if self._written:
            return
        with self._locked():
            mark = self.read()
            for job, position in self._rows.items():
                mark.rows[job] = max(mark.rows.get(job, 0), position)
            self._put(Mark(max(mark.changes, self._changes), mark.rows))
        self._rows.clear()
        self._written = True

    def _put(self, mark: Mark) -> None:
        """Replace the content in one write, which a kill can't cut in two; it never gets shorter."""
        try:
            descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
            try:
                text = json.dumps({"changes": mark.changes, "rows": mark.rows}).encode("ascii")
                os.write(descriptor, text.ljust(os.fstat(descriptor).st_size))
            finally:
                os.close(descriptor)
        except OSError as error:
            raise JournalFailed(
                f"The file {self._path} can't be written: {error.strerror}.", hint="Nothing more is sent until it can."
            ) from None

    def _locked(self) -> FileLock:
        return FileLock(self._path.with_suffix(".lock"), mode=0o600, thread_local=False)
