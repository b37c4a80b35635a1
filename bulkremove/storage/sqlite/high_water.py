"""The high-water mark: a small file that shows when the journal beside it was replaced by another or an older copy.

A counter in the journal rises with every attempt and every audit entry, and the mark is updated after each commit:
first COMMIT, then the mark, then the request. So the mark is never ahead of the journal, whenever a process is killed,
and a journal that is behind the mark has lost what was done since its copy was made. The mark is synced to disk only
when it first names a journal. After a power cut its counter may be behind the journal's, which is harmless.
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

from bulkremove.domain.clock import Epoch
from bulkremove.domain.errors import ASK_ADMIN, JournalFailed
from bulkremove.platform.secure_files import sync_folder

FILE = "journal.mark"
LOCK_SECONDS = 20.0
"""Maximum wait for another process, which locks the mark for well under a millisecond."""
MAX_COUNTER = 2**53
"""An upper bound that no counter or position reaches."""


class MarkDamaged(JournalFailed):
    """The content of the mark can't be parsed or is out of range."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The content of the mark; ``Mark()`` if there is none.

    ``ids``: ids of the journals that were used here, in order; accepting a restored journal gives it a new id.
    ``changes``: the counter; ``rows``: for each job that was run, the highest position that was sent; ``ledgers``: keys
    of the ledgers in which slots were taken; ``deleted_until``: creation time of the newest job whose rows
    were deleted by retention.
    """

    ids: tuple[str, ...] = ()
    changes: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    ledgers: tuple[str, ...] = ()
    deleted_until: Epoch = Epoch(0.0)

    def knows(self, journal: str) -> bool:
        """Whether the journal with this id was used here."""
        return journal in self.ids or (not self.ids and self.changes > 0)  # early marks had no ids


class HighWaterMark:
    """The mark of one home folder. Methods that change it are called in the writer thread."""

    def __init__(self, home: Path) -> None:
        self._path = home / FILE
        self._lock = FileLock(f"{self._path}.lock", LOCK_SECONDS, 0o600, poll_interval=0.001, fallback_to_soft=False)
        self._pending: Mark | None = None
        """Changes that were committed since the last ``write``."""
        self._cached = b"", Mark()
        """The content of the file when last read or written, and its ``Mark``, so that the same is not parsed twice."""

    def read(self) -> Mark:
        """The mark on disk; ``Mark()`` if there is none. Raises JournalFailed, MarkDamaged for a damaged one."""
        try:
            return self._load()
        except MarkDamaged:
            with self._locked():  # another process may have been writing it
                return self._load()

    def read_or_nothing(self) -> Mark:
        """The mark on disk; ``Mark()`` if there is none or it is damaged. Raises JournalFailed if it can't be read."""
        try:
            return self.read()
        except MarkDamaged:
            return Mark()

    def _load(self) -> Mark:
        try:
            with self._path.open("rb", buffering=0) as file:
                text = file.readall()
        except FileNotFoundError:
            return Mark()
        except OSError as error:
            raise self._unusable("read", error) from None
        cached_text, mark = self._cached
        if text == cached_text:
            return mark
        mark = self._parse(text)
        self._cached = text, mark
        return mark

    def _parse(self, text: bytes) -> Mark:
        if not text.strip(b"\0 "):
            return Mark()  # a power cut came before its first content reached the disk
        try:
            values = json.loads(text)
            mark = Mark(
                tuple(map(str, values.get("ids", ()))),
                int(values["changes"]),
                {str(job): int(position) for job, position in values["rows"].items()},
                tuple(map(str, values.get("ledgers", ()))),
                Epoch(float(values.get("deleted_until", 0.0))),
            )
            if not all(
                0 <= number <= MAX_COUNTER for number in (mark.changes, mark.deleted_until, *mark.rows.values())
            ):
                raise ValueError
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            raise MarkDamaged(
                f"The file {self._path}, which shows whether the journal was replaced by an older copy, is damaged.",
                hint="`bulkremove journal accept-restore` shows what can't be known any more, and continues.",
                page_hint=ASK_ADMIN,
            ) from None
        return mark

    def name_journal(self, journal: str) -> None:
        """Make this the mark of the journal with this id, and sync it to disk. Raises JournalFailed."""
        with self._locked():
            mark = self.read_or_nothing()
            ids = (*(known_id for known_id in mark.ids if known_id != journal), journal)
            self._write_content(replace(mark, ids=ids), durable=True)

    def raise_to(self, changes: int, *, job: str = "", position: int = 0, ledger: str = "") -> None:
        """Remember a committed change for the next ``write``. ``job``: its row at ``position`` is about to be sent."""
        rows, ledgers = {job: position} if job else {}, (ledger,) if ledger else ()
        self._pending = _merged(self._pending or Mark(), Mark((), changes, rows, ledgers))

    def forget(self, journal: str, job: str, created_at: Epoch) -> None:
        """Record that the rows of the job were deleted in the journal with this id. ``created_at``: of the job.

        Raises JournalFailed, also when the mark belongs to another journal by now.
        """
        with self._locked():
            mark = self._load_of(journal)
            rows = {key: position for key, position in mark.rows.items() if key != job}
            self._write_content(replace(mark, rows=rows, deleted_until=max(mark.deleted_until, created_at)))

    def write(self, journal: str) -> None:
        """Raise the mark to what was committed to the journal with this id; other processes may have raised it more.

        Raises JournalFailed, also when the mark belongs to another journal by now: a copy that lacks the commit was put
        back and accepted meanwhile.
        """
        if self._pending is None:
            return
        with self._locked():
            self._write_content(_merged(self._load_of(journal), self._pending))
        self._pending = None

    def _load_of(self, journal: str) -> Mark:
        """The mark on disk. Raises JournalFailed, also when it belongs to another journal."""
        mark = self._load()
        if mark.ids[-1:] != (journal,):
            raise JournalFailed(f"The journal beside {self._path} was replaced by another while it was in use.")
        return mark

    def _write_content(self, mark: Mark, *, durable: bool = False) -> None:
        """Replace the content in one write, which a kill can't split, padded so that the file never gets shorter."""
        try:
            descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
            try:
                text = _serialized(mark).ljust(os.fstat(descriptor).st_size)
                if os.pwrite(descriptor, text, 0) != len(text):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                if durable:
                    os.fsync(descriptor)
                self._cached = text, mark
            finally:
                os.close(descriptor)
            if durable:
                sync_folder(self._path.parent)
        except OSError as error:
            raise JournalFailed(
                f"The file {self._path} can't be written: {error.strerror}.",
                hint="Free some disk space or make the folder writable, then start again what was running.",
            ) from None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Lock the mark for this process. Raises JournalFailed."""
        try:
            with self._lock:
                yield
        except Timeout:
            raise JournalFailed(
                f"The file {self._path} has been locked by another process for too long.",
                hint="A process that uses this folder stands still: end it, then start again what was running.",
            ) from None
        except OSError as error:
            raise self._unusable("used", error) from None

    def _unusable(self, how: str, error: OSError) -> JournalFailed:
        return JournalFailed(
            f"The file {self._path} can't be {how}: {error.strerror or error}.",
            hint="It must be a file that belongs to you (chown) and that you may read and write (chmod 600); then try "
            "again. If it is lost, see `bulkremove journal accept-restore`.",
            page_hint=ASK_ADMIN,
        )


def _serialized(mark: Mark) -> bytes:
    values = {"changes": mark.changes, "ids": mark.ids, "rows": mark.rows, "ledgers": mark.ledgers}
    return json.dumps({**values, "deleted_until": mark.deleted_until}).encode("ascii")


def _merged(mark: Mark, other: Mark) -> Mark:
    """``mark`` with the counter, positions and ledgers of ``other`` where those are higher or new."""
    rows = {job: max(mark.rows.get(job, 0), position) for job, position in other.rows.items()}
    return replace(
        mark,
        changes=max(mark.changes, other.changes),
        rows={**mark.rows, **rows},
        ledgers=tuple(dict.fromkeys((*mark.ledgers, *other.ledgers))),
    )
