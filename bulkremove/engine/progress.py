"""The two ends of a run that its caller holds: what it tells on the way, and how it is asked to end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from bulkremove.domain.clock import Clock
from bulkremove.domain.job import EndReason, Job, Tally
from bulkremove.domain.row import Status
from bulkremove.engine.rate_limit import Waiting


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a running job stands, for a live line. Times are monotonic seconds of the run's clock."""

    job: Job
    tally: Tally
    waiting: Waiting | None
    """What the next row waits for; None while calls are under way."""
    until: float | None
    eta: float
    """Seconds that the rows left will take at the limit, this wait not counted."""
    news: str = ""
    """A change of state, in a sentence; empty for a mere step."""
    settled: tuple[int, Status] | None = None
    """The row (its number in the file) that was just settled, and how."""
    in_hand: tuple[int, ...] = ()
    """The rows (their numbers in the file) that are being sent or wait for their turn."""


@dataclass(slots=True)
class Stop:
    """Asks a run to end soon."""

    asked_event: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once it was asked, so that nobody has to look again and again."""
    reason: str = ""
    code: EndReason = EndReason.TERMINATED
    auto_resumable: bool = False
    """Whether an unattended run may go on by itself later."""
    within: list[Stop] = field(default_factory=list)
    """The stops that this one asks too."""

    @property
    def asked(self) -> bool:
        return self.asked_event.is_set()

    def ask(self, reason: str, code: EndReason, *, auto_resumable: bool = False) -> None:
        """``reason``: a sentence for an HR admin. Only the first call counts."""
        if not self.asked:
            self.reason, self.code, self.auto_resumable = reason, code, auto_resumable
            self.asked_event.set()
            for part in self.within:
                part.ask(reason, code, auto_resumable=auto_resumable)

    def part(self) -> Stop:
        """A stop of its own for a part of the run, which ends with the whole."""
        part = Stop()
        self.within.append(part)
        if self.asked:
            part.ask(self.reason, self.code, auto_resumable=self.auto_resumable)
        return part

    async def sleep(self, seconds: float, clock: Clock) -> None:
        """Sleep, but not beyond the moment when it is asked."""
        ends = [asyncio.ensure_future(clock.sleep(seconds)), asyncio.ensure_future(self.asked_event.wait())]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
