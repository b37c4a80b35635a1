"""The supervisor: starts, stops and watches the jobs that a long-lived process runs concurrently.

For the page and for nightly runs; how a job runs is decided in ``Jobs`` and ``Runs``.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from bulkremove.app.consent import check_sandbox_match
from bulkremove.app.context import Context
from bulkremove.app.jobs import Jobs
from bulkremove.app.notices.people_mail import PeopleMail
from bulkremove.app.results import RunResult
from bulkremove.app.review import check_reviewed, why_review
from bulkremove.app.runs import Runs
from bulkremove.app.stopping import Stopping
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.clock import Epoch
from bulkremove.domain.errors import BulkremoveError, ConsentMissing, JobBusy, JobUnsuitable
from bulkremove.domain.event_names import EventName
from bulkremove.domain.hosts import is_same_target
from bulkremove.domain.ids import without_ids
from bulkremove.domain.job import EndReason, FrontEnd, Job, JobState
from bulkremove.domain.row import Status
from bulkremove.engine.progress import Progress, Stop
from bulkremove.engine.rate_limit import shared_ends

RECENT_ROWS = 12
"""Latest settled rows of a job that are kept for display."""
CLOSED = "The server was stopped. The job goes on by itself if it is started again within an hour."
CLOSE_SECONDS = 60.0
"""Real seconds that the end of a server waits for its jobs; a row in flight takes 45 s at most."""
OTHER_PROCESS_SECONDS = 10.0
"""Real seconds that the page waits for another process to stop; the request stands after that too."""

ACTOR = "bulkremove itself"
"""The actor in the audit log when a job is resumed after a restart."""


@dataclass(slots=True)
class RunningJob:
    """A job under way and its latest progress."""

    job: Job
    stop: Stop = field(default_factory=Stop)
    watch: Callable[[Progress], None] = lambda progress: None
    """Called with each progress of the run."""
    progress: Progress | None = None
    rows: deque[tuple[int, Status]] = field(default_factory=lambda: deque(maxlen=RECENT_ROWS))
    """The rows settled last, the newest first: number in the file, and status."""

    def update(self, progress: Progress) -> None:
        """Store the run's progress."""
        self.progress = progress
        self.watch(progress)
        if progress.settled is not None:
            self.rows.appendleft(progress.settled)


