"""A running job on the screen: a live line on a terminal, else a log line a minute and at each change of state."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from bulkremove.cli.screen import Screen
from bulkremove.model import Clock, Status
from bulkremove.report import duration

if TYPE_CHECKING:
    from bulkremove.app import Progress

_EVERY = 60.0
"""Seconds between two log lines."""


class Live:
    """Shows progress while the context lasts. ``clock`` and ``speed``: the run's, for clock times."""

    def __init__(
        self, screen: Screen, *, clock: Clock, speed: float, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._screen = screen
        self._clock = clock
        self._speed = speed
        self._now = now
        self._logged = float("-inf")
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

    def show(self, progress: Progress) -> None:
        """One change of the run."""
        if progress.news:
            self._screen.say(f"{datetime.now().astimezone():%H:%M:%S} {progress.news}")
        if progress.settled is not None and self._screen.verbose:
            number, status = progress.settled
            self._screen.say(f"row {number}: {status.value}")
        if self._status is not None:
            from rich.text import Text

            self._status.update(Text(self.line(progress)))  # type: ignore[attr-defined] # rich is imported late
        elif self._now() - self._logged >= _EVERY:
            self._logged = self._now()
            self._screen.say(f"{datetime.now().astimezone():%H:%M:%S} {self.line(progress)}")

    def line(self, progress: Progress) -> str:
        """done/total, counts, what is waited for and until when, and apart from it the time that is left."""
        tally = progress.tally
        counts = ", ".join(f"{tally[status]:,} {status.value.replace('_', ' ')}" for status in Status if tally[status])
        words = [f"{'SANDBOX ' if progress.job.sandbox else ''}{tally.total - tally.open:,}/{tally.total:,}", counts]
        if progress.waiting is not None and progress.until is not None:
            left = max(0.0, progress.until - self._clock.monotonic()) / self._speed
            until = datetime.fromtimestamp(time.time() + left).astimezone()
            words.append(f"waiting ({progress.waiting.value}) until {until:%H:%M:%S}")
        words.append(f"about {duration(progress.eta / self._speed)} left")
        return " | ".join(word for word in words if word)
