"""The rows of one job, settled several at a time until none is left or the run stops.

This module knows nothing of attempts, tokens or slots. Each status is in the journal before it is yielded here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable

from bulkremove.domain.attempt import PendingRow
from bulkremove.domain.row import Status

SHUTDOWN_GRACE_SECONDS = 6.0
"""Real seconds that rows in flight may take to end once the run stops; after that they stay ``sending``."""


async def settle_rows(
    pending_rows: AsyncGenerator[PendingRow],
    settle: Callable[[PendingRow], Awaitable[Status | PendingRow | None]],
    *,
    concurrency: int,
    stop: asyncio.Event,
) -> AsyncGenerator[tuple[PendingRow, Status | None]]:
    """Settle the rows until ``stop`` is set; yield each with its status, or with None if it is left for a later run.

    A row that ``settle`` returns is deferred: it is tried again once another row has got a response. An exception of
    ``settle`` ends the run; the rows in flight are cancelled first.
    """
    in_flight: dict[asyncio.Task[Status | PendingRow | None], PendingRow] = {}
    deferred: deque[PendingRow] = deque()
    ready: deque[PendingRow] = deque()  # deferred rows that may be tried again now

    async def take() -> PendingRow | None:
        if ready:
            return ready.popleft()
        new_row = await anext(pending_rows, None)
        if new_row is None and deferred and not in_flight:
            return deferred.popleft()
        return new_row

    loop = asyncio.get_running_loop()
    stopped = asyncio.ensure_future(stop.wait())
    stop_at: float | None = None
    try:
        while True:
            while len(in_flight) < concurrency and not stop.is_set() and (pending_row := await take()) is not None:
                in_flight[asyncio.ensure_future(settle(pending_row))] = pending_row
            if not in_flight:
                return
            if stop_at is None and stop.is_set():
                stop_at = loop.time() + SHUTDOWN_GRACE_SECONDS
            if stop_at is None:
                await asyncio.wait({*in_flight, stopped}, return_when=asyncio.FIRST_COMPLETED)
            elif stop_at > loop.time():
                await asyncio.wait(in_flight, timeout=stop_at - loop.time(), return_when=asyncio.FIRST_COMPLETED)
            else:
                return
            for task in [task for task in in_flight if task.done()]:
                pending_row, result = in_flight.pop(task), task.result()
                if isinstance(result, PendingRow):
                    deferred.append(result)
                else:
                    ready += deferred
                    deferred.clear()
                    yield pending_row, result
    finally:
        unfinished = (*in_flight, stopped)
        for future in unfinished:
            future.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
