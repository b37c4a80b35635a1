"""The jobs that one long-lived process runs side by side, and what each of them has to tell.

For the page, and for whoever else outlives a single job. It starts, stops and watches; what a job is and how it runs
is the App's. All jobs share the App's one journal, since two of them in one thread would wait for each other.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from bulkremove.app.progress import Progress, Stop
from bulkremove.app.results import Ended
from bulkremove.app.usecases import App
from bulkremove.errors import BulkremoveError, JobBusy
from bulkremove.model import Job, JobState, Status
from bulkremove.pacing import shared_ends

RECENT = 12
"""Rows of a job that are kept for whoever looks."""
CLOSED = "The server was stopped. The job goes on by itself when it is started again."

ITSELF = "bulkremove itself"
"""Who goes on with a job after a restart, for the audit log."""


@dataclass(slots=True)
class Running:
    """One job under way, and what it told last."""

    stop: Stop = field(default_factory=Stop)
    progress: Progress | None = None
    rows: deque[tuple[int, Status]] = field(default_factory=lambda: deque(maxlen=RECENT))
    """The rows settled last: number in the file, and how; the newest first."""

    def hear(self, progress: Progress) -> None:
        """Take in what the run tells."""
        self.progress = progress
        if progress.settled is not None:
            self.rows.appendleft(progress.settled)


class Desk:
    """Runs jobs in the background of the running event loop."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._running: dict[str, Running] = {}
        self._tasks: dict[str, asyncio.Task[Any]] = {}
        self.trouble: dict[str, str] = {}
        """Why a job could not be started or ended badly, by job, in a sentence."""

    def take_up(self) -> list[Job]:
        """Start what a stopped or killed server left; the jobs that go on."""
        waiting = (JobState.READY, JobState.RUNNING)
        found = [job for job in self._app.jobs.all() if job.state in waiting or job.reason == CLOSED]
        found = [job for job in found if job.origin != "night"]  # the next night goes on with those
        found = [job for job in found if not self._app.jobs.driven(job)]
        for job in found:
            self._app.jobs.tell(job.id, "taken_up", "The server was started again; the job goes on by itself.")
            self.start(job.id, by=ITSELF)
        return found

    def start(self, job_id: str, *, by: str) -> None:
        """Run a job, or go on with it; nothing happens when it runs already."""
        if job_id in self._tasks:
            return
        self.trouble.pop(job_id, None)
        self._running[job_id] = Running()
        self._tasks[job_id] = asyncio.create_task(self._run(job_id, self._running[job_id], by))

    async def drive(self, job_id: str, *, stop: Stop, by: str) -> Ended:
        """Run a night's job, for all to see; whatever people have under way goes first. Raises as App.run."""
        if job_id in self._tasks:
            raise JobBusy(f"Job {job_id} runs already; somebody started it on the page.")
        running = self._running[job_id] = Running(stop)
        task = asyncio.create_task(
            self._app.run(
                job_id, stop=stop, on_progress=running.hear, by=by, behind=lambda: self._people_before(job_id)
            )
        )
        self._tasks[job_id] = task
        try:
            return await task
        finally:
            del self._running[job_id], self._tasks[job_id]

    def _people_before(self, job_id: str) -> bool:
        return any(self._app.jobs.find(other).origin != "night" for other in self._running if other != job_id)

    def order(self) -> list[tuple[Job, float]]:
        """The jobs under way in the order in which they will end, and in how many seconds of the run's clock."""
        jobs = [self._app.jobs.find(job_id) for job_id in self._running]
        told = [running.progress for running in self._running.values()]
        lefts = [
            (progress.tally if progress else self._app.jobs.tally(job)).open
            for job, progress in zip(jobs, told, strict=True)
        ]
        ends = shared_ends(lefts, self._app.settings.quota)
        return sorted(zip(jobs, ends, strict=True), key=lambda one: one[1])

    def running(self, job_id: str) -> Running | None:
        """What a job under way has told; None when it does not run here."""
        return self._running.get(job_id)

    async def pause(self, job_id: str, *, by: str) -> None:
        """Stop a job so that it can go on later; comes back when it has. Raises JobBusy when it runs elsewhere."""
        if job_id in self._running:
            self._app.record(by, "paused", job=job_id)
            await self._stop(job_id, f"{by} paused it.")
        elif self._app.jobs.driven(self._app.jobs.find(job_id)):
            raise JobBusy(f"Job {job_id} is driven by another process of this machine; it is paused there.")

    async def cancel(self, job_id: str, *, by: str) -> None:
        """End a job for good. Raises ConsentMissing when it is over, JobBusy when another process drives it."""
        await self._stop(job_id, "It is being cancelled.")
        self._app.jobs.cancel(job_id, by=by)

    async def close(self) -> None:
        """Stop all jobs; they go on when the server is started again."""
        await asyncio.gather(*(self._stop(job_id, CLOSED) for job_id in list(self._tasks)))

    async def _stop(self, job_id: str, why: str) -> None:
        if running := self._running.get(job_id):
            running.stop.ask(why, 5, goes_on=why == CLOSED)
            await asyncio.wait([self._tasks[job_id]])

    async def _run(self, job_id: str, running: Running, by: str) -> None:
        try:
            await self._app.run(job_id, stop=running.stop, on_progress=running.hear, by=by)
        except BulkremoveError as error:
            self.trouble[job_id] = str(error)
        finally:
            del self._running[job_id], self._tasks[job_id]
