"""The schedule of a night, and the order of several."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, time
from zoneinfo import ZoneInfo

from bulkremove.config import Night
from bulkremove.domain.schedule import Missed, Schedule, Window


def schedule(night: Night) -> Schedule:
    """The schedule that the night's block describes."""
    window = Window(*night.window) if night.window else None
    return Schedule(night.at or time(0), ZoneInfo(night.zone), Missed(night.missed), window)


def by_time(nights: Iterable[Night], day: date) -> list[Night]:
    """The nights in the order in which they start on a day; those that have no time come first."""
    return sorted(nights, key=lambda night: (night.at is not None, schedule(night).start_of(day)))
