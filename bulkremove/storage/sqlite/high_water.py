"""The high-water mark: a small file beside the journal that shows when another, or an older copy, is in its place.

A counter in the journal rises with every attempt and every audit entry, and the mark follows each commit: first COMMIT,
then the mark, then the request. So the mark is never ahead of the journal, whenever a process is killed, and a journal
that is behind the mark has lost what was done since its copy was made. The mark is synced when it first names a
journal, and not after that: after a power cut its counter may be behind the journal's, which says nothing.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from filelock import FileLock, Timeout

from bulkremove.domain.errors import JournalFailed
from bulkremove.platform.secure_files import keep_names

FILE = "journal.mark"
LOCK_SECONDS = 20.0
"""How long the mark waits for another process, which holds it for well under a millisecond."""
MAX_COUNTER = 2**53
"""No counter and no position comes near it."""


class MarkDamaged(JournalFailed):
    """The mark's content means nothing."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What the mark says; the empty one says nothing.

    ``ids``: of the journals that were used here, the last one's last; an accepted restore begins a new one.
    ``changes``: the counter; ``rows``: for each job that was run, the highest position that was sent; ``ledgers``:
    those that took slots; ``deleted_until``: the creation (epoch seconds) of the newest job whose rows retention has
    deleted.
    """

    ids: tuple[str, ...] = ()
    changes: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    ledgers: tuple[str, ...] = ()
    deleted_until: float = 0.0

    def knows(self, journal: str) -> bool:
        """Whether the journal of that id was used here."""
        return journal in self.ids or (not self.ids and self.changes > 0)  # marks had no ids at first


class HighWaterMark:
    """The mark of one home folder. Called in the writer's thread, except ``read``."""

    def __init__(self, home: Path) -> None:
        self._path = home / FILE
        self._lock = FileLock(f"{self._path}.lock", LOCK_SECONDS, 0o600, poll_interval=0.001)
        self._pending: Mark | None = None
        """What was committed since the last ``write``."""
        self._last_read = b"", Mark()
        """The content as it was last read, and what it says: most commits find it as they left it."""

    def read(self) -> Mark:
        """The mark on disk; an empty one if there is none. Raises JournalFailed, MarkDamaged for a damaged one."""
        try:
            return self._parsed()
        except MarkDamaged:
            with self._locked():  # it may have been in the middle of being written
                return self._parsed()

    def read_or_nothing(self) -> Mark:
        """The mark on disk; an empty one when it is damaged. Raises JournalFailed when it can't be read at all."""
        try:
            return self.read()
        except MarkDamaged:
            return Mark()

    def _parsed(self) -> Mark:
        try:
            with self._path.open("rb", buffering=0) as file:
                text = file.readall()
        except FileNotFoundError:
            return Mark()
        except OSError as error:
            raise JournalFailed(f"The file {self._path} can't be read: {error.strerror or error}.") from None
        last, mark = self._last_read
        if text == last:
            return mark
        mark = self._meaning(text)
        self._last_read = text, mark
        return mark

    def _meaning(self, text: bytes) -> Mark:
        if not text.strip(b"\0 "):
            return Mark()  # a power cut came before its first content reached the disk
        try:
            facts = json.loads(text)
            mark = Mark(
                tuple(map(str, facts.get("ids", ()))),
                int(facts["changes"]),
                {str(job): int(position) for job, position in facts["rows"].items()},
                tuple(map(str, facts.get("ledgers", ()))),
                float(facts.get("deleted_until", 0.0)),
            )
            if not all(
                0 <= number <= MAX_COUNTER for number in (mark.changes, mark.deleted_until, *mark.rows.values())
            ):
                raise ValueError
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            raise MarkDamaged(
                f"The file {self._path}, which shows whether the journal was replaced by an older copy, is damaged.",
                hint="`bulkremove journal accept-restore` shows what can't be known any more, and continues.",
            ) from None
        return mark

    def name(self, journal: str) -> None:
        """From now on this mark belongs to the journal of that id; on disk when this returns. Raises JournalFailed."""
        with self._locked():
            mark = self.read_or_nothing()
            ids = (*(one for one in mark.ids if one != journal), journal)
            self._put(replace(mark, ids=ids), durable=True)

    def raise_to(self, changes: int, *, job: str = "", position: int = 0, ledger: str = "") -> None:
        """Note what was committed; ``write`` brings it to the file. ``job``: its row at ``position`` is sent."""
        rows, ledgers = ({job: position}, (ledger,)) if job else ({}, ())
        self._pending = _higher(self._pending or Mark(), Mark((), changes, rows, ledgers))

    def forget(self, job: str, created_at: float) -> None:
        """The rows of the job were deleted by retention."""
        with self._locked():
            mark = self._parsed()
            rows = {key: position for key, position in mark.rows.items() if key != job}
            self._put(replace(mark, rows=rows, deleted_until=max(mark.deleted_until, created_at)))

    def write(self, journal: str) -> None:
        """Bring the mark up to what was committed to the journal of that id; never down: other processes write it too.

        Raises JournalFailed, also when the mark belongs to another journal by now: a copy was put back and accepted
        between the commit and this call, and it knows nothing of what was committed.
        """
        if self._pending is None:
            return
        with self._locked():
            mark = self._parsed()
            if mark.ids[-1:] != (journal,):
                raise JournalFailed(f"The journal beside {self._path} was replaced by another while it was in use.")
            self._put(_higher(mark, self._pending))
        self._pending = None

    def _put(self, mark: Mark, *, durable: bool = False) -> None:
        """Replace the content in one write, which a kill can't cut in two; it never gets shorter."""
        try:
            descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
            try:
                text = _content(mark)
                text = text.ljust(os.fstat(descriptor).st_size)
                if os.pwrite(descriptor, text, 0) != len(text):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                if durable:
                    os.fsync(descriptor)
                self._last_read = text, mark
            finally:
                os.close(descriptor)
            if durable:
                keep_names(self._path.parent)
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


def _content(mark: Mark) -> bytes:
    facts = {"changes": mark.changes, "ids": mark.ids, "rows": mark.rows, "ledgers": mark.ledgers}
    return json.dumps({**facts, "deleted_until": mark.deleted_until}).encode("ascii")


def _higher(mark: Mark, other: Mark) -> Mark:
    """``mark``, raised to what ``other`` says."""
    rows = {job: max(mark.rows.get(job, 0), position) for job, position in other.rows.items()}
    return replace(
        mark,
        changes=max(mark.changes, other.changes),
        rows={**mark.rows, **rows},
        ledgers=tuple(dict.fromkeys((*mark.ledgers, *other.ledgers))),
    )
