"""The rate limiter: a request waits here until the account's ledger gives it a slot, and nowhere else.

It lends ``rate_limit`` as a pure rule to the storage, which asks it inside the transaction that also writes the
attempt, so that a slot is never taken without its intent, by whatever process. The queue keeps this process's rows in
order and apart; the ledger is the guarantee. It never decides what a response means and never sends anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from bulkremove.domain.attempt import PendingRow, Permit
from bulkremove.domain.clock import Clock
from bulkremove.domain.ledger import Ledger, Quota
from bulkremove.domain.row import RowState, Status
from bulkremove.engine import decision_table, rate_limit
from bulkremove.engine.events import Lockout
from bulkremove.engine.fair_queue import FairQueue
from bulkremove.engine.rate_limit import Go, OwnLimit, Postponed, Signal, Wait, Waiting, WaitsExhausted, YieldToOtherRow
from bulkremove.storage.interface.attempts import AttemptOutcome, AttemptStore, RateLimitStore, SlotDecision
from bulkremove.zoho.response_kind import ResponseKind

POLL = 1.0
"""Seconds between two looks at the ledger while waiting: another process may have changed it."""

MAX_IDLE_SECONDS = 1.0
"""Real seconds after its commit in which a permit must be used."""

MAX_AGE_SECONDS = 20.0
"""Seconds of the run's clock from a slot's own time until the request leaves: the slot's release is counted from
then, so a commit that takes longer would use up the grace for late deliveries (docs/decisions/0001-limiter.md)."""

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class DayUsedUp:
    """The day's allowance is used up until ``until`` (epoch seconds)."""

    until: float


NoSlot = YieldToOtherRow | OwnLimit | WaitsExhausted | DayUsedUp
"""Why a row is given no slot, however long it waits."""

Refusal = Wait | Postponed | NoSlot
"""Why a row is given no slot now."""


@dataclass(frozen=True, slots=True)
class Closing:
    """How an attempt ended, for the journal and the ledger together.

    ``proves_reachable``: it shows that calls get through again; ``signal``: it asks everybody to wait.
    """

    outcome: AttemptOutcome
    signal: Signal | None = None
    proves_reachable: bool = True


@dataclass(frozen=True, slots=True)
class _Restart:
    """``RestartRule`` of a quota. Pure."""

    key: str
    quota: Quota

    def restarted(self, ledger: Ledger, now: float) -> tuple[Ledger, float]:
        return rate_limit.after_reboot(ledger, self.quota, now), rate_limit.released_unanswered(self.quota, now)


@dataclass(frozen=True, slots=True)
class _Taken(_Restart):
    """``SlotRule``: whether the row ``row`` may be sent now. Pure."""

    row: str
    alone: bool

    @property
    def window(self) -> float:
        return self.quota.window

    @property
    def daily(self) -> int | None:
        return self.quota.daily

    def slots(self, ledger: Ledger, now: float) -> int:
        return rate_limit.budget(ledger, self.quota, now)

    def decide(
        self, ledger: Ledger, now: float, *, full_until: float | None, wall: float, nth_last_call: float | None
    ) -> SlotDecision[Refusal]:
        asked = rate_limit.ask(ledger, self.quota, now, key=self.row, alone=self.alone, full_until=full_until)
        match asked:
            case Go():
                if nth_last_call is not None and wall < nth_last_call + DAY:
                    return SlotDecision(DayUsedUp(nth_last_call + DAY), None)
                return SlotDecision(None, asked.ledger, asked.free_at)
            case Wait() | YieldToOtherRow():
                return SlotDecision(asked, None)
        return SlotDecision(asked, asked.ledger)


