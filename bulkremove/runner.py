"""One job's rows, a few at a time, until none is left or the run stops.

It knows rows and nothing of attempts, tokens or slots. Each outcome is in the journal before it is yielded here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

from bulkremove.model import Errand, Status

LAST_WORD = 6.0
"""Real seconds that rows in flight are given to end once the run stops; later they stay as ``sending``."""

_LOOK = 0.5
"""Real seconds between two looks at whether the run stops."""


async def run(
    errands: Iterator[Errand],
    remove: Callable[[Errand], Awaitable[Status | None]],
    *,
    concurrency: int,
    stopping: Callable[[], bool],
) -> AsyncIterator[tuple[Errand, Status | None]]:
    """Remove row after row; yields each with its status, or with None when it was left for a later run.

    Whatever ``remove`` raises ends the run; the rows in flight are given up first.
    """
    flying: dict[asyncio.Task[Status | None], Errand] = {}
    loop = asyncio.get_running_loop()
    stop_at: float | None = None
    try:
        while True:
            while len(flying) < concurrency and not stopping() and (errand := next(errands, None)) is not None:
                flying[asyncio.ensure_future(remove(errand))] = errand
            if not flying:
                return
            if stopping() and stop_at is None:
                stop_at = loop.time() + LAST_WORD
            if stop_at is not None and loop.time() >= stop_at:
                return
            done, _ = await asyncio.wait(flying, timeout=_LOOK, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                yield flying.pop(task), task.result()
    finally:
        for task in flying:
            task.cancel()
        await asyncio.gather(*flying, return_exceptions=True)
