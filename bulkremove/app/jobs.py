"""The jobs in the journal: finding them, their rows and reports, and what a person may do to one that does not run."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bulkremove.app.consent import check_eyes
from bulkremove.app.results import PAGE, Ended
from bulkremove.errors import ConsentMissing, JobNotFound, NotUnknown, ReportFailed
from bulkremove.model import Finding, Job, JobState, Outcome, Plan, Status, Tally
from bulkremove.policy import given_up
from bulkremove.store import Journal, driven, is_driven

if TYPE_CHECKING:  # each needs the other; most commands do without reports
    from bulkremove.app.usecases import App
    from bulkremove.report import ReportFile, Rows, Timeline

LONGEST_FINDING = 500
"""Characters."""
WAITS = frozenset({"locked", "failing", "unreachable", "no_token"})
"""Events after which nobody sends for a while."""


class Jobs:
    """The jobs of one app's journal."""

    def __init__(self, app: App, journal: Journal) -> None:
        self._app, self._journal = app, journal

    def add(self, job: Job, plan: Plan, act: str, *, by: str) -> None:
        """Store an agreed plan as a job, with its entry in the audit log: both or neither."""
        _add(self._journal, job, plan, act, by)

    async def add_in_thread(self, job: Job, plan: Plan, act: str, *, by: str) -> None:
        """The same, beside the event loop: nobody else waits while many rows are stored."""
        await self._journal.in_thread(lambda journal: _add(journal, job, plan, act, by))

    def all(self) -> list[Job]:
        """All jobs, the newest first."""
        return self._journal.jobs()

    def find(self, job_id: str | None) -> Job:
        """The job of that id, or the latest with rows left or without its report. Raises JobNotFound."""
        if job_id is not None:
            return self._journal.job(job_id)
        for job in self._journal.jobs():
            if self.resumable(job):
                return job
        raise JobNotFound("There is no unfinished job.", hint="`bulkremove jobs` lists all of them.")

    def of_plan(self, plan: Plan) -> Job | None:
        """The newest job of exactly this plan, if it was confirmed before."""
        return next((job for job in self.all() if job.plan_hash == plan.fingerprint), None)

    def retrying(self, job_id: str, numbers: Collection[int]) -> Job | None:
        """A retry of the job that has any of these rows (their numbers in the file)."""
        retries = (job for job in self.all() if job.retry_of == job_id)
        return next((job for job in retries if not self._journal.numbers(job.id).isdisjoint(numbers)), None)

    def tally(self, job: Job) -> Tally:
        """How many rows have which status; those not settled yet are counted as open."""
        return self._journal.tally(job.id)

    def driven(self, job: Job) -> bool:
        """Whether some process of this machine drives the job right now."""
        return job.state is JobState.RUNNING and is_driven(self._app.settings.home, job.id)

    def events(self, job: Job) -> list[tuple[float, str, str]]:
        """What happened to the job: when (epoch seconds), a stable name, and words."""
        return self._journal.events(job.id)

    def tell(self, job_id: str, name: str, text: str) -> None:
        """Keep an event of a job: a stable name, and words."""
        self._journal.note(job_id, name, text, at=self._app.clock.wall())

    def outcomes(self, job: Job) -> Iterator[Outcome]:
        """Every row in file order, as a report would tell it now."""
        return self._journal.outcomes(job)

    def some_outcomes(self, job: Job, *, status: Status | None, text: str, page: int) -> tuple[list[Outcome], bool]:
        """A page (from 1) of the job's rows with a status and a text in some cell; whether there are more."""
        skip = (page - 1) * PAGE
        found = self._journal.some_outcomes(job, status=status, text=text, skip=skip, most=PAGE + 1)
        return found[:PAGE], len(found) > PAGE

    def timeline(self, job: Job) -> Timeline:
        """The job's removals over time, and when nobody could send."""
        from bulkremove.report import timeline

        waits = [
            (at, self._journal.first_call_after(job.id, at), name)
            for at, name, _ in self._journal.events(job.id)
            if name in WAITS
        ]
        return timeline(self._journal.removed_at(job.id), waits)

    def not_looked_up(self, job: Job) -> int:
        """How many unknown rows of the job nobody has noted anything about."""
        return sum(one.status is Status.UNKNOWN and not one.findings for one in self._journal.outcomes(job))

    def find_out(self, job_id: str, number: int, text: str, *, by: str) -> None:
        """Note what a person found out about an unknown row (its number in the file). Raises NotUnknown."""
        words = text.strip()[:LONGEST_FINDING]
        if not words:
            raise NotUnknown("Nothing was written, so nothing was noted.", hint="Say what you found in Zoho People.")
        with self._journal.transaction():
            job = self._journal.job(job_id)
            if not self._journal.find_out(job.id, number, Finding(self._app.clock.wall(), by, words)):
                raise NotUnknown(f"Row {number} of job {job.id} is not unknown, so there is nothing to find out.")
            self._app.record(by, "noted", job=job.id, row=number)

    def approve(self, job_id: str, *, by: str) -> Job:
        """Let a held job run. Raises ConsentMissing when it is not held."""
        with self._journal.transaction():
            job = self._journal.job(job_id)
            check_eyes(job.prepared_by.split(", "), by, self._app.settings)
            if not self._journal.release(job.id, by=by):
                raise ConsentMissing(f"Job {job.id} is {job.state.value}; only a held one can be approved.")
            self._app.record(by, "approved", job=job.id, plan=job.plan_hash)
            self.tell(job.id, "approved", f"{by} approved it.")
        return self._journal.job(job_id)

    def cancel(self, job_id: str, *, by: str) -> Job:
        """End a job for good; its rows left are ``not_sent``. Raises JobBusy while a process drives it."""
        with driven(self._app.settings.home, job_id), self._journal.transaction():
            job = self._journal.job(job_id)
            if job.state.over:
                raise ConsentMissing(f"Job {job.id} is {job.state.value} already.")
            at, why = self._app.clock.wall(), "A person cancelled the job."
            unknown = given_up("an attempt got no answer").detail
            self._journal.give_up_open_rows(job.id, why=why, unknown=unknown, at=at)
            self._journal.end(job.id, JobState.CANCELLED, reason=why, exit_code=5, at=at)
            self.tell(job.id, JobState.CANCELLED.value, why)
            self._app.record(by, "cancelled", job=job.id)
        return self._journal.job(job_id)

    async def report(self, job_id: str, path: Path | None, *, rows: Rows | None = None, by: str) -> Path | None:
        """Write the job's report (again); the same bytes for the same state. Raises ReportFailed.

        ``rows``: the file's own columns of some rows instead, to be read in again; None, and no file, without any.
        """
        from bulkremove import report as reports

        job = self._journal.job(job_id)
        if job.dropped:
            raise ReportFailed(f"The rows of job {job.id} were deleted after their time; only its totals are left.")
        total = self._journal.tally(job.id).total
        file = reports.reserve(path or reports.default_path(job, Path(job.folder)), job=job, rows=total)
        try:

            def write(journal: Journal) -> Path | None:
                outcomes = journal.outcomes(job)
                return file.publish(job, outcomes) if rows is None else file.publish_input(job, outcomes, rows)

            written = await self._journal.in_thread(write)
            if written:
                self._app.record(by, "reported", job=job.id, rows="report" if rows is None else rows.value)
            return written
        finally:
            file.discard()

    async def publish(self, job: Job, file: ReportFile, retry_file: ReportFile) -> Ended:
        """Fill the files that were reserved for a run that is over now."""
        from bulkremove.report import Rows, first_line, summary

        def write(journal: Journal) -> tuple[Path, Path | None]:
            report = file.publish(job, journal.outcomes(job))
            return report, retry_file.publish_input(job, journal.outcomes(job), Rows.RETRY)

        tally = self._journal.tally(job.id, as_reported=True)
        warnings = [first_line(job, tally)]
        report = retry = None
        try:
            report, retry = await self._journal.in_thread(write)
        except ReportFailed as failed:
            warnings.append(str(failed))
        else:
            self.tell(job.id, "reported", f"The report is in {report}.")
        said = summary(job, tally, report=str(report) if report else None)
        return Ended(job, tally, report, retry, said, " ".join(filter(None, warnings)) or None)

    def summary(self, job: Job) -> str:
        """The line that sums the job up as it stands."""
        from bulkremove.report import summary

        return summary(job, self._journal.tally(job.id, as_reported=True))

    def resumable(self, job: Job) -> bool:
        """Rows are left, or the run was killed between its end and its report."""
        ended = job.state in (JobState.FINISHED, JobState.STOPPED)
        return job.state.resumable or (ended and not self._journal.reported(job.id))


def _add(journal: Journal, job: Job, plan: Plan, act: str, by: str) -> None:
    facts = {"job": job.id, "plan": plan.fingerprint, "removals": plan.removals, "source": job.source}
    with journal.transaction():
        journal.create(job, plan.rows())
        journal.audit.append(by, act, facts, at=job.created_at)
