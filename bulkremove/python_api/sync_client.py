"""``SyncClient``: the use cases as plain functions, for notebooks, schedulers and scripts."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from bulkremove.domain.job import JobState
from bulkremove.python_api.base_client import BaseClient, job_id, path_or_none
from bulkremove.python_api.rows_in import taken
from bulkremove.python_api.values import Job, Plan, Progress, Result

if TYPE_CHECKING:
    from bulkremove.python_api.rows_in import RowsIn


class SyncClient(BaseClient):
    """A ``BaseClient`` whose methods are plain functions; it is opened with ``with``."""

    def __enter__(self) -> Self:
        opening = self._open()
        try:
            opening.wait()
        except BaseException:
            self._end_worker()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self._close().wait(cancels=False)
        finally:
            self._end_worker()

    def plan(
        self,
        rows: RowsIn,
        *,
        name: str | None = None,
        columns: Mapping[str, str | int] | None = None,
        sheet: str | None = None,
        only: str | Sequence[str] = (),
        header_row: int | None = None,
        hidden: Literal["refuse", "leave_out", "include"] = "refuse",
        match: Literal["email", "employee-id"] | None = None,
        include_open: bool = False,
        check: bool | None = None,
        include_mismatched: bool = False,
    ) -> Plan:
        """Make the dry run of a removal: read ``rows`` to their end and plan what would be done. Nothing is removed.

        ``rows``: a DataFrame, a path, the bytes of a file, a file that is open in binary mode, or triples of course id,
        batch id and learner id. ``name``: how messages and reports name them. ``columns``: the heading, letter or index
        (from 0) of the column of each role, which are ``course``, ``batch`` and ``learner``. ``only``: which rows are
        meant, if a column says who stays, as ``"Status=left"``. ``header_row``, ``sheet``, ``hidden``: as the options
        of ``bulkremove preview`` for files. ``match``: the learner column holds this, and Zoho is asked for the ids.
        ``include_open``: plan rows too that another job may still send. ``check``: whether Zoho is asked who these
        learners are; None: as the settings say. ``include_mismatched``: plan rows too whose e-mail address is another
        one in Zoho.

        Raises TypeError for ids that are no text and no whole numbers, ValueError for an unknown option, FileRefused
        for rows that are damaged or ambiguous, and ReadFailed, NotAuthorized or SettingsError.
        """
        given = taken(rows)
        return self._call(
            lambda session: session.plan(
                given,
                name=name,
                columns=columns,
                sheet=sheet,
                only=only,
                header_row=header_row,
                hidden=hidden,
                match=match,
                include_open=include_open,
                check=check,
                include_mismatched=include_mismatched,
            )
        ).wait()

    def retry(
        self,
        job: Job | str,
        *,
        unknown_checked: bool = False,
        check: bool | None = None,
        include_mismatched: bool = False,
    ) -> Plan:
        """Plan the rows that a job which is over did not send.

        ``unknown_checked``: those too that are ``unknown``, since a person has looked each of them up in Zoho People.
        Raises JobUnsuitable where there are none, and as ``plan``.
        """
        return self._call(
            lambda session: session.retry(
                job_id(job), unknown_checked=unknown_checked, check=check, include_mismatched=include_mismatched
            )
        ).wait()

    def submit(
        self,
        plan: Plan,
        *,
        confirm: str,
        key: str | None = None,
        removals: int | None = None,
        compared: int | None = None,
    ) -> Job:
        """Agree to a plan and store it as a job; nothing is sent before ``run``.

        ``confirm``: the plan's hash, as whoever agrees has seen it. ``key``: a name for this call; made again with the
        same key and plan, it returns the job that is there, and removes nobody twice. ``removals``: the number of
        removals, needed beside the hash for a plan that was run before. ``compared``: ``plan.doubtful_ids``, once a
        person has compared these ids with Zoho People.

        Under ``four_eyes`` the job is ``held``, and somebody else approves it. Raises ActionRefused for a plan that is
        refused, and NotAuthorized, SettingsError or ReportFailed where its run would fail at once.
        """
        return self._call(
            lambda session: session.submit(plan, confirm=confirm, removals=removals, compared=compared, key=key)
        ).wait()

    def run(
        self,
        job: Job | str,
        *,
        report: str | os.PathLike[str] | None = None,
        rows_reviewed: int | None = None,
        expect_missing: bool = False,
    ) -> Generator[Progress, None, None]:
        """Run or resume a job, and give its progress until it ends. It begins with the first step of the loop.

        A loop that is slower than the run gets the newest progress only. Whoever leaves the loop early, by ``break``,
        by an error or by Ctrl-C, pauses the job: the rows in flight are finished, its state is written, and so is its
        report. A run that Zoho ends early raises nothing: the job's state and reason say so.

        ``report``: its file; else it goes to ``reports`` in the home folder. ``rows_reviewed``: the number of rows left
        that a person saw, of a job that needs review. ``expect_missing``: go on although Zoho knows none of the first
        10 learners.

        Raises ActionRefused, JobBusy, OtherHomeSends, NotAuthorized, SettingsError or ReportFailed before anything is
        sent, and JournalFailed.
        """
        followed = self._follow(
            lambda session: session.follow(
                job_id(job),
                report=path_or_none(report),
                rows_reviewed=rows_reviewed,
                expect_missing=expect_missing,
            )
        )
        try:
            while (progress := self._next(followed).wait()) is not None:
                yield progress
        finally:
            self._stop(followed).wait(cancels=False)

    def find(self, key: str) -> Job | None:
        """Find the account's job that was submitted with a key; None if there is none."""
        return self._call(lambda session: session.find(key)).wait()

    def job(self, job: Job | str) -> Job:
        """A job as it stands now. Raises JobNotFound."""
        return self._call(lambda session: session.job(job_id(job))).wait()

    def jobs(self, *, state: JobState | None = None, page: int = 1) -> list[Job]:
        """A page (from 1) of the account's jobs, the newest first, whatever made them."""
        return self._call(lambda session: session.jobs(state, page)).wait()

    def result(self, job: Job | str) -> Result:
        """The rows of a job as they stand now. Raises JobNotFound, and ReportFailed where they were deleted."""
        return self._call(lambda session: session.result(job_id(job))).wait()

    def report(self, job: Job | str, path: str | os.PathLike[str]) -> Path:
        """Write the report of a job as it stands now: a .csv, .xlsx or .jsonl file. Raises ReportFailed."""
        return self._call(lambda session: session.report(job_id(job), Path(path).expanduser().absolute())).wait()

    def pause(self, job: Job | str) -> Job:
        """Stop a job, whichever process runs it, so that a person must look at it before it goes on.

        Raises JobBusy when it does not stop in time, JobUnsuitable when it is over.
        """
        return self._call(lambda session: session.pause(job_id(job))).wait()

    def cancel(self, job: Job | str) -> Job:
        """End a job for good, whichever process runs it. Raises as ``pause``."""
        return self._call(lambda session: session.cancel(job_id(job))).wait()
