"""Local time: for display in the zone of the process, and the calendar day, on which all processes must agree."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from bulkremove.domain.clock import Epoch

_MACHINE_ZONE = Path("/etc/localtime")


def local(at: Epoch) -> datetime:
    """The time as a datetime in the time zone of this process, for display only."""
    return datetime.fromtimestamp(at, UTC).astimezone()


def machine_zone() -> tzinfo:
    """The time zone of this machine, whatever TZ says: cron, systemd and a shell may each have another one."""
    try:
        with _MACHINE_ZONE.open("rb") as file:
            return ZoneInfo.from_file(file)
    except (OSError, ValueError):
        return UTC


def day_of(at: Epoch) -> date:
    """The calendar day of a time in the machine's zone."""
    return datetime.fromtimestamp(at, machine_zone()).date()


def day_in(text: str) -> Epoch | None:
    """When a day (ISO 8601) began in the machine's zone; None for any other text."""
    try:
        return Epoch(datetime.combine(date.fromisoformat(text), time(), machine_zone()).timestamp())
    except (ValueError, OverflowError):
        return None


def minute_in(text: str) -> Epoch | None:
    """The time that a browser's field for a local time holds, in the machine's zone; None for any other text."""
    try:
        return Epoch(datetime.strptime(text, "%Y-%m-%dT%H:%M").replace(tzinfo=machine_zone()).timestamp())
    except (ValueError, OverflowError):
        return None


def day_begin(at: Epoch) -> Epoch:
    """When the calendar day of a time began in the machine's zone."""
    return Epoch(datetime.combine(day_of(at), time(), machine_zone()).timestamp())