@dataclass(frozen=True, slots=True)
class _Answered(_Restart):
    """``AnswerRule``: what the end of an attempt does to the ledger. Pure."""

    permit: Permit
    closing: Closing

    def released_at(self, now: float) -> float:
        """Zoho's own response proves that the call was counted; without one a proxy may still deliver it later."""
        open_ = decision_table.is_open(self.closing.outcome.attempt)
        return rate_limit.released_at(self.quota, now + self.quota.grace if open_ else now)

    def recent_since(self) -> float | None:
        return self.permit.taken_at - self.quota.window if self.closing.signal else None

    def answered(self, ledger: Ledger, now: float, *, recent: int) -> tuple[Ledger, WaitsExhausted | None]:
        closing = self.closing
        return rate_limit.answered(
            ledger,
            self.quota,
            now,
            key=self.permit.pending_row.key,
            signal=closing.signal,
            proves_reachable=closing.proves_reachable,
            recent=recent,
            took=now - self.permit.taken_at if closing.outcome.left else 0.0,
        )


class RateLimiter:
    """The one way to the wire for one account. ``on_wait`` hears what a row waits for."""

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
    ) -> None:
        self._attempts = attempts
        self._rate_limit = rate_limit
        self._key = key
        self._quota = quota
        self._clock = clock
        self._queue = queue
        self._on_wait = on_wait

    async def acquire(
        self, pending_row: PendingRow, *, alone: Callable[[], bool], in_time: Callable[[], bool]
    ) -> Permit | NoSlot | None:
        """Wait for a slot and take it, together with the attempt's intent. None when ``in_time`` turned false.

        ``alone``: whether no other row of the job is left. Raises JournalFailed.
        """
        spaced = False
        with self._queue.place() as place:
            while in_time():
                if not await place.is_first(POLL):
                    continue
                asked = await self._ask(pending_row, alone)
                if isinstance(asked, Postponed):
                    continue
                if not isinstance(asked, Wait):
                    return asked
                self._on_wait(asked)
                if asked.reason in (Waiting.PACE, Waiting.WINDOW):
                    place.keep()
                else:
                    place.give_up()  # everybody waits, and the row that is tried first need not be the first here
                if asked.reason is Waiting.PACE and not spaced:
                    await self._queue.spacing.acquire()
                    spaced = True
                else:
                    await self._clock.sleep(max(0.0, min(asked.until - self._clock.monotonic(), POLL)))
        return None

    async def _ask(self, pending_row: PendingRow, alone: Callable[[], bool]) -> Permit | Refusal:
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        asked = await self._attempts.take(pending_row, _Taken(self._key, self._quota, pending_row.key, alone()))
        if isinstance(asked, Permit):
            return replace(asked, committed_at=loop.time(), commit_seconds=loop.time() - asked_at)
        return asked

    async def cancel_slot(self, permit: Permit) -> None:
        """Undo a permit that was never used: no byte left, so slot and attempt are deleted."""
        unused = replace(permit.attempt, response_kind=ResponseKind.NEVER_SENT.value)
        open_ = any(map(decision_table.is_open, permit.pending_row.attempts))
        state = RowState.SENDING if open_ else RowState.PENDING
        await asyncio.shield(
            self.complete(permit, Closing(AttemptOutcome(unused, state, left=False), proves_reachable=False))
        )

    def is_fresh(self, permit: Permit) -> bool:
        """Whether the request may still leave on this permit."""
        idle = asyncio.get_running_loop().time() - permit.committed_at
        return idle <= MAX_IDLE_SECONDS and self._clock.monotonic() - permit.taken_at <= MAX_AGE_SECONDS

    async def is_still_valid(self, permit: Permit) -> bool:
        """Whether no wait has begun since: the last look before a byte leaves. Raises JournalFailed."""
        ledger, of_this_boot = await self._rate_limit.ledger(self._key)
        return of_this_boot and not rate_limit.overtaken(ledger, self._clock.monotonic(), key=permit.pending_row.key)

    async def complete(self, permit: Permit, closing: Closing) -> tuple[Lockout | None, WaitsExhausted | None]:
        """Write how the attempt ended and release its slot in time; the wait that this response began, if any."""
        rule = _Answered(self._key, self._quota, permit, closing)
        change = await self._attempts.close(permit, closing.outcome, rule)
        return _lockout(change.before, change.after), change.result

    async def settle_without_sending(self, pending_row: PendingRow, status: Status, detail: str) -> None:
        """Give a row its status without another call."""
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
