"""Driving a job: while a process runs it, the job's consent stays alive; a process that stood still loses it.

Consent ends with the run that used it (OUTCOMES, "Consent and account"). A machine that sleeps, or a process that is
stopped, ends a run in all but name: learners may have been enrolled anew before it goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from bulkremove.app.consent import check_four_eyes
from bulkremove.config import Settings
from bulkremove.domain.clock import Clock, Epoch, seconds_between
from bulkremove.domain.errors import ConsentMissing, JournalFailed
from bulkremove.domain.job import CONSENT_SECONDS, FrontEnd, Job, is_recent
from bulkremove.report.summary import duration
from bulkremove.storage.interface.jobs import JobStore

BEAT_SECONDS = 60.0
"""Seconds of the run's clock between two records that the job is driven."""


def check_reviewed(
    job: Job, rows_left: int, *, rows_reviewed: int | None, by: str, settings: Settings, now: Epoch
) -> None:
    """Check that a person has looked at an old job before it goes on. Raises ConsentMissing.

    ``rows_reviewed``: the number of rows left that the person ``by`` saw; None if nobody looked. Under ``four_eyes``
    who prepared the plan can't renew the consent alone.
    """
    if rows_reviewed not in (None, rows_left):
        raise ConsentMissing(f"{rows_reviewed:,} is not the number of rows left ({rows_left:,}). Nothing was sent.")
    if not rows_left or not job.needs_review(now):
        return
    if rows_reviewed is not None:
        check_four_eyes(job.prepared_by.split(", "), by, settings)
        return
    raise ConsentMissing(
        f"Job {job.id} needs review. {review_text(job, rows_left, now)} Nothing was sent.",
        hint=f"Look at its rows, then `bulkremove resume {job.id} --rows {rows_left}`, or cancel it.",
    )


def review_text(job: Job, rows_left: int, now: Epoch) -> str:
    """What a person must know before an old job goes on: its age, the rows left, and the danger."""
    age = seconds_between(job.driven_at, now)
    when = f"was driven last {lasted(age)} ago" if age >= 0 else "was driven last at a time that lies ahead"
    rows = "1 row is" if rows_left == 1 else f"{rows_left:,} rows are"
    return f"It {when}, and {rows} left. Learners who were enrolled anew since would be removed too."


def lasted(seconds: float) -> str:
    """Format a duration of up to months: ``30 days``, or as ``report.summary.duration`` below two days."""
    return f"{seconds / 86_400:.0f} days" if seconds >= 2 * 86_400 else duration(seconds)


class Driving:
    """A process drives a job. ``front_end``: what it belongs to."""

    def __init__(self, jobs: JobStore, job: Job, front_end: FrontEnd, clock: Clock) -> None:
        self._jobs, self._job, self._front_end, self._clock = jobs, job, front_end, clock
        self._last = clock.wall()

    @asynccontextmanager
    async def recorded(self) -> AsyncIterator[None]:
        """Record now and each minute within the context that the job is driven. Raises JournalFailed."""
        await self._jobs.drive(self._job.id, by=self._front_end, at=self._last)
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
            pause = lasted(abs(seconds_between(self._last, now)))
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
                return  # the next call is not made, and its row says why; the time of the last beat stays
            self._last = self._clock.wall()
            with suppress(JournalFailed):  # the run itself ends for it
                await self._jobs.drive(self._job.id, by=self._front_end, at=self._last)
