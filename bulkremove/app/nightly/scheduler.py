"""The scheduler: starts each run of a night at its time, and sends the notices that are due.

For `serve` and `worker`, which are long-lived; cron and systemd timers run `bulkremove nightly` instead.
"""

from __future__ import annotations

from bulkremove.app.context import Context
from bulkremove.app.nightly.nightly_run import NightlyRuns
from bulkremove.app.repetition import repeat
from bulkremove.domain.clock import seconds_between
from bulkremove.domain.errors import JobBusy
from bulkremove.domain.schedule import LATE_SECONDS, Missed
from bulkremove.engine.progress import Stop

POLL_SECONDS = 20.0
"""Seconds between two checks of the schedule."""
STILL_RAN = "The previous nightly run was still running when this one was due."


class Scheduler:
    """Starts the runs of one night in a long-lived process. ``stop``: ends it and a run under way."""

    def __init__(self, context: Context, nightly_runs: NightlyRuns, stop: Stop) -> None:
        self._context, self._nightly_runs, self._stop = context, nightly_runs, stop
        self.night = nightly_runs.night
        self._since = context.clock.wall()

    async def run(self) -> None:
        """Run until stopped or cancelled; a nightly run that fails is logged and does not end it."""
        await repeat(self.run_due, "A nightly run", every=POLL_SECONDS, stop=self._stop, clock=self._context.clock)

    async def run_due(self) -> None:
        """Run the nightly run that is due; without one, send the notices that are due. Raises BulkremoveError."""
        schedule, now = self._nightly_runs.schedule, self._context.clock.wall()
        last = await self._nightly_runs.last_date()
        day = schedule.due(last, now) if self.night.at is not None else None
        if day is not None and last is None and schedule.start_of(day) < self._since:
            day = None  # before the first nightly run there is none to catch up on
        if day is None:
            await self._nightly_runs.outbox.send_due()
            return
        is_late = last is not None and seconds_between(schedule.start_of(day), now) > LATE_SECONDS
        if is_late and schedule.missed is Missed.SKIP:
            await self._nightly_runs.skip(day, "This machine could not start it in time.")
            return
        if is_late:
            await self._nightly_runs.report_late(day)
        skips_overlap = self.night.overlap == "skip"
        try:
            await self._nightly_runs.run(stop=self._stop.part(), day=day)
        except JobBusy:
            if skips_overlap:
                await self._nightly_runs.skip(day, STILL_RAN)
            return
        overlapped = schedule.due(day, self._context.clock.wall())
        if overlapped is not None and skips_overlap:
            await self._nightly_runs.skip(overlapped, STILL_RAN)
