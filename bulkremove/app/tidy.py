"""Keeping no more of people than is needed: old rows and files go, one person's data go at once, totals stay.

The audit log stays whole: it holds no cell of any file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bulkremove.model import Job
from bulkremove.sources import Folder
from bulkremove.store import Journal

DAY = 86_400.0


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
