"""Putting a report where it belongs: reserved before the first removal, in place all at once, never over another file.

The rows go to a private partial file beside the target, which is linked under its name when it is whole and on disk.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from bulkremove.domain.attempt import Outcome
from bulkremove.domain.errors import ReportFailed
from bulkremove.domain.job import Job
from bulkremove.platform.secure_files import keep_names
from bulkremove.report.formats import XLSX_ROWS, writer_for
from bulkremove.report.tables import Rows, cells, columns, original_cells


class ReportFile:
    """A report that may be written: its place is free and its folder takes files."""

    def __init__(self, path: Path, partial: Path) -> None:
        self.path = path
        self._partial = partial

    def publish(self, job: Job, outcomes: Iterable[Outcome]) -> Path:
        """Write the rows (in file order) and put the file into place. Raises ReportFailed; the partial is gone then."""
        return self._publish(columns(job), job, (cells(job, outcome) for outcome in outcomes))

    def publish_input(self, job: Job, outcomes: Iterable[Outcome], rows: Rows) -> Path | None:
        """The original columns of some rows, as a file to read in again. None, and no file, without any."""
        found = list(original_cells(outcomes, rows))
        if not found:
            self.discard()
            return None
        return self._publish(job.header, job, found)

    def discard(self) -> None:
        """Give the place up."""
        self._partial.unlink(missing_ok=True)

    def _publish(self, header: Sequence[str], job: Job, rows: Iterable[Sequence[str]]) -> Path:
        try:
            writer_for(self.path)(self._partial, header, job.roles, rows)
            with self._partial.open("rb") as file:
                os.fsync(file.fileno())
            _put(self._partial, self.path)
        except OSError as error:
            raise _failed(self.path, error, f"`bulkremove report {job.id} -o FILE` makes it again.") from None
        finally:
            self.discard()
        return self.path


def reserve(path: Path, *, job: Job, rows: int) -> ReportFile:
    """Make sure that a report of ``rows`` rows can be written to ``path``. Raises ReportFailed.

    A partial file that a killed run of the same job left behind is taken over.
    """
    writer_for(path)
    if path.suffix.lower() == ".xlsx" and rows >= XLSX_ROWS:
        raise ReportFailed(
            f"{path.name} can't hold {rows:,} rows: a sheet ends at {XLSX_ROWS:,}.", hint="Write a .csv report instead."
        )
    partial = path.with_name(f".{path.name}.{job.id}.partial")
    try:
        if path.exists() or path.is_symlink():
            raise ReportFailed(
                f"{path} exists already and is not overwritten.", hint="Name another file with --report."
            )
        partial.unlink(missing_ok=True)
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        raise _failed(path, error, "Name a file in another folder with --report.") from None
    return ReportFile(path, partial)


def default_path(job: Job, folder: Path) -> Path:
    """``<job>-report.csv`` in ``folder``, or ``<job>-report-2.csv`` and so on while that is taken."""
    number = 1
    while True:
        path = folder / f"{job.id}-report{'' if number == 1 else f'-{number}'}.csv"
        if not (path.exists() or retry_path(path, job).exists()):
            return path
        number += 1


def retry_path(report: Path, job: Job) -> Path:
    """Where the retry file of a report goes: beside it."""
    stem = report.name[: -len(report.suffix)]
    own = f"{job.id}-report"
    name = stem.replace(own, f"{job.id}-retry") if stem.startswith(own) else f"{stem}-retry"
    return report.with_name(f"{name}.csv")


def write(path: Path, job: Job, outcomes: Iterable[Outcome], *, rows: int) -> Path:
    """A report made (again) at any time; the same outcomes make the same bytes. Raises ReportFailed."""
    return reserve(path, job=job, rows=rows).publish(job, outcomes)


def _put(partial: Path, path: Path) -> None:
    """Give the file its name without ever replacing another one."""
    try:
        os.link(partial, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        partial.replace(path)
    keep_names(path.parent)


def _failed(path: Path, error: OSError, hint: str) -> ReportFailed:
    return ReportFailed(f"The report {path} can't be written: {error.strerror or error}.", hint=hint)
