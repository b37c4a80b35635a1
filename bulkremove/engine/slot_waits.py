"""Waiting for a slot, which rows and reads do alike, and how long a permit may be used afterwards.

The queue keeps the calls of this process in order and spaces them; the limit itself is guaranteed by the ledger. Only
what is waited for differs: what begins with a lock is a row's to wait for, and ends a read.
"""

from __future__ import annotations

import asyncio
import math
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Generic, TypeVar

from bulkremove.domain.attempt import Permit, ReadPermit
from bulkremove.domain.clock import Clock, Epoch, LoopTime, Monotonic, later, seconds_between
from bulkremove.domain.ledger import Quota
from bulkremove.engine import rate_limit
from bulkremove.engine.fair_queue import FairQueue
from bulkremove.engine.slot_decisions import DayUsedUp, NoSlot, Postponed, Wait, Waiting
from bulkremove.engine.slot_rules import Refusal
from bulkremove.storage.interface.attempts import RateLimitStore

P = TypeVar("P", Permit, ReadPermit)

POLL_SECONDS = 1.0
"""Seconds between two reads of the ledger while waiting: another process may have changed it."""
ALLOWANCE_POLL_SECONDS = 60.0
"""The same while waiting for the day's allowance, which takes hours."""

MAX_IDLE_SECONDS = 1.0
"""Real seconds after its commit in which a permit must be used."""

MAX_AGE_SECONDS = 20.0
"""Seconds of the run's clock from taking the slot until the request leaves: the slot's release is counted from taking
it, so a longer commit would use up the grace for late deliveries (docs/decisions/0001-limiter.md)."""

MAX_ALLOWANCE_WAIT_SECONDS = 5400.0
"""Seconds that a run without a time window waits for the next call of the day's allowance: an hour, as nights that
start at the same local time may be 23 hours apart, and what many nights drift (docs/decisions/0012-allowance.md)."""


class SlotWaits(ABC, Generic[P]):
    """The waits for slots of one account, each of which ends with a permit. ``key``: that of the account's ledger.

    ``on_wait`` is called with what a call waits for. ``open_until``: until when a call waits for the next one of the
    day's allowance, such as the end of the run's time window. ``sleep``: as the clock's, but it wakes up when the run
    is to end.
    """

    def __init__(
        self,
        rate_limit: RateLimitStore,
        key: str,
        quota: Quota,
        clock: Clock,
        *,
        queue: FairQueue,
        on_wait: Callable[[Wait], None] = lambda wait: None,
        open_until: Epoch | None = None,
        sleep: Callable[[float], Awaitable[None]] | None = None,
    ) -> None:
        self._rate_limit = rate_limit
        self._key = key
        self._quota = quota
        self._clock = clock
        self._queue = queue
        self._on_wait = on_wait
        self._open_until, self._sleep = open_until, sleep or clock.sleep

    async def _wait_for_slot(
        self, take: Callable[[], Awaitable[P | Refusal]], may_still_send: Callable[[], bool]
    ) -> P | NoSlot | None:
        """Ask with ``take`` until there is a slot. None once ``may_still_send`` is false. Raises JournalFailed."""
        spaced = False
        with self._queue.join() as place:
            while may_still_send():
                if not await place.is_first(POLL_SECONDS):
                    continue
                result = await self._take(take)
                if isinstance(result, DayUsedUp):
                    result = self._wait_for_allowance(result)
                if isinstance(result, Postponed):
                    continue
                if not isinstance(result, Wait):
                    return result
                self._on_wait(result)
                if result.reason in (Waiting.PACE, Waiting.WINDOW, Waiting.ALLOWANCE):
                    place.enqueue()
                else:
                    place.leave()  # all rows wait, and the probe need not be the first in the queue
                if result.reason is Waiting.PACE and not spaced:
                    await self._queue.spacing.acquire()
                    spaced = True
                else:
                    seconds = max(0.0, seconds_between(self._clock.monotonic(), result.until))
                    if result.reason is Waiting.ALLOWANCE:
                        await self._sleep(min(seconds, ALLOWANCE_POLL_SECONDS))
                    else:
                        await self._clock.sleep(min(seconds, POLL_SECONDS))
        return None

    def _wait_for_allowance(self, used_up: DayUsedUp) -> Wait | DayUsedUp:
        """The wait for the next call of the day's allowance, if it comes soon enough."""
        now = self._clock.wall()
        if used_up.until >= (self._open_until or later(now, MAX_ALLOWANCE_WAIT_SECONDS)):
            return used_up
        seconds = seconds_between(now, used_up.until) * self._clock.speed
        # In whole seconds, so that the same wait is reported once.
        return Wait(Monotonic(math.ceil(later(self._clock.monotonic(), seconds))), Waiting.ALLOWANCE)

    async def _take(self, take: Callable[[], Awaitable[P | Refusal]]) -> P | Refusal:
        loop = asyncio.get_running_loop()
        started = loop.time()
        result = await take()
        if isinstance(result, Permit | ReadPermit):
            return replace(result, committed_at=LoopTime(loop.time()), commit_seconds=loop.time() - started)
        return result

    def is_fresh(self, permit: P) -> bool:
        """Whether the permit is recent enough for its request to be sent."""
        idle = seconds_between(permit.committed_at, LoopTime(asyncio.get_running_loop().time()))
        age = seconds_between(permit.taken_at, self._clock.monotonic())
        return idle <= MAX_IDLE_SECONDS and age <= MAX_AGE_SECONDS

    async def is_still_valid(self, permit: P) -> bool:
        """Check, just before the first byte is sent, that no wait has begun since. Raises JournalFailed."""
        ledger, of_this_boot = await self._rate_limit.ledger(self._key)
        return of_this_boot and not rate_limit.is_suspended_since(ledger, self._clock.monotonic(), key=permit.key)

    @abstractmethod
    async def cancel_slot(self, permit: P) -> None:
        """Undo a permit that was not used: no byte was sent, so its slot and what was written with it are deleted."""
