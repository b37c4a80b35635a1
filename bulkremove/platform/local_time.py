"""Local time, for display only; everything that is stored or compared is in epoch seconds."""

from __future__ import annotations

from datetime import UTC, datetime

from bulkremove.domain.clock import Epoch


def local(at: Epoch) -> datetime:
    """The time as a datetime in this machine's time zone."""
    return datetime.fromtimestamp(at, UTC).astimezone()
