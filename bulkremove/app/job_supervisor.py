"""The jobs that one long-lived process runs side by side, and what each of them has to tell.

For the page, and for whoever else outlives a single job. It starts, stops and watches; what a job is and how it runs
is decided in ``Jobs`` and ``Runs``.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from bulkremove.app.context import Context
from bulkremove.app.jobs import Jobs
from bulkremove.app.results import Ended
from bulkremove.app.runs import Runs
from bulkremove.domain.errors import BulkremoveError, JobBusy
from bulkremove.domain.job import EndReason, Job, JobState
from bulkremove.domain.row import Status
from bulkremove.engine.progress import Progress, Stop
from bulkremove.engine.rate_limit import shared_ends

RECENT_ROWS = 12
"""Rows of a job that are kept for whoever looks."""
CLOSED = "The server was stopped. The job goes on by itself when it is started again."

ACTOR = "bulkremove itself"
"""Who goes on with a job after a restart, for the audit log."""


@dataclass(slots=True)
class Running:
    """One job under way, and what it told last."""

    job: Job
    stop: Stop = field(default_factory=Stop)
    progress: Progress | None = None
    rows: deque[tuple[int, Status]] = field(default_factory=lambda: deque(maxlen=RECENT_ROWS))
    """The rows settled last: number in the file, and how; the newest first."""

    def update(self, progress: Progress) -> None:
        """Take in what the run tells."""
        self.progress = progress
        if progress.settled is not None:
            self.rows.appendleft(progress.settled)


class JobSupervisor:
    """Runs jobs in the background of the running event loop."""

    def __init__(self, context: Context, jobs: Jobs, runs: Runs) -> None:
        self._context, self._jobs, self._runs = context, jobs, runs
        self._running: dict[str, Running] = {}
        self._tasks: dict[str, asyncio.Task[Any]] = {}
        self.failures: dict[str, str] = {}
        """Why a job could not be started or ended badly, by job, in a sentence."""

    async def resume_interrupted(self) -> list[Job]:
        """Start what a stopped or killed server left; the jobs that go on."""
        jobs, found = self._jobs, []
        await jobs.remove_abandoned()
        for job in await jobs.all(JobState.READY, JobState.RUNNING, JobState.PAUSED):
            if job.state is JobState.PAUSED and job.reason_code is not EndReason.SERVER_STOPPED:
                continue
            if job.origin == "nightly" or await jobs.driven(
                job
            ):  # the next nightly run goes on with those of nightly runs
                continue
            await jobs.add_event(job.id, "taken_up", "The server was started again; the job goes on by itself.")
            self.start(job, by=ACTOR)
            found.append(job)
        return found

    def start(self, job: Job, *, by: str) -> None:
        """Run a job, or go on with it; nothing happens when it runs already."""
        if job.id in self._tasks:
            return
        self.failures.pop(job.id, None)
        self._running[job.id] = Running(job)
        self._tasks[job.id] = asyncio.create_task(self._run(job.id, self._running[job.id], by))

    async def drive(self, job_id: str, *, stop: Stop, by: str) -> Ended:
        """Run a nightly run's job, for all to see; whatever people have under way goes first. Raises as Runs.run."""
        if job_id in self._tasks:
            raise JobBusy(f"Job {job_id} runs already; somebody started it on the page.")
        running = Running(await self._jobs.find(job_id), stop)
        if job_id in self._tasks:
            raise JobBusy(f"Job {job_id} runs already; somebody started it on the page.")
        self._running[job_id] = running
        task = asyncio.create_task(
            self._runs.run(
                job_id, stop=stop, on_progress=running.update, by=by, behind=lambda: self._people_before(job_id)
            )
        )
        self._tasks[job_id] = task
        try:
            return await task
        finally:
            del self._running[job_id], self._tasks[job_id]

    def _people_before(self, job_id: str) -> bool:
        return any(other.job.origin != "nightly" for key, other in self._running.items() if key != job_id)

    async def order(self) -> list[tuple[Job, float]]:
        """The jobs under way in the order in which they will end, and in how many seconds of the run's clock."""
        under_way = list(self._running.values())
        jobs = [running.job for running in under_way]
        tallies = await self._jobs.tallies([running.job for running in under_way if running.progress is None])
        lefts = [(one.progress.tally if one.progress else tallies[one.job.id]).open for one in under_way]
        ends = shared_ends(lefts, self._context.settings.quota)
        return sorted(zip(jobs, ends, strict=True), key=lambda one: one[1])

    def running(self, job_id: str) -> Running | None:
        """What a job under way has told; None when it does not run here."""
        return self._running.get(job_id)

    async def pause(self, job_id: str, *, by: str) -> None:
        """Stop a job so that it can go on later; comes back when it has. Raises JobBusy when it runs elsewhere."""
        if job_id in self._running:
            await self._context.record(by, "paused", job=job_id)
            await self._stop(job_id, f"{by} paused it.", EndReason.PAUSED)
        elif await self._jobs.driven(await self._jobs.find(job_id)):
            raise JobBusy(f"Job {job_id} is driven by another process of this machine; it is paused there.")

    async def cancel(self, job_id: str, *, by: str) -> None:
        """End a job for good. Raises ConsentMissing when it is over, JobBusy when another process drives it."""
        await self._stop(job_id, "It is being cancelled.", EndReason.CANCELLED)
        await self._jobs.cancel(job_id, by=by)

    async def close(self) -> None:
        """Stop all jobs; they go on when the server is started again."""
        await asyncio.gather(*(self._stop(key, CLOSED, EndReason.SERVER_STOPPED) for key in list(self._tasks)))

    async def _stop(self, job_id: str, why: str, code: EndReason) -> None:
        if running := self._running.get(job_id):
            running.stop.ask(why, code, auto_resumable=code is EndReason.SERVER_STOPPED)
            await asyncio.wait([self._tasks[job_id]])

    async def _run(self, job_id: str, running: Running, by: str) -> None:
        try:
            await self._runs.run(job_id, stop=running.stop, on_progress=running.update, by=by)
        except BulkremoveError as error:
            self.failures[job_id] = str(error)
        except Exception as error:
            logging.getLogger(__name__).warning("Job %s ended unexpectedly: %s", job_id, type(error).__name__)
            self.failures[job_id] = "Something unexpected ended this job. Start the server with --debug and resume it."
        finally:
            del self._running[job_id], self._tasks[job_id]
