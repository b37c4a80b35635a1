"""The schedule of nightly runs that the settings describe."""

from __future__ import annotations

from datetime import time
from zoneinfo import ZoneInfo

from bulkremove.config import Settings
from bulkremove.domain.schedule import Missed, Schedule, Window


def schedule(settings: Settings) -> Schedule:
    """The schedule that the settings describe."""
    window = Window(*settings.nightly_window) if settings.nightly_window else None
    return Schedule(
        settings.nightly_at or time(0), ZoneInfo(settings.nightly_zone), Missed(settings.nightly_missed), window
    )
