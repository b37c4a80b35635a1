"""The rules that the storage applies within its transactions: who gets a slot, and what an answer does to the ledger.

Each hands its question to ``rate_limit``. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from bulkremove.domain.attempt import Permit, ReadPermit
from bulkremove.domain.clock import DAY_SECONDS, Epoch, Monotonic, later, seconds_between
from bulkremove.domain.ledger import Ledger, Quota
from bulkremove.engine import rate_limit
from bulkremove.engine.slot_decisions import (
    DayUsedUp,
    NoSlot,
    Postponed,
    RowLimited,
    Signal,
    SlotGranted,
    Wait,
    WaitsExhausted,
    YieldToOtherRow,
)
from bulkremove.storage.interface.attempts import SlotDecision

Refusal = Wait | Postponed | NoSlot
"""Why a call gets no slot now."""


@dataclass(frozen=True, slots=True)
class _RestartRule:
    """``RestartRule`` for a quota."""

    key: str
    quota: Quota

    def restarted(self, ledger: Ledger, now: Monotonic) -> tuple[Ledger, Monotonic]:
        return rate_limit.after_reboot(ledger, self.quota, now), rate_limit.released_at_without_response(
            self.quota, now
        )


@dataclass(frozen=True, slots=True)
class _SlotRule(_RestartRule):
    """The parts of a ``SlotRule`` that rows and reads share."""

    call: str
    """What the ledger calls the request."""

    @property
    def window(self) -> float:
        return self.quota.window

    @property
    def daily(self) -> int | None:
        return self.quota.daily

    def slots(self, ledger: Ledger, now: Monotonic) -> int:
        return rate_limit.budget(ledger, self.quota, now)


def _granted(go: SlotGranted, wall: Epoch, nth_last_call: Epoch | None) -> SlotDecision[Refusal]:
    """The slot that the rate limit grants, if the day's allowance is not used up."""
    if nth_last_call is not None and wall < later(nth_last_call, DAY_SECONDS):
        return SlotDecision(DayUsedUp(later(nth_last_call, DAY_SECONDS)), None)
    return SlotDecision(None, go.ledger, go.free_at)


@dataclass(frozen=True, slots=True)
class RowSlotRule(_SlotRule):
    """``SlotRule`` for a row. ``is_only_row``: no other row of its job is left."""

    is_only_row: bool

    def decide(
        self,
        ledger: Ledger,
        now: Monotonic,
        *,
        full_until: Monotonic | None,
        wall: Epoch,
        nth_last_call: Epoch | None,
    ) -> SlotDecision[Refusal]:
        """Decide by ``rate_limit`` and the day's allowance."""
        decision = rate_limit.decide_slot(
            ledger, self.quota, now, key=self.call, is_only_row=self.is_only_row, full_until=full_until
        )
        match decision:
            case SlotGranted():
                return _granted(decision, wall, nth_last_call)
            case Wait() | YieldToOtherRow():
                return SlotDecision(decision, None)
            case Postponed() | RowLimited() | WaitsExhausted():
                return SlotDecision(decision, decision.ledger)


@dataclass(frozen=True, slots=True)
class ReadSlotRule(_SlotRule):
    """``SlotRule`` for a read."""

    def decide(
        self,
        ledger: Ledger,
        now: Monotonic,
        *,
        full_until: Monotonic | None,
        wall: Epoch,
        nth_last_call: Epoch | None,
    ) -> SlotDecision[Refusal]:
        """Decide by ``rate_limit`` and the day's allowance."""
        decision = rate_limit.decide_read_slot(ledger, self.quota, now, key=self.call, full_until=full_until)
        match decision:
            case SlotGranted():
                return _granted(decision, wall, nth_last_call)
            case Wait():
                return SlotDecision(decision, None)


@dataclass(frozen=True, slots=True)
class CallAnswerRule(_RestartRule):
    """``AnswerRule`` for one call. ``is_open``: a proxy may still deliver it; ``was_sent``: a byte may have left."""

    permit: Permit | ReadPermit
    is_open: bool
    was_sent: bool
    signal: Signal | None
    proves_reachable: bool

    def released_at(self, now: Monotonic) -> Monotonic:
        """When the slot is released: later for an open call."""
        return rate_limit.released_at(self.quota, later(now, self.quota.grace) if self.is_open else now)

    def recent_since(self) -> Monotonic | None:
        """A window before the call, if it began a wait."""
        return later(self.permit.taken_at, -self.quota.window) if self.signal else None

    def answered(self, ledger: Ledger, now: Monotonic, *, recent: int) -> tuple[Ledger, WaitsExhausted | None]:
        """Return the ledger by ``rate_limit``, and whether all waits are over."""
        return rate_limit.after_response(
            ledger,
            self.quota,
            now,
            key=self.permit.key,
            signal=self.signal,
            proves_reachable=self.proves_reachable,
            recent=recent,
            took=seconds_between(self.permit.taken_at, now) if self.was_sent else 0.0,
        )
