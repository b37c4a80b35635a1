"""Where the rows of one account wait for the pace within one process: first come, first served.

aiolimiter spaces the calls. It keeps no place for a row that comes back because the ledger refused it, and rows that
came later would take each slot just before it, for as long as their job lasts (measured: 270 of them). So a row keeps
its place here until it has its slot.
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
    """The queue of one account, shared by all jobs that this process runs on it; ``speed``: that of its clock."""

    def __init__(self, quota: Quota, *, speed: float = 1.0) -> None:
        self.spacing = AsyncLimiter(1, rate_limit.pace(quota.calls, quota) / speed)
        self._places: deque[Place] = deque()

    @contextmanager
    def place(self) -> Iterator[Place]:
        """A row's place, given up at the end."""
        place = Place(self._places)
        try:
            yield place
        finally:
            place.give_up()


class Place:
    """A row's place in the queue; it has none before it keeps one."""

    def __init__(self, places: deque[Place]) -> None:
        self._places = places
        self._comes_first = asyncio.Event()

    async def is_first(self, seconds: float) -> bool:
        """Whether no other row goes first; waits for that, in the queue, for at most ``seconds`` of real time."""
        if self._places:
            self.keep()
            if self._places[0] is not self:
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await self._comes_first.wait()
                return self._places[0] is self
        return True

    def keep(self) -> None:
        """Stay here until the slot is taken."""
        if self not in self._places:
            self._places.append(self)

    def give_up(self) -> None:
        """Leave the queue; whoever is next now comes first."""
        if self in self._places:
            self._places.remove(self)
            if self._places:
                self._places[0]._comes_first.set()
        self._comes_first.clear()
