"""The heartbeat of a job: while a process runs it, its consent stays alive; a process that stood still loses it.

Consent ends with the run that used it (docs/decisions/0011-consent.md). A machine that sleeps, or a process that is
stopped, has ended its run: learners may have been enrolled anew before it goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from bulkremove.app.review import long_duration
from bulkremove.domain.clock import Clock, seconds_between
from bulkremove.domain.errors import ConsentMissing, JournalFailed
from bulkremove.domain.job import CONSENT_SECONDS, FrontEnd, Job, is_recent
from bulkremove.storage.interface.jobs import JobStore

BEAT_SECONDS = 60.0
"""Seconds of the run's clock between two records that the job runs."""


class Heartbeat:
    """Records that this process runs a job. ``front_end``: what the process belongs to."""

    def __init__(self, jobs: JobStore, job: Job, front_end: FrontEnd, clock: Clock) -> None:
        self._jobs, self._job, self._front_end, self._clock = jobs, job, front_end, clock
        self._last = clock.wall()

    @asynccontextmanager
    async def recorded(self) -> AsyncIterator[None]:
        """Record now and each minute within the context that the job runs. Raises JournalFailed."""
        await self._jobs.record_run(self._job.id, by=self._front_end, at=self._last)
        task = asyncio.create_task(self._beat())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def check(self) -> None:
        """Check that the process has not stood still for longer than consent lasts. Raises ConsentMissing."""
        now = self._clock.wall()
        if not is_recent(self._last, now, CONSENT_SECONDS):
            pause = long_duration(abs(seconds_between(self._last, now)))
            raise ConsentMissing(
                f"The process stood still for {pause}, or the clock was set, so the run was ended. Learners who were "
                "enrolled anew since would be removed too: look at the rows that are left before you resume it."
            )

    async def _beat(self) -> None:
        while True:
            await self._clock.sleep(BEAT_SECONDS)
            try:
                self.check()
            except ConsentMissing:
                return  # the last beat keeps its time, so the next call is refused, and its row says why
            self._last = self._clock.wall()
            with suppress(JournalFailed):  # the run itself ends for it
                await self._jobs.record_run(self._job.id, by=self._front_end, at=self._last)
