"""A running job on the screen: a live line on a terminal, else a log line a minute and at each change of state."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bulkremove.cli.console import Screen
from bulkremove.domain.clock import Clock
from bulkremove.domain.row import Status
from bulkremove.platform.local_time import local
from bulkremove.report import duration

if TYPE_CHECKING:
    from bulkremove.app import Progress

_EVERY = 60.0
"""Seconds of the run's clock between two log lines."""


class Live:
    """Shows progress while the context lasts. ``clock``: the run's."""

    def __init__(self, screen: Screen, *, clock: Clock) -> None:
        self._screen = screen
        self._clock = clock
        self._last: Progress | None = None
        self._status: object = None
        if sys.stderr.isatty() and not screen.quiet:
            from rich.console import Console
            from rich.status import Status as Spinner

            console = Console(stderr=True, no_color=not screen.color, highlight=False)
            self._status = Spinner("", console=console, spinner="line")

    def __enter__(self) -> Live:
        if self._status is not None:
            self._status.start()  # type: ignore[attr-defined] # rich is imported late
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()  # type: ignore[attr-defined] # rich is imported late
            self._status = None

    async def tick(self) -> None:
        """Without a terminal, say every minute where the run stands, also while it waits. Ends when cancelled."""
        while True:
            await self._clock.sleep(_EVERY)
            if self._last is not None and self._status is None:
                self._log(self.line(self._last))

    def show(self, progress: Progress) -> None:
        """One change of the run."""
        first, self._last = self._last is None, progress
        if progress.news:
            self._log(progress.news)
        if progress.settled is not None and self._screen.verbose:
            number, status = progress.settled
            self._screen.say(f"row {number}: {status.value}")
        if self._status is not None:
            from rich.text import Text

            self._status.update(Text(self.line(progress)))  # type: ignore[attr-defined] # rich is imported late
        elif first:
            self._log(self.line(progress))

    def line(self, progress: Progress) -> str:
        """done/total, counts, what is waited for and until when, and apart from it the time that is left."""
        tally = progress.tally
        counts = ", ".join(f"{tally[status]:,} {status.value.replace('_', ' ')}" for status in Status if tally[status])
        words = [f"{'SANDBOX ' if progress.job.sandbox else ''}{tally.total - tally.open:,}/{tally.total:,}", counts]
        if progress.waiting is not None and progress.until is not None:
            left = max(0.0, progress.until - self._clock.monotonic()) / self._clock.speed
            words.append(f"waiting ({progress.waiting.value}) until {self._at(left)}")
        words.append(f"about {duration(progress.eta / self._clock.speed)} left")
        return " | ".join(word for word in words if word)

    def _log(self, text: str) -> None:
        self._screen.say(f"{self._at(0.0)} {text}")

    def _at(self, ahead: float) -> str:
        """The local time in ``ahead`` real seconds."""
        return f"{local(self._clock.wall() + ahead):%H:%M:%S}"
