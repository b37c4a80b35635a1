"""Jobs of earlier nightly runs: which go on by themselves, which are held first, and which wait for a person."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection

from bulkremove.app import caps
from bulkremove.app.context import Context
from bulkremove.app.jobs import Jobs
from bulkremove.app.nightly.result import NightlyResult, is_orphaned, scheduled_text
from bulkremove.app.plans import Plans
from bulkremove.app.protected_list import shrunk_list_text
from bulkremove.app.review import review_text
from bulkremove.domain.clock import DAY_SECONDS, Epoch, seconds_between
from bulkremove.domain.hosts import is_same_target
from bulkremove.domain.job import APPROVAL_SECONDS, EndReason, FrontEnd, Job, JobState, is_recent

STATES = (JobState.SCHEDULED, JobState.READY, JobState.RUNNING, JobState.PAUSED)
"""States of jobs that a nightly run may go on with."""
MAX_DELAY = 31 * DAY_SECONDS
"""Seconds: a plan that is due later than ``delay_days`` can say was announced while the clock was wrong."""


class EarlierJobs:
    """The jobs of one context's earlier nightly runs."""

    def __init__(self, context: Context, jobs: Jobs, plans: Plans) -> None:
        self._context, self._jobs, self._plans = context, jobs, plans

    async def all(self, *states: JobState) -> list[Job]:
        """The night's jobs in these states that go where this run goes: to Zoho, or to the same sandbox."""
        host, night = self._context.settings.host, self._context.night.name
        return [job for job in await self._jobs.all(*states) if job.night == night and is_same_target(job.host, host)]

    async def due(self, result: NightlyResult) -> AsyncGenerator[Job]:
        """Iterate over the jobs that go on tonight, the oldest first: approved, due, left by a kill, or auto-resumable.

        Each is looked at when its turn comes, since people may have acted meanwhile. Those whose day is still to come
        are named in ``result``.
        """
        for listed in reversed(await self.all(*STATES)):
            job, now = await self._jobs.find(listed.id), self._context.clock.wall()
            if job.state not in STATES or await self._jobs.is_running(job):
                continue
            is_scheduled = job.state is JobState.SCHEDULED
            if job.due_at is not None and 0 < seconds_between(now, job.due_at) <= MAX_DELAY:
                result.scheduled.append(scheduled_text(f"{job.source} ({job.id})", job.due_at))
                continue
            if job.state is JobState.PAUSED and not job.auto_resumable and job.reason_code is not EndReason.STANDSTILL:
                continue  # for a person, who was notified
            if not is_scheduled and job.last_run_by is not FrontEnd.NIGHTLY and not job.needs_review(now):
                continue  # a person's run that ended or died: theirs to resume for an hour
            yield job

    async def expired(self) -> list[Job]:
        """The held jobs that nobody has approved in time, or that were held while the clock was ahead."""
        now = self._context.clock.wall()
        return [job for job in await self.all(JobState.HELD) if not is_recent(job.last_run_at, now, APPROVAL_SECONDS)]

    async def hold_reason(self, job: Job, now: Epoch, *, extra_removals: int = 0) -> str | None:
        """Why a person must look at an earlier job before it goes on; None if a nightly run may go on with it.

        ``extra_removals``: removals that count for today beside those that were sent or confirmed.
        """
        settings = self._context.settings
        if job.account != settings.account:
            return f"It was made for account {job.account!r}, and its night is for account {settings.account!r} now."
        since = job.last_run_at if job.due_at is None else max(job.last_run_at, job.due_at)
        is_theirs = job.state is not JobState.SCHEDULED and job.last_run_by is not FrontEnd.NIGHTLY
        if shrunk := shrunk_list_text(job, settings):
            return shrunk
        rows_left = (await self._jobs.tally(job)).open
        if not rows_left:
            return None  # it was killed before its report; nothing can be sent
        if is_theirs or job.reason_code is EndReason.STANDSTILL or not is_recent(since, now, APPROVAL_SECONDS):
            return f"It needs review. {review_text(job, rows_left, now)}"
        if job.state is JobState.SCHEDULED and settings.four_eyes:
            return "Two people must agree (four_eyes), so one has to approve it."
        return (
            await caps.job_problem(
                self._context, job, rows_left, cap=settings.max_removals, extra_removals=extra_removals
            )
            or None
        )

    async def waiting(self, named: Collection[str]) -> list[Job]:
        """The jobs that wait for a person, the oldest first, but for those of these ids.

        Those of the account's nights that are no longer in the settings wait too, whatever their state.
        """
        settings = self._context.settings
        orphaned = [
            job
            for job in await self._jobs.all(*STATES, JobState.HELD)
            if is_orphaned(job, settings) and (job.account, job.host) == (settings.account, settings.host)
        ]
        own = [
            job
            for job in await self.all(JobState.HELD, JobState.PAUSED)
            if job.state is JobState.HELD or not job.auto_resumable
        ]
        return [
            job
            for job in reversed([*own, *orphaned])
            if job.id not in named and (job.state is JobState.HELD or not await self._jobs.is_running(job))
        ]
