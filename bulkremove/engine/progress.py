"""The interface between a run and its caller: the progress that it reports, and the request to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bulkremove.domain.clock import Clock, Monotonic
from bulkremove.domain.job import EndReason, Job, Tally
from bulkremove.domain.row import Status
from bulkremove.engine.slot_decisions import Waiting

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a running job stands, for live display."""

    job: Job
    tally: Tally
    waiting: Waiting | None
    """What the next row waits for; None while calls are under way."""
    until: Monotonic | None
    eta: float
    """Seconds that the remaining rows take at the limit, without the present wait."""
    message: str = ""
    """A change of state as a sentence; empty when only the numbers have changed."""
    settled: tuple[int, Status] | None = None
    """The row that was just settled (its number in the file) and its status."""
    rows_in_flight: tuple[int, ...] = ()
    """The rows that are being sent or wait for a slot (their numbers in the file)."""


@dataclass(slots=True)
class Stop:
    """A request to a run to end soon, shared by the run and its caller."""

    requested_event: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by ``request``, so that waiting code need not poll."""
    reason: str = ""
    code: EndReason = EndReason.TERMINATED
    auto_resumable: bool = False
    """Whether a nightly run may resume the job later."""
    parts: list[Stop] = field(default_factory=list)
    """The stops made by ``part``, which end with this one."""

    @property
    def requested(self) -> bool:
        """Whether the run is to end."""
        return self.requested_event.is_set()

    def request(self, reason: str, code: EndReason, *, auto_resumable: bool = False) -> None:
        """Request the end. ``reason``: a sentence for an HR admin. Only the first call counts."""
        if not self.requested:
            self.reason, self.code, self.auto_resumable = reason, code, auto_resumable
            self.requested_event.set()
            for part in self.parts:
                part.request(reason, code, auto_resumable=auto_resumable)

    def part(self) -> Stop:
        """Make a stop for a part of the run, which can end alone and ends with this stop."""
        part = Stop()
        self.parts.append(part)
        if self.requested:
            part.request(self.reason, self.code, auto_resumable=self.auto_resumable)
        return part

    async def sleep(self, seconds: float, clock: Clock) -> None:
        """Sleep, but wake up when the stop is requested."""
        await self.cancelling(clock.sleep(seconds))

    async def cancelling(self, work: Coroutine[Any, Any, T]) -> T | None:
        """The result of ``work``; None when the stop is requested before it has ended, which cancels it."""
        task, asked = asyncio.create_task(work), asyncio.create_task(self.requested_event.wait())
        try:
            await asyncio.wait([task, asked], return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None
        finally:
            asked.cancel()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)  # what it has begun is put right before this returns
