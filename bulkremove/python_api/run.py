"""One run of a job as its client follows it: the newest progress, its end, and how it is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from bulkremove.app import RunResult, Stop
from bulkremove.domain.job import EndReason
from bulkremove.engine.progress import Progress

STOPPED = "The program that ran it stopped it."


class FollowedRun:
    """A run in a client's worker loop, which the first ``next`` begins. It goes on by itself, until ``stop``."""

    def __init__(self, run: Callable[[Stop, Callable[[Progress], None]], Coroutine[Any, Any, RunResult]]) -> None:
        self._run, self._stop, self._newest = run, Stop(), list[Progress]()
        self._changed = asyncio.Event()
        self._task: asyncio.Task[RunResult] | None = None

    @property
    def is_under_way(self) -> bool:
        """Whether it has begun and not ended."""
        return self._task is not None and not self._task.done()

    async def next(self) -> Progress | None:
        """The newest progress that was not given yet, once there is one; None at the end. Raises what ended the run."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(self._stop, self._update))
            self._task.add_done_callback(lambda task: self._changed.set())
        while not self._newest:
            if self._task.done():
                self._task.result()
                return None
            self._changed.clear()
            await self._changed.wait()
        return self._newest.pop()

    async def stop(self) -> None:
        """End the run, once the rows in flight are finished and its report is written; it may have ended already."""
        if self._task is not None:
            self._stop.request(STOPPED, EndReason.TERMINATED)
            await asyncio.wait([self._task])

    def _update(self, progress: Progress) -> None:
        self._newest = [progress]
        self._changed.set()
