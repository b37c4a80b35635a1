"""A first-come, first-served queue in which the rows of one account wait for a slot within one process.

aiolimiter spaces the calls, but it keeps no place for a row that comes back because the ledger refused it: rows that
came later would take each slot before it, for as long as their job lasts (measured: 270 of them). So a row keeps its
place in this queue until it has its slot.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from aiolimiter import AsyncLimiter

from bulkremove.domain.ledger import Quota
from bulkremove.engine import rate_limit


class FairQueue:
    """The queue of one account, shared by all jobs that this process runs on it. ``speed``: that of the run's clock."""

    def __init__(self, quota: Quota, *, speed: float = 1.0) -> None:
        self.spacing = AsyncLimiter(1, rate_limit.pace(quota.calls, quota) / speed)
        self._places: deque[QueuePosition] = deque()

    @contextmanager
    def join(self) -> Iterator[QueuePosition]:
        """A place for one row, which leaves the queue when the context ends."""
        place = QueuePosition(self._places)
        try:
            yield place
        finally:
            place.leave()


class QueuePosition:
    """The place of one row, which is not in the queue before ``enqueue``."""

    def __init__(self, places: deque[QueuePosition]) -> None:
        self._places = places
        self._is_first_event = asyncio.Event()

    async def is_first(self, seconds: float) -> bool:
        """Wait in the queue, at most ``seconds`` of real time, until no other row is ahead; True if none is."""
        if self._places:
            self.enqueue()
            if self._places[0] is not self:
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await self._is_first_event.wait()
                return self._places[0] is self
        return True

    def enqueue(self) -> None:
        """Join the queue, or stay in it, until ``leave``."""
        if self not in self._places:
            self._places.append(self)

    def leave(self) -> None:
        """Leave the queue and wake the row that is now first."""
        if self in self._places:
            self._places.remove(self)
            if self._places:
                self._places[0]._is_first_event.set()
        self._is_first_event.clear()
