"""Progress of a running job: a live line on a terminal, else a log line each minute and at each change of state."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bulkremove.cli.console import Screen
from bulkremove.config.settings import ZOHO
from bulkremove.domain.clock import Clock, later, seconds_between
from bulkremove.domain.ledger import Quota
from bulkremove.domain.plural import pluralize
from bulkremove.domain.row import Status
from bulkremove.engine.rate_limit import shared_ends
from bulkremove.engine.slot_decisions import Waiting
from bulkremove.platform.local_time import local
from bulkremove.report import duration

if TYPE_CHECKING:
    from bulkremove.app import Progress
    from bulkremove.cli.live_line import LiveLine

_LOG_INTERVAL_SECONDS = 60.0
"""Seconds of the run's clock between two log lines."""


class ProgressDisplay:
    """Context manager that displays a run's progress on standard error.

    ``clock``: the clock of the run; ``quota``: of its account; ``names_jobs``: each line names its job, as
    several are run one after the other.
    """

    def __init__(self, screen: Screen, *, clock: Clock, quota: Quota = ZOHO, names_jobs: bool = False) -> None:
        self._screen = screen
        self._clock, self._quota, self._names_jobs = clock, quota, names_jobs
        self.other_rows: Sequence[int] = ()
        """The rows left of each other job that takes turns with this one, in any process."""
        self._last: Progress | None = None
        self._live: LiveLine | None = None
        if sys.stderr.isatty() and not screen.quiet:
            from bulkremove.cli.live_line import LiveLine

            self._live = LiveLine(color=screen.color)

    def __enter__(self) -> ProgressDisplay:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    async def tick(self) -> None:
        """Without a terminal, log the progress each minute, also while the run waits. Runs until cancelled."""
        while True:
            await self._clock.sleep(_LOG_INTERVAL_SECONDS)
            if self._last is not None and self._live is None:
                self._log(self.line(self._last))

    def show(self, progress: Progress) -> None:
        """Display a change of the run's progress."""
        is_first, self._last = self._last is None, progress
        if progress.message:
            self._log(f"{self._name(progress)}{progress.message}")
        if progress.settled is not None and self._screen.verbose:
            number, status = progress.settled
            self._screen.info(f"row {number}: {status.value}")
        if self._live is not None:
            self._live.update(self.line(progress))
        elif is_first:
            self._log(self.line(progress))

    def line(self, progress: Progress) -> str:
        """Format the progress: settled/total rows, counts by status, the present wait, and the time left.

        The time left includes a lock, and the turns of other jobs.
        """
        tally = progress.tally
        counts = ", ".join(f"{tally[status]:,} {status.value.replace('_', ' ')}" for status in Status if tally[status])
        name = f"{self._name(progress)}{'SANDBOX ' if progress.job.is_sandbox else ''}"
        parts = [f"{name}{tally.total - tally.open:,}/{tally.total:,}", counts]
        eta = progress.eta
        if self.other_rows:
            eta = shared_ends([tally.open, *self.other_rows], self._quota)[0]
        if progress.waiting is not None and progress.until is not None:
            wait_seconds = max(0.0, seconds_between(self._clock.monotonic(), progress.until)) / self._clock.speed
            parts.append(f"waiting ({progress.waiting.value}) until {self._time_in(wait_seconds)}")
            if progress.waiting not in (Waiting.PACE, Waiting.WINDOW):  # those are part of the limit's pace
                eta += wait_seconds * self._clock.speed
        beside = f", in turn with {pluralize(len(self.other_rows), 'other job')}" if self.other_rows else ""
        parts.append(f"about {duration(eta / self._clock.speed)} left{beside}")
        return " | ".join(part for part in parts if part)

    def _name(self, progress: Progress) -> str:
        return f"{progress.job.id} " if self._names_jobs else ""

    def _log(self, text: str) -> None:
        self._screen.info(f"{self._time_in(0.0)} {text}")

    def _time_in(self, seconds: float) -> str:
        """The local time in ``seconds`` real seconds from now."""
        return f"{local(later(self._clock.wall(), seconds)):%H:%M:%S}"
