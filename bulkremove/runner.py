"""One job's rows, a few at a time, until none is left or the run stops.

It knows rows and nothing of attempts, tokens or slots. Each outcome is in the journal before it is yielded here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable

from bulkremove.model import Errand, Status

LAST_WORD = 6.0
"""Real seconds that rows in flight are given to end once the run stops; later they stay as ``sending``."""


async def run(
    errands: AsyncGenerator[Errand],
    remove: Callable[[Errand], Awaitable[Status | Errand | None]],
    *,
    concurrency: int,
    stop: asyncio.Event,
) -> AsyncGenerator[tuple[Errand, Status | None]]:
    """Remove row after row until ``stop`` is set; yields each with its status, or None if it is left for a later run.

    A row whose ``remove`` gives an errand back has stepped back: it is taken again once another row was heard of.
    Whatever ``remove`` raises ends the run; the rows in flight are given up first.
    """
    flying: dict[asyncio.Task[Status | Errand | None], Errand] = {}
    stepped_back: deque[Errand] = deque()
    again: deque[Errand] = deque()

    async def take() -> Errand | None:
        if again:
            return again.popleft()
        fresh = await anext(errands, None)
        if fresh is None and stepped_back and not flying:
            return stepped_back.popleft()
        return fresh

    loop = asyncio.get_running_loop()
    stopped = asyncio.ensure_future(stop.wait())
    stop_at: float | None = None
    try:
        while True:
            while len(flying) < concurrency and not stop.is_set() and (errand := await take()) is not None:
                flying[asyncio.ensure_future(remove(errand))] = errand
            if not flying:
                return
            if stop_at is None and stop.is_set():
                stop_at = loop.time() + LAST_WORD
            if stop_at is None:
                await asyncio.wait({*flying, stopped}, return_when=asyncio.FIRST_COMPLETED)
            elif stop_at > loop.time():
                await asyncio.wait(flying, timeout=stop_at - loop.time(), return_when=asyncio.FIRST_COMPLETED)
            else:
                return
            for task in [one for one in flying if one.done()]:
                errand, result = flying.pop(task), task.result()
                if isinstance(result, Errand):
                    stepped_back.append(result)
                else:
                    again += stepped_back
                    stepped_back.clear()
                    yield errand, result
    finally:
        left = (*flying, stopped)
        for one in left:
            one.cancel()
        await asyncio.gather(*left, return_exceptions=True)
