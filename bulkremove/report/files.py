"""Report files: reserved before the first removal, published atomically, never over another file.

The rows go to a private partial file beside the target; once it is complete and on disk, it is linked to the name.
The report of a nightly run goes to a folder that others can write beside, so that one is opened with care each time.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from bulkremove.domain.attempt import Outcome
from bulkremove.domain.errors import LocalFileFailed, ReportFailed
from bulkremove.domain.job import FrontEnd, Job
from bulkremove.domain.table import PERSON_COLUMNS, SANDBOX_COLUMN, UNDO_COLUMN
from bulkremove.platform.open_folder import open_folder
from bulkremove.report.formats import writer_for
from bulkremove.report.tables import RowSelection, cells, columns, mark, person_cells, select
from bulkremove.report.workbook import XLSX_ROWS, write_report


class ReportFile:
    """A reserved report: its path is free, and a partial file beside it shows that the folder can be written to."""

    def __init__(self, path: Path, partial: str, *, is_own_folder: bool) -> None:
        self.path = path
        self._partial, self._is_own_folder = partial, is_own_folder

    def publish(self, job: Job, outcomes: Iterable[Outcome]) -> Path:
        """Write the rows in file order and put the file in place. Raises ReportFailed; no partial file is left then."""
        if self.path.suffix.lower() == ".xlsx":
            return self._publish(job, lambda file: write_report(file, job, outcomes))
        return self._publish_table(columns(job), job, (cells(job, outcome) for outcome in outcomes))

    def publish_input(self, job: Job, outcomes: Iterable[Outcome], rows: RowSelection) -> Path | None:
        """Write the input's own columns of some rows, as a file to read again; None, and no file, without any row.

        A list of removed people also says who they were, as far as that is known; it can't be read again.
        Raises ReportFailed.
        """
        selected = select(outcomes, rows)
        if not selected:
            self.discard()
            return None
        if rows is RowSelection.UNDO:  # its own column shows what it is if it comes back as people to remove
            has_people = any(outcome.person for outcome in selected)
            header = (*job.header, UNDO_COLUMN, *PERSON_COLUMNS[: len(PERSON_COLUMNS) * has_people])
            lines = [(*row.cells, job.id, *(person_cells(row.person) if has_people else ())) for row in selected]
        else:
            header, lines = job.header, [row.cells for row in selected]
        header = (*header, *mark(job, SANDBOX_COLUMN))
        return self._publish_table(header, job, [(*line, *mark(job)) for line in lines])

    def discard(self) -> None:
        """Delete the partial file; a published report stays."""
        with suppress(OSError, LocalFileFailed), open_folder(self.path.parent, is_own=self._is_own_folder) as folder:
            folder.remove(self._partial)

    def _publish_table(self, header: Sequence[str], job: Job, rows: Iterable[Sequence[str]]) -> Path:
        return self._publish(job, lambda file: writer_for(self.path)(file, header, job.roles, rows))

    def _publish(self, job: Job, write_to: Callable[[BinaryIO], None]) -> Path:
        try:
            with open_folder(self.path.parent, is_own=self._is_own_folder) as folder:
                with folder.reopen(self._partial) as file:
                    write_to(file)
                    file.flush()
                    os.fsync(file.fileno())
                folder.link(self._partial, self.path.name)
                folder.sync()
        except (OSError, LocalFileFailed) as error:
            raise _write_error(
                self.path, error, hint=f"`bulkremove report {job.id} -o FILE` makes it again.", page_hint=""
            ) from None
        finally:
            self.discard()
        return self.path


def reserve(path: Path, *, job: Job, rows: int) -> ReportFile:
    """Make sure that a report of ``rows`` rows can be written to ``path``. Raises ReportFailed.

    A partial file that a killed run of the same job left behind is replaced.
    """
    writer_for(path)
    if path.suffix.lower() == ".xlsx" and rows >= XLSX_ROWS:
        raise ReportFailed(
            f"{path.name} can't hold {rows:,} rows: a sheet ends at {XLSX_ROWS:,}.", hint="Write a .csv report instead."
        )
    partial = f".{path.name}.{job.id}.partial"
    is_own_folder = job.origin is FrontEnd.NIGHTLY and path.parent == Path(job.folder)
    try:
        with open_folder(path.parent, is_own=is_own_folder) as folder:
            if folder.has(path.name):
                raise ReportFailed(f"{path} exists already and is not overwritten.", hint="Name another file.")
            folder.remove(partial)
            folder.create(partial).close()
    except (OSError, LocalFileFailed) as error:
        raise _write_error(path, error, "Name a file in another folder.") from None
    return ReportFile(path, partial, is_own_folder=is_own_folder)


def reserve_both(job: Job, path: Path | None, *, rows: int) -> tuple[ReportFile, ReportFile]:
    """Reserve a job's report and its retry file. ``path``: of the report, if not the default. Raises ReportFailed."""
    path = path or default_path(job, Path(job.folder), rows=rows)
    report = reserve(path, job=job, rows=rows)
    try:
        return report, reserve(retry_path(path, job), job=job, rows=rows)
    except BaseException:
        report.discard()
        raise


def default_path(job: Job, folder: Path, *, rows: int) -> Path:
    """The first of ``<job>-report.csv``, ``<job>-report-2.csv``... in ``folder`` that is free, as is its retry path.

    People read that of a nightly run, so it is a workbook, if its ``rows`` fit into one.
    """
    number, ending = 1, ".xlsx" if job.origin is FrontEnd.NIGHTLY and rows < XLSX_ROWS else ".csv"
    while True:
        path = folder / f"{job.id}-report{'' if number == 1 else f'-{number}'}{ending}"
        if not (path.exists() or retry_path(path, job).exists()):
            return path
        number += 1


def retry_path(report: Path, job: Job) -> Path:
    """The path of the retry file: beside the report, named ``<job>-retry*.csv`` or ``<report>-retry.csv``."""
    stem = report.name[: -len(report.suffix)]
    prefix = f"{job.id}-report"
    name = stem.replace(prefix, f"{job.id}-retry") if stem.startswith(prefix) else f"{stem}-retry"
    return report.with_name(f"{name}.csv")


def write(path: Path, job: Job, outcomes: Iterable[Outcome], *, rows: int) -> Path:
    """Reserve and publish a report of all rows at once. Raises ReportFailed."""
    return reserve(path, job=job, rows=rows).publish(job, outcomes)


def _write_error(path: Path, error: OSError | LocalFileFailed, hint: str, page_hint: str | None = None) -> ReportFailed:
    """The error for a report that can't be written, with what to do if its cause does not say it."""
    if isinstance(error, LocalFileFailed):
        return ReportFailed(f"The report {path} can't be written. {error.message}", hint=error.hint)
    folder = path.parent
    match error.errno:
        case errno.ENOENT:
            why, hint, page_hint = f"there is no folder {folder}", "Make it, or name a file in another folder.", None
        case errno.ENOTDIR:
            why, hint, page_hint = f"{folder} is not a folder", "Name a file in another folder.", None
        case errno.EACCES | errno.EPERM | errno.EROFS:
            why = f"the folder {folder} can't be written to ({error.strerror})"
        case errno.ENOSPC | errno.EDQUOT:
            why = f"the disk of {folder} is full"
            hint, page_hint = f"Free some disk space there. {hint}", "Free some disk space there."
        case _:
            why = error.strerror or str(error)
    return ReportFailed(f"The report {path} can't be written: {why}.", hint=hint, page_hint=page_hint)
