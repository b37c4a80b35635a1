"""Takes what is due: waits for each night's start, runs it, and sends the notices that could not be sent before.

For `serve` and `worker`, which live long; cron and systemd timers run `bulkremove nightly` instead.
"""

from __future__ import annotations

import logging

from bulkremove.app import App, Stop
from bulkremove.app.job_supervisor import JobSupervisor
from bulkremove.domain.errors import BulkremoveError, JobBusy
from bulkremove.domain.schedule import LATE, Missed

LOOK = 20.0
"""Seconds between two looks at the clock."""
STILL_RAN = "The night before still ran when it was due."


class Worker:
    """The nights of a process that lives long. ``stop``: ends a night politely."""

    def __init__(self, app: App, supervisor: JobSupervisor, stop: Stop) -> None:
        self._app, self._supervisor, self._stop = app, supervisor, stop
        self._nights = app.nights(supervisor.drive)
        self._since = app.clock.wall()

    async def run(self) -> None:
        """Until it is stopped or cancelled. Nothing that a night meets ends it."""
        while not self._stop.asked:
            try:
                await self.look()
            except (BulkremoveError, OSError) as error:
                logging.getLogger(__name__).warning("%s", error)
            await self._app.clock.sleep(LOOK)

    async def look(self) -> None:
        """Run the night that is due, if one is; else send what waits to be sent. Raises BulkremoveError."""
        schedule, now, last = self._app.schedule(), self._app.clock.wall(), await self._nights.last_date()
        night = schedule.due(last, now) if self._app.settings.night_at is not None else None
        if night is not None and last is None and schedule.start_of(night) < self._since:
            night = None  # before the first night there is none to catch up
        if night is None:
            await self._nights.tell_all()
            return
        late = last is not None and now - schedule.start_of(night) > LATE
        if late and schedule.missed is Missed.SKIP:
            await self._nights.leave_out(night, "This machine could not start it in time.")
            return
        if late:
            await self._nights.tell_late(night)
        skips = self._app.settings.night_overlap == "skip"
        try:
            await self._nights.run(stop=self._stop.part(), night=night)
        except JobBusy:
            if skips:
                await self._nights.leave_out(night, STILL_RAN)
            return
        passed = schedule.due(night, self._app.clock.wall())
        if passed is not None and skips:
            await self._nights.leave_out(passed, STILL_RAN)
