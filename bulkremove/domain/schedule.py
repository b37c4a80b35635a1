"""The schedule: which nightly run is due, and until when it may send. Pure: ``now`` is a parameter.

A nightly run belongs to a local date and starts once on it, even when the clock changes: a local time that is skipped
counts as if the clock had not changed, and of a local time that occurs twice the first one counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from bulkremove.domain.clock import DAY_SECONDS, Epoch, later

LATE_SECONDS = 3600.0
"""A nightly run that starts up to so many seconds after its time is not missed."""


class Missed(StrEnum):
    """What to do about a nightly run that did not start in time: the machine was off, or the last run still went on."""

    RUN = "run"
    """Run it late; once, however many were missed."""
    SKIP = "skip"
    """Do not run it; the next nightly run does its work."""


@dataclass(frozen=True, slots=True)
class Window:
    """The local times between which rows may be sent; an ``end`` that is not after ``begin`` is on the next day."""

    begin: time
    end: time


@dataclass(frozen=True, slots=True)
class Schedule:
    """One nightly run on every date, at a local time of the zone."""

    at: time
    zone: ZoneInfo
    missed: Missed = Missed.RUN
    window: Window | None = None

    def start_of(self, day: date) -> Epoch:
        """Return when the nightly run of a local date starts."""
        return _instant(day, self.at, self.zone)

    def next_starts(self, now: Epoch, count: int) -> list[tuple[date, Epoch]]:
        """Return dates and starts of the next ``count`` nightly runs after ``now``."""
        day = _local_date(now, self.zone) - timedelta(days=1)
        starts: list[tuple[date, Epoch]] = []
        while len(starts) < count:
            if self.start_of(day) > now:
                starts.append((day, self.start_of(day)))
            day += timedelta(days=1)
        return starts

    def due(self, last_date: date | None, now: Epoch) -> date | None:
        """Return the date of the nightly run that is due, if any. ``last_date``: that of the last one run or skipped.

        A last one that lies more than a day ahead was started while the clock was wrong, and keeps none from running.
        """
        today = _local_date(now, self.zone)
        day = today - timedelta(days=1) if self.start_of(today) > now else today
        if last_date is not None and day <= last_date <= today + timedelta(days=1):
            return None
        return day

    def open_until(self, now: Epoch) -> Epoch | None:
        """Return until when rows may be sent, None if not now; without a window, a year from now."""
        if self.window is None:
            return later(now, 365 * DAY_SECONDS)
        today = _local_date(now, self.zone)
        for day in (today - timedelta(days=1), today):
            begin = _instant(day, self.window.begin, self.zone)
            last_day = day if self.window.end > self.window.begin else day + timedelta(days=1)
            end = _instant(last_day, self.window.end, self.zone)
            if begin <= now < end:
                return end
        return None


def _local_date(now: Epoch, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(now, zone).date()


def _instant(day: date, at: time, zone: ZoneInfo) -> Epoch:
    return Epoch(datetime.combine(day, at, zone).astimezone(UTC).timestamp())
