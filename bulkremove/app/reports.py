"""Use cases for the rows of stored jobs: reports, retry files, lists and the timeline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bulkremove.app.context import Context
from bulkremove.app.results import PAGE_SIZE, RunResult
from bulkremove.app.unsent_rows import UnsentRows
from bulkremove.domain.attempt import Outcome
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.errors import ReportFailed
from bulkremove.domain.event_names import WAITS, EventName
from bulkremove.domain.job import Job
from bulkremove.domain.permissions import AccountSet
from bulkremove.domain.row import RowState, Status
from bulkremove.report import (
    ReportFile,
    RowSelection,
    Timeline,
    default_path,
    reserve,
    summary,
    timeline,
    warning_text,
)
from bulkremove.storage.interface.records import JobEvent

MIN_PERSON_TEXT = 3
"""Characters with which a person is looked for."""
MAX_JOBS_OF_PERSON = 20
"""Jobs that are shown for a person."""


class Reports:
    """The reports of one context's jobs."""

    def __init__(self, context: Context) -> None:
        self._context, self._storage = context, context.storage

    async def outcomes(self, job: Job, *statuses: Status) -> list[Outcome]:
        """The rows with these statuses, or all, in file order, as a report written now would show them."""
        return await self._storage.rows.export(
            job, lambda rows: [row for row in rows if not statuses or row.status in statuses]
        )

    async def page(self, job: Job, *, status: Status | None, text: str, page: int) -> tuple[list[Outcome], bool]:
        """A page (from 1) of the job's rows with this status, and this text in some cell; whether more follow."""
        rows = await self._storage.rows.search(
            job, status=status, text=text, offset=(page - 1) * PAGE_SIZE, limit=PAGE_SIZE + 1
        )
        return rows[:PAGE_SIZE], len(rows) > PAGE_SIZE

    async def about_person(self, text: str, accounts: AccountSet) -> tuple[list[tuple[Job, list[Outcome]]], bool]:
        """The rows of jobs of some accounts that a text is about, by job, the newest first; whether there are more.

        ``text``: an id, an e-mail address or a name, of ``MIN_PERSON_TEXT`` characters at least.
        """
        jobs = await self._storage.jobs.naming(text, accounts, limit=MAX_JOBS_OF_PERSON + 1)
        rows = [(job, await self._rows_about(job, text)) for job in jobs[:MAX_JOBS_OF_PERSON]]
        has_more = len(jobs) > MAX_JOBS_OF_PERSON or any(len(of_job) > PAGE_SIZE for _, of_job in rows)
        return [(job, of_job[:PAGE_SIZE]) for job, of_job in rows if of_job], has_more

    async def _rows_about(self, job: Job, text: str) -> list[Outcome]:
        return await self._storage.rows.search(job, status=None, text=text, offset=0, limit=PAGE_SIZE + 1)

    async def rows_after(
        self, job: Job, *, state: Status | RowState | None, text: str, after: int, limit: int
    ) -> tuple[list[Outcome], bool]:
        """The job's rows after a position (-1: from the first one on) in this state; whether more follow.

        A row that the job can still send is in its ``RowState``, and has no status yet.
        """
        rows = await self._storage.rows.search(
            job, status=state, text=text, after=after, limit=limit + 1, as_reported=False
        )
        return rows[:limit], len(rows) > limit

    async def rows_to_retry(self, job: Job) -> int:
        """The number of rows of a job that a retry would plan, since nothing but its end kept them from being sent."""
        if not job.state.is_over:
            return 0
        numbers = (await UnsentRows.of(job, self._storage)).numbers
        return await self._storage.rows.export(
            job, lambda rows: sum(row.status is Status.NOT_SENT and row.number in numbers for row in rows)
        )

    async def timeline(self, job: Job) -> Timeline:
        """The job's removals over time, and the waits in which no row was sent."""
        waits = [(at, name) for at, name, _ in await self._storage.jobs.events(job.id) if name in WAITS]
        ends = await self._storage.rows.first_call_after(job.id, [at for at, _ in waits])
        removed_at = await self._storage.rows.removal_times(job.id)
        return timeline(removed_at, [(at, end, name) for (at, name), end in zip(waits, ends, strict=True)])

    async def write(self, job_id: str, path: Path | None, *, rows: RowSelection | None = None, by: str) -> Path | None:
        """Write the job's report, with the same bytes for the same state. Raises ReportFailed.

        ``rows``: write the input columns of these rows instead, as a file to be read in again; None, and no file, when
        there are no such rows.
        """
        job = await self._storage.jobs.get(job_id)
        if job.rows_deleted:
            raise ReportFailed(f"The rows of job {job.id} were deleted after their time; only its totals are left.")
        if rows is RowSelection.RETRY and not job.state.is_over:
            raise ReportFailed(
                f"Job {job.id} is {job.state.value} and can still send its rows, so there is no retry file yet.",
                hint=f"Go on with `bulkremove resume {job.id}`, or end it with `bulkremove cancel {job.id}`.",
                page_hint="Resume it, or cancel it.",
            )
        total = (await self._storage.rows.tally(job.id)).total
        file = reserve(path or default_path(job, Path(job.folder), rows=total), job=job, rows=total)
        try:
            written = await self._publish(job, file, rows)
            if written:
                await self._context.record(
                    by, AuditAct.REPORTED, job=job.id, rows="report" if rows is None else rows.value
                )
            return written
        finally:
            file.discard()

    async def publish(self, job: Job, file: ReportFile, retry_file: ReportFile, *, warning: str = "") -> RunResult:
        """Write report and retry file of a run that has ended into the files reserved for them.

        ``warning``: what else a person must be told.
        """
        tally = await self._storage.rows.tally(job.id, as_reported=True)
        warnings = [warning_text(job, tally), warning]
        report = retry = None
        try:
            report = await self._publish(job, file, None)
            # Until it is over it can be resumed, and a retry file beside it would remove people twice. That of an
            # enrolment would be refused as an input.
            if job.state.is_over and not job.is_enrolment:
                retry = await self._publish(job, retry_file, RowSelection.RETRY)
        except ReportFailed as failed:
            warnings.append(str(failed))
        else:
            event = JobEvent(job.id, EventName.REPORTED, f"The report is in {report}.", self._context.clock.wall())
            await self._storage.record(event)
        text = summary(job, tally, report=str(report) if report else None)
        return RunResult(job, tally, report, retry, text, " ".join(filter(None, warnings)) or None)

    async def _publish(self, job: Job, file: ReportFile, rows: RowSelection | None) -> Path | None:
        total = (await self._storage.rows.tally(job.id)).total

        def count_checked(outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
            count = 0
            for count, outcome in enumerate(outcomes, start=1):  # noqa: B007 - the last count is compared below
                yield outcome
            if count != total:
                raise ReportFailed(f"Rows of job {job.id} were deleted while its report was written. Nothing was kept.")

        again = (await UnsentRows.of(job, self._storage)).numbers if rows is RowSelection.RETRY else ()

        def write(outcomes: Iterator[Outcome]) -> Path | None:
            checked = count_checked(outcomes)
            if rows is None:
                return file.publish(job, checked)
            if rows is RowSelection.RETRY:
                return file.publish_input(job, (row for row in checked if row.number in again), rows)
            return file.publish_input(job, checked, rows)

        return await self._storage.rows.export(job, write)

    async def summary(self, job: Job) -> str:
        """The summary of the job in its present state, in one line."""
        return summary(job, await self._storage.rows.tally(job.id, as_reported=True))
