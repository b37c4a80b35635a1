"""The rate limiter: every request for a row waits here, and only here, until the account's ledger gives it a slot.

The limiter hands its rules (``slot_rules``) to the storage. The storage applies them inside the transaction that also
writes the attempt, so no process ever takes a slot without writing its attempt. The limiter never decides what a
response means and never sends anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from bulkremove.domain.attempt import PendingRow, Permit
from bulkremove.domain.clock import Clock, Epoch
from bulkremove.domain.ledger import Quota
from bulkremove.domain.row import RowState, Status
from bulkremove.engine import decision_table
from bulkremove.engine.events import Lockout
from bulkremove.engine.fair_queue import FairQueue
from bulkremove.engine.slot_decisions import NoSlot, Signal, Wait, WaitsExhausted
from bulkremove.engine.slot_rules import CallAnswerRule, RowSlotRule
from bulkremove.engine.slot_waits import SlotWaits
from bulkremove.storage.interface.attempts import AttemptOutcome, AttemptStore, LedgerChange, RateLimitStore
from bulkremove.zoho.response_kind import ResponseKind


@dataclass(frozen=True, slots=True)
class AttemptEnd:
    """How an attempt ended, for the journal and the ledger together.

    ``signal``: all rows must wait because of it. ``proves_reachable``: it shows that calls get through again.
    """

    outcome: AttemptOutcome
    signal: Signal | None = None
    proves_reachable: bool = False


class RateLimiter(SlotWaits[Permit]):
    """The rate limiter of one account for rows: a request needs its permit. For the options see ``SlotWaits``."""

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
        super().__init__(
            rate_limit, key, quota, clock, queue=queue, on_wait=on_wait, open_until=open_until, sleep=sleep
        )
        self._attempts = attempts

    async def acquire(
        self, pending_row: PendingRow, *, is_only_row: Callable[[], bool], may_still_send: Callable[[], bool]
    ) -> Permit | NoSlot | None:
        """Wait for a slot and take it, and write the attempt with it. None when ``may_still_send`` turned false.

        ``is_only_row``: whether no other row of the job is left. Raises JournalFailed.
        """
        return await self._wait_for_slot(
            lambda: self._attempts.take(
                pending_row, RowSlotRule(self._key, self._quota, pending_row.key, is_only_row())
            ),
            may_still_send,
        )

    async def cancel_slot(self, permit: Permit) -> None:
        """Undo a permit that was not used: no byte was sent, so its slot and attempt are deleted."""
        unused = replace(permit.attempt, response_kind=ResponseKind.NEVER_SENT.value)
        has_open_attempt = any(map(decision_table.is_open, permit.pending_row.attempts))
        state = RowState.SENDING if has_open_attempt else RowState.PENDING
        await asyncio.shield(self.complete(permit, AttemptEnd(AttemptOutcome(unused, state, was_sent=False))))

    async def complete(self, permit: Permit, attempt_end: AttemptEnd) -> tuple[Lockout | None, WaitsExhausted | None]:
        """Record how the attempt ended, and schedule the release of its slot; the wait that this began, if any."""
        attempt = attempt_end.outcome.attempt
        rule = CallAnswerRule(
            self._key,
            self._quota,
            permit,
            decision_table.is_open(attempt),
            attempt_end.outcome.was_sent,
            attempt_end.signal,
            attempt_end.proves_reachable,
        )
        change = await self._attempts.close(permit, attempt_end.outcome, rule)
        return lockout_of(change), change.result

    async def settle_without_sending(self, pending_row: PendingRow, status: Status, detail: str) -> None:
        """Give a row its status without another call. Raises JournalFailed."""
        await self._attempts.settle(pending_row, status, detail)


def lockout_of(change: LedgerChange[WaitsExhausted | None]) -> Lockout | None:
    """The wait that is new after an answer, if any."""
    before, after = change.before, change.after
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
