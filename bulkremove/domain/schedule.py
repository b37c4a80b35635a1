"""Which nightly runs are due, and until when they may send. Pure: ``now`` comes in, as epoch seconds; no clock is read.

A nightly run belongs to a local date and starts once on it, whatever the zone's clock does: a time that a clock change
skips comes as late as it would have come without the change, and of a time that comes twice the first one counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

LATE = 3600.0
"""Seconds after its time until which a nightly run is not a missed one."""


class Missed(StrEnum):
    """What happens to a nightly run that did not start in time: the machine was off, or the one before still ran."""

    RUN = "run"
    """It is caught up, once, however many were missed."""
    SKIP = "skip"
    """It is left out; what it would have done is done by the next one."""


@dataclass(frozen=True, slots=True)
class Window:
    """The local times between which rows may be sent; ``begin`` after ``end`` means over midnight."""

    begin: time
    end: time


@dataclass(frozen=True, slots=True)
class Schedule:
    """One nightly run on every date."""

    at: time
    zone: ZoneInfo
    missed: Missed = Missed.RUN
    window: Window | None = None

    def start_of(self, day: date) -> float:
        """When the nightly run of a local date starts (epoch seconds)."""
        return _instant(day, self.at, self.zone)

    def next_starts(self, now: float, count: int) -> list[tuple[date, float]]:
        """The next nightly runs and their starts (epoch seconds), the first one after ``now``."""
        day = _local_date(now, self.zone) - timedelta(days=1)
        found: list[tuple[date, float]] = []
        while len(found) < count:
            if self.start_of(day) > now:
                found.append((day, self.start_of(day)))
            day += timedelta(days=1)
        return found

    def due(self, last: date | None, now: float) -> date | None:
        """The nightly run whose time has come, if any; ``last``: the last one that was run or left out."""
        day = _local_date(now, self.zone)
        if self.start_of(day) > now:
            day -= timedelta(days=1)
        if last is not None and day <= last:
            return None
        return day

    def open_until(self, now: float) -> float | None:
        """Until when rows may be sent (epoch seconds); None when they may not be sent now. Without a window: a year."""
        if self.window is None:
            return now + 365 * 86_400.0
        today = _local_date(now, self.zone)
        for day in (today - timedelta(days=1), today):
            begin = _instant(day, self.window.begin, self.zone)
            last_day = day if self.window.end > self.window.begin else day + timedelta(days=1)
            end = _instant(last_day, self.window.end, self.zone)
            if begin <= now < end:
                return end
        return None


def _local_date(now: float, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(now, zone).date()


def _instant(day: date, at: time, zone: ZoneInfo) -> float:
    return datetime.combine(day, at, zone).astimezone(UTC).timestamp()
