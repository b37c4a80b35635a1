"""Local time, for what people read; everything that is stored or compared is in epoch seconds."""

from __future__ import annotations

from datetime import UTC, datetime


def local(seconds: float) -> datetime:
    """Epoch seconds in this machine's own time zone."""
    return datetime.fromtimestamp(seconds, UTC).astimezone()
