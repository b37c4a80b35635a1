"""Keeping no more of people than is needed: old rows and files go, one person's data go at once, totals stay.

The audit log stays whole: it holds no cell of any file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bulkremove.app.results import Allowance
from bulkremove.errors import BulkremoveError, ConsentMissing
from bulkremove.model import Job
from bulkremove.sources import Folder, folder_of
from bulkremove.store import Journal

if TYPE_CHECKING:  # each needs the other
    from bulkremove.app.usecases import App
    from bulkremove.metrics import Figures

DAY = 86_400.0


class Keeping:
    """What one app keeps: in its journal, in its home folder, and in the folder of its nights."""

    def __init__(self, app: App, journal: Journal) -> None:
        self._app, self._journal = app, journal

    def tidy(self) -> int:
        """Drop what is older than ``retention_days``; how many jobs lost their rows."""
        settings, now = self._app.settings, self._app.clock.wall()
        dropped = expire(self._journal, settings.home, self._folders(), now=now, days=settings.retention_days)
        if dropped:
            self._journal.compact()
        return dropped

    def forget(self, learner: str, *, by: str) -> list[str]:
        """Take a learner's data out of journal and kept files; where it stood, in sentences. Raises ConsentMissing."""
        if open_rows := self._journal.open_rows_of(learner):
            raise ConsentMissing(
                f"{open_rows} row(s) of this learner are still to be sent, so nothing was forgotten.",
                hint="Let their jobs end, or cancel them.",
            )
        said = forget(self._journal, self._app.settings.home, self._folders(), learner)
        self._app.record(by, "forgot", places=len(said))
        return said

    def backup(self, path: Path, *, by: str) -> None:
        """A sound copy of the journal, also while jobs run. Raises JournalFailed when the file is there already."""
        self._journal.backup(path)
        self._app.record(by, "backed_up", file=path.name)

    def figures(self) -> Figures:
        """What is measured, for Prometheus."""
        from bulkremove.metrics import Figures

        rows, jobs, lockouts = self._journal.figures()
        try:
            used = self._app.allowance()
        except BulkremoveError:  # no account yet: nothing was ever called
            used = Allowance(0, self._app.settings.quota.calls, 0, None, 0.0)
        nights = self._journal.nights
        return Figures(
            rows, jobs, lockouts, used.calls, used.today, used.limit, used.locked, nights.last_good(), nights.waiting()
        )

    def _folders(self) -> list[Folder]:
        settings = self._app.settings
        return [folder_of(settings.night_source, settings.home)] if settings.night_source else []


def expire(journal: Journal, home: Path, folders: list[Folder], *, now: float, days: int) -> int:
    """Drop the rows and files of jobs that are over for so many days; how many jobs there were. 0 days: never."""
    if not days:
        return 0
    then, dropped = now - days * DAY, 0
    for job in journal.jobs():
        if job.state.over and not job.dropped and (job.finished_at or job.created_at) < then:
            for path in own_files(home, folders, job):
                path.unlink(missing_ok=True)
            journal.drop_rows(job.id)
            dropped += 1
    for folder in folders:
        for place in (folder.done, folder.held):
            for path in _files(place):
                if path.stat().st_ctime < then:
                    path.unlink(missing_ok=True)
    return dropped


def own_files(home: Path, folders: list[Folder], job: Job) -> list[Path]:
    """The reports and retry files of a job in folders of ours; what lies in a person's own folder is theirs."""
    ours = [home / "reports", *(place for folder in folders for place in (folder.done, folder.held))]
    return [path for place in ours for path in _files(place) if path.name.startswith((f"{job.id}-", f".{job.id}-"))]


def forget(journal: Journal, home: Path, folders: list[Folder], learner: str) -> list[str]:
    """Take a learner's data out of the journal and of kept files; where it stood, in sentences."""
    said = [f"Job {job}: {count} row(s) were emptied." for job, count in journal.forget(learner).items()]
    places = [home / "reports", home / "uploads", *(p for one in folders for p in (one.path, one.done, one.held))]
    for place in places:
        for path in _files(place):
            raw = path.read_bytes()
            if learner.encode() not in raw:
                if raw.startswith((b"PK", b"\xd0\xcf")):
                    said.append(f"{path} is a workbook; open it and look whether the person stands in it.")
                continue
            kept = b"".join(line for line in raw.splitlines(keepends=True) if learner.encode() not in line)
            path.write_bytes(kept)
            said.append(f"{path}: the lines with this id were taken out.")
    return said


def _files(place: Path) -> Iterator[Path]:
    if place.is_dir():
        yield from (path for path in sorted(place.iterdir()) if path.is_file())
