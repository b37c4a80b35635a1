"""The jobs of one nightly run: they are run, held for a person, or cancelled when nobody approved them in time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from itertools import count

from bulkremove.app.context import Context
from bulkremove.app.job_supervisor import JobSupervisor
from bulkremove.app.jobs import Jobs
from bulkremove.app.nightly.earlier_jobs import EarlierJobs
from bulkremove.app.nightly.nightly_schedule import schedule
from bulkremove.app.nightly.result import NIGHTLY_RUN, NightlyResult, expired_text
from bulkremove.app.notices import Outbox
from bulkremove.app.results import RunResult
from bulkremove.app.review import hold_for_review
from bulkremove.app.runs import Runs
from bulkremove.domain.clock import later
from bulkremove.domain.errors import ActionRefused, BulkremoveError, JobBusy
from bulkremove.domain.event_names import EventName
from bulkremove.domain.job import APPROVAL_DAYS, EndReason, Job, JobState
from bulkremove.engine.progress import Stop
from bulkremove.report import counts_without_zeros

PAGE_RETRY_SECONDS = 3600.0
"""Seconds until a job is tried again that a web page has stopped; more than an unanswered row may be repeated after."""
MAX_PAGE_RETRIES = 3
"""How often a job is tried again that a web page has stopped, where there is no time window."""


OF_THE_ACCOUNT = (EndReason.WAITS_EXHAUSTED, EndReason.DAY_USED_UP, EndReason.NO_TOKEN, EndReason.NOT_AUTHORIZED)
"""Why a run ended that the account's next job would meet too: calls while it is locked may lengthen the lock."""


class NightlyJobs:
    """The jobs of the night that a context is for."""

    def __init__(
        self,
        context: Context,
        jobs: Jobs,
        earlier: EarlierJobs,
        runs: Runs,
        supervisor: JobSupervisor,
        outbox: Outbox,
    ) -> None:
        self._context, self._storage, self._jobs, self._earlier = context, context.storage, jobs, earlier
        self._runs, self._supervisor, self._outbox = runs, supervisor, outbox
        self._schedule = schedule(context.night)

    async def expire(self, result: NightlyResult) -> None:
        """Cancel held jobs that nobody has approved in time."""
        for job in await self._earlier.expired():
            if await self._jobs.expire(job.id, by=NIGHTLY_RUN):
                result.expired.append(expired_text(job))
                subject = f"the plan of {job.source} has expired. Preview the file again"
                await self._outbox.add(f"expired:{job.id}", subject, expired_text(job))

    async def resume_earlier(
        self, stop: Stop, result: NightlyResult, who_came_back: Callable[[Job], Awaitable[str]]
    ) -> None:
        """Run earlier nightly runs' jobs that go on by themselves, and hold those that a person must look at first.

        ``who_came_back``: why the people of a job can't be removed any more, in a sentence; empty if they can.
        """
        async with aclosing(self._earlier.due(result)) as jobs:
            async for job in jobs:
                if stop.requested:
                    return
                now = self._context.clock.wall()
                if _is_put_off(job, result):
                    continue
                if why := await self._earlier.hold_reason(job, now) or await who_came_back(job):
                    await self._hold_for_review(job, why, result)
                    continue
                if job.state is JobState.SCHEDULED:
                    await self._storage.jobs.release(job.id, lambda job: None, by=NIGHTLY_RUN, at=now)
                await self.run(job.id, stop, result)

    async def _hold_for_review(self, job: Job, why: str, result: NightlyResult) -> None:
        """Hold an earlier job that no nightly run may go on with by itself, and notify people."""
        text = (
            f"What is left of {job.source} ({job.id}) is held, and nothing of it was sent. {why} To run it all the "
            f"same: `bulkremove approve {job.id}`, or the page. It expires in {APPROVAL_DAYS} days."
        )
        key = f"review:{job.id}:{await self._run_count(job.id)}"
        notices = self._outbox.notices(key, f"needs review: {job.source}. Approve or cancel it", text)
        if await hold_for_review(self._context, job, why, *notices, by=NIGHTLY_RUN):
            result.hold(job.source, why, job.id)

    async def run(self, job_id: str, stop: Stop, result: NightlyResult) -> None:
        """Run a job, and notify people of its end; what a person must decide first waits for them."""
        if _is_put_off(await self._jobs.find(job_id), result):
            return
        try:
            ended = await self._run_with_retries(job_id, stop)
        except JobBusy:
            return  # the page or another process runs it right now
        except ActionRefused as refused:
            result.waiting.append(f"Job {job_id}: {refused}")
            key = f"failed:{job_id}:{await self._run_count(job_id)}"
            await self._outbox.add(key, f"job {job_id} waits for a person. Look at its reason", str(refused))
            return
        except BulkremoveError as error:
            result.failures.append(f"Job {job_id}: {error}")
            await self._outbox.add(
                f"failed:{job_id}:{await self._run_count(job_id)}",
                f"job {job_id} could not run. Look at its reason",
                str(error),
            )
            return
        result.ended.append(ended)
        # This process stood still, or other jobs would meet the same page: this nightly run is over too.
        if ended.job.reason_code in (EndReason.STANDSTILL, EndReason.WEB_PAGE):
            stop.request(ended.job.reason, ended.job.reason_code)
        text = " ".join(filter(None, (ended.warning, ended.summary, ended.job.reason)))
        subject = f"{ended.job.state.value}: {ended.job.source}: {counts_without_zeros(ended.tally)}. {ended.next_step}"
        await self._outbox.add(f"ended:{job_id}:{await self._run_count(job_id)}", subject, text, ended.report)

    async def _run_with_retries(self, job_id: str, stop: Stop) -> RunResult:
        """Run a job; while a web page answers in place of Zoho, as in maintenance, try again every hour in the window.

        Without a window it is tried so ``MAX_PAGE_RETRIES`` times. The row that the page answered is not repeated: it
        is unknown by then. One row at a time is sent, so that each try costs one more at most. Raises as ``Runs.run``.
        """
        clock, schedule = self._context.clock, self._schedule
        for retries in count():
            open_until = schedule.open_until(clock.wall()) if schedule.window else None
            ended = await self._supervisor.run_nightly_job(
                job_id,
                runs=self._runs,
                stop=stop.part(),
                by=NIGHTLY_RUN,
                open_until=open_until,
                one_at_a_time=retries > 0,
            )
            retry_at = later(clock.wall(), PAGE_RETRY_SECONDS)
            is_over = retries >= MAX_PAGE_RETRIES if open_until is None else retry_at >= open_until
            if ended.job.reason_code is not EndReason.WEB_PAGE or is_over or stop.requested:
                break
            await stop.sleep(PAGE_RETRY_SECONDS * clock.speed, clock)
            job = await self._jobs.find(job_id)
            if stop.requested or job.state is not JobState.PAUSED or job.reason_code is not EndReason.WEB_PAGE:
                break  # a person has acted meanwhile
        return ended

    async def _run_count(self, job_id: str) -> int:
        """How many runs of the job have started; part of a notice's key, so that each run is reported once."""
        return sum(name == EventName.STARTED for _, name, _ in await self._storage.jobs.events(job_id))


def _is_put_off(job: Job, result: NightlyResult) -> bool:
    """Whether the job is left to the next nightly run, since an earlier one has ended for a reason of the account."""
    ended = next((one for one in result.ran if one.reason_code in OF_THE_ACCOUNT), None)
    if ended is not None:
        result.put_off.append(
            f"{job.source} ({job.id}) is left to the next nightly run, as job {ended.id} has ended so."
        )
    return ended is not None