class JobSupervisor:
    """Runs jobs as tasks of the running event loop. ``watch`` is called with the progress of nightly runs' jobs."""

    def __init__(
        self,
        context: Context,
        jobs: Jobs,
        runs: Runs,
        stopping: Stopping,
        mail: PeopleMail,
        watch: Callable[[Progress], None] = lambda progress: None,
    ) -> None:
        self._watch, self._mail = watch, mail
        self._context, self._jobs, self._runs, self._stopping = context, jobs, runs, stopping
        self._running: dict[str, RunningJob] = {}
        self._tasks: dict[str, asyncio.Task[Any]] = {}
        self.failures: dict[str, str] = {}
        """Why a job could not be started or ended badly: a sentence by job id."""

    async def resume_interrupted(self) -> tuple[list[Job], list[Job]]:
        """Resume what a stopped or killed server ran within the last hour; also return the jobs that need review.

        Jobs that a command or a nightly run ran last are theirs to resume.
        """
        jobs, now, resumed, need_review = self._jobs, self._context.clock.wall(), [], []
        await jobs.remove_abandoned()
        for job in await jobs.all(JobState.READY, JobState.RUNNING, JobState.PAUSED):
            if not is_same_target(job.host, self._context.settings.host) or await jobs.is_running(job):
                continue
            rows_left, settings = (await jobs.tally(job)).open, self._context.settings
            if job.needs_review(now) or why_review(job, rows_left, settings=settings, now=now, front_end=FrontEnd.PAGE):
                need_review.append(job)
            elif job.last_run_by is FrontEnd.PAGE and (
                job.state is not JobState.PAUSED or job.reason_code is EndReason.SERVER_STOPPED
            ):
                text = "The server was started again; the job goes on by itself."
                await jobs.add_event(job.id, EventName.TAKEN_UP, text)
                self.start(job, by=ACTOR)
                resumed.append(job)
        return resumed, need_review

    async def resume(self, job_id: str, *, by: str, rows_reviewed: int | None, expect_missing: bool = False) -> Job:
        """Resume a job in the background. ``rows_reviewed``: the number of rows left that the person saw, if any.

        ``expect_missing``: this run goes on even if Zoho knows none of the first learners.

        Raises ActionRefused when nothing is left, or when the job needs review and that is not its number of rows.
        """
        job = await self._jobs.find(job_id)
        check_sandbox_match(job, self._context.settings)
        if job.state.is_approvable:
            raise ConsentMissing(
                f"Job {job.id} is {job.state.value}, so it must be approved first. {job.reason}".strip()
            )
        if not job.state.is_resumable:
            raise JobUnsuitable(f"Job {job.id} is {job.state.value}; nothing is left to resume.")
        rows_left = (await self._jobs.tally(job)).open
        check_reviewed(
            job,
            rows_left,
            rows_reviewed=rows_reviewed,
            by=by,
            settings=self._context.settings,
            now=self._context.clock.wall(),
            front_end=FrontEnd.PAGE,
        )
        self.start(job, by=by, rows_reviewed=rows_reviewed, expect_missing=expect_missing)
        return job

    def start(self, job: Job, *, by: str, rows_reviewed: int | None = None, expect_missing: bool = False) -> None:
        """Run a job in the background; nothing happens when it runs already."""
        if job.id in self._tasks:
            return
        self.failures.pop(job.id, None)
        self._running[job.id] = RunningJob(job)
        run = self._run(job, self._running[job.id], by, rows_reviewed, expect_missing)
        self._tasks[job.id] = asyncio.create_task(run)

    async def run_nightly_job(
        self, job_id: str, *, runs: Runs, stop: Stop, by: str, open_until: Epoch | None, one_at_a_time: bool
    ) -> RunResult:
        """Run a nightly run's job, visible on the page; jobs that people started go first.

        ``runs``: those of its night; ``open_until``: when the nightly run's time window ends, if it has one;
        ``one_at_a_time`` as for ``Runs.run``, and it raises the same.
        """
        if job_id in self._tasks:
            raise JobBusy(f"Job {job_id} runs already; somebody started it on the page.")
        running = RunningJob(await self._jobs.find(job_id), stop, self._watch)
        if job_id in self._tasks:
            raise JobBusy(f"Job {job_id} runs already; somebody started it on the page.")
        self._running[job_id] = running
        task = asyncio.create_task(
            runs.run(
                job_id,
                stop=stop,
                on_progress=running.update,
                by=by,
                must_yield=lambda: self._runs_for_people(job_id),
                front_end=FrontEnd.NIGHTLY,
                open_until=open_until,
                one_at_a_time=one_at_a_time,
            )
        )
        self._tasks[job_id] = task
        try:
            return await task
        finally:
            del self._running[job_id], self._tasks[job_id]

    def _runs_for_people(self, job_id: str) -> bool:
        """Whether another job, which no nightly run started, is under way."""
        return any(other.job.origin is not FrontEnd.NIGHTLY for key, other in self._running.items() if key != job_id)

    async def running_by_end(self) -> list[tuple[Job, float]]:
        """The jobs under way by their expected end, each with the seconds of the run's clock until then."""
        under_way = list(self._running.values())
        jobs = [run.job for run in under_way]
        tallies = await self._jobs.tallies([run.job for run in under_way if run.progress is None])
        open_rows = [(run.progress.tally if run.progress else tallies[run.job.id]).open for run in under_way]
        ends = shared_ends(open_rows, self._context.settings.quota)
        return sorted(zip(jobs, ends, strict=True), key=lambda job_and_end: job_and_end[1])

    def running(self, job_id: str) -> RunningJob | None:
        """A job under way; None when it does not run in this process."""
        return self._running.get(job_id)

    async def pause(self, job_id: str, *, by: str) -> None:
        """Stop a job, to be resumed later; returns once it has stopped, in this process or another one.

        Raises JobBusy when another process has not stopped it soon, JobUnsuitable when it is held or over.
        """
        if job_id in self._running:
            await self._context.record(by, AuditAct.PAUSED, job=job_id)
            await self._stop(job_id, f"{by} paused it.", EndReason.PAUSED)
        else:
            await self._stopping.pause(job_id, by=by, wait=OTHER_PROCESS_SECONDS)

    async def cancel(self, job_id: str, *, by: str) -> None:
        """End a job for good. Raises JobUnsuitable when it is over, JobBusy as ``pause``."""
        await self._stop(job_id, "It is being cancelled.", EndReason.CANCELLED)
        await self._stopping.cancel(job_id, by=by, wait=OTHER_PROCESS_SECONDS)

    async def close(self) -> None:
        """Stop all jobs; they are resumed when the server is started again within an hour.

        Waits for the rows in flight, but for CLOSE_SECONDS at most: another process may keep the journal busy for ever,
        and a run that is ended by force loses no row.
        """
        for running in self._running.values():
            running.stop.request(CLOSED, EndReason.SERVER_STOPPED, auto_resumable=True)
        tasks = list(self._tasks.values())
        if not tasks:
            return
        grace = asyncio.create_task(self._context.clock.sleep(CLOSE_SECONDS * self._context.clock.speed))
        ended = asyncio.gather(*tasks, return_exceptions=True)
        waits: list[asyncio.Future[Any]] = [grace, ended]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        grace.cancel()
        if not ended.done():
            logging.getLogger(__name__).warning("The jobs under way did not end in time; they are ended by force.")
            await asyncio.to_thread(self._context.storage.close)  # their writes fail now, and end them
            await ended

    async def _stop(self, job_id: str, why: str, code: EndReason) -> None:
        if running := self._running.get(job_id):
            running.stop.request(why, code, auto_resumable=code is EndReason.SERVER_STOPPED)
            await asyncio.wait([self._tasks[job_id]])

    async def _run(
        self, job: Job, running: RunningJob, by: str, rows_reviewed: int | None, expect_missing: bool
    ) -> None:
        job_id = job.id
        try:
            await self._runs.run(
                job_id,
                stop=running.stop,
                on_progress=running.update,
                by=by,
                front_end=FrontEnd.PAGE,
                rows_reviewed=rows_reviewed,
                expect_missing=expect_missing,
            )
        except BulkremoveError as error:
            self.failures[job_id] = error.page_text
            if not isinstance(error, JobBusy) and job.origin is not FrontEnd.NIGHTLY:
                with suppress(BulkremoveError):
                    await self._jobs.withdraw(job_id, by=by, why=without_ids(error.page_text))
        except Exception as error:
            logging.getLogger(__name__).warning("Job %s ended unexpectedly: %s", job_id, type(error).__name__)
            self.failures[job_id] = "Something unexpected ended this job. Resume it; if it ends again, ask an admin."
        finally:
            del self._running[job_id], self._tasks[job_id]
            with suppress(BulkremoveError):  # the journal has failed, or the job was erased
                await self._mail.job_ended(job_id)
