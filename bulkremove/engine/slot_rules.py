"""The rules that the storage applies within its transactions: who gets a slot, and what an answer does to the ledger.

Each hands its question to ``rate_limit``. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from bulkremove.domain.attempt import Permit, ReadPermit
from bulkremove.domain.clock import Epoch, Monotonic, later, seconds_between
from bulkremove.domain.ledger import Ledger, Quota
from bulkremove.engine import rate_limit
from bulkremove.engine.slot_decisions import (
    DayUsedUp,
    Go,
    NoSlot,
    OwnLimit,
    Postponed,
    Signal,
    Wait,
    WaitsExhausted,
    YieldToOtherRow,
)
from bulkremove.storage.interface.attempts import SlotDecision

DAY = 86_400.0
"""Seconds."""

Refusal = Wait | Postponed | NoSlot
"""Why a call gets no slot now."""


@dataclass(frozen=True, slots=True)
class _RestartRule:
    """``RestartRule`` for a quota."""

    key: str
    quota: Quota

    def restarted(self, ledger: Ledger, now: Monotonic) -> tuple[Ledger, Monotonic]:
        return rate_limit.after_reboot(ledger, self.quota, now), rate_limit.released_unanswered(self.quota, now)


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


def _granted(go: Go, wall: Epoch, nth_last_call: Epoch | None) -> SlotDecision[Refusal]:
    """The slot that the rate limit grants, if the day's allowance is not used up."""
    if nth_last_call is not None and wall < later(nth_last_call, DAY):
        return SlotDecision(DayUsedUp(later(nth_last_call, DAY)), None)
    return SlotDecision(None, go.ledger, go.free_at)


@dataclass(frozen=True, slots=True)
class RowSlotRule(_SlotRule):
    """``SlotRule`` for a row. ``alone``: no other row of its job is left."""

    alone: bool

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
        decision = rate_limit.ask(ledger, self.quota, now, key=self.call, alone=self.alone, full_until=full_until)
        match decision:
            case Go():
                return _granted(decision, wall, nth_last_call)
            case Wait() | YieldToOtherRow():
                return SlotDecision(decision, None)
            case Postponed() | OwnLimit() | WaitsExhausted():
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
        decision = rate_limit.ask_for_read(ledger, self.quota, now, key=self.call, full_until=full_until)
        match decision:
            case Go():
                return _granted(decision, wall, nth_last_call)
            case Wait():
                return SlotDecision(decision, None)


@dataclass(frozen=True, slots=True)
class CallAnswerRule(_RestartRule):
    """``AnswerRule`` for one call. ``is_open``: a proxy may still deliver it; ``left``: a byte of it may have left."""

    permit: Permit | ReadPermit
    is_open: bool
    left: bool
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
        return rate_limit.answered(
            ledger,
            self.quota,
            now,
            key=self.permit.key,
            signal=self.signal,
            proves_reachable=self.proves_reachable,
            recent=recent,
            took=seconds_between(self.permit.taken_at, now) if self.left else 0.0,
        )
