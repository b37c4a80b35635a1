"""The rate limiter: every request waits here, and only here, until the account's ledger gives it a slot.

The limiter hands ``rate_limit`` to the storage as a pure rule. The storage applies it inside the transaction that also
writes the attempt, so no process ever takes a slot without writing its attempt. The queue keeps the rows of this
process in order and spaces them; the limit itself is guaranteed by the ledger. The limiter never decides what a
response means and never sends anything.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from bulkremove.domain.attempt import PendingRow, Permit
from bulkremove.domain.clock import Clock, Epoch, LoopTime, Monotonic, later, seconds_between
from bulkremove.domain.ledger import Ledger, Quota
from bulkremove.domain.row import RowState, Status
from bulkremove.engine import decision_table, rate_limit
from bulkremove.engine.events import Lockout
from bulkremove.engine.fair_queue import FairQueue
from bulkremove.engine.slot_decisions import (
    Go,
    OwnLimit,
    Postponed,
    Signal,
    Wait,
    Waiting,
    WaitsExhausted,
    YieldToOtherRow,
)
from bulkremove.storage.interface.attempts import (
    AttemptOutcome,
    AttemptStore,
    DoneElsewhere,
    RateLimitStore,
    SlotDecision,
)
from bulkremove.zoho.response_kind import ResponseKind

POLL_SECONDS = 1.0
"""Seconds between two reads of the ledger while waiting: another process may have changed it."""
ALLOWANCE_POLL_SECONDS = 60.0
"""The same while waiting for the day's allowance, which takes hours."""

MAX_IDLE_SECONDS = 1.0
"""Real seconds after its commit in which a permit must be used."""

MAX_AGE_SECONDS = 20.0
"""Seconds of the run's clock from taking the slot until the request leaves: the slot's release is counted from taking
it, so a longer commit would use up the grace for late deliveries (docs/decisions/0001-limiter.md)."""

DAY = 86_400.0
"""Seconds."""
MAX_ALLOWANCE_WAIT = 5400.0
"""Seconds that a run without a time window waits for the next call of the day's allowance: an hour, as nights that
start at the same local time may be 23 hours apart, and what many nights drift (docs/decisions/0012-allowance.md)."""


@dataclass(frozen=True, slots=True)
class DayUsedUp:
    """The day's allowance is used up until ``until``."""

    until: Epoch


NoSlot = YieldToOtherRow | OwnLimit | WaitsExhausted | DayUsedUp | DoneElsewhere
"""Why a row gets no slot, however long it waits."""

Refusal = Wait | Postponed | NoSlot
"""Why a row gets no slot now."""


@dataclass(frozen=True, slots=True)
class AttemptEnd:
    """How an attempt ended, for the journal and the ledger together.

    ``signal``: all rows must wait because of it. ``proves_reachable``: it shows that calls get through again.
    """

    outcome: AttemptOutcome
    signal: Signal | None = None
    proves_reachable: bool = False


@dataclass(frozen=True, slots=True)
class _RestartRule:
    """``RestartRule`` for a quota. Pure."""

    key: str
    quota: Quota

    def restarted(self, ledger: Ledger, now: Monotonic) -> tuple[Ledger, Monotonic]:
        return rate_limit.after_reboot(ledger, self.quota, now), rate_limit.released_unanswered(self.quota, now)


@dataclass(frozen=True, slots=True)
class _SlotRule(_RestartRule):
    """``SlotRule`` for the row with the key ``row``. Pure."""

    row: str
    alone: bool

    @property
    def window(self) -> float:
        return self.quota.window

    @property
    def daily(self) -> int | None:
        return self.quota.daily

    def slots(self, ledger: Ledger, now: Monotonic) -> int:
        return rate_limit.budget(ledger, self.quota, now)

    def decide(
        self,
        ledger: Ledger,
        now: Monotonic,
        *,
        full_until: Monotonic | None,
        wall: Epoch,
        nth_last_call: Epoch | None,
    ) -> SlotDecision[Refusal]:
        decision = rate_limit.ask(ledger, self.quota, now, key=self.row, alone=self.alone, full_until=full_until)
        match decision:
            case Go():
                if nth_last_call is not None and wall < later(nth_last_call, DAY):
                    return SlotDecision(DayUsedUp(later(nth_last_call, DAY)), None)
                return SlotDecision(None, decision.ledger, decision.free_at)
            case Wait() | YieldToOtherRow():
                return SlotDecision(decision, None)
        return SlotDecision(decision, decision.ledger)


@dataclass(frozen=True, slots=True)
class _AnswerRule(_RestartRule):
    """``AnswerRule`` for one closed attempt. Pure."""

    permit: Permit
    closing: AttemptEnd

    def released_at(self, now: Monotonic) -> Monotonic:
        """When the slot is released: later for an open attempt, which a proxy may still deliver."""
        is_open = decision_table.is_open(self.closing.outcome.attempt)
        return rate_limit.released_at(self.quota, later(now, self.quota.grace) if is_open else now)

    def recent_since(self) -> Monotonic | None:
        return later(self.permit.taken_at, -self.quota.window) if self.closing.signal else None

    def answered(self, ledger: Ledger, now: Monotonic, *, recent: int) -> tuple[Ledger, WaitsExhausted | None]:
        closing = self.closing
        return rate_limit.answered(
            ledger,
            self.quota,
            now,
            key=self.permit.pending_row.key,
            signal=closing.signal,
            proves_reachable=closing.proves_reachable,
            recent=recent,
            took=seconds_between(self.permit.taken_at, now) if closing.outcome.left else 0.0,
        )


