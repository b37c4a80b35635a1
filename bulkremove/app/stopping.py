"""Pausing and cancelling jobs, and stopping nightly runs, whichever process of this home folder runs them.

A process that runs a job holds its claim and looks for a request to it each second; a job whose process died is free,
and is paused or cancelled at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from bulkremove.app.consent import check_sandbox_match
from bulkremove.app.context import Context
from bulkremove.app.jobs import Jobs
from bulkremove.domain.audit_acts import AuditAct
from bulkremove.domain.clock import seconds_between
from bulkremove.domain.errors import JobBusy, JobUnsuitable, JournalBusy, JournalFailed
from bulkremove.domain.job import EndReason, Job, JobState
from bulkremove.engine.progress import Stop
from bulkremove.storage.interface.claims import ClaimKind, Holder, StopAction, StopRequest
from bulkremove.storage.interface.jobs import JobEnd
from bulkremove.storage.interface.records import Act

POLL_SECONDS = 1.0
"""Real seconds between two looks of a running process for a request."""
LOOK_SECONDS = 0.1
"""Real seconds between two looks of whoever waits for its effect."""
STOP_SECONDS = 120.0
"""Real seconds after which a process that was asked to stop is said not to answer; its rows take 45 s at most."""
_NIGHTLY, _SANDBOX = ClaimKind.NIGHTLY.of(""), ".sandbox"


def nightly_claim(night: str, *, sandbox: bool) -> str:
    """The claim of the runs of a night: of the real ones, or of those against a sandbox."""
    return f"{_NIGHTLY}{night}{_SANDBOX * sandbox}"


def night_of_claim(claim: str) -> str:
    """The name of the night whose claim this is, empty for a claim of another kind."""
    return claim.removeprefix(_NIGHTLY).removesuffix(_SANDBOX) if claim.startswith(_NIGHTLY) else ""


class Stopping:
    """Stops the jobs and nightly runs of a context's home folder. ``notify`` is called with a message for each wait."""

    def __init__(self, context: Context, jobs: Jobs) -> None:
        self._context, self._jobs, self._claims = context, jobs, context.storage.claims

    @asynccontextmanager
    async def watch_requests(self, claim: str, stop: Stop) -> AsyncIterator[None]:
        """Ask ``stop`` within the context as soon as somebody requests it from the holder of the claim: the caller."""
        task = asyncio.create_task(self._poll_requests(claim, stop))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def after_run(self, job: Job) -> Job:
        """Cancel a job whose run has ended, if its process was asked for that. The caller holds the job's claim."""
        request = await self._claims.stop_request(job.id)
        if request is None or request.action is not StopAction.CANCEL or job.state.is_over:
            return job
        return await self._jobs.cancel(job.id, by=request.by, claimed=True)

    async def pause(
        self, job_id: str, *, by: str, notify: Callable[[str], None] = lambda text: None, wait: float = STOP_SECONDS
    ) -> Job:
        """Stop a job, to be resumed later by a person; the job as it stands once it has stopped.

        ``wait``: at most so many real seconds. Raises JobBusy when it has not stopped by then, JobUnsuitable when
        nothing of it can be running.
        """
        while True:
            job = await self._jobs.find(job_id)
            check_sandbox_match(job, self._context.settings)
            at_rest = job.state.is_approvable or job.state.is_over
            if at_rest and await self._claims.holder(job.id) is None:  # the state may have changed under a run
                raise JobUnsuitable(
                    f"Job {job.id} is {job.state.value}, so there is nothing to pause.",
                    hint=f"To end it for good: `bulkremove cancel {job.id}`." if not job.state.is_over else "",
                    page_hint="",
                )
            try:
                return await self._pause_at_rest(job, by)
            except JobBusy:
                record = Act(by, AuditAct.PAUSED, {"job": job.id}, self._context.clock.wall())
                await self._request(job.id, StopAction.PAUSE, record, by=by, notify=notify, wait=wait)
            job = await self._jobs.find(job_id)
            if job.state is not JobState.RUNNING:  # it is, if its process died before it saw the request
                return job

    async def cancel(
        self, job_id: str, *, by: str, notify: Callable[[str], None] = lambda text: None, wait: float = STOP_SECONDS
    ) -> Job:
        """End a job for good; the job as it stands then. Raises as ``pause``, and JobUnsuitable when it is over."""
        while True:
            try:
                return await self._jobs.cancel(job_id, by=by)
            except JobBusy:
                await self._request(job_id, StopAction.CANCEL, by=by, notify=notify, wait=wait)
            job = await self._jobs.find(job_id)
            if job.state.is_over:
                return job

    async def stop_all(
        self, *, by: str, notify: Callable[[str], None] = lambda text: None, wait: float = STOP_SECONDS
    ) -> tuple[list[str], list[Job]]:
        """End the nightly runs under way and pause all jobs under way: the names of these nights, and these jobs.

        Raises JobBusy when a process has not stopped in time.
        """
        holders = await self._claims.holders()
        claims = [name for name in holders if night_of_claim(name)]
        for name in claims:  # first, or they would begin their next job
            record = Act(by, AuditAct.STOPPED, {"run": name}, self._context.clock.wall())
            await self._request(name, StopAction.PAUSE, record, by=by, notify=notify, wait=wait)
        jobs = [job for job in await self._jobs.all() if job.id in holders]
        return [night_of_claim(name) for name in claims], [
            await self.pause(job.id, by=by, notify=notify, wait=wait) for job in jobs
        ]

    async def request(self, job: Job) -> tuple[Holder | None, StopRequest | None]:
        """The process that runs a job, and what it was asked to do and has not done yet; None each if there is none."""
        holder = None if job.state.is_over else await self._claims.holder(job.id)
        return holder, await self._claims.stop_request(job.id) if holder else None

    async def _poll_requests(self, claim: str, stop: Stop) -> None:
        while not stop.requested:
            with suppress(JournalFailed):  # the run itself ends for it
                if request := await self._claims.stop_request(claim):
                    stop.request(*_ENDS[request.action](request.by))
                    return
            await self._context.clock.sleep(POLL_SECONDS * self._context.clock.speed)

    async def _pause_at_rest(self, job: Job, by: str) -> Job:
        """Pause a job that no process runs, so that none resumes it by itself. Raises JobBusy."""
        at = self._context.clock.wall()
        async with self._claims.hold(job.id):
            job = await self._jobs.find(job.id)
            if job.state is JobState.PAUSED and job.reason_code in (EndReason.PAUSED, EndReason.RESTORED):
                return job
            why = f"{by} paused it. {job.reason}".rstrip()
            end = JobEnd(JobState.PAUSED, why, EndReason.PAUSED, at)
            record = Act(by, AuditAct.PAUSED, {"job": job.id}, at)
            return await self._context.storage.jobs.cancel(job.id, _resumable, end, record)

    async def _request(
        self, claim: str, action: StopAction, *records: Act, by: str, notify: Callable[[str], None], wait: float
    ) -> None:
        """Ask the holder of a claim to stop, and wait until it holds it no more. Raises JobBusy after ``wait``."""
        holder, clock = await self._claims.holder(claim), self._context.clock
        if holder is None:
            return
        night = night_of_claim(claim)
        subject = f"The run of night {night}" if night else f"Job {claim}"
        since = holder.description(clock.wall())
        not_responding = JobBusy(
            f"{subject} has been running {since}. It was asked to {action.value} and has not done so yet.",
            hint=f"If it does not within two minutes, its process stands still: end process {holder.pid} on "
            f"{holder.host}, and give the command again. No row is lost by that.",
        )
        began = clock.monotonic()
        try:
            await self._claims.request_stop(claim, StopRequest(action, by, clock.wall()), *records, wait=wait)
        except JournalBusy:  # it stands still in the middle of a write
            raise not_responding from None
        notify(f"{subject} has been running {since}. It ends as soon as the rows in flight are finished.")
        while await self._claims.holder(claim) == holder:
            if seconds_between(began, clock.monotonic()) > wait * clock.speed:
                raise not_responding
            await clock.sleep(LOOK_SECONDS * clock.speed)


def _resumable(job: Job) -> None:
    if not job.state.is_resumable:
        raise JobUnsuitable(f"Job {job.id} is {job.state.value}, so there is nothing to pause.")


_ENDS: dict[StopAction, Callable[[str], tuple[str, EndReason]]] = {
    StopAction.PAUSE: lambda by: (f"{by} paused it.", EndReason.PAUSED),
    StopAction.CANCEL: lambda by: (f"{by} is cancelling it.", EndReason.CANCELLED),
}
"""By the action: why a run ends, given who asked for it."""
