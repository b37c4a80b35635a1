"""One job's rows, a few at a time, until none is left or the run stops.

It knows rows and nothing of attempts, tokens or slots. Each outcome is in the journal before it is yielded here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable

from bulkremove.domain.attempt import PendingRow
from bulkremove.domain.row import Status

SHUTDOWN_GRACE = 6.0
"""Real seconds that rows in flight are given to end once the run stops; later they stay as ``sending``."""


async def run(
    errands: AsyncGenerator[PendingRow],
    remove: Callable[[PendingRow], Awaitable[Status | PendingRow | None]],
    *,
    concurrency: int,
    stop: asyncio.Event,
) -> AsyncGenerator[tuple[PendingRow, Status | None]]:
    """Remove row after row until ``stop`` is set; yields each with its status, or None if it is left for a later run.

    A row whose ``remove`` gives an pending_row back has stepped back: it is taken again once another row was heard of.
    Whatever ``remove`` raises ends the run; the rows in flight are given up first.
    """
    flying: dict[asyncio.Task[Status | PendingRow | None], PendingRow] = {}
    is_deferred: deque[PendingRow] = deque()
    again: deque[PendingRow] = deque()

    async def take() -> PendingRow | None:
        if again:
            return again.popleft()
        fresh = await anext(errands, None)
        if fresh is None and is_deferred and not flying:
            return is_deferred.popleft()
        return fresh

    loop = asyncio.get_running_loop()
    stopped = asyncio.ensure_future(stop.wait())
    stop_at: float | None = None
    try:
        while True:
            while len(flying) < concurrency and not stop.is_set() and (pending_row := await take()) is not None:
                flying[asyncio.ensure_future(remove(pending_row))] = pending_row
            if not flying:
                return
            if stop_at is None and stop.is_set():
                stop_at = loop.time() + SHUTDOWN_GRACE
            if stop_at is None:
                await asyncio.wait({*flying, stopped}, return_when=asyncio.FIRST_COMPLETED)
            elif stop_at > loop.time():
                await asyncio.wait(flying, timeout=stop_at - loop.time(), return_when=asyncio.FIRST_COMPLETED)
            else:
                return
            for task in [one for one in flying if one.done()]:
                pending_row, result = flying.pop(task), task.result()
                if isinstance(result, PendingRow):
                    is_deferred.append(result)
                else:
                    again += is_deferred
                    is_deferred.clear()
                    yield pending_row, result
    finally:
        left = (*flying, stopped)
        for one in left:
            one.cancel()
        await asyncio.gather(*left, return_exceptions=True)
