"""Waits of a run while this machine lets the program open no connection, since it has no file descriptor left."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from bulkremove.domain.job import EndReason
from bulkremove.engine.events import RunEnd

DESCRIPTOR_WAIT_SECONDS, MAX_DESCRIPTOR_WAITS = 5.0, 60
"""Seconds between two tries where the machine lets the program open no connection, and how many there are in a row."""


class DescriptorWaits:
    """The waits since the last call that was made. ``pause`` sleeps for seconds of the run's clock."""

    def __init__(self, pause: Callable[[float], Awaitable[None]]) -> None:
        self._pause = pause
        self._waits = 0

    def opened(self) -> None:
        """Note that a connection was opened."""
        self._waits = 0

    async def wait(self) -> RunEnd | None:
        """Wait until this machine may let the program open a connection; it says nothing about Zoho."""
        self._waits += 1
        if self._waits > MAX_DESCRIPTOR_WAITS:
            return RunEnd(
                "This machine lets the program open no more files and connections, so nothing more was sent. Raise its "
                "limit (ulimit -n, or LimitNOFILE of the service), then resume.",
                EndReason.SETTINGS,
                auto_resumable=True,
            )
        await self._pause(DESCRIPTOR_WAIT_SECONDS)
        return None