class RateLimiter:
    """The rate limiter of one account: a request needs its permit. ``on_wait`` is called with what a row waits for.

    ``open_until``: when the run's time window ends; a row waits until then for the next call of the day's allowance.
    ``sleep``: as the clock's, but it wakes up when the run is to end.
    """

    def __init__(
        self,
        attempts: AttemptStore,
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
        self._attempts = attempts
        self._rate_limit = rate_limit
        self._key = key
        self._quota = quota
        self._clock = clock
        self._queue = queue
        self._on_wait = on_wait
        self._open_until, self._sleep = open_until, sleep or clock.sleep

    async def acquire(
        self, pending_row: PendingRow, *, alone: Callable[[], bool], in_time: Callable[[], bool]
    ) -> Permit | NoSlot | None:
        """Wait for a slot and take it, and write the attempt with it. None when ``in_time`` turned false.

        ``alone``: whether no other row of the job is left. Raises JournalFailed.
        """
        spaced = False
        with self._queue.place() as place:
            while in_time():
                if not await place.is_first(POLL_SECONDS):
                    continue
                result = await self._take_slot(pending_row, alone)
                if isinstance(result, DayUsedUp):
                    result = self._wait_for_allowance(result)
                if isinstance(result, Postponed):
                    continue
                if not isinstance(result, Wait):
                    return result
                self._on_wait(result)
                if result.reason in (Waiting.PACE, Waiting.WINDOW, Waiting.ALLOWANCE):
                    place.keep()
                else:
                    place.give_up()  # all rows wait, and the probe need not be the first in the queue
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
        if used_up.until >= (self._open_until or later(now, MAX_ALLOWANCE_WAIT)):
            return used_up
        seconds = seconds_between(now, used_up.until) * self._clock.speed
        # In whole seconds, so that the same wait is reported once.
        return Wait(Monotonic(math.ceil(later(self._clock.monotonic(), seconds))), Waiting.ALLOWANCE)

    async def _take_slot(self, pending_row: PendingRow, alone: Callable[[], bool]) -> Permit | Refusal:
        loop = asyncio.get_running_loop()
        started = loop.time()
        result = await self._attempts.take(pending_row, _SlotRule(self._key, self._quota, pending_row.key, alone()))
        if isinstance(result, Permit):
            return replace(result, committed_at=LoopTime(loop.time()), commit_seconds=loop.time() - started)
        return result

    async def cancel_slot(self, permit: Permit) -> None:
        """Undo a permit that was not used: no byte was sent, so its slot and attempt are deleted."""
        unused = replace(permit.attempt, response_kind=ResponseKind.NEVER_SENT.value)
        has_open_attempt = any(map(decision_table.is_open, permit.pending_row.attempts))
        state = RowState.SENDING if has_open_attempt else RowState.PENDING
        await asyncio.shield(self.complete(permit, AttemptEnd(AttemptOutcome(unused, state, left=False))))

    def is_fresh(self, permit: Permit) -> bool:
        """Whether the permit is recent enough for its request to be sent."""
        idle = seconds_between(permit.committed_at, LoopTime(asyncio.get_running_loop().time()))
        age = seconds_between(permit.taken_at, self._clock.monotonic())
        return idle <= MAX_IDLE_SECONDS and age <= MAX_AGE_SECONDS

    async def is_still_valid(self, permit: Permit) -> bool:
        """Check, just before the first byte is sent, that no wait has begun since. Raises JournalFailed."""
        ledger, of_this_boot = await self._rate_limit.ledger(self._key)
        return of_this_boot and not rate_limit.is_suspended_since(
            ledger, self._clock.monotonic(), key=permit.pending_row.key
        )

    async def complete(self, permit: Permit, closing: AttemptEnd) -> tuple[Lockout | None, WaitsExhausted | None]:
        """Record how the attempt ended, and schedule the release of its slot; the wait that this began, if any."""
        rule = _AnswerRule(self._key, self._quota, permit, closing)
        change = await self._attempts.close(permit, closing.outcome, rule)
        return _lockout(change.before, change.after), change.result

    async def settle_without_sending(self, pending_row: PendingRow, status: Status, detail: str) -> None:
        """Give a row its status without another call. Raises JournalFailed."""
        await self._attempts.settle(pending_row, status, detail)


def _lockout(before: Ledger, after: Ledger) -> Lockout | None:
    """The wait that is new in ``after``, if any."""
    if after.suspension is None:
        return None
    if (
        before.suspension is not None
        and before.suspension.reason is after.suspension.reason
        and after.suspension.rounds <= before.suspension.rounds
    ):
        return None
    lowered = after.budget if after.budget != before.budget else None
    return Lockout(after.suspension.reason, after.suspension.until, lowered)
