"""Local time, for display only; everything that is stored or compared is in epoch seconds."""

from __future__ import annotations

from datetime import UTC, datetime


def local(seconds: float) -> datetime:
    """Epoch seconds as a datetime in this machine's time zone."""
    return datetime.fromtimestamp(seconds, UTC).astimezone()
