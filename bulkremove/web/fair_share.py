"""A fair share: what one person may have in progress at a time, so that nobody keeps the others waiting."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web


class FairShare:
    """``at_once``: how many turns one person has at a time; ``waiting``: how many more of theirs wait, in order."""

    def __init__(self, at_once: int, *, waiting: int) -> None:
        self._at_once, self._max_pending = at_once, at_once + waiting
        self._counts: Counter[str] = Counter()
        self._turns: dict[str, asyncio.Semaphore] = {}

    @asynccontextmanager
    async def turn(self, person: str) -> AsyncIterator[None]:
        """Hold one of the person's turns, when it comes. Raises HTTPTooManyRequests when too many of theirs wait."""
        if self._counts[person] >= self._max_pending:
            raise web.HTTPTooManyRequests(text="You have too many requests in progress. Wait until they have ended.")
        self._counts[person] += 1
        try:
            async with self._turns.setdefault(person, asyncio.Semaphore(self._at_once)):
                yield
        finally:
            self._counts[person] -= 1
            if not self._counts[person]:
                del self._counts[person], self._turns[person]
