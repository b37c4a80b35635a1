"""Scheduled starts: jobs that people confirmed on the page for a later time, started when it has come."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from bulkremove.app import caps
from bulkremove.app.accounts import Accounts
from bulkremove.app.context import Context
from bulkremove.app.job_supervisor import ACTOR, JobSupervisor
from bulkremove.app.jobs import Jobs
from bulkremove.app.notices.people_mail import PeopleMail
from bulkremove.app.protected_list import shrunk_list_text
from bulkremove.app.repetition import repeat
from bulkremove.app.review import hold_for_review
from bulkremove.domain.clock import Epoch, seconds_between
from bulkremove.domain.errors import BulkremoveError, JobUnsuitable
from bulkremove.domain.event_names import EventName
from bulkremove.domain.hosts import is_same_target
from bulkremove.domain.job import CONSENT_SECONDS, START_AHEAD_SECONDS, FrontEnd, Job, JobState
from bulkremove.engine.progress import Stop
from bulkremove.platform.local_time import local
from bulkremove.storage.interface.records import JobEvent

POLL_SECONDS = 10.0
"""Seconds between two looks for jobs whose time has come."""


class ScheduledStarts:
    """Starts the jobs of one context that people scheduled on the page; ``supervisor`` runs them."""

    def __init__(
        self, context: Context, accounts: Accounts, jobs: Jobs, supervisor: JobSupervisor, mail: PeopleMail
    ) -> None:
        self._context, self._accounts, self._jobs, self._supervisor = context, accounts, jobs, supervisor
        self._mail = mail

    async def run(self, stop: Stop) -> None:
        """Start each job when its time has come, until stopped; what fails is logged and tried again."""
        await repeat(self.start_due, "A start", every=POLL_SECONDS, stop=stop, clock=self._context.clock)

    async def start_due(self) -> None:
        """Start the jobs whose time has come, the oldest first, and hold those that a person must look at instead."""
        for job in reversed(await self._jobs.all(JobState.SCHEDULED)):
            if job.origin is not FrontEnd.PAGE or not is_same_target(job.host, self._context.settings.host):
                continue
            if job.due_at is None or 0.0 < seconds_between(self._context.clock.wall(), job.due_at) <= _MAX_AHEAD:
                continue
            if why := await self._hold_reason(job, job.due_at):
                await hold_for_review(self._context, job, why, by=ACTOR)
                await self._mail.job_ended(job.id)
            else:
                await self._start(job)

    async def _hold_reason(self, job: Job, due_at: Epoch) -> str:
        """Why a person must look at the job before it starts; empty if it may start."""
        late = seconds_between(due_at, self._context.clock.wall())
        if late < 0:
            return "It was confirmed while this machine's clock was ahead."
        if late > CONSENT_SECONDS:
            return f"It was to start at {local(due_at):%Y-%m-%d %H:%M}, and the page was not served then."
        try:
            settings = self._accounts.settings_of(job)
            if shrunk := shrunk_list_text(job, settings):
                return shrunk
        except BulkremoveError as error:
            return error.page_text
        rows_left, released = (await self._jobs.tally(job)).open, replace(job, state=JobState.READY)
        return await caps.job_problem(self._context, released, rows_left, cap=settings.max_removals)

    async def _start(self, job: Job) -> None:
        now = self._context.clock.wall()

        def check(stored: Job) -> None:
            if stored.due_at != job.due_at:
                raise JobUnsuitable(f"Job {job.id} is {stored.state.value} now.")

        event = JobEvent(job.id, EventName.DUE, "Its time had come, so it started by itself.", now)
        with suppress(JobUnsuitable):  # a person has approved or cancelled it just now
            released = await self._context.storage.jobs.release(job.id, check, event, by=job.confirmed_by, at=now)
            if released is not None:
                self._supervisor.start(released, by=ACTOR)


_MAX_AHEAD = START_AHEAD_SECONDS + CONSENT_SECONDS
"""Seconds: a start that lies further ahead was confirmed while the clock was wrong."""
